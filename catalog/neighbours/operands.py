"""Two sets of vectors made ready for a join, and which of their products reach a floor: by BLAS, or on a GPU.

Both compute in single precision, block by block, and give the places alone; who asks decides them in double precision.
A GPU keeps both sets, and sends back nothing but the places: products are never copied.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, assert_never

import numpy as np
import numpy.typing as npt

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

if TYPE_CHECKING:
    import torch


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
        a, b = (side.squares for side in self.sides) if self.metric == "cosine" else (None, None)
        for start in range(0, len(left), step):
            i, j = left[start : start + step], right[start : start + step]
            known = None if a is None or b is None else (a[i], b[j])
            out[start : start + step] = values(self.x.take(i, axis=0), self.y.take(j, axis=0), self.metric, known)
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


WORTH_A_GPU = 1 << 32
"""Products from which on a GPU is asked for: below it, importing torch takes longer than the products."""
DEVICE = "PHOTONLAKE_DEVICE"
"""Environment variable: 'blas' keeps products in memory; a device of torch, as 'cuda', is taken at any size."""


class Sieve(Protocol):
    """Finds products that reach a floor."""

    def hits(self, rows: slice, columns: slice, floor: Floating | float) -> tuple[Rows, Rows]:
        """Return rows and columns, counted within the block, of the products of a block that reach a floor."""


class Room(threading.local):
    """Memory of a thread for one block: fresh memory for each would cost a quarter of the time of the product."""

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[np.generic]] = {}

    def take(self, shape: tuple[int, int], kind: npt.DTypeLike) -> npt.NDArray[np.generic]:
        """Return an array that is valid until the next of its kind is taken."""
        n, name = shape[0] * shape[1], np.dtype(kind).name
        if name not in self._held or len(self._held[name]) < n:
            self._held[name] = np.empty(n, kind)
        return self._held[name][:n].reshape(shape)

    def product(self, x: Floating, y: Floating) -> Floating:
        """Return x @ y.T."""
        product: Floating = np.matmul(x, y.T, out=self.take((len(x), len(y)), x.dtype))
        return product

    def reached(self, products: Floating, floor: Floating | float) -> tuple[Rows, Rows]:
        """Return rows and columns of the products that reach a floor."""
        reached = np.greater_equal(products, floor, out=self.take(products.shape, np.bool_)).reshape(-1)
        n_columns = products.shape[1]
        flat = _true_places(reached)  # many times as fast as the two numbers at once
        rows = flat // n_columns
        return rows, flat - rows * n_columns


def _true_places(flags: Mask) -> Rows:
    """Return the places of the true ones among few: 64 flags are looked at as one number, then eight, then each."""
    n_words = len(flags) // 64
    packed = np.packbits(flags[: 64 * n_words])
    words = np.flatnonzero(packed.view(np.uint64))
    if len(words) > n_words // 2:
        return np.flatnonzero(flags)
    eights = _within(packed, words)
    rest = 64 * n_words + np.flatnonzero(flags[64 * n_words :])
    return np.concatenate([_within(flags, eights), rest])


def _within(values: npt.NDArray[np.generic], eights: Rows) -> Rows:
    """Return the places of what is not zero in some groups of eight values."""
    found = np.flatnonzero(values[: len(values) // 8 * 8].reshape(-1, 8).take(eights, axis=0))
    places: Rows = (eights[found >> 3] << 3) + (found & 7)
    return places


class BlasSieve:
    """Multiplies in memory.

    Parameters
    ----------
    x, y : ndarray, shape (n, d) and (m, d)
    """

    def __init__(self, x: Floating, y: Floating) -> None:
        self._x, self._y, self._room = x, y, Room()

    def hits(self, rows: slice, columns: slice, floor: Floating | float) -> tuple[Rows, Rows]:
        """See `Sieve`."""
        return self._room.reached(self._room.product(self._x[rows], self._y[columns]), floor)


class TorchSieve:
    """Multiplies on a device of torch.

    Parameters
    ----------
    x, y : ndarray, shape (n, d) and (m, d)
    device : str
        As torch calls it: 'cuda', 'mps', 'cpu'.
    """

    def __init__(self, x: Floating, y: Floating, device: str) -> None:
        import torch  # noqa: PLC0415 - seconds to import

        self._x = torch.tensor(x, device=device)
        self._y = self._x if x is y else torch.tensor(y, device=device)

    def hits(self, rows: slice, columns: slice, floor: Floating | float) -> tuple[Rows, Rows]:
        """See `Sieve`."""
        products: torch.Tensor = self._x[rows] @ self._y[columns].T
        left, right = (products >= float(floor)).nonzero(as_tuple=True)
        return left.cpu().numpy(), right.cpu().numpy()


def sieve_of(x: Floating, y: Floating) -> Sieve:
    """Return the fastest sieve of this machine for two sets of vectors.

    Parameters
    ----------
    x, y : ndarray, shape (n, d) and (m, d)

    Examples
    --------
    >>> type(sieve_of(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32))).__name__
    'BlasSieve'
    """
    device = _device(len(x) * len(y))
    # Double precision is for what single cannot tell apart: few rows, and not every device has it.
    return TorchSieve(x, y, device) if device and x.dtype == np.float32 else BlasSieve(x, y)


def _device(n_products: int) -> str | None:
    asked = os.environ.get(DEVICE, "")
    if asked == "blas" or (not asked and n_products < WORTH_A_GPU) or importlib.util.find_spec("torch") is None:
        return None
    import torch  # noqa: PLC0415 - as above

    if asked:
        return asked
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
