"""Neighbours of rows of other sources, and how alike they are: in what was measured, and in what is written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.distances import nearest, unit
from analysis.statistics import codes

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_BLOCK = 1024


def neighbours(
    vectors: Floats, sources: npt.NDArray[np.generic], k: int, queries: Floats | None = None
) -> tuple[Indices, Doubles]:
    """Return the k nearest rows of other sources by cosine, nearest first, and their distances, (n, k) each.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
    sources : ndarray, shape (n,)
    k : int
    queries : ndarray, shape (n, d), optional
        Other vectors of the same rows: where they would stand.

    Examples
    --------
    >>> x = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> neighbours(x, np.array(["a", "a", "b", "c"]), 1)[0].ravel().tolist()
    [3, 3, 3, 2]
    """
    code = codes(sources)
    return nearest(vectors if queries is None else queries, vectors, k, groups=(code, code))


def random_sets(sources: npt.NDArray[np.generic], k: int, seed: int = 0) -> Indices:
    """Return k rows of other sources for each row, drawn at random, (n, k): what no neighbourhood would give."""
    code = codes(sources)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(code), (len(code), k))
    for _ in range(_TRIES):
        own = code[drawn] == code[:, None]
        if not own.any():
            break
        drawn[own] = rng.integers(0, len(code), int(own.sum()))
    return drawn.astype(np.int64)


_TRIES = 50


def spread(values: Doubles, sets: Indices) -> Doubles:
    """Return the standard deviation of a column in each set of rows, shape (n,); NaN where fewer than two have it.

    Examples
    --------
    >>> spread(np.array([0.0, 2.0, np.nan]), np.array([[0, 1, 2], [2, 2, 0]])).round(2).tolist()
    [1.0, nan]
    """
    found = values[sets]
    there = np.isfinite(found)
    n = there.sum(axis=1)
    mean = np.divide(np.where(there, found, 0.0).sum(axis=1), n, out=np.zeros(len(n)), where=n > 0)
    square = (np.where(there, found - mean[:, None], 0.0) ** 2).sum(axis=1)
    out: Doubles = np.sqrt(np.divide(square, n, out=np.full(len(n), np.nan), where=n > 1))
    return out


def semantic_spread(text: Floats, sets: Indices) -> Doubles:
    """Return the mean cosine distance between the texts of each set, pair by pair, shape (n,).

    Examples
    --------
    >>> semantic_spread(np.eye(2, dtype=np.float32), np.array([[0, 1], [0, 0]])).tolist()
    [1.0, 0.0]
    """
    units = unit(text)
    k = sets.shape[1]
    out = np.empty(len(sets))
    for i in range(0, len(sets), _BLOCK):
        summed = units[sets[i : i + _BLOCK]].sum(axis=1)
        # The sum of all products is the square of the sum; k of them are of a text with itself.
        out[i : i + _BLOCK] = 1.0 - ((summed**2).sum(axis=1) - k) / (k * (k - 1))
    return out


def n_topics(topics: list[frozenset[int]], sets: Indices) -> Doubles:
    """Return how many topics the papers of each set have together, shape (n,).

    Examples
    --------
    >>> n_topics([frozenset({1}), frozenset({1, 2})], np.array([[0, 1], [0, 0]])).tolist()
    [2.0, 1.0]
    """
    return np.array([float(len(frozenset().union(*(topics[j] for j in row)))) for row in sets.tolist()])


def overlap(first: Indices, second: Indices) -> Doubles:
    """Return the share of each row's neighbours that are among its others, shape (n,).

    Examples
    --------
    >>> overlap(np.array([[1, 2]]), np.array([[2, 3]])).tolist()
    [0.5]
    """
    return np.asarray((first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1), np.float64)
