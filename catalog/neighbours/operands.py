"""Two sets of vectors made ready for a join: what is multiplied, and what a product must reach to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import numpy as np

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
    is_distance,
    slack,
    squares,
    values,
)


@dataclass(frozen=True, eq=False)
class Operands:
    """Two sets of vectors, made ready for one metric.

    The product of a row of `factors[0]` with a row of `factors[1]` is the closeness of the pair, see
    `catalog.neighbours.closeness`, up to its rounding error.

    Attributes
    ----------
    x, y : ndarray of float32, shapes (n, d) and (m, d)
        The vectors as they are; finite.
    metric : {'cosine', 'l2', 'dot'}
    within : bool
        Whether `y` is `x`: pairs are then counted once, and no row is its own neighbour.
    """

    x: Floats
    y: Floats
    metric: Metric
    within: bool

    @cached_property
    def sides(self) -> tuple[Vectors, Vectors]:
        """Both sets with their lengths."""
        x = Vectors(self.x)
        return x, x if self.within else Vectors(self.y)

    @cached_property
    def directed(self) -> tuple[Mask, Mask]:
        """Which rows have a similarity at all: in cosine, a vector of zeros has no direction."""
        x, y = (side.squares for side in self.sides)
        return (x > 0, y > 0) if self.metric == "cosine" else (np.ones(len(x), np.bool_), np.ones(len(y), np.bool_))

    @cached_property
    def precision(self) -> type[np.floating]:
        """Precision of the products: single, unless the vectors are so long or short that it would not hold them."""
        safe = self.metric == "cosine" or are_safe(np.concatenate([side.squares for side in self.sides]))
        return np.float32 if safe else np.float64

    @property
    def slack(self) -> float:
        """How wrong a product can be, in units of its size."""
        return slack(self.x.shape[1], self.precision)

    @cached_property
    def factors(self) -> tuple[Floating, Floating]:
        """What is multiplied: shapes (n, d') and (m, d').

        In l2 and dot the error that a product can have differs from pair to pair: one column more, or two, add it to
        the product. In cosine it is the same for all, and `floor` is lower by it.
        """
        x, y = self.sides
        match self.metric:
            case "cosine":
                scaled = _scaled(x)
                return scaled, scaled if self.within else _scaled(y)
            case "dot":
                # (x, a|x|).(y, a|y|) = x.y + a^2 |x||y|, where a^2 is the slack
                return self._extended(self.x, [np.sqrt(self.slack * x.squares)]), self._extended(
                    self.y, [np.sqrt(self.slack * y.squares)]
                )
            case "l2":
                # About the common centre, where lengths are least. The size of the error, (|x| + |y|)^2 / 2, is at
                # most |x|^2 + |y|^2; moving the origin costs a rounding more of each number, hence twice the slack.
                total = self.x.sum(axis=0, dtype=np.float64) + self.y.sum(axis=0, dtype=np.float64)
                centre = total / max(1, len(self.x) + len(self.y))
                moved = [(v - centre).astype(self.precision) for v in (self.x, self.y)]
                share = 2 * self.slack - 0.5
                a, b = (share * squares(v) for v in moved)
                ones = [np.ones(len(v)) for v in moved]
                return self._extended(moved[0], [a, ones[0]]), self._extended(moved[1], [ones[1], b])
            case _:
                assert_never(self.metric)

    def _extended(self, vectors: Floating, columns: list[Doubles]) -> Floating:
        kind = self.precision
        return np.column_stack([vectors.astype(kind, copy=False), *(c.astype(kind) for c in columns)])

    def floor(self, limit: float | Doubles) -> Floating:
        """Return what products must reach for their pairs to be looked at, for one limit or for many.

        Every pair whose value in double precision `passes` the limit reaches it.
        """
        value = np.asarray(limit, np.float64)
        kind = np.finfo(self.precision)
        with np.errstate(over="ignore"):  # no product reaches infinity, all reach minus infinity
            if self.metric == "cosine":
                lost: float | Doubles = self.slack
            else:
                value = -value * value / 2 if is_distance(self.metric) else value
                # below the least normal number there is no precision left to speak of
                lost = np.abs(value) * (4 * float(kind.eps)) + self.x.shape[1] * float(kind.tiny)
            floor: Floating = (value - lost).astype(self.precision)
        return floor

    def values(self, left: Rows, right: Rows) -> Doubles:
        """Return the values of some pairs in double precision, shape (m,): see `closeness.values`."""
        out = np.empty(len(left))
        step = STEP // 4
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            out[part] = values(self.x.take(left[part], axis=0), self.y.take(right[part], axis=0), self.metric)
        return out

    def passes(self, found: Doubles, limit: float | Doubles) -> Mask:
        """Tell which values are as similar as a limit, or more."""
        return found <= limit if is_distance(self.metric) else found >= limit

    def ascending(self, found: Doubles) -> Doubles:
        """Return numbers of which less is more similar."""
        return found if is_distance(self.metric) else -found

    @property
    def loosest(self) -> float:
        """The limit that all values pass."""
        return np.inf if is_distance(self.metric) else -np.inf


def operands(x: Floats, y: Floats | None = None, metric: Metric = "cosine") -> Operands:
    """Make vectors ready for a join.

    Parameters
    ----------
    x : ndarray of float32, shape (n, d)
        Finite.
    y : ndarray of float32, shape (m, d), optional
        Another set; without it, x is joined with itself.
    metric : {'cosine', 'l2', 'dot'}

    Examples
    --------
    >>> sets = operands(np.array([[3, 4], [0, 2]], np.float32))
    >>> sets.values(np.array([0]), np.array([1]))
    array([0.8])
    """
    return Operands(x, x if y is None else y, metric, within=y is None)


def _scaled(vectors: Vectors) -> Floats:
    """Return vectors of length 1; those of zeros stay zeros."""
    roots = np.sqrt(vectors.squares)
    inverse = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
    out = np.empty(vectors.array.shape, np.float32)
    for start in range(0, len(vectors), STEP):
        part = slice(start, start + STEP)
        out[part] = vectors.array[part] * inverse[part, None]
    return out
