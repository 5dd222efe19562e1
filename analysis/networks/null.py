"""Graphs of the same degrees, otherwise random: what chance would give.

Switching (Maslov & Sneppen 2002): two edges a-b, c-d become a-d, c-b, where neither is there already. Here edges are
paired at random and switched all at once, round after round. So that no graph is favoured, a round must be as likely
backwards as forwards: a switch is left out if one of its new edges is there and stays, is an old or new edge of
another switch of the round, or is no edge that may be. Read backwards, the same switches are left out for the same
reasons; and each is offered with probability 9/10, so that single ones happen too and every graph can be reached.

A graph with more than half of all edges is switched by the edges it lacks: the same degrees, and room to move.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analysis.networks.edges import Edges

Ints = npt.NDArray[np.int64]
BURN_IN, THINNING = 40, 7
"""Rounds before the first graph, and between graphs: each offers nearly every edge a switch."""
_OFFERED = 0.9


def null_graphs(
    edges: Edges, n: int, n_graphs: int, seed: int, groups: npt.NDArray[np.generic] | None = None
) -> Iterator[Edges]:
    """Yield random graphs of the same degrees.

    Parameters
    ----------
    edges : Edges
        Its similarities are not carried over: those of the null graphs are 1.
    n : int
        Nodes.
    n_graphs, seed : int
    groups : ndarray, shape (n,), optional
        No edge joins two nodes of one group: so it is in `edges`, and so it is to stay.

    Examples
    --------
    >>> ring = Edges(np.arange(20), (np.arange(20) + 1) % 20, np.ones(20))
    >>> made = next(null_graphs(ring, 20, 1, 0))
    >>> bool((np.bincount(np.r_[made.left, made.right]) == 2).all())
    True
    """
    rng = np.random.default_rng(seed)
    code = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    a, b = np.minimum(edges.left, edges.right), np.maximum(edges.left, edges.right)
    dense = len(a) > n * (n - 1) // 4
    if dense:
        a, b = _complement(a, b, code)
    for graph in range(n_graphs):
        for _ in range(THINNING if graph else BURN_IN):
            a, b = _switched(a, b, code, rng)
        left, right = _complement(a, b, code) if dense else (a, b)
        yield Edges(left, right, np.ones(len(left)))


def _switched(a: Ints, b: Ints, code: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    m, n = len(a), len(code)
    if m < 2:  # noqa: PLR2004 - one edge cannot be switched
        return a, b
    order = rng.permutation(m)
    one, two = order[: m // 2], order[m // 2 : 2 * (m // 2)]
    offered = rng.random(m // 2) < _OFFERED
    one, two = one[offered], two[offered]
    turned = rng.random(len(one)) < 0.5  # noqa: PLR2004 - an edge has no direction
    c, d = np.where(turned, b[two], a[two]), np.where(turned, a[two], b[two])
    first = np.minimum(a[one], d) * n + np.maximum(a[one], d)
    second = np.minimum(c, b[one]) * n + np.maximum(c, b[one])
    keys = a * n + b
    may_be = (code[a[one]] != code[d]) & (code[c] != code[b[one]])
    # All that is there and all that is to be, together: what is among them twice cannot be made, or taken away.
    together = np.sort(np.concatenate([keys, first, second]))
    twice = together[1:][together[1:] == together[:-1]]
    good = may_be & ~np.any([_within(k, twice) for k in (first, second, keys[one], keys[two])], axis=0)
    kept = np.flatnonzero(good)
    a, b = a.copy(), b.copy()
    a[one[kept]], b[one[kept]] = first[kept] // n, first[kept] % n
    a[two[kept]], b[two[kept]] = second[kept] // n, second[kept] % n
    return a, b


def _within(keys: Ints, ordered: Ints) -> npt.NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(keys), np.bool_)
    place = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    found: npt.NDArray[np.bool_] = ordered[place] == keys
    return found


def _complement(a: Ints, b: Ints, code: Ints) -> tuple[Ints, Ints]:
    """Return the edges that are lacking and may be."""
    lacks = np.triu(code[:, None] != code[None, :], 1)
    lacks[a, b] = False
    left, right = np.nonzero(lacks)
    return left.astype(np.int64), right.astype(np.int64)
