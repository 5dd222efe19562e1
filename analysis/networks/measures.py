"""Measures of a graph and of its nodes, on sparse matrices: a graph of ten million edges fits.

Every function takes the adjacency matrix: symmetric, no loops, ones; `core_periphery` takes weights, too. networkx is
the reference: tests compare with it what it measures, too. Matrices do in seconds what takes networkx minutes, so that
graphs of all sizes go one way here; `analysis.networks.graph` makes a graph of networkx for users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from analysis.networks.edges import Edges

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CLUSTERING_ROWS = 512
EXACT_WEDGES = 2_000_000_000
WEDGES = 100
BETWEENNESS_STARTS, FEWEST_STARTS = 256, 32
_START_EDGES = 1_000_000_000
"""Starts times edges: of a large graph fewer starts are sampled."""
_ROUNDS, _ENOUGH = 200, 1e-9


def adjacency(edges: Edges, n: int, *, weighted: bool = False) -> csr_array:
    """Return the matrix of a graph of n nodes: ones, or similarities, at its edges."""
    values = edges.similarity if weighted else np.ones(len(edges.left))
    both = np.concatenate([edges.left, edges.right]), np.concatenate([edges.right, edges.left])
    return csr_array((np.concatenate([values, values]), both), shape=(n, n))


def components(matrix: csr_array) -> Ints:
    """Return the number of each node's connected component, 1 for the largest, shape (n,)."""
    _, label = connected_components(matrix, directed=False)
    sizes = np.bincount(label)
    place = np.empty(len(sizes), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    numbered: Ints = place[label]
    return numbered


def core_numbers(matrix: csr_array) -> Ints:
    """Return the largest k of a k-core that each node is in (Seidman 1983), shape (n,).

    Nodes are peeled off in layers: all of degree k at most at once, until none is left, then k rises. There are few
    layers, and each is a few array operations: ten million edges take a second.

    Examples
    --------
    >>> triangle = Edges(np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3]), np.ones(4))
    >>> core_numbers(adjacency(triangle, 4)).tolist()
    [2, 2, 2, 1]
    """
    n = matrix.shape[0]
    starts, neighbours = matrix.indptr.astype(np.int64), matrix.indices
    degree, core = np.diff(starts), np.zeros(n, np.int64)
    rest = np.arange(n)
    k = 0
    while len(rest):
        layer = rest[degree[rest] <= k]
        if not len(layer):
            k = int(degree[rest].min())
            continue
        core[layer] = k
        lengths = starts[layer + 1] - starts[layer]
        places = np.repeat(starts[layer] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        degree -= np.bincount(neighbours[places], minlength=n)
        degree[layer] = np.iinfo(np.int64).max // 2  # gone
        rest = rest[degree[rest] < np.iinfo(np.int64).max // 4]
    return core


def clustering(matrix: csr_array, most: int = EXACT_WEDGES, seed: int = 0) -> Floats:
    """Return the share of each node's pairs of neighbours that are joined (Watts & Strogatz 1998), shape (n,).

    Where there are more pairs of neighbours than `most`, a hundred are drawn for each node (Schank & Wagner 2005): the
    standard error of a share is then 0.05 at most, that of the mean of all nodes far less.

    Examples
    --------
    >>> triangle = Edges(np.array([0, 0, 1, 2]), np.array([1, 2, 2, 3]), np.ones(4))
    >>> clustering(adjacency(triangle, 4)).round(2).tolist()
    [1.0, 1.0, 0.33, 0.0]
    """
    n = matrix.shape[0]
    degree = np.diff(matrix.indptr).astype(np.float64)
    pairs = degree * (degree - 1)
    if pairs.sum() > most:
        return _sampled_clustering(matrix, seed)
    triangles = np.zeros(n)
    for i in range(0, n, CLUSTERING_ROWS):  # the whole product could be dense
        rows = matrix[i : i + CLUSTERING_ROWS]
        triangles[i : i + CLUSTERING_ROWS] = np.asarray((rows @ matrix).multiply(rows).sum(axis=1)).ravel()
    shares: Floats = np.divide(triangles, pairs, out=np.zeros(n), where=pairs > 0)
    return shares


def _sampled_clustering(matrix: csr_array, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    n = matrix.shape[0]
    starts = matrix.indptr.astype(np.int64)
    degree = np.diff(starts)
    keys = np.sort(np.repeat(np.arange(n), degree) * n + matrix.indices)
    shares = np.zeros(n)
    some = np.flatnonzero(degree > 1)
    for part in np.array_split(some, max(1, len(some) // CLUSTERING_ROWS)):
        size = degree[part][:, None]
        one = rng.integers(0, size, (len(part), WEDGES))
        two = (one + rng.integers(1, size, one.shape)) % size  # another one
        ends = [matrix.indices[starts[part][:, None] + k].astype(np.int64) for k in (one, two)]
        wanted = np.sort((ends[0] * n + ends[1]), axis=1)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        shares[part] = (keys[place] == wanted).mean(axis=1)
    return shares


def betweenness(matrix: csr_array, n_starts: int | None = None, seed: int = 0) -> Floats:
    """Return the share of shortest paths that pass through each node, shape (n,).

    Brandes's algorithm (2001), from sampled starts where there are more nodes than these (Brandes & Pich 2007): 256, or
    fewer in graphs of more than four million edges, but 32 at least. All starts at once, level by level.

    Examples
    --------
    >>> path = Edges(np.array([0, 1]), np.array([1, 2]), np.ones(2))
    >>> betweenness(adjacency(path, 3)).tolist()
    [0.0, 1.0, 0.0]
    """
    n = matrix.shape[0]
    if n < 3:  # noqa: PLR2004 - nothing lies between two
        return np.zeros(n)
    if n_starts is None:
        n_starts = int(np.clip(2 * _START_EDGES // max(matrix.nnz, 1), FEWEST_STARTS, BETWEENNESS_STARTS))
    starts = np.arange(n) if n <= n_starts else np.random.default_rng(seed).choice(n, n_starts, replace=False)
    total = np.zeros(n)
    for some in np.array_split(starts, max(1, len(starts) // 64)):
        total += _dependencies(matrix, some)
    scale = n / len(starts) / ((n - 1) * (n - 2))
    shares: Floats = total * scale
    return shares


def _dependencies(matrix: csr_array, starts: Ints) -> Floats:
    n, m = matrix.shape[0], len(starts)
    level = np.full((n, m), -1)
    paths = np.zeros((n, m))
    level[starts, np.arange(m)] = 0
    paths[starts, np.arange(m)] = 1.0
    front, depth = paths.copy(), 0
    while front.any():
        depth += 1
        reached = matrix @ front
        new = (level < 0) & (reached > 0)
        level[new] = depth
        front = np.where(new, reached, 0.0)
        paths += front
    owed = np.zeros((n, m))
    for d in range(depth - 1, 0, -1):
        share = np.where(level == d, np.divide(1.0 + owed, paths, out=np.zeros((n, m)), where=paths > 0), 0.0)
        owed += np.where(level == d - 1, paths * (matrix @ share), 0.0)
    owed[starts, np.arange(m)] = 0.0
    dependencies: Floats = owed.sum(axis=1)
    return dependencies


@dataclass(frozen=True)
class CorePeriphery:
    """How well c_i c_j explains which nodes are joined.

    Attributes
    ----------
    score : float
        Pearson correlation over all pairs; NaN for a graph without edges, or with all of them.
    coreness : ndarray of float, shape (n,)
        c, scaled so that the largest is 1.
    """

    score: float
    coreness: Floats


def core_periphery(matrix: csr_array) -> CorePeriphery:
    """Score a core and a periphery.

    The continuous model of Borgatti & Everett (2000, Social Networks 21, 375), fitted by MINRES over the pairs i != j
    (Boyd, Fitzgerald, Mahutga & Smith 2010, Social Networks 32, 125). The discrete model's optimum depends on degrees
    alone (Lip 2011, arXiv:1102.5511): no graph of the same degrees could differ in it, so it cannot be tested.

    Parameters
    ----------
    matrix : csr_array
        Adjacency, n x n: ones, or weights that are not negative.

    Examples
    --------
    >>> star = Edges(np.zeros(4, int), np.arange(1, 5), np.ones(4))
    >>> found = core_periphery(adjacency(star, 5))
    >>> int(found.coreness.argmax()), round(found.score, 2)
    (0, 1.0)
    """
    n = matrix.shape[0]
    degree = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    m = degree.sum()
    pairs = n * (n - 1.0)
    mean_a = m / max(pairs, 1.0)
    variance_a = float((matrix.data**2).sum()) / max(pairs, 1.0) - mean_a**2
    if not (m > 0 and variance_a > 1e-12 * mean_a**2):
        return CorePeriphery(float("nan"), np.zeros(n))
    c = np.sqrt(degree / degree.max())
    for _ in range(_ROUNDS):
        squares = c * c
        fitted = (matrix @ c) / np.maximum(squares.sum() - squares, 1e-300)
        # Half a step: full ones swing between two states where the graph has two sides.
        new = (c + fitted) / 2
        if np.abs(new - c).max() < _ENOUGH * max(new.max(), 1e-300):
            break
        c = new
    sums, squares_sum, fourth = c.sum(), (c * c).sum(), (c**4).sum()
    mean_c = (sums**2 - squares_sum) / pairs
    variance_c = (squares_sum**2 - fourth) / pairs - mean_c**2
    together = float(c @ (matrix @ c)) / pairs - mean_a * mean_c
    score = together / np.sqrt(variance_a * variance_c) if variance_c > 1e-300 else float("nan")  # noqa: PLR2004 - not 0
    return CorePeriphery(float(score), c / max(c.max(), 1e-300))


def assortativity(edges: Edges, types: npt.NDArray[np.int64]) -> float:
    """Return how much more often edges join a type with itself than its share of edge ends explains.

    Newman (2003, Phys. Rev. E 67, 026126), equation 2: 1 for edges within types only, 0 for chance. Nodes of type -1
    (unknown), and their edges, are left out.

    Examples
    --------
    >>> two = Edges(np.array([0, 2]), np.array([1, 3]), np.ones(2))
    >>> assortativity(two, np.array([0, 0, 1, 1])), assortativity(two, np.array([0, 1, 0, 1]))
    (1.0, -1.0)
    """
    a, b = types[edges.left], types[edges.right]
    known = (a >= 0) & (b >= 0)
    a, b = a[known], b[known]
    if not a.size:
        return float("nan")
    n = int(types.max()) + 1
    mixing = np.bincount(a * n + b, minlength=n * n).reshape(n, n).astype(np.float64)
    mixing = (mixing + mixing.T) / (2 * len(a))
    ends = mixing.sum(axis=1)
    by_chance = float((ends**2).sum())
    return float((np.trace(mixing) - by_chance) / (1 - by_chance)) if by_chance < 1 else float("nan")
