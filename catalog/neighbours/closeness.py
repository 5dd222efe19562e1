"""How close two vectors are, in double precision; and how wrong single precision can be about it.

Search and join work in two passes. The first multiplies in single precision with BLAS and keeps every pair that could
be an answer. The second decides the few pairs that are left, in double precision. So the answer is that of double
precision over all pairs, at the price of one product in single precision. What makes this exact is one bound.

The bound. Let eps be the machine epsilon of a precision (2^-23 in single), and u = eps / 2. The closeness of x and y
orders pairs, greater is closer; its size s is what its error is measured by::

    metric   closeness c(x, y)    size s(x, y)
    cosine   x.y / (|x| |y|)      1
    dot      x.y                  |x| |y|
    l2       -|x - y|^2 / 2       (|x| + |y|)^2 / 2

A computed sum of d products, in whatever order and whether fused or not, is wrong by at most ((1 + u)^d - 1) times
the sum of the products' sizes (Higham, section 3.1), and that sum is at most ``|x| |y|`` (Cauchy and Schwarz). Before
the product each number was rounded at most three times: scaled to length 1, or moved to another origin. After it, at
most four times: scaled, or lengths added. In l2 there are three terms, ``x.y``, ``|x|^2 / 2`` and ``|y|^2 / 2``, whose
sizes add up to ``(|x| + |y|)^2 / 2``. So the computed closeness differs from the true one by at most
((1 + u)^(d + 10) - 1) s. With m = d + 10 and m u <= 1 this is less than 2 m u s = m eps s. That is ``slack(d) * s``; it
holds for up to eight million dimensions. What underflows adds less than d times the least normal number, far below
the slack as long as lengths are safe (`are_safe`).

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002, equations 3.2 to 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, assert_never, get_args

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Floating: TypeAlias = npt.NDArray[np.floating]
Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Metric = Literal["cosine", "l2", "dot"]
METRICS: tuple[Metric, ...] = get_args(Metric)

STEP = 1 << 14
"""Rows that are turned into double precision at a time: they stay in the cache."""
_SAFE = 1e-15, 1e15
"""Between these lengths no product in single precision over- or underflows."""


def slack(n_dimensions: int, precision: type[np.floating] = np.float32) -> float:
    """Return how wrong a computed closeness can be, in units of its size: see the module's text.

    Examples
    --------
    >>> slack(54) == 64 * 2.0**-23
    True
    """
    return (n_dimensions + 10) * float(np.finfo(precision).eps)


def is_distance(metric: Metric) -> bool:
    """Tell whether a metric's value is a distance, of which less is closer; else it is a similarity.

    Examples
    --------
    >>> is_distance("l2"), is_distance("dot")
    (True, False)
    """
    match metric:
        case "l2":
            return True
        case "cosine" | "dot":
            return False
        case _:
            assert_never(metric)


def values(a: Floating, b: Floating, metric: Metric, squared: tuple[Doubles, Doubles] | None = None) -> Doubles:
    """Return the value of each row of one array with the same row of another, in double precision.

    Parameters
    ----------
    a : ndarray of float, shape (n, d)
    b : ndarray of float, shape (n, d) or (d,)
    metric : {'cosine', 'l2', 'dot'}
    squared : (ndarray of float64, ndarray of float64), shapes (n,), optional
        `squares` of both, where these are known: a cosine then takes a third of the sums.

    Returns
    -------
    ndarray of float64, shape (n,)
        The cosine of the angle, the inner product, or the Euclidean distance. NaN where a cosine is not defined: a
        vector of zeros has no direction. Equal rows have equal values, whatever stands around them: each is summed in
        the same order.

    Examples
    --------
    >>> values(np.array([[2.0, 0], [0, 3], [0, 0]]), np.array([1.0, 0]), "cosine")
    array([ 1.,  0., nan])
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    y = np.broadcast_to(y, x.shape)
    match metric:
        case "l2":
            x -= y
            between: Doubles = np.sqrt(_row_products(x, x))
            return between
        case "dot":
            return _row_products(x, y)
        case "cosine":
            # sqrt(s * s) is s exactly, so a vector has cosine 1 with itself. The fourth power of a length needs an
            # exponent that doubles have for every single: no overflow.
            of_x, of_y = (_row_products(x, x), _row_products(y, y)) if squared is None else squared
            lengths = np.sqrt(of_x * of_y)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(lengths > 0, np.clip(_row_products(x, y) / lengths, -1, 1), np.nan)
        case _:
            assert_never(metric)


def distances(vectors: Floating, target: Floating, metric: Metric) -> Doubles:
    """Return the distance of each vector to a target, in double precision: less is closer.

    Parameters
    ----------
    vectors : ndarray of float, shape (n, d)
    target : ndarray of float, shape (d,)
    metric : {'cosine', 'l2', 'dot'}
        cosine: 1 - cos of the angle, from 0 to 2; l2: Euclidean; dot: minus the inner product.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where the cosine is not defined. Equal vectors have equal distances.

    Examples
    --------
    >>> distances(np.array([[2.0, 0], [0, 3], [-1, 0], [0, 0]]), np.array([1.0, 0]), "cosine")
    array([ 0.,  1.,  2., nan])
    """
    found = values(vectors, target, metric)
    match metric:
        case "l2":
            return found
        case "dot":
            return -found
        case "cosine":
            return 1 - found
        case _:
            assert_never(metric)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors, and what is known of their lengths.

    Attributes
    ----------
    array : ndarray of float32, shape (n, d)
        C-contiguous, finite.
    """

    array: Floats

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.array)

    @cached_property
    def squares(self) -> Doubles:
        """Squares of the Euclidean lengths, shape (n,), computed in double precision."""
        return squares(self.array)

    @cached_property
    def lengths(self) -> Floats:
        """Lengths in single precision, shape (n,)."""
        return np.sqrt(self.squares).astype(np.float32)

    @cached_property
    def inverse_lengths(self) -> Floats:
        """1 / length in single precision, shape (n,); 0 for a vector of zeros."""
        roots = np.sqrt(self.squares)
        return np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0).astype(np.float32)

    @cached_property
    def zeros(self) -> Rows:
        """Numbers of the vectors that are all zeros."""
        return np.flatnonzero(self.squares == 0)

    @cached_property
    def safe(self) -> bool:
        """Whether products in single precision neither over- nor underflow."""
        return are_safe(self.squares)

    def take(self, rows: Rows) -> Vectors:
        """Return some of the vectors, copied together, with what is known of their lengths."""
        part = Vectors(self.array.take(rows, axis=0))
        part.__dict__["squares"] = self.squares[rows]
        if self.safe:  # then each part is
            part.__dict__.update(safe=True, inverse_lengths=self.inverse_lengths[rows])
        return part


def squares(vectors: Floating) -> Doubles:
    """Return the squares of vectors' lengths in double precision, shape (n,)."""
    out = np.empty(len(vectors))
    for start in range(0, len(vectors), STEP):
        part = vectors[start : start + STEP].astype(np.float64)
        out[start : start + STEP] = _row_products(part, part)
    return out


def are_safe(squared_lengths: Doubles) -> bool:
    """Tell whether products of vectors of these lengths neither over- nor underflow in single precision."""
    positive = squared_lengths[squared_lengths > 0]
    low, high = _SAFE
    return bool(positive.size == 0 or (positive.min() >= low**2 and positive.max() <= high**2))


def _row_products(a: Doubles, b: Doubles) -> Doubles:
    """Return the inner product of each row of one with the same row of another."""
    products: Doubles = np.einsum("ij,ij->i", a, b)
    return products
