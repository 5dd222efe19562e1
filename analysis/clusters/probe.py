"""Supervised probes: what a linear model and a random forest make of features, in cross-validation by source."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.clusters.scoring import Control, recall_bootstrap
from analysis.statistics import Interval, codes, folds, shuffled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = Literal["logistic", "forest"]
PROBES: tuple[Kind, ...] = ("logistic", "forest")
N_FOLDS = 5
N_TREES = 40
TREE_SHARE = 0.6
DEEPEST = 12
N_SHUFFLES = 3
"""Trained anew on each shuffle, so few: the control's quantile is that of shuffles and their bootstraps together."""


@dataclass(frozen=True)
class Probed:
    """What a probe reaches.

    Attributes
    ----------
    balanced_accuracy : Interval
    draws : ndarray of float, shape (n_bootstrap,)
    recall : list of Interval
        By class.
    control : Control
    recall_control : ndarray of float, shape (n_class,)
    """

    balanced_accuracy: Interval
    draws: Floats
    recall: list[Interval]
    control: Control
    recall_control: Floats


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
    x: npt.NDArray[np.floating],
    code: Integers,
    sources: npt.NDArray[np.generic],
    n_classes: int,
    kind: Kind,
    seed: int = 0,
) -> Probed:
    """Score a probe, with its interval over sources and its control.

    Parameters
    ----------
    x, code, sources, kind, seed
        See `predicted`.
    n_classes : int
    """
    source = codes(sources)
    right = predicted(x, code, sources, kind, seed) == code
    recall, drawn = recall_bootstrap(source, code, right, n_classes, seed)
    shuffles = []
    for i in range(N_SHUFFLES):
        other = code[shuffled(sources, seed + 1000 + i)]
        hit = predicted(x, other, sources, kind, seed) == other
        shuffles.append(recall_bootstrap(source, other, hit, n_classes, seed))
    means = np.array([np.nanmean(r) for r, _ in shuffles])
    pooled_draws = np.concatenate([np.nanmean(d, axis=1) for _, d in shuffles])
    draws = np.nanmean(drawn, axis=1)
    return Probed(
        _interval(float(np.nanmean(recall)), draws),
        draws,
        [_interval(float(r), drawn[:, i]) for i, r in enumerate(recall)],
        Control(float(means.mean()), float(np.quantile(pooled_draws, 0.975))),
        np.nanmean([r for r, _ in shuffles], axis=0),
    )


def _classifier(kind: Kind, seed: int) -> LogisticRegression | RandomForestClassifier:
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, class_weight="balanced"))
    return RandomForestClassifier(
        N_TREES,
        max_depth=DEEPEST,
        max_samples=TREE_SHARE,
        min_samples_leaf=3,
        class_weight="balanced",
        random_state=seed,
        n_jobs=1,
    )


def _interval(value: float, draws: Floats) -> Interval:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Interval(value, float(low), float(high))
