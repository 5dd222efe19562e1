"""Which types of object have many neighbours: the plain table, its odds, and the odds with class size taken out.

The intervals are Woolf's (1955), of the logarithm of the odds ratio, with half a node added to each cell (Haldane 1956,
Anscombe 1956) and each cell counted as if a source had one observation: observations of one source are no independent
witnesses. A bootstrap would be no honest choice here: a type of five nodes, none of them of high degree, has none in
any resample either, and would seem certain.

Of sixty odds ratios three lie outside their intervals by luck alone. So each has a p-value, by the same error, and a
q-value beside it: the p-value corrected for the number of all odds ratios of the run (`corrected`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import ndtr

from analysis.statistics import false_discovery, once_each, shuffled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_Z = 1.959964


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
    odds_ratio_p: float
    expected_degree: float
    balanced_odds_ratio: float
    balanced_odds_ratio_low: float
    balanced_odds_ratio_high: float
    balanced_odds_ratio_p: float
    shuffled_odds_ratio: float
    odds_ratio_q: float = float("nan")
    balanced_odds_ratio_q: float = float("nan")


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


def expected_degree(matrix: csr_array, types: Ints, n_types: int) -> Floats:
    """Return the mean degree that each type would have if types differed in nothing but how common they are.

    Pairs of one type are then edges with one probability, pairs of two types with another, and pairs with an unknown
    node with a third: those of the graph as a whole. A common type has more pairs of the first kind.

    Parameters
    ----------
    matrix : csr_array
        Adjacency, n x n.
    types : ndarray of int, shape (n,)
        From 0; -1 for unknown.
    n_types : int

    Returns
    -------
    ndarray of float, shape (n_types,)

    Examples
    --------
    >>> pair = csr_array(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    >>> expected_degree(pair, np.array([0, 0, 1]), 2).tolist()
    [1.0, 0.0]
    """
    sizes = np.bincount(types[types >= 0], minlength=n_types).astype(np.float64)
    n_typed, n_unknown = sizes.sum(), float(np.count_nonzero(types < 0))
    one, two = types[np.repeat(np.arange(len(types)), np.diff(matrix.indptr))], types[matrix.indices]
    n_within = np.count_nonzero((one == two) & (one >= 0))
    n_between = np.count_nonzero((one >= 0) & (two >= 0)) - n_within
    n_with_unknown = np.count_nonzero((one >= 0) & (two < 0))
    pairs_within = (sizes * (sizes - 1)).sum()
    pairs_between = n_typed * (n_typed - 1) - pairs_within
    expected: Floats = (
        (sizes - 1) * n_within / max(pairs_within, 1.0)
        + (n_typed - sizes) * n_between / max(pairs_between, 1.0)
        + n_unknown * n_with_unknown / max(n_typed * n_unknown, 1.0)
    )
    return expected


def degree_by_type(
    matrix: csr_array,
    types: Ints,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    high_from: float,
    seed: int,
    high_share: float = 0.5,
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
        Of the control.
    high_share : float
        Share of the nodes that count as of high balanced degree: the share that `high_from` cuts off, so that both odds
        are of the same cut.
    """
    degree = np.diff(matrix.indptr).astype(np.float64)
    balanced = balanced_degree(matrix, types)
    high, high_balanced = degree >= high_from, (balanced >= np.quantile(balanced, 1.0 - high_share)) & (balanced > 0)
    code = np.where(types < 0, len(names), types)
    labels = [*names, "(none)"]
    n_types = len(labels)
    plain, taken_out = (_interval(code, h, sources, n_types) for h in (high, high_balanced))
    # Of the logarithm: the mean of ratios is ruled by the largest.
    others = [np.log(_odds(code[shuffled(sources, seed + i)], high, n_types)) for i in range(50)]
    control = np.exp(np.mean(others, axis=0))
    odds, odds_balanced = _odds(code, high, n_types), _odds(code, high_balanced, n_types)
    expected = np.append(expected_degree(matrix, types, len(names)), np.nan)
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
                plain[2, t],
                float(expected[t]),
                odds_balanced[t],
                taken_out[0, t],
                taken_out[1, t],
                taken_out[2, t],
                control[t],
            )
        )
    return rows


def corrected(tables: Sequence[Sequence[TypeDegrees]]) -> list[list[TypeDegrees]]:
    """Give each odds ratio of a run its q-value: the false discovery rate if it and all smaller ones are believed.

    Source: Benjamini & Hochberg 1995. All odds ratios of the run are one family: of every type, at every threshold,
    plain and balanced.

    Parameters
    ----------
    tables : sequence of sequence of TypeDegrees
        One per threshold.
    """
    rows = [row for table in tables for row in table]
    q = false_discovery([p for r in rows for p in (r.odds_ratio_p, r.balanced_odds_ratio_p)]).reshape(-1, 2)
    told = iter(
        replace(r, odds_ratio_q=float(a), balanced_odds_ratio_q=float(b)) for r, (a, b) in zip(rows, q, strict=True)
    )
    return [[next(told) for _ in table] for table in tables]


def _odds(code: Ints, high: Bools, n_types: int) -> Floats:
    """Return the odds ratio of high against low of each type against all others; half a node added to each cell."""
    n_high = np.bincount(code[high], minlength=n_types) + 0.5
    n_low = np.bincount(code[~high], minlength=n_types) + 0.5
    rest_high, rest_low = high.sum() + 1.0 - n_high, (~high).sum() + 1.0 - n_low
    odds: Floats = (n_high / n_low) / (rest_high / rest_low)
    return odds


def _interval(code: Ints, high: Bools, sources: npt.NDArray[np.generic], n_types: int) -> Floats:
    """Return low, high and p of the odds ratio of each type, shape (3, n_types): see the head of this module.

    Low and high are the ends of its 95 % interval; p is that of odds of 1, two-sided.
    """
    weight = once_each(sources)
    n_high = np.bincount(code[high], weights=weight[high], minlength=n_types)
    n_low = np.bincount(code[~high], weights=weight[~high], minlength=n_types)
    cells = (n_high, n_low, n_high.sum() - n_high, n_low.sum() - n_low)
    error = np.sqrt(np.sum([1.0 / (cell + 0.5) for cell in cells], axis=0))
    logarithm = np.log(_odds(code, high, n_types))
    found: Floats = np.stack(
        [np.exp(logarithm - _Z * error), np.exp(logarithm + _Z * error), 2.0 * ndtr(-np.abs(logarithm) / error)]
    )
    return found
