"""Exact nearest neighbours: pure functions from arrays to arrays.

Two passes. The first, in single precision with BLAS, finds every row that could be among the k nearest, by bounds
on its own rounding error. The second computes the distances of those few rows in double precision. So the answer is
that of double precision over all rows, at the price of one product in single precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Metric = Literal["cosine", "l2", "dot"]
METRICS: tuple[Metric, ...] = get_args(Metric)

_EPSILON = 2.0**-23
_BLOCK_ROWS = 1 << 16
_MINIMA = 512
"""Rows whose least bound stands for them when the k-th least is looked for."""
_SPARSE = 0.2
"""Below this fraction of allowed rows these are copied together first; above it, all are multiplied."""
_SAFE_NORM = 1e-15, 1e15
"""Between these lengths no product in single precision over- or underflows."""


def distances(vectors: npt.NDArray[np.floating], target: npt.NDArray[np.floating], metric: Metric) -> Doubles:
    """Return the distance of each vector to a target, in double precision.

    Parameters
    ----------
    vectors : ndarray of float, shape (n, d)
    target : ndarray of float, shape (d,)
    metric : {'cosine', 'l2', 'dot'}
        cosine: 1 - cos of the angle, from 0 to 2; l2: Euclidean; dot: minus the inner product, so that less is nearer.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where the cosine is not defined: a vector of zeros has no direction. Equal vectors have equal distances,
        whatever stands around them: each row is summed in the same order.

    Examples
    --------
    >>> distances(np.array([[2.0, 0], [0, 3], [-1, 0], [0, 0]]), np.array([1.0, 0]), "cosine")
    array([ 0.,  1.,  2., nan])
    """
    x, q = vectors.astype(np.float64), target.astype(np.float64)
    if metric == "l2":
        x -= q
        between: Doubles = np.sqrt((x * x).sum(axis=1))
        return between
    products: Doubles = (x * q).sum(axis=1)
    if metric == "dot":
        return -products
    # sqrt(s * s) is s exactly, so a vector has distance 0 to itself, not 1e-16. The fourth power of a length needs
    # an exponent that doubles have for every single: no overflow.
    lengths = np.sqrt((x * x).sum(axis=1) * (q * q).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths > 0, np.clip(1 - products / lengths, 0, 2), np.nan)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of a space held in memory.

    Attributes
    ----------
    ids : pyarrow.StringArray, length n
        Unique.
    vectors : ndarray of float32, shape (n, d)
        C-contiguous, finite.
    """

    ids: pa.Array
    vectors: Floats

    @cached_property
    def lengths(self) -> Doubles:
        """Euclidean lengths, shape (n,), computed in double precision."""
        n = len(self.vectors)
        lengths = np.empty(n)
        for start in range(0, n, _BLOCK_ROWS):
            part = self.vectors[start : start + _BLOCK_ROWS].astype(np.float64)
            lengths[start : start + _BLOCK_ROWS] = np.sqrt((part * part).sum(axis=1))
        return lengths

    @cached_property
    def lengths32(self) -> Floats:
        """The same in single precision."""
        return self.lengths.astype(np.float32)

    @cached_property
    def minus_inverse_lengths(self) -> Floats:
        """-1 / length, shape (n,); 0 for a vector of zeros."""
        out = np.zeros(len(self.lengths))
        np.divide(-1.0, self.lengths, out=out, where=self.lengths > 0)
        return out.astype(np.float32)

    @cached_property
    def has_zeros(self) -> bool:
        """Whether any vector is all zeros."""
        return bool((self.lengths == 0).any())

    @cached_property
    def safe(self) -> bool:
        """Whether products in single precision neither over- nor underflow."""
        positive = self.lengths[self.lengths > 0]
        low, high = _SAFE_NORM
        return bool(positive.size == 0 or (positive.min() >= low and positive.max() <= high))

    def take(self, rows: Rows) -> Block:
        """Return some of the rows, copied together, with what is known of their lengths; the ids are left out."""
        part = Block(self.ids.slice(0, 0), self.vectors.take(rows, axis=0))
        part.__dict__["lengths"] = self.lengths[rows]
        return part


@dataclass(frozen=True)
class Neighbours:
    """What a search found, nearest first; ties in the order of their ids.

    Attributes
    ----------
    rows : ndarray of int64, shape (m,)
        Row numbers in the block, m <= k.
    ids : pyarrow.StringArray, length m
    distances : ndarray of float64, shape (m,)
        NaN where there is none: see `distances`; such rows stand last.
    """

    rows: Rows
    ids: pa.Array
    distances: Doubles


