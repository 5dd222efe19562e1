"""Which nodes are joined: all pairs at least so similar, in one space or in several combined.

Combining rules, for cosines s_1, s_2, ... of a pair in several spaces:

* mean: the mean of those there are; a space that lacks one of the two says nothing.
* max: the greatest of those there are.
* both: the least, and every space must have both: an edge only where all agree.

Of two spaces without a common node there is no edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import numpy as np
import numpy.typing as npt

from analysis.distances import unit
from catalog.errors import Terminal
from catalog.neighbours.join import join, operands

Rule = Literal["mean", "max", "both"]
RULES: tuple[Rule, ...] = get_args(Rule)
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Part = tuple[Rows, Rows, Floats]
MOST_EDGES = 20_000_000
"""A graph of more is refused: its measures would need more memory than a laptop has."""
_BLOCK = 1024


class TooManyEdges(Terminal, OverflowError):
    """More pairs are that similar than a graph can hold."""


@dataclass(frozen=True)
class Modality:
    """Vectors of one space for the nodes.

    Attributes
    ----------
    name : str
    vectors : ndarray of float32, shape (n, d)
        Zeros where a node has none.
    has : ndarray of bool, shape (n,)
    """

    name: str
    vectors: npt.NDArray[np.float32]
    has: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Edges:
    """Pairs of nodes with left < right, and their similarity; each of shape (m,)."""

    left: Rows
    right: Rows
    similarity: Floats

    def above(self, threshold: float) -> Edges:
        """Return the edges at least so similar."""
        return self.some(self.similarity >= threshold)

    def some(self, kept: npt.NDArray[np.bool_]) -> Edges:
        """Return the edges that a mask of shape (m,) keeps."""
        return Edges(self.left[kept], self.right[kept], self.similarity[kept])


def centred(modality: Modality) -> Modality:
    """Subtract the mean of the nodes that have a vector.

    Vectors of an encoder often share a large part: without this a cosine says that they come from the same encoder.
    """
    vectors = np.zeros_like(modality.vectors)
    mine = modality.vectors[modality.has].astype(np.float64)
    if len(mine):
        vectors[modality.has] = (mine - mine.mean(axis=0)).astype(np.float32)
    return Modality(modality.name, vectors, modality.has)


def edges(modalities: Sequence[Modality], threshold: float, rule: Rule = "mean", limit: int = MOST_EDGES) -> Edges:
    """Return all pairs at least so similar; decided in double precision.

    Parameters
    ----------
    modalities : sequence of Modality
        Of the same n nodes.
    threshold : float
        Least combined cosine.
    rule : {'mean', 'max', 'both'}
    limit : int
        At most so many edges are held.

    Raises
    ------
    TooManyEdges
        If there are more.

    Examples
    --------
    >>> x = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)
    >>> found = edges([Modality("a", x, np.ones(3, bool))], 0.9)
    >>> found.left.tolist(), found.right.tolist()
    ([0], [1])
    """
    parts: list[Part] = []
    n_found = 0
    for part in _joined(modalities[0], threshold) if len(modalities) == 1 else _combined(modalities, threshold, rule):
        parts.append(part)
        n_found += len(part[0])
        if n_found > limit:
            raise TooManyEdges(
                f"expected at most {limit:,} edges, found more of {len(modalities[0].has):,} nodes at {threshold:g}; "
                "raise --threshold, or narrow --where"
            )
    if not parts:
        return Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    left, right, similarity = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.lexsort((right, left))
    return Edges(left[order], right[order], similarity[order])


def similarities(modalities: Sequence[Modality], rows: Rows, rule: Rule = "mean") -> Floats:
    """Return the combined cosines of some nodes with all nodes, shape (m, n); minus infinity where there is none.

    Examples
    --------
    >>> x = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
    >>> similarities([Modality("a", x, np.array([True, True, False]))], np.array([0])).tolist()
    [[1.0, 1.0, -inf]]
    """
    units = [unit(m.vectors) for m in modalities]
    has = [m.has & u.any(axis=1) for m, u in zip(modalities, units, strict=True)]
    return _rule([u[rows] @ u.T for u in units], [h[rows, None] & h[None, :] for h in has], rule)


def _joined(modality: Modality, threshold: float) -> Iterator[Part]:
    there = np.flatnonzero(modality.has)
    for p in join(operands(np.ascontiguousarray(modality.vectors[there])), threshold):
        yield there[p.left], there[p.right], p.values


def _combined(modalities: Sequence[Modality], threshold: float, rule: Rule) -> Iterator[Part]:
    """Multiply block by block in double precision: no more than a few blocks are held."""
    units = [unit(m.vectors) for m in modalities]
    has = [m.has & u.any(axis=1) for m, u in zip(modalities, units, strict=True)]
    n = len(units[0])
    for i in range(0, n, _BLOCK):
        for j in range(i, n, _BLOCK):
            rows, columns = slice(i, i + _BLOCK), slice(j, j + _BLOCK)
            similar = _rule(
                [u[rows] @ u[columns].T for u in units], [h[rows, None] & h[None, columns] for h in has], rule
            )
            left, right = np.nonzero(similar >= threshold)
            values = similar[left, right]
            left, right = left + i, right + j
            kept = left < right
            yield left[kept], right[kept], values[kept]


def _rule(cosines: list[Floats], there: list[npt.NDArray[np.bool_]], rule: Rule) -> Floats:
    if rule == "mean":
        n = np.sum(there, axis=0)
        total = np.sum([np.where(t, c, 0.0) for c, t in zip(cosines, there, strict=True)], axis=0)
        mean: Floats = np.divide(total, n, out=np.full(total.shape, -np.inf), where=n > 0)
        return mean
    known = [np.where(t, c, -np.inf) for c, t in zip(cosines, there, strict=True)]
    if rule == "max":
        return np.asarray(np.max(known, axis=0))
    if rule == "both":
        return np.asarray(np.min(known, axis=0))
    assert_never(rule)
