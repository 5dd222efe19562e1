"""How latent dimensions and physical columns go together, pair by pair.

Rank correlation and mutual information. p-values are of permutations of sources, so that detections of one source do
not count as independent; they are corrected for the number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from analysis.statistics import Interval, codes, false_discovery, shuffled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

N_PERMUTATIONS = 1000
N_BOOTSTRAP = 1000
N_BINS = 8
_LEAST_ROWS = 30
_BLOCK = 100


@dataclass(frozen=True)
class Association:
    """One pair.

    Attributes
    ----------
    dimension : int
    column : str
    spearman : Interval
    spearman_p, spearman_q : float
        Two-sided; q is p corrected for all pairs.
    mutual_information : float
        nat, of ranks in 8 bins, less the mean of the permutations.
    mutual_information_p, mutual_information_q : float
    n_rows : int
    """

    dimension: int
    column: str
    spearman: Interval
    spearman_p: float
    spearman_q: float
    mutual_information: float
    mutual_information_p: float
    mutual_information_q: float
    n_rows: int


def associations(
    z: npt.NDArray[np.floating],
    columns: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    seed: int = 0,
    n_permutations: int = N_PERMUTATIONS,
) -> list[Association]:
    """Return all pairs of a dimension and a column.

    Parameters
    ----------
    z : ndarray of float, shape (n, d)
    columns : ndarray of float, shape (n, m)
        NaN where NULL: such rows are left out of the column's pairs.
    names : sequence of str, length m
    sources : ndarray of str, shape (n,)
    seed, n_permutations : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 1))
    >>> found = associations(z, np.column_stack([z, rng.normal(size=(200, 1))]), ["same", "other"], np.arange(200))
    >>> [round(f.spearman.value, 1) for f in found][0], found[0].spearman_q < 0.01 < found[1].spearman_q
    (1.0, True)
    """
    source = codes(sources)
    orders = np.stack([shuffled(source, seed + i) for i in range(n_permutations)])
    pairs = []
    for j, name in enumerate(names):
        there = np.flatnonzero(np.isfinite(columns[:, j]))
        if len(there) >= _LEAST_ROWS and np.ptp(columns[there, j]) > 0:
            pairs += [
                (i, name, len(there), *_pair(np.asarray(z[:, i], np.float64), columns[there, j], there, source, orders))
                for i in range(z.shape[1])
            ]
    q_spearman = false_discovery([p[4] for p in pairs])
    q_mutual = false_discovery([p[6] for p in pairs])
    return [
        Association(i, name, spearman, p, float(q_spearman[k]), mutual, p_mutual, float(q_mutual[k]), n)
        for k, (i, name, n, spearman, p, mutual, p_mutual) in enumerate(pairs)
    ]


def _pair(
    z: Floats, column: Floats, there: Integers, source: Integers, orders: Integers
) -> tuple[Interval, float, float, float]:
    """Return rank correlation, its p, mutual information, its p."""
    own, other = _standard(rankdata(z[there])), _standard(rankdata(column))
    value = float(own @ other) / len(own)
    ranks = rankdata(z)
    column_bins, z_bins = _bins(column), _bins(z)
    null, null_mutual = np.empty(len(orders)), np.empty(len(orders))
    for start in range(0, len(orders), _BLOCK):
        block = orders[start : start + _BLOCK][:, there]
        permuted = ranks[block]
        permuted = permuted - permuted.mean(axis=1, keepdims=True)
        null[start : start + _BLOCK] = permuted @ other / (len(own) * np.maximum(permuted.std(axis=1), 1e-300))
        null_mutual[start : start + _BLOCK] = _mutual(z_bins[block], column_bins)
    mutual = float(_mutual(z_bins[there][None], column_bins)[0])
    return (
        Interval.of(value, _bootstrap(own, other, source[there])),
        float((1 + np.count_nonzero(np.abs(null) >= abs(value))) / (1 + len(null))),
        mutual - float(null_mutual.mean()),
        float((1 + np.count_nonzero(null_mutual >= mutual)) / (1 + len(null_mutual))),
    )


def _standard(ranks: Floats) -> Floats:
    centred = ranks - ranks.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-300))


def _bins(values: Floats) -> Integers:
    """Return each value's bin, of about equal counts; equal values share one."""
    below = np.asarray(rankdata(values, "min"), np.int64) - 1
    return np.minimum(below * N_BINS // len(values), N_BINS - 1)


def _mutual(a: Integers, b: Integers) -> Floats:
    """Mutual information in nat of (m, n) against (n,) bin numbers, shape (m,)."""
    m, n = a.shape
    cells = (a * N_BINS + b + np.arange(m)[:, None] * N_BINS**2).ravel()
    p = np.bincount(cells, minlength=m * N_BINS**2).reshape(m, N_BINS, N_BINS) / n
    expected = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
    terms = p * np.log(np.where(p > 0, p, 1.0) / np.where(p > 0, expected, 1.0))
    return np.asarray(terms.sum(axis=(1, 2)))


def _bootstrap(a: Floats, b: Floats, source: Integers) -> Floats:
    """Return bootstraps over sources of the correlation of two rankings, from sums by source."""
    number = np.unique(source, return_inverse=True)[1]
    n = int(number.max()) + 1
    sums = np.stack([np.bincount(number, w, n) for w in (np.ones(len(a)), a, b, a * a, b * b, a * b)], axis=1)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP)
    count, sa, sb, saa, sbb, sab = (weights @ sums).T
    spread = np.sqrt(np.maximum(saa - sa**2 / count, 1e-300) * np.maximum(sbb - sb**2 / count, 1e-300))
    return np.asarray((sab - sa * sb / count) / spread)
