"""From a question on clusters to its run: what is read, what is asked of it, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.spectra import cluster_study
from analysis.spectra.classes import Labels, Said, Task, grouping, labels, read_classes, task
from analysis.spectra.cluster_figures import contingency_figure, map_figure, spectra_figure
from analysis.spectra.clustering import Algorithm
from analysis.spectra.features import plane
from analysis.spectra.frozen_encoders import features_of, identity, met
from analysis.spectra.probe import N_REPEATS, probes
from analysis.spectra.scoring import N_SPLITS
from analysis.spectra.spectrum_samples import Sample, completed, read, read_sources, told
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Run, once
from analysis.study.samples import MASTER
from analysis.study.steps import joined
from catalog import Catalog

Say = Callable[[str], None]
_TO_TELL_APART = 2


@dataclass(frozen=True)
class ClusterQuestion(Asked):
    """What `python -m analysis cluster` is asked.

    Attributes
    ----------
    spaces : tuple of str
    algorithms : tuple of str
    ks : tuple of int
    authorities : tuple of str
        In order of trust.
    tasks, groupings : tuple of str
    probes, predicted, candidates : bool
    where : str
        SQL condition on csc.observation_source.
    splits : int
        How often the sources are split into a half to fit mappings to, and one to score; and cross-validations of a
        probe, up to `analysis.spectra.probe.N_REPEATS`.
    encoders_of : str
        Another store, whose encoders of the spaces are judged on these rows, but for sources that are in it too: they
        may have learned from these. '' for none.
    """

    kind = "cluster"

    spaces: tuple[str, ...]
    algorithms: tuple[Algorithm, ...]
    ks: tuple[int, ...]
    authorities: tuple[str, ...]
    tasks: tuple[str, ...]
    groupings: tuple[str, ...] = ()
    probes: bool = True
    predicted: bool = False
    candidates: bool = False
    where: str = ""
    splits: int = N_SPLITS
    encoders_of: str = ""

    def chosen_tasks(self) -> list[Task]:
        """Return the tasks, those of the user's own last."""
        return [*(task(t) for t in self.tasks), *(grouping(g) for g in self.groupings)]


def run(cat: Catalog, asked: ClusterQuestion, ways: Ways) -> Run:
    """Cluster spaces of a store and score the clusters against classes, or find the run that did.

    Raises
    ------
    UnknownName
        If a space, an authority or a task does not exist.
    TooFewRows
        If there is too little to compare.
    """
    tasks = asked.chosen_tasks()
    detections = tuple(s for s in asked.spaces if s != MASTER)
    known = {asked.encoders_of: met(Path(asked.encoders_of))} if asked.encoders_of else {}
    samples = [read(cat, detections, asked.where, met=known)] if detections else []
    if MASTER in asked.spaces:
        samples.append(read_sources(cat, "" if detections else asked.where))
    said = [
        read_classes(
            cat, s.sources, s.snapshot, asked.authorities, predicted=asked.predicted, candidates=asked.candidates
        )
        for s in samples
    ]
    others = [identity(Path(asked.encoders_of), s) for s in detections if asked.encoders_of]
    evidence = Evidence(
        samples[0].snapshot,
        samples[0].digest(*((s.digest(told(cat, s)), w) for s, w in zip(samples, said, strict=True)), *others),
        np.concatenate([s.sources for s in samples]),
    )

    def answer() -> Answer:
        for sample, what in zip(samples, said, strict=True):
            _tell(sample, what, asked, ways.say)
        parts = [
            _answer(_judged(cat, completed(cat, s, ways.say), asked, ways), w, asked, tasks, ways)
            for s, w in zip(samples, said, strict=True)
        ]
        return replace(joined(parts), figures={name: drawn for part in parts for name, drawn in part.figures.items()})

    return once(ways.question(cat, asked), evidence, answer)


def _judged(cat: Catalog, sample: Sample, asked: ClusterQuestion, ways: Ways) -> Sample:
    """Add the encoders of another store to what is compared."""
    if not asked.encoders_of or sample.rows_are != "detections":
        return sample
    store, ids, snapshot = Path(asked.encoders_of), sample.ids, sample.snapshot
    more = [f for s in asked.spaces if s != MASTER for f in features_of(cat, store, s, ids, snapshot, ways.say)]
    return replace(sample, features=(*more, *sample.features))


def _answer(sample: Sample, said: Said, asked: ClusterQuestion, tasks: Sequence[Task], ways: Ways) -> Answer:
    labelled = [labels(t, said.class_, said.otype, sample.sources) for t in tasks]
    scored = [found for found in labelled if found.n >= _TO_TELL_APART]
    for found in labelled:
        if found.n < _TO_TELL_APART:
            there = f"only {', '.join(found.names)}" if found.names else "no class"
            spare = f"; too few: {', '.join(found.left_out)}" if found.left_out else ""
            ways.say(f"{found.task} is not scored on {sample.rows_are}: {there} has sources enough{spare}")
    result = cluster_study.clusters_and_classes(
        sample, scored, asked.algorithms, asked.ks, ways.seed, ways.say, asked.splits
    )
    if asked.probes and scored:
        for name, rows in probes(sample, scored, ways.seed, ways.say, min(asked.splits, N_REPEATS)).items():
            result.add(name, rows)
    return Answer(result.tables, _figures(sample, result, scored, said), cluster_study.models(result))


def _figures(sample: Sample, found: cluster_study.Found, scored: Sequence[Labels], said: Said) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    asked = {f.name for f in sample.features if not f.is_baseline}
    for (name, space, mapping), (fitted, score, of_task) in found.chosen.items():
        if space in asked and mapping == "one-to-one":
            made[f"contingency_{_plain(space)}_{_plain(name)}.png"] = contingency_figure(
                score.counts,
                of_task.names,
                score.class_of,
                f"{space}, {fitted.name}, one-to-one\nbalanced accuracy {score.balanced_accuracy.value:.2f}, "
                f"shuffled {score.control.mean:.2f}",
                has_noise=bool((fitted.clustering.labels < 0).any()),
            )
    shown = _labels_for_map(scored, said)
    for name, (features, clustering) in found.current.items():
        title = f"{name}, {clustering.algorithm} {clustering.setting}"
        made[f"map_{_plain(name)}.png"] = map_figure(plane(features.x), clustering.labels, shown, title)
        if sample.spectra is not None:
            there = sample.spectra.mask.any(axis=1)
            if there.all():
                made[f"spectra_{_plain(name)}.png"] = spectra_figure(sample.spectra, clustering.labels, title)
    return made


def _labels_for_map(scored: Sequence[Labels], said: Said) -> list[str | None]:
    if not scored:
        return list(said.class_)
    return [scored[0].names[c] if c >= 0 else None for c in scored[0].code.tolist()]


def _tell(sample: Sample, said: Said, asked: ClusterQuestion, say: Say) -> None:
    for note in sample.notes:
        say(note)
    n = sum(c is not None for c in said.class_)
    say(
        f"{n:,} of {sample.n:,} {sample.rows_are} have a class by {', '.join(asked.authorities)}; of "
        f"{said.n_conflicting:,} sources different things are said: analysis.class_conflict"
    )
    if said.n_predicted:
        say(f"{said.n_predicted:,} of the classes were predicted by a model: agreement with it is no truth")


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_").lower()[:40]