def nearest(
    block: Block, targets: npt.NDArray[np.floating], k: int, metric: Metric, allowed: Mask | None = None
) -> Neighbours:
    """Find the k rows nearest to a target, or to the nearest of several.

    Parameters
    ----------
    block : Block
        n rows of d numbers.
    targets : ndarray of float, shape (m, d)
        The distance of a row is that to the nearest of the targets.
    k : int
        At most so many are returned.
    metric : {'cosine', 'l2', 'dot'}
        See `distances`.
    allowed : ndarray of bool, shape (n,), optional
        Only these rows are looked at.

    Returns
    -------
    Neighbours
        Exact: what sorting the double-precision distances of all rows by (distance, id) begins with.

    Examples
    --------
    >>> block = Block(pa.array(["b", "a", "c"]), np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    >>> found = nearest(block, np.array([[2.0, 0.0]]), 2, "cosine")
    >>> found.ids.to_pylist(), found.distances.tolist()
    (['a', 'b'], [0.0, 0.0])
    """
    n = len(block.vectors)
    n_allowed = n if allowed is None else int(np.count_nonzero(allowed))
    k = min(k, n_allowed)
    if k <= 0:
        return Neighbours(np.empty(0, np.int64), block.ids.slice(0, 0), np.empty(0))
    if allowed is not None and n_allowed <= _SPARSE * n:
        rows = np.flatnonzero(allowed)
        candidates = rows[_candidates(block.take(rows), targets, k, metric, None)]
    else:
        candidates = _candidates(block, targets, k, metric, allowed)
        if allowed is not None:  # with too few rows that have a distance, no bound keeps the others out
            candidates = candidates[allowed[candidates]]
    exact = np.full(len(candidates), np.nan)
    for start in range(0, len(candidates), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        vectors = block.vectors[candidates[part]]
        for target in targets:
            np.fmin(exact[part], distances(vectors, target, metric), out=exact[part])
    return first(Neighbours(candidates, block.ids.take(pa.array(candidates)), exact), k)


def first(found: Neighbours, k: int) -> Neighbours:
    """Sort by distance, then id; rows without a distance last; keep the first k."""
    if len(found.rows) > k:  # ids are compared only where they can matter
        kth = np.partition(found.distances, k - 1)[k - 1]  # NaN sorts last
        keep = np.flatnonzero(~(found.distances > kth)) if np.isnan(kth) else np.flatnonzero(found.distances <= kth)
        found = Neighbours(found.rows[keep], found.ids.take(pa.array(keep)), found.distances[keep])
    table = pa.table({"distance": pa.array(found.distances, from_pandas=True), "id": found.ids})
    order = pc.sort_indices(table, [("distance", "ascending", "at_end"), ("id", "ascending", "at_end")])[:k]
    rows = order.to_numpy()
    return Neighbours(found.rows[rows], found.ids.take(order), found.distances[rows])


def _candidates(block: Block, targets: npt.NDArray[np.floating], k: int, metric: Metric, allowed: Mask | None) -> Rows:
    """Return rows of which the k nearest are a part, from bounds on single-precision distances."""
    everything = np.flatnonzero(allowed) if allowed is not None else np.arange(len(block.vectors))
    lengths = np.sqrt((targets.astype(np.float64) ** 2).sum(axis=1))
    low, high = _SAFE_NORM
    if not block.safe or not ((lengths >= low) & (lengths <= high)).all():
        return everything
    if metric == "cosine":
        lower, slack = _cosine_bounds(block, targets / lengths[:, None])
        if allowed is not None:
            lower[~allowed] = np.inf
        # The slack is the same for all rows: the k-th least upper bound is the k-th least lower bound plus twice it.
        return np.flatnonzero(lower <= _kth_at_most(lower, k) + 2 * slack)
    lower, upper = _bounds(block, targets.astype(np.float32), lengths, metric)
    if allowed is not None:
        lower[~allowed] = np.inf
        upper[~allowed] = np.inf
    return np.flatnonzero(lower <= _kth_at_most(upper, k))


def _cosine_bounds(block: Block, targets: Doubles) -> tuple[Floats, np.float32]:
    """Return minus the cosine to the nearest target in single precision, and how wrong it can be."""
    n, d = block.vectors.shape
    unit = np.ascontiguousarray(targets, np.float32)
    if len(unit) == 1:
        scores = np.matmul(block.vectors, unit[0])
        scores *= block.minus_inverse_lengths
    else:
        scores = np.empty(n, np.float32)
        step = max(1, (_BLOCK_ROWS * 16) // len(unit))
        for start in range(0, n, step):
            part = slice(start, start + step)
            np.matmul(unit, block.vectors[part].T).max(axis=0, out=scores[part])
        scores *= block.minus_inverse_lengths
    if block.has_zeros:
        scores[block.lengths == 0] = np.inf
    return scores, np.float32((d + 8) * _EPSILON)


def _bounds(block: Block, targets: Floats, lengths: Doubles, metric: Metric) -> tuple[Floats, Floats]:
    """Return a lower and an upper bound of what orders the distances: squares for l2, minus the product for dot."""
    n, d = block.vectors.shape
    relative = np.float32((d + 8) * _EPSILON)
    lower = np.full(n, np.inf, np.float32)
    upper = np.full(n, np.inf, np.float32)
    for target, length in zip(targets, lengths.astype(np.float32), strict=True):
        values = np.matmul(block.vectors, target)
        values *= np.float32(-2 if metric == "l2" else -1)
        if metric == "l2":
            values += np.square(block.lengths32)
            values += length * length
            error = relative * np.square(block.lengths32 + length)
        else:
            error = relative * (block.lengths32 * length)
        np.minimum(lower, values - error, out=lower)
        np.minimum(upper, values + error, out=upper)
    return lower, upper


def _kth_at_most(values: Floats, k: int) -> np.float32:
    """Return a number that at least k of the values do not exceed, close to the k-th least.

    The least of each few hundred values are k different values for k of those groups: their k-th least will do,
    and finding it reads the values once.
    """
    n = len(values)
    groups = n // _MINIMA
    if groups >= 4 * k:
        minima = values[: groups * _MINIMA].reshape(groups, _MINIMA).min(axis=1)
        return np.float32(np.partition(minima, k - 1)[k - 1])
    return np.float32(np.partition(values, k - 1)[k - 1])
