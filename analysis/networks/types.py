"""Which types of object have many neighbours: the plain table, its odds, and the odds with class size taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from analysis.statistics import resamples, shuffled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TypeDegrees:
    """One type's row: see analysis.degree_by_type."""

    otype: str
    n: int
    n_sources: int
    low: int
    high: int
    share_high: float
    mean_degree: float
    odds_ratio: float
    odds_ratio_low: float
    odds_ratio_high: float
    expected_degree: float
    balanced_odds_ratio: float
    balanced_odds_ratio_low: float
    balanced_odds_ratio_high: float
    shuffled_odds_ratio: float


def balanced_degree(matrix: csr_array, types: Ints) -> Floats:
    """Return each node's degree if all types were equally common, shape (n,).

    For each type the share of its nodes that are neighbours; the mean of the shares over types, times n - 1. A node
    of a common type does not gain by the many like it.

    Parameters
    ----------
    matrix : csr_array
        Adjacency, n x n.
    types : ndarray of int, shape (n,)
        From 0; -1 for unknown, which counts as a type of its own.
    """
    n = matrix.shape[0]
    code = np.where(types < 0, types.max(initial=-1) + 1, types)
    n_types = int(code.max(initial=0)) + 1
    member = csr_array((np.ones(n), (np.arange(n), code)), shape=(n, n_types))
    neighbours = np.asarray((matrix @ member).todense(), np.float64)
    others = np.asarray(member.sum(axis=0)).ravel()[None, :] - np.asarray(member.todense())
    share = np.divide(neighbours, others, out=np.zeros_like(neighbours), where=others > 0)
    counted = (others > 0).sum(axis=1)
    balanced: Floats = share.sum(axis=1) / np.maximum(counted, 1) * (n - 1)
    return balanced


def degree_by_type(
    matrix: csr_array, types: Ints, names: Sequence[str], sources: npt.NDArray[np.generic], high_from: float, seed: int
) -> list[TypeDegrees]:
    """Return the table of types, most common first.

    Parameters
    ----------
    matrix : csr_array
        Adjacency.
    types : ndarray of int, shape (n,)
        Index into `names`; -1 for unknown.
    names : sequence of str
    sources : ndarray of str, shape (n,)
    high_from : float
        Least degree that counts as high.
    seed : int
        Of bootstrap and control.
    """
    degree = np.diff(matrix.indptr).astype(np.float64)
    balanced = balanced_degree(matrix, types)
    high, high_balanced = degree >= high_from, (balanced >= np.median(balanced)) & (balanced > 0)
    code = np.where(types < 0, len(names), types)
    labels = [*names, "(none)"]
    n_types = len(labels)
    drawn = [
        (_odds(code[r], high[r], n_types), _odds(code[r], high_balanced[r], n_types))
        for r in resamples(sources, 500, seed)
    ]
    plain = np.quantile([d[0] for d in drawn], [0.025, 0.975], axis=0)
    taken_out = np.quantile([d[1] for d in drawn], [0.025, 0.975], axis=0)
    control = np.mean([_odds(code[shuffled(sources, seed + i)], high, n_types) for i in range(20)], axis=0)
    odds, odds_balanced = _odds(code, high, n_types), _odds(code, high_balanced, n_types)
    expected = float(degree.mean())
    rows = []
    for t in np.argsort(-np.bincount(code, minlength=n_types), kind="stable"):
        mine = code == t
        if not mine.any():
            continue
        n_high = int(high[mine].sum())
        rows.append(
            TypeDegrees(
                labels[t],
                int(mine.sum()),
                len(set(sources[mine])),
                int(mine.sum()) - n_high,
                n_high,
                n_high / int(mine.sum()),
                float(degree[mine].mean()),
                odds[t],
                plain[0, t],
                plain[1, t],
                expected,
                odds_balanced[t],
                taken_out[0, t],
                taken_out[1, t],
                control[t],
            )
        )
    return rows


def _odds(code: Ints, high: Bools, n_types: int) -> Floats:
    """Return the odds ratio of high against low of each type against all others; half a node added to each cell."""
    n_high = np.bincount(code[high], minlength=n_types) + 0.5
    n_low = np.bincount(code[~high], minlength=n_types) + 0.5
    rest_high, rest_low = high.sum() + 1.0 - n_high, (~high).sum() + 1.0 - n_low
    odds: Floats = (n_high / n_low) / (rest_high / rest_low)
    return odds
