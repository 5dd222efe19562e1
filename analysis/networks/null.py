"""Graphs of the same degrees, otherwise random: what chance would give.

Switching (Maslov & Sneppen 2002): two edges a-b, c-d become a-d, c-b, where neither is there already. Here all edges
are paired at random and switched at once, round after round; a switch that would meet another new edge, or an edge
that was there at the beginning of the round, is left out. A graph with more than half of all edges is switched by the
edges it lacks: the same degrees, and room to move.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analysis.networks.edges import Edges

Ints = npt.NDArray[np.int64]
BURN_IN, THINNING = 30, 6
"""Rounds before the first graph, and between graphs: each round offers every edge one switch."""


def null_graphs(edges: Edges, n: int, n_graphs: int, seed: int) -> Iterator[Edges]:
    """Yield random graphs of the same degrees.

    Parameters
    ----------
    edges : Edges
        Its similarities are not carried over: those of the null graphs are 1.
    n : int
        Nodes.
    n_graphs, seed : int

    Examples
    --------
    >>> ring = Edges(np.arange(20), (np.arange(20) + 1) % 20, np.ones(20))
    >>> made = next(null_graphs(ring, 20, 1, 0))
    >>> bool((np.bincount(np.r_[made.left, made.right]) == 2).all())
    True
    """
    rng = np.random.default_rng(seed)
    a, b = np.minimum(edges.left, edges.right), np.maximum(edges.left, edges.right)
    dense = len(a) > n * (n - 1) // 4
    if dense:
        a, b = _complement(a, b, n)
    for graph in range(n_graphs):
        for _ in range(THINNING if graph else BURN_IN):
            a, b = _switched(a, b, n, rng)
        left, right = _complement(a, b, n) if dense else (a, b)
        yield Edges(left, right, np.ones(len(left)))


def _switched(a: Ints, b: Ints, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    m = len(a)
    if m < 2:  # noqa: PLR2004 - one edge cannot be switched
        return a, b
    order = rng.permutation(m)
    one, two = order[: m // 2], order[m // 2 : 2 * (m // 2)]
    turned = rng.random(m // 2) < 0.5  # noqa: PLR2004 - an edge has no direction
    c, d = np.where(turned, b[two], a[two]), np.where(turned, a[two], b[two])
    first = np.minimum(a[one], d) * n + np.maximum(a[one], d)
    second = np.minimum(c, b[one]) * n + np.maximum(c, b[one])
    there = np.sort(a * n + b)
    good = (a[one] != d) & (c != b[one]) & (first != second) & ~_within(first, there) & ~_within(second, there)
    # Two switches may not make the same edge: the first of them does.
    both = np.concatenate([first[good], second[good]])
    _, earliest = np.unique(both, return_index=True)
    alone = np.zeros(len(both), np.bool_)
    alone[earliest] = True
    kept = np.flatnonzero(good)[alone[: good.sum()] & alone[good.sum() :]]
    a, b = a.copy(), b.copy()
    a[one[kept]], b[one[kept]] = first[kept] // n, first[kept] % n
    a[two[kept]], b[two[kept]] = second[kept] // n, second[kept] % n
    return a, b


def _within(keys: Ints, ordered: Ints) -> npt.NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    found: npt.NDArray[np.bool_] = ordered[place] == keys
    return found


def _complement(a: Ints, b: Ints, n: int) -> tuple[Ints, Ints]:
    lacks = np.triu(np.ones((n, n), np.bool_), 1)
    lacks[a, b] = False
    left, right = np.nonzero(lacks)
    return left.astype(np.int64), right.astype(np.int64)
