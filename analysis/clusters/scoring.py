"""Scores of clusterings and classifiers: fitted on half of the sources, scored on the other, with interval and control.

A split, its bootstrap and its shuffled labels are drawn once and serve every method, so that differences are paired.
The bootstrap is over sources and works on their counts: one product of matrices instead of a thousand scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.clusters.classes import Labels
from analysis.clusters.contingency import (
    Mapping,
    adjusted_rand,
    contingency,
    mapped,
    normalised,
    recalls,
    v_measure,
)
from analysis.statistics import Interval, codes, shuffled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

N_BOOTSTRAP = 1000
N_SHUFFLES = 200
_N_BOOTSTRAP_MATRICES = 200


@dataclass(frozen=True)
class Control:
    """The same score with labels that belong to other sources."""

    mean: float
    high: float
    """97.5 % quantile."""


@dataclass(frozen=True)
class Score:
    """What one clustering reaches in one task with one mapping.

    Attributes
    ----------
    balanced_accuracy : Interval
        Mean of the recalls.
    draws : ndarray of float, shape (N_BOOTSTRAP,)
        Its bootstrap.
    control : Control
    recall : list of Interval
        By class.
    recall_control : ndarray of float, shape (n_class,)
        Mean recall under shuffled labels.
    ari, v_measure : Interval
    ami : float
    class_of : ndarray of int, shape (n_cluster,)
        Which class each cluster stands for; -1 for none. The last cluster is HDBSCAN's noise.
    counts : ndarray of float, shape (n_class, n_cluster)
        Of the scored half.
    selection : float
        Balanced accuracy within the fitting half (two quarters, each scored with the other's mapping): what one may
        choose a method by.
    """

    balanced_accuracy: Interval
    draws: Floats
    control: Control
    recall: list[Interval]
    recall_control: Floats
    ari: Interval
    v_measure: Interval
    ami: float
    class_of: Integers
    counts: Floats
    selection: float


@dataclass(frozen=True)
class Protocol:
    """A split of the labelled rows of one task, drawn once.

    Attributes
    ----------
    labels : Labels
    sources : ndarray of str, shape (n,)
    seed : int
    """

    labels: Labels
    sources: npt.NDArray[np.generic]
    seed: int = 0

    @cached_property
    def rows(self) -> Integers:
        """Numbers of the rows that have a label."""
        return np.flatnonzero(self.labels.code >= 0)

    @cached_property
    def code(self) -> Integers:
        """Labels of `rows`."""
        return self.labels.code[self.rows]

    @cached_property
    def source(self) -> Integers:
        """Sources of `rows`, as numbers."""
        return codes(self.sources[self.rows])

    @cached_property
    def n_sources(self) -> int:
        """Sources that have a label."""
        return int(self.source.max(initial=-1)) + 1

    @cached_property
    def quarter(self) -> Integers:
        """Quarter of the sources of each row, 0 to 3, every class spread over all: 0 and 1 fit, 2 and 3 score."""
        rng = np.random.default_rng(self.seed)
        label_of_source = np.zeros(self.n_sources, np.int64)
        label_of_source[self.source] = self.code
        order = rng.permutation(self.n_sources)
        order = order[np.argsort(label_of_source[order], kind="stable")]
        part = np.empty(self.n_sources, np.int64)
        # 2, 0, 3, 1: of an odd one out the scored half has it.
        part[order] = np.tile([2, 0, 3, 1], len(order) // 4 + 1)[: len(order)]
        return part[self.source]

    @cached_property
    def fits(self) -> Mask:
        """Which of `rows` are of the half that mappings are fitted to."""
        return self.quarter < 2  # noqa: PLR2004 - two of four quarters

    @cached_property
    def weights(self) -> npt.NDArray[np.float32]:
        """How often each source of the scored half is in each bootstrap sample, shape (N_BOOTSTRAP, n_sources)."""
        scored = np.unique(self.source[~self.fits])
        draws = np.random.default_rng(self.seed + 1).multinomial(
            len(scored), np.full(len(scored), 1 / max(len(scored), 1)), N_BOOTSTRAP
        )
        out = np.zeros((N_BOOTSTRAP, self.n_sources), np.float32)
        out[:, scored] = draws
        return out

    @cached_property
    def shuffled_code(self) -> Integers:
        """Labels of other sources, shape (N_SHUFFLES, n)."""
        return np.stack([self.code[shuffled(self.source, self.seed + i)] for i in range(N_SHUFFLES)])

    def per_source(self, *parts: Integers, sizes: Sequence[int]) -> npt.NDArray[np.float32]:
        """Count scored rows by source and by up to two codes, shape (n_sources, product of sizes)."""
        kept = ~self.fits
        flat = self.source[kept]
        for part, size in zip(parts, sizes, strict=True):
            flat = flat * size + part[kept]
        n_cells = int(np.prod(sizes))
        return np.bincount(flat, minlength=self.n_sources * n_cells).reshape(self.n_sources, n_cells).astype(np.float32)

    @cached_property
    def _total_draws(self) -> Floats:
        n = self.labels.n
        return np.asarray(self.weights @ self.per_source(self.code, sizes=[n]), np.float64)

    def recall_draws(self, right: Mask) -> Floats:
        """Return bootstrapped recalls of scored rows, shape (N_BOOTSTRAP, n_class); NaN where a class was not drawn."""
        n = self.labels.n
        kept = ~self.fits
        cells = self.source[kept] * n + self.code[kept]
        hits = np.bincount(cells, right[kept].astype(np.float64), self.n_sources * n).reshape(self.n_sources, n)
        drawn = self.weights @ hits.astype(np.float32)
        total = self._total_draws
        return np.asarray(np.divide(drawn, total, out=np.full(drawn.shape, np.nan), where=total > 0))

    def score(self, clusters: Integers, mapping: Mapping) -> Score:
        """Score one clustering.

        Parameters
        ----------
        clusters : ndarray of int, shape (n,)
            Cluster of every row, labelled or not; -1 for noise.
        mapping : {'one-to-one', 'many-to-one'}
        """
        n, own = self.labels.n, clusters[self.rows]
        k = int(clusters.max(initial=0)) + 1
        has_noise = bool((clusters < 0).any())
        own = np.where(own < 0, k, own)  # noise is a cluster of its own
        k += has_noise
        fits = self.fits
        class_of = mapped(contingency(self.code[fits], own[fits], n, k), mapping)
        counts = contingency(self.code[~fits], own[~fits], n, k)
        recall = recalls(counts, class_of)
        drawn = self.recall_draws(class_of[own] == self.code)
        draws = _mean(drawn)
        control, recall_control = self._control(own, k, mapping)
        per_cell = self.per_source(self.code, own, sizes=[n, k])
        matrices = self.weights[:_N_BOOTSTRAP_MATRICES] @ per_cell
        boot = matrices.reshape(-1, n, k).astype(np.float64)
        return Score(
            Interval(float(_mean(recall)), *_bounds(draws)),
            draws,
            control,
            [Interval(float(r), *_bounds(drawn[:, i])) for i, r in enumerate(recall)],
            recall_control,
            _centred(float(adjusted_rand(counts)), adjusted_rand(boot)),
            _centred(float(v_measure(counts)), v_measure(boot)),
            _adjusted_mutual_information(self.code[~fits], own[~fits]),
            class_of,
            counts,
            self._selection(own, k, mapping),
        )

    def _control(self, own: Integers, k: int, mapping: Mapping) -> tuple[Control, Floats]:
        fits, n = self.fits, self.labels.n
        fitted = contingency(self.shuffled_code[:, fits], own[fits], n, k)
        scored = contingency(self.shuffled_code[:, ~fits], own[~fits], n, k)
        found = recalls(scored, np.stack([mapped(counts, mapping) for counts in fitted]))
        values = _mean(found)
        return Control(float(np.nanmean(values)), float(np.nanquantile(values, 0.975))), np.nanmean(found, axis=0)

    def _selection(self, own: Integers, k: int, mapping: Mapping) -> float:
        sides = [contingency(self.code[self.quarter == q], own[self.quarter == q], self.labels.n, k) for q in range(2)]
        both = [_mean(recalls(sides[1 - q], mapped(sides[q], mapping))) for q in range(2)]
        return float(np.mean(both))

    @property
    def shares(self) -> Floats:
        """Share of the labelled rows that each class has."""
        return np.bincount(self.code, minlength=self.labels.n) / max(len(self.code), 1)


def difference(a: Interval, a_draws: Floats, b: Interval, b_draws: Floats) -> Interval:
    """Return a score minus another's on the same bootstrap samples: the paired difference."""
    return Interval(a.value - b.value, *_bounds(a_draws - b_draws))


def recall_bootstrap(
    source: Integers, code: Integers, right: Mask, n_classes: int, seed: int = 0
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


def _mean(recall: Floats) -> Floats:
    """Mean over the classes that have rows."""
    there = np.isfinite(recall)
    total = np.where(there, recall, 0.0).sum(axis=-1)
    n = there.sum(axis=-1)
    return np.asarray(np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0))


def _bounds(draws: Floats) -> tuple[float, float]:
    kept = draws[np.isfinite(draws)]
    if not kept.size:
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [0.025, 0.975])
    return float(low), float(high)


def _centred(value: float, draws: Floats) -> Interval:
    """Return an agreement's interval, moved by the bootstrap's bias: a source drawn twice agrees with itself."""
    return Interval(value, *_bounds(draws - draws.mean() + value))


def _adjusted_mutual_information(a: Integers, b: Integers) -> float:
    from sklearn.metrics import adjusted_mutual_info_score  # noqa: PLC0415 - slow to load, and needed here alone

    return float(adjusted_mutual_info_score(a, b)) if len(a) else float("nan")


__all__ = ["Control", "Protocol", "Score", "difference", "normalised"]
