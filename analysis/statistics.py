"""What makes a score honest: splits by source, intervals over sources, shuffled controls, corrected p-values.

Observations of one source are not independent: a split or a resampling that ignores this reports the same source
twice. So everything here takes `sources`, one label per row, and draws sources, never rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Score = Callable[[Rows], float]
"""Rows, some of them repeated -> a number; NaN where they do not allow one."""


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % bootstrap interval (percentile method; Efron & Tibshirani 1993, section 13.3)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: Floats) -> Interval:
        """Return a value with the middle 95 % of its draws; those that are NaN do not count."""
        there = draws[np.isfinite(draws)]
        low, high = np.quantile(there, [0.025, 0.975]) if there.size else (np.nan, np.nan)
        return cls(float(value), float(low), float(high))

    def columns(self, name: str) -> dict[str, object]:
        """Return the three columns of a row that `analysis.study.run_tables.interval_columns` declares.

        Examples
        --------
        >>> Interval(0.5, 0.4, 0.6).columns("gain")
        {'gain': 0.5, 'gain_low': 0.4, 'gain_high': 0.6}
        """
        stem = "" if name == "value" else f"{name}_"
        return {name: self.value, f"{stem}low": self.low, f"{stem}high": self.high}


def codes(sources: Sequence[object] | npt.NDArray[np.generic]) -> Rows:
    """Give each source a number from 0, in the order of their names, shape (n,).

    Examples
    --------
    >>> codes(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    return np.unique(np.asarray(sources, dtype=str), return_inverse=True)[1].astype(np.int64)


def once_each(sources: Sequence[object] | npt.NDArray[np.generic]) -> Floats:
    """Return weights of rows by which each source counts once, however often it was observed, shape (n,).

    Examples
    --------
    >>> once_each(np.array(["a", "b", "a"])).tolist()
    [0.5, 1.0, 0.5]
    """
    code = codes(sources)
    return np.asarray(1.0 / np.bincount(code)[code])


def half(sources: Sequence[object] | npt.NDArray[np.generic], seed: int = 0, share: float = 0.5) -> Mask:
    """Split rows into two parts that share no source.

    Parameters
    ----------
    sources : sequence, length n
        The source of each row.
    seed : int
    share : float
        Share of the sources in the first part.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for the first part.

    Examples
    --------
    >>> first = half(["a", "a", "b", "c"], seed=1)
    >>> bool(first[0] == first[1])
    True
    """
    code = codes(sources)
    n = int(code.max(initial=-1)) + 1
    chosen = np.zeros(n, np.bool_)
    chosen[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return chosen[code]


def folds(
    sources: Sequence[object] | npt.NDArray[np.generic], n_folds: int = 5, seed: int = 0
) -> Iterator[tuple[Rows, Rows]]:
    """Yield (training rows, test rows) of a cross-validation in which no source is on both sides.

    Examples
    --------
    >>> [sorted(test.tolist()) for _, test in folds(["a", "a", "b"], 2)] in ([[0, 1], [2]], [[2], [0, 1]])
    True
    """
    code = codes(sources)
    n = int(code.max(initial=-1)) + 1
    part = np.empty(n, np.int64)
    part[np.random.default_rng(seed).permutation(n)] = np.arange(n) % n_folds
    for fold in range(n_folds):
        test = part[code] == fold
        yield np.flatnonzero(~test), np.flatnonzero(test)


def resamples(
    sources: Sequence[object] | npt.NDArray[np.generic], n_resamples: int = 1000, seed: int = 0
) -> Iterator[Rows]:
    """Yield rows of bootstrap samples: sources drawn with replacement, each with all its rows."""
    code = codes(sources)
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code)
    starts = np.concatenate([[0], np.cumsum(counts)])
    rng = np.random.default_rng(seed)
    for _ in range(n_resamples):
        drawn = rng.integers(0, len(counts), len(counts))
        lengths = counts[drawn]
        # Row numbers of all drawn sources at once: a run of `lengths` from each start.
        offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield order[np.repeat(starts[drawn], lengths) + offsets]


def bootstrap(
    sources: Sequence[object] | npt.NDArray[np.generic], score: Score, n_resamples: int = 1000, seed: int = 0
) -> Interval:
    """Return a score of all rows with its interval over sources.

    Parameters
    ----------
    sources : sequence, length n
    score : callable
        See `Score`. For a difference of two methods let it return the difference on the same rows: paired.
    n_resamples : int
    seed : int

    Returns
    -------
    Interval
        NaN bounds where the score exists for no sample.

    Examples
    --------
    >>> values = np.arange(10.0)
    >>> found = bootstrap(np.arange(10), lambda rows: float(values[rows].mean()), 200)
    >>> found.value, found.low < 4.5 < found.high
    (4.5, True)
    """
    return pooled([drawn(sources, score, n_resamples, seed)])


@dataclass(frozen=True)
class Drawn:
    """A score of one repetition, and its bootstrap.

    Attributes
    ----------
    value : float
    draws : ndarray of float, shape (n_resamples,)
    """

    value: float
    draws: Floats


def drawn(
    sources: Sequence[object] | npt.NDArray[np.generic], score: Score, n_resamples: int = 1000, seed: int = 0
) -> Drawn:
    """Return a score of all rows and of bootstrap samples of the sources; the parameters are those of `bootstrap`."""
    n = len(sources)
    if not n:
        return Drawn(float("nan"), np.empty(0))
    draws = np.array([score(rows) for rows in resamples(sources, n_resamples, seed)])
    return Drawn(score(np.arange(n)), draws)


def pooled(repetitions: Sequence[Drawn]) -> Interval:
    """Return the mean of a score over repetitions (splits, seeds, trainings), and the interval of one repetition.

    The interval holds 95 % of the bootstraps of all repetitions together. So it covers what varies with the sources and
    what varies with the split and the seeds: what somebody else finds who draws all of them anew. The mean itself is
    better known than that.

    Examples
    --------
    >>> once = Drawn(0.40, np.linspace(0.38, 0.42, 101))
    >>> again = Drawn(0.30, np.linspace(0.28, 0.32, 101))
    >>> found = pooled([once, again])
    >>> round(found.value, 2), round(found.low, 3), round(found.high, 3)
    (0.35, 0.282, 0.418)
    """
    draws = np.concatenate([r.draws for r in repetitions]) if repetitions else np.empty(0)
    values = np.array([r.value for r in repetitions])
    values = values[np.isfinite(values)]
    return Interval.of(values.mean() if values.size else np.nan, draws)


def shuffled(sources: Sequence[object] | npt.NDArray[np.generic], seed: int = 0) -> Rows:
    """Return a permutation of rows for a control: `labels[shuffled(sources)]` belongs to other sources.

    Sources are permuted, and each row takes a row of the source that stands in its source's place; so rows of one
    source keep labels of one source, as real ones do.
    """
    code = codes(sources)
    n = int(code.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    place = rng.permutation(n)
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code, minlength=n)
    starts = np.cumsum(counts) - counts
    within = np.empty(len(code), np.int64)
    within[order] = np.arange(len(code)) - np.repeat(starts, counts)
    other = place[code]
    return order[starts[other] + within % counts[other]]


def permutation_p(observed: float, null: npt.ArrayLike) -> float:
    """Return the one-sided p-value of a score against scores of permuted data, never 0 (Phipson & Smyth 2010).

    Examples
    --------
    >>> permutation_p(3.0, [1.0, 2.0, 0.5])
    0.25
    """
    values = np.asarray(null, np.float64)
    values = values[np.isfinite(values)]
    return float((1 + np.count_nonzero(values >= observed)) / (1 + len(values)))


def false_discovery(p_values: npt.ArrayLike) -> Floats:
    """Return p-values corrected for their number (Benjamini & Hochberg 1995): the false discovery rate at each.

    Examples
    --------
    >>> false_discovery([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, np.float64)
    if not p.size:
        return p
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    corrected = np.minimum.accumulate(p[order] * len(p) / ranks)
    out = np.empty_like(p)
    out[order] = np.minimum(corrected, 1.0)
    return out
