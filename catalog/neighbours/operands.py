"""Two sets of vectors made ready to be compared in bulk: products in single precision, bounds, values in double.

`catalog.neighbours.join` multiplies them block by block. What a product in single precision must reach for its pair to be looked
at is so low that rounding loses none; what a pair's value is, and whether it is similar enough, double precision says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from catalog.neighbours.search import Doubles, Floats, Mask, Metric, Rows

_REFINED = 4096
"""Pairs whose products are summed at a time in double precision."""
_MARGIN = 10
"""A sum of d products is wrong by less than (d + this) times half the precision, of the sum of their sizes."""
_SAFE_LENGTH = 1e-15, 1e15
"""Between these lengths no product in single precision over- or underflows."""

Floating = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Operands:
    """Two sets of vectors, made ready for one metric.

    The product of a row of `factors[0]` with a row of `factors[1]` orders pairs as their similarity does, up to its
    rounding error: it is the cosine, the inner product, or minus half the square of the distance.

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
    def squares(self) -> tuple[Doubles, Doubles]:
        """Squares of the vectors' lengths in double precision, shapes (n,) and (m,)."""
        x = _squares(self.x)
        return x, x if self.within else _squares(self.y)

    @cached_property
    def directed(self) -> tuple[Mask, Mask]:
        """Which rows have a similarity at all: in cosine, a vector of zeros has no direction."""
        x, y = self.squares
        return (x > 0, y > 0) if self.metric == "cosine" else (np.ones(len(x), np.bool_), np.ones(len(y), np.bool_))

    @cached_property
    def number(self) -> type[np.floating]:
        """Precision of the products: single, unless the vectors are so long or short that it would not hold them."""
        low, high = _SAFE_LENGTH
        positive = np.concatenate([s[s > 0] for s in self.squares])
        safe = positive.size == 0 or (positive.min() >= low**2 and positive.max() <= high**2)
        return np.float32 if safe or self.metric == "cosine" else np.float64

    @property
    def unit(self) -> float:
        """Twice the bound on the relative error of a product, for vectors of this length in this precision."""
        return float((self.x.shape[1] + _MARGIN) * np.finfo(self.number).eps)

    @cached_property
    def factors(self) -> tuple[Floating, Floating]:
        """What is multiplied: shapes (n, d') and (m, d').

        In l2 and dot the bound on a product's error differs from pair to pair, and a column more adds it to the
        product; in cosine it is the same for all, and `floor` is lower by it.
        """
        squares = self.squares
        if self.metric == "cosine":
            x = _scaled(self.x, squares[0])
            return x, x if self.within else _scaled(self.y, squares[1])
        if self.metric == "dot":
            # (x, a|x|).(y, a|y|) = x.y + a^2 |x||y|
            return self._extended(self.x, [np.sqrt(self.unit * squares[0])]), self._extended(
                self.y, [np.sqrt(self.unit * squares[1])]
            )
        # -|x - y|^2 / 2 = x.y - |x|^2 / 2 - |y|^2 / 2, about their common centre, where the three terms are smallest
        total = self.x.sum(axis=0, dtype=np.float64) + self.y.sum(axis=0, dtype=np.float64)
        centre = total / max(1, len(self.x) + len(self.y))
        x, y = ((v - centre).astype(self.number) for v in (self.x, self.y))
        share = 2 * self.unit - 0.5
        return (
            self._extended(x, [share * _squares(x), np.ones(len(x))]),
            self._extended(y, [np.ones(len(y)), share * _squares(y)]),
        )

    def _extended(self, vectors: Floating, columns: list[Doubles]) -> Floating:
        return np.column_stack([vectors.astype(self.number, copy=False), *(c.astype(self.number) for c in columns)])

    def floor(self, limit: float | Doubles) -> Floating:
        """Return what products must reach for their pairs to be looked at, for one limit or for many.

        Every pair whose value in double precision `passes` the limit reaches it.
        """
        value = np.asarray(limit, np.float64)
        kind = np.finfo(self.number)
        with np.errstate(over="ignore"):  # no product reaches infinity, all reach minus infinity
            if self.metric == "cosine":
                lost: float | Doubles = self.unit
            else:
                value = -value * value / 2 if self.metric == "l2" else value
                # below the least normal number there is no precision left to speak of
                lost = np.abs(value) * (4 * float(kind.eps)) + self.x.shape[1] * float(kind.tiny)
            floor: Floating = (value - lost).astype(self.number)
        return floor

    def values(self, left: Rows, right: Rows) -> Doubles:
        """Return the values of some pairs in double precision, shape (m,): cosine, inner product, or distance.

        Equal pairs have equal values, whatever stands around them: each is summed in the same order.
        """
        out = np.empty(len(left))
        for start in range(0, len(left), _REFINED):
            part = slice(start, start + _REFINED)
            a = self.x.take(left[part], axis=0).astype(np.float64)
            b = self.y.take(right[part], axis=0).astype(np.float64)
            if self.metric == "l2":
                a -= b
                out[part] = np.sqrt(_rowwise(a, a))
                continue
            out[part] = _rowwise(a, b)
            if self.metric == "cosine":
                # sqrt(s * s) is s exactly, so a vector has similarity 1 to itself
                out[part] /= np.sqrt(self.squares[0][left[part]] * self.squares[1][right[part]])
        return np.clip(out, -1, 1, out=out) if self.metric == "cosine" else out

    def passes(self, values: Doubles, limit: float | Doubles) -> Mask:
        """Tell which values are as similar as a limit, or more."""
        return values <= limit if self.metric == "l2" else values >= limit

    def ascending(self, values: Doubles) -> Doubles:
        """Return numbers of which less is more similar."""
        return values if self.metric == "l2" else -values

    @property
    def loosest(self) -> float:
        """The limit that all values pass."""
        return np.inf if self.metric == "l2" else -np.inf


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


def _rowwise(a: Doubles, b: Doubles) -> Doubles:
    """Return the inner product of each row of one with the same row of another."""
    products: Doubles = np.einsum("ij,ij->i", a, b)
    return products


def _squares(vectors: Floating) -> Doubles:
    out = np.empty(len(vectors))
    for start in range(0, len(vectors), _REFINED):
        part = vectors[start : start + _REFINED].astype(np.float64)
        out[start : start + _REFINED] = _rowwise(part, part)
    return out


def _scaled(vectors: Floats, squares: Doubles) -> Floats:
    """Return vectors of length 1; those of zeros stay zeros."""
    inverse = np.divide(1.0, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
    out = np.empty(vectors.shape, np.float32)
    for start in range(0, len(vectors), 1 << 16):
        part = slice(start, start + (1 << 16))
        out[part] = vectors[part] * inverse[part, None]
    return out
