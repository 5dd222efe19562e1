"""Exact nearest neighbours of one target, or of the nearest of several: pure functions from arrays to arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.neighbours.closeness import (
    STEP,
    Doubles,
    Floating,
    Floats,
    Mask,
    Metric,
    Rows,
    Vectors,
    are_safe,
    distances,
    slack,
    squares,
)

_GROUP = 512
"""Rows whose closest stands for them when the k-th closest is looked for."""
_SPARSE = 0.2
"""Below this share of allowed rows these are copied together first; above it, all are multiplied."""
_PRODUCTS = 1 << 20
"""Products of several targets that are held at a time."""


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
    def measured(self) -> Vectors:
        """The vectors with their lengths."""
        return Vectors(self.vectors)


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


def nearest(block: Block, targets: Floating, k: int, metric: Metric, allowed: Mask | None = None) -> Neighbours:
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
        See `catalog.neighbours.closeness.distances`.
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
        candidates = rows[_candidates(block.measured.take(rows), targets, k, metric, None)]
    else:
        candidates = _candidates(block.measured, targets, k, metric, allowed)
        if allowed is not None:  # with too few rows that have a distance, no bound keeps the others out
            candidates = candidates[allowed[candidates]]
    exact = np.full(len(candidates), np.nan)
    for start in range(0, len(candidates), STEP):
        part = slice(start, start + STEP)
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


def _candidates(vectors: Vectors, targets: Floating, k: int, metric: Metric, allowed: Mask | None) -> Rows:
    """Return rows of which the k nearest are a part: those whose closeness can reach the k-th least sure one."""
    squared = squares(targets)
    if not vectors.safe or not squared.all() or not are_safe(squared):
        return np.flatnonzero(allowed) if allowed is not None else np.arange(len(vectors))
    closeness = _closeness(vectors, targets, squared, metric)
    if metric == "cosine":
        closeness[vectors.zeros] = -np.inf
    if allowed is not None:
        closeness[~allowed] = -np.inf
    error = np.float32(slack(targets.shape[1])) * _size(vectors, squared, metric)
    sure = closeness if metric == "cosine" else closeness - error
    kth = _kth_at_least(sure, k)
    if metric == "cosine":  # the error is the same for all rows
        return np.flatnonzero(closeness >= kth - 2 * error)
    closeness += error
    return np.flatnonzero(closeness >= kth)


def _closeness(vectors: Vectors, targets: Floating, squared: Doubles, metric: Metric) -> Floats:
    """Return the closeness of each vector to the closest of the targets, in single precision, shape (n,)."""
    match metric:
        case "cosine":
            products = _products(vectors, targets / np.sqrt(squared)[:, None])
            products *= vectors.inverse_lengths
            return products
        case "dot":
            return _products(vectors, targets)
        case "l2":
            products = _products(vectors, targets, (squared / 2).astype(np.float32))
            products -= (vectors.squares / 2).astype(np.float32)
            return products
        case _:
            assert_never(metric)


def _products(vectors: Vectors, targets: Floating, less: Floats | None = None) -> Floats:
    """Return the greatest product of each vector with the targets, each less a number of its own."""
    factors = np.ascontiguousarray(targets, np.float32)
    if len(factors) == 1:
        one: Floats = np.matmul(vectors.array, factors[0])
        return one if less is None else one - less
    out = np.empty(len(vectors), np.float32)
    step = max(1, _PRODUCTS // len(factors))
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        products = np.matmul(factors, vectors.array[part].T)
        if less is not None:
            products -= less[:, None]
        products.max(axis=0, out=out[part])
    return out


def _size(vectors: Vectors, squared: Doubles, metric: Metric) -> Floats | np.float32:
    """Return what a closeness's error is measured by: one number, or one for each vector."""
    longest = np.float32(np.sqrt(squared.max()))
    match metric:
        case "cosine":
            return np.float32(1)
        case "dot":
            return vectors.lengths * longest
        case "l2":
            both: Floats = np.square(vectors.lengths + longest) / np.float32(2)
            return both
        case _:
            assert_never(metric)


def _kth_at_least(closeness: Floats, k: int) -> np.float32:
    """Return a number that at least k of the values reach, near the k-th greatest.

    The greatest of each few hundred values are values of different rows: the k-th greatest of these will do, and to
    find it reads the values once.
    """
    n_groups = len(closeness) // _GROUP
    if n_groups >= 4 * k:
        closeness = closeness[: n_groups * _GROUP].reshape(n_groups, _GROUP).max(axis=1)
    n = len(closeness)
    return np.float32(np.partition(closeness, n - k)[n - k])
