"""The exact similarity join: all pairs of rows at least so similar, and the most similar rows of each row.

Pure functions from arrays to arrays. Products in single precision find every pair that could pass; double precision
decides these few: `catalog.neighbours.closeness` says why none is lost. No more is held at a time than the blocks in
work and the pairs found in them, and how the blocks are cut changes no answer.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from catalog.neighbours.closeness import Doubles, Floating, Mask, Rows
from catalog.neighbours.operands import Operands, Room, operands, sieve_of

__all__ = ["BLOCK", "Pairs", "join", "nearest_of_each", "operands"]

BLOCK = 512, 2048
"""Rows and columns of a block of products: 4 MB, which stay in the cache of a core until they are sifted."""
_WORKERS = min(8, os.cpu_count() or 1)
"""Blocks in work at a time: while one is multiplied, another is sifted."""
_SAMPLED = 4
"""A first bound of the k nearest is taken from this part of the first block."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, and how similar they are.

    Attributes
    ----------
    left, right : ndarray of int64, shape (m,)
        Row numbers.
    values : ndarray of float64, shape (m,)
        cosine: of the angle between them, -1 to 1; dot: the inner product; l2: the distance.
    """

    left: Rows
    right: Rows
    values: Doubles

    def some(self, chosen: Mask | Rows) -> Pairs:
        """Return the pairs of a mask, or of some places."""
        return Pairs(self.left[chosen], self.right[chosen], self.values[chosen])


def join(sets: Operands, threshold: float, block: tuple[int, int] = BLOCK) -> Iterator[Pairs]:
    """Yield all pairs of rows that are similar enough, block by block.

    Parameters
    ----------
    sets : Operands
        See `operands`.
    threshold : float
        Least cosine or inner product; in l2 the greatest distance.
    block : (int, int)
        Rows and columns of a block.

    Yields
    ------
    Pairs
        In the order of the blocks, each pair once: within one set left < right.

    Examples
    --------
    >>> x = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
    >>> [(p.left.tolist(), p.right.tolist(), p.values.tolist()) for p in join(operands(x), 0.9)]
    [([0], [1], [1.0])]
    """
    floor = sets.floor(threshold)
    directed = sets.directed
    sieve = sieve_of(*sets.factors)

    def work(rows: slice, columns: slice) -> Pairs:
        left, right = sieve.hits(rows, columns, floor)
        left += rows.start
        right += columns.start
        keep = directed[0][left] & directed[1][right]
        if sets.within:
            keep &= left < right
        left, right = left[keep], right[keep]
        found = Pairs(left, right, sets.values(left, right))
        return found.some(sets.passes(found.values, threshold))

    for found in _in_order(work, _blocks(len(sets.x), len(sets.y), sets.within, block)):
        if len(found.left):
            yield found


def nearest_of_each(
    sets: Operands, k: int, threshold: float | None = None, block: tuple[int, int] = BLOCK
) -> Iterator[Pairs]:
    """Yield the k rows on the right most similar to each row on the left, block by block.

    Parameters
    ----------
    sets : Operands
        See `operands`.
    k : int
        At least 1.
    threshold : float, optional
        Only pairs that are similar enough.
    block : (int, int)
        Rows and columns of a block.

    Yields
    ------
    Pairs
        In the order of the rows, the most similar first, ties in the order of the rows on the right. Within one set no
        row is its own neighbour.

    Examples
    --------
    >>> x = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
    >>> [(p.left.tolist(), p.right.tolist()) for p in nearest_of_each(operands(x), 1)]
    [([0, 1, 2], [1, 0, 0])]
    """
    n = len(sets.x)
    limit = sets.loosest if threshold is None else threshold
    _ = sets.factors, sets.directed  # made once, before there are threads
    room = Room()

    def work(rows: slice, width: int) -> Pairs:
        return _nearest_of_rows(sets, rows, k, limit, width, room)

    bands = ((slice(start, min(start + block[0], n)), block[1]) for start in range(0, n, block[0]))
    for found in _in_order(work, bands):
        if len(found.left):
            yield found


def _nearest_of_rows(sets: Operands, rows: slice, k: int, threshold: float, width: int, room: Room) -> Pairs:
    """Find the k nearest of some rows: as the k-th best so far rises, fewer products reach it."""
    x, y = sets.factors
    limits = np.full(rows.stop - rows.start, threshold)
    best = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    for start in range(0, len(y), width):
        columns = slice(start, min(start + width, len(y)))
        products = room.product(x[rows], y[columns])
        _leave_out(products, sets, rows, columns)
        if start == 0:
            limits = _first_limits(products[:, : max(4 * k, width // _SAMPLED)], sets, rows.start, k, limits)
        lowest = np.finfo(x.dtype).min  # what is left out is minus infinity
        left, right = room.reached(products, np.maximum(sets.floor(limits), lowest)[:, None])
        found = Pairs(left + rows.start, right + start, sets.values(left + rows.start, right + start))
        found = found.some(sets.passes(found.values, limits[left]))
        if len(found.left):
            best = _first_of_each(_together(best, found), sets, k)
            kth = np.flatnonzero(_ranks(best.left) == k - 1)
            limits[best.left[kth] - rows.start] = best.values[kth]
    return best


def _leave_out(products: Floating, sets: Operands, rows: slice, columns: slice) -> None:
    """Set to minus infinity what is no pair: a row with itself, and vectors without direction."""
    products[~sets.directed[0][rows]] = -np.inf
    products[:, np.flatnonzero(~sets.directed[1][columns])] = -np.inf
    if sets.within:
        own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        products[own - rows.start, own - columns.start] = -np.inf


def _first_limits(sample: Floating, sets: Operands, start: int, k: int, limits: Doubles) -> Doubles:
    """Return limits from some k columns that seem good: without them every product of the first block is looked at."""
    m = sample.shape[1]
    if m <= k:
        return limits
    columns = np.argpartition(sample, m - k, axis=1)[:, m - k :]
    known = np.flatnonzero((np.take_along_axis(sample, columns, axis=1) > -np.inf).all(axis=1))
    values = sets.values(np.repeat(known + start, k), columns[known].reshape(-1)).reshape(len(known), k)
    kth = values[np.arange(len(known)), sets.ascending(values).argmax(axis=1)]
    better = sets.passes(kth, limits[known])
    limits[known[better]] = kth[better]
    return limits


def _together(a: Pairs, b: Pairs) -> Pairs:
    return Pairs(
        np.concatenate([a.left, b.left]), np.concatenate([a.right, b.right]), np.concatenate([a.values, b.values])
    )


def _first_of_each(pairs: Pairs, sets: Operands, k: int) -> Pairs:
    """Return the k most similar pairs of each row on the left, in order."""
    ordered = pairs.some(np.lexsort((pairs.right, sets.ascending(pairs.values), pairs.left)))
    return ordered.some(_ranks(ordered.left) < k)


def _ranks(groups: Rows) -> Rows:
    """Return the place of each item within its run of equal numbers, from 0."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(begins, np.diff(begins, append=len(groups)))


def _in_order(work: Callable[..., Pairs], tasks: Iterator[tuple[object, ...]]) -> Iterator[Pairs]:
    """Yield the answers of tasks in their order, a few in work at a time.

    Each is multiplied by one thread: threads of BLAS that wait for each other at the end of every block, and for those
    of the other workers, cost more than half of the time.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[Pairs]] = deque()
        for task in tasks:
            waiting.append(pool.submit(work, *task))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _blocks(n: int, m: int, within: bool, block: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield blocks that cover all pairs; within one set, those of the upper triangle."""
    height, width = block
    for row in range(0, n, height):
        for column in range(row if within else 0, m, width):
            yield slice(row, min(row + height, n)), slice(column, min(column + width, m))
