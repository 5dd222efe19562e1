"""Supervised probes: what a linear model and a random forest make of features, in cross-validation by source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.spectra.classes import Labels
from analysis.spectra.features import HARDNESS_NAME
from analysis.spectra.scoring import N_BOOTSTRAP, Control, Protocol, Recalled, difference
from analysis.spectra.spectrum_samples import Sample
from analysis.statistics import Drawn, codes, folds, shuffled
from analysis.study.runs import Record

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = Literal["logistic", "forest"]
PROBES: tuple[Kind, ...] = ("logistic", "forest")
N_FOLDS = 5
N_TREES = 40
TREE_SHARE = 0.6
DEEPEST = 12
N_REPEATS = 4
"""Cross-validations, each with folds, a classifier's seed and a shuffle of the labels of its own."""
_NEXT_REPEAT = 100_003


def predicted(
    x: npt.NDArray[np.floating], code: Integers, sources: npt.NDArray[np.generic], kind: Kind, seed: int = 0
) -> Integers:
    """Predict every row's class from sources that are not its own.

    Parameters
    ----------
    x : ndarray of float, shape (n, d)
    code : ndarray of int, shape (n,)
        Classes from 0.
    sources : ndarray of str, shape (n,)
    kind : {'logistic', 'forest'}
        Both weigh classes alike, however common.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
    """
    out = np.full(len(code), -1, np.int64)
    for train, test in folds(sources, N_FOLDS, seed):
        if not len(test) or len(np.unique(code[train])) < 2:  # noqa: PLR2004 - a classifier needs two classes
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of many collinear columns the fit is good long before
            out[test] = _classifier(kind, seed).fit(x[train], code[train]).predict(x[test])
    return out


def probe(
    xs: Sequence[npt.NDArray[np.floating]],
    code: Integers,
    sources: npt.NDArray[np.generic],
    n_classes: int,
    kind: Kind,
    seed: int = 0,
    n_repeats: int = N_REPEATS,
) -> Recalled:
    """Score a probe, with its interval and its control.

    Parameters
    ----------
    xs : sequence of ndarray, shape (n, d)
        The same rows by one encoder, or by several that differ in the seed of their training: they take turns.
    code, sources, kind, seed
        See `predicted`.
    n_classes : int
    n_repeats : int
        Cross-validations.
    """
    source = codes(sources)
    repeats, shuffles = [], []
    for i in range(n_repeats):
        x, own = xs[i % len(xs)], seed + i * _NEXT_REPEAT
        right = predicted(x, code, sources, kind, own) == code
        repeats.append(recall_bootstrap(source, code, right, n_classes, own))
        other = code[shuffled(sources, own + 1000)]
        hit = predicted(x, other, sources, kind, own) == other
        shuffles.append(recall_bootstrap(source, other, hit, n_classes, own))
    return Recalled(
        tuple(Drawn(float(np.nanmean(r)), np.nanmean(d, axis=1)) for r, d in repeats),
        # A probe is trained anew on each shuffle, so these are few.
        Control(np.concatenate([np.nanmean(d, axis=1) for _, d in shuffles])),
        tuple(tuple(Drawn(float(v), d[:, c]) for c, v in enumerate(r)) for r, d in repeats),
        np.nanmean([r for r, _ in shuffles], axis=0),
    )


def recall_bootstrap(
    source: Integers, code: Integers, right: npt.NDArray[np.bool_], n_classes: int, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the recall of each class, shape (n_class,), and its bootstrap over sources, (N_BOOTSTRAP, n_class).

    Parameters
    ----------
    source : ndarray of int, shape (n,)
        Source of each row, from 0.
    code : ndarray of int, shape (n,)
        Class of each row.
    right : ndarray of bool, shape (n,)
        Whether it was told right.
    n_classes, seed : int

    Examples
    --------
    >>> recall, drawn = recall_bootstrap(np.array([0, 1, 2]), np.array([0, 0, 1]), np.array([True, False, True]), 2)
    >>> recall.tolist(), drawn.shape
    ([0.5, 1.0], (1000, 2))
    """
    n_sources = int(source.max(initial=-1)) + 1
    cells = source * n_classes + code
    total = np.bincount(cells, minlength=n_sources * n_classes).reshape(n_sources, n_classes)
    hits = np.bincount(cells, right.astype(np.float64), n_sources * n_classes).reshape(n_sources, n_classes)
    weights = np.random.default_rng(seed + 1).multinomial(n_sources, np.full(n_sources, 1 / n_sources), N_BOOTSTRAP)
    w = weights.astype(np.float32)
    drawn_total, drawn_hits = w @ total.astype(np.float32), w @ hits.astype(np.float32)
    drawn = np.divide(drawn_hits, drawn_total, out=np.full(drawn_hits.shape, np.nan), where=drawn_total > 0)
    sums = total.sum(axis=0)
    recall = np.divide(hits.sum(axis=0), sums, out=np.full(n_classes, np.nan), where=sums > 0)
    return recall, drawn.astype(np.float64)


def _classifier(kind: Kind, seed: int) -> LogisticRegression | RandomForestClassifier:
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, class_weight="balanced"))
    if kind == "forest":
        return RandomForestClassifier(
            N_TREES,
            max_depth=DEEPEST,
            max_samples=TREE_SHARE,
            min_samples_leaf=3,
            class_weight="balanced",
            random_state=seed,
            n_jobs=1,
        )
    assert_never(kind)


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
                    | own.columns()
                    | gain.columns("gain")
                )
                recalls += own.recall_rows(
                    key | {"method": kind}, labels.names, np.bincount(protocol.code, minlength=labels.n)
                )
                gains += [
                    key | {"method": kind, "baseline": b} | difference(own.splits, done[b].splits).columns("gain")
                    for b in baselines
                    if b != features.name
                ]
    return {"analysis.probe_score": scores, "analysis.class_recall": recalls, "analysis.baseline_gain": gains}
