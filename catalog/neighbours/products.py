"""Which products of two sets of vectors reach a floor: by BLAS in memory, or on a GPU where there is one.

Both compute in single precision, block by block, and give the places alone; who asks decides them in double precision.
A GPU keeps both sets, and sends back nothing but the places: products are never copied.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from catalog.neighbours.closeness import Floating, Mask, Rows

if TYPE_CHECKING:
    import torch

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
    """Return the places of the true ones among few: eight flags are looked at as one number."""
    n_words = len(flags) // 8
    words = np.flatnonzero(flags[: 8 * n_words].view(np.uint64))
    if len(words) > n_words // 4:
        return np.flatnonzero(flags)
    places = (words[:, None] * 8 + np.arange(8)).reshape(-1)
    rest = 8 * n_words + np.flatnonzero(flags[8 * n_words :])
    return np.concatenate([places[flags[places]], rest])


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
