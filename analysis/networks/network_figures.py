"""Figures of a network: its core and periphery, and its degrees beside those of a random graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from scipy.stats import binom, rankdata

from analysis.figures import as_png, as_svg, figure, scatter
from analysis.networks.edges import Edges
from catalog.palette import CLASS_COLOURS, LINE_COLOUR, OTHER_COLOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_DRAWN_EDGES = 4000
_N_TYPES = 7


def layout(edges: Edges, coreness: Floats, types: Ints, names: Sequence[str], seed: int) -> bytes:
    """Draw the graph: the higher a node's rank in coreness, the nearer to the middle; types side by side.

    Parameters
    ----------
    edges : Edges
        At most 4,000 of them are drawn, the same ones for a seed.
    coreness : ndarray of float, shape (n,)
    types : ndarray of int, shape (n,)
        Index into `names`; -1 for unknown.
    names : sequence of str
        Most common first.
    seed : int
    """
    n = len(coreness)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(n), np.where(types < 0, len(names), types)))
    angle = np.empty(n)
    angle[order] = 2 * np.pi * np.arange(n) / n
    radius = np.sqrt(1.02 - (rankdata(coreness) - 1) / max(n - 1, 1))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    some = rng.permutation(len(edges.left))[:_DRAWN_EDGES]
    with figure(6.2, 4.6) as drawn:
        axes = drawn.add_subplot()
        ends = np.stack([edges.left[some], edges.right[some]], axis=1)
        lines = list(np.stack([x[ends], y[ends]], axis=2))
        drawn_edges = LineCollection(lines, color=LINE_COLOUR, linewidth=0.3, alpha=0.15)
        axes.add_collection(drawn_edges, autolim=False)
        groups = [names[t] if t >= 0 else None for t in types]
        scatter(axes, np.column_stack([x, y]), groups, names[:_N_TYPES], 11, "other, none")
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_visible(False)
        drawn.legend(loc="outside right upper", fontsize=8)
        return as_png(drawn)


def degrees(degree: Ints, density: float) -> bytes:
    """Draw how many nodes have at least a degree, with the 95 % band of a random graph as dense.

    Graphs of the same degrees cannot differ in this: so the band is that of a graph whose edges are drawn one by one
    (Erdos & Renyi 1959), each node's degree binomial.
    """
    n = len(degree)
    at = np.arange(int(degree.max(initial=0)) + 2)
    share = 1 - np.searchsorted(np.sort(degree), at, side="left") / n
    expected = binom.sf(at - 1, n - 1, density)
    spread = 1.96 * np.sqrt(expected * (1 - expected) / n)
    with figure(4.6, 3.2) as drawn:
        axes = drawn.add_subplot()
        axes.fill_between(at, expected - spread, expected + spread, color=OTHER_COLOUR, label="random graph, 95 %")
        axes.step(at, share, where="post", color=CLASS_COLOURS[0], label="this graph")
        axes.set(xlabel="degree", ylabel="share of nodes with at least so many", ylim=(0, 1.02), xlim=(0, None))
        axes.legend(fontsize=8)
        return as_svg(drawn)
