"""The probes of the study: every representation through both classifiers, as rows of analysis.probe_score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.spectra.classes import Labels
from analysis.spectra.features import HARDNESS_NAME
from analysis.spectra.probe import N_FOLDS, N_REPEATS, PROBES, Probed, probe
from analysis.spectra.scoring import Protocol, difference
from analysis.spectra.spectrum_samples import Sample
from analysis.statistics import Interval
from analysis.study.runs import Record


def probes(
    sample: Sample,
    tasks: Sequence[Labels],
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
    n_repeats: int = N_REPEATS,
) -> dict[str, list[Record]]:
    """Train and score both probes on every representation in every task.

    Returns
    -------
    dict of str to list of records
        Rows of analysis.probe_score, analysis.class_recall and analysis.baseline_gain.
    """
    scores: list[Record] = []
    recalls: list[Record] = []
    gains: list[Record] = []
    for labels in tasks:
        protocol = Protocol(labels, sample.sources, seed)
        sources = sample.sources[protocol.rows]
        for kind in PROBES:
            say(f"probing {labels.task} with {kind}: {len(sources):,} {sample.rows_are}")
            done = {
                f.name: probe(
                    [x[protocol.rows] for x in f.trainings], protocol.code, sources, labels.n, kind, seed, n_repeats
                )
                for f in sample.features
            }
            base = done[HARDNESS_NAME]
            baselines = [f.name for f in sample.features if f.is_baseline]
            for features in sample.features:
                own = done[features.name]
                gain = difference(own.splits, base.splits)
                key = {"rows_are": sample.rows_are, "task": labels.task, "features": features.name}
                scores.append(
                    key
                    | {"is_baseline": features.is_baseline, "probe": kind, "n_classes": labels.n, "n_folds": N_FOLDS}
                    | {"n_splits": n_repeats, "n_trainings": min(len(features.trainings), n_repeats)}
                    | {"n_rows": len(sources), "n_sources": protocol.n_sources}
                    | {"control_mean": own.control.mean, "control_high": own.control.high}
                    | _columns("balanced_accuracy", own.balanced_accuracy)
                    | _columns("gain", gain)
                )
                recalls += _recall_rows(key | {"method": kind}, protocol, own)
                gains += [
                    key | {"method": kind, "baseline": b} | _columns("gain", difference(own.splits, done[b].splits))
                    for b in baselines
                    if b != features.name
                ]
    return {"analysis.probe_score": scores, "analysis.class_recall": recalls, "analysis.baseline_gain": gains}


def _recall_rows(key: Record, protocol: Protocol, own: Probed) -> list[Record]:
    return [
        {
            **key,
            "class": name,
            "control_mean": float(own.recall_control[i]),
            "n_rows": int((protocol.code == i).sum()),
            **_columns("recall", own.recall[i]),
        }
        for i, name in enumerate(protocol.labels.names)
    ]


def _columns(name: str, interval: Interval) -> dict[str, object]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
