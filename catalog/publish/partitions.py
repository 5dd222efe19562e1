"""Partitions of the sky by HEALPix pixels of unequal size, so that each holds at most so many rows; and their margins.

In nested order the children of a pixel follow one another. So a pixel of any order is a range of the numbers at order
29, and rows that are sorted by those lie partition by partition.
Source: Górski et al. 2005, ApJ 622, 759; the HATS standard (IVOA note, Caplar et al. 2025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ORDER = 29
"""The finest order: a pixel of 0.4 milliarcseconds."""
_N_BASE = 12
_ORDER_0_ARCSEC = math.sqrt(math.pi / 3) * 180 / math.pi * 3600  # side of a square as large as a base pixel
_WIDE = 4
"""A cell is so many times as wide as the margin: even a narrow one is then wider than it."""


@dataclass(frozen=True)
class Partitions:
    """Pixels that do not overlap, in the order of the sky's nested numbers.

    Attributes
    ----------
    orders, pixels : ndarray of int64, shape (n,)
    """

    orders: Ints
    pixels: Ints

    def __len__(self) -> int:
        """How many there are."""
        return len(self.orders)

    @property
    def starts(self) -> Ints:
        """First number at order 29 of each, shape (n,)."""
        return np.asarray(self.pixels << (2 * (ORDER - self.orders)))

    @property
    def ends(self) -> Ints:
        """First number at order 29 after each, shape (n,)."""
        return np.asarray((self.pixels + 1) << (2 * (ORDER - self.orders)))

    def of(self, numbers: Ints) -> Ints:
        """Return which partition each number at order 29 lies in; -1 for none."""
        if not len(self):
            return np.full(numbers.shape, -1, np.int64)
        place = np.searchsorted(self.starts, numbers, side="right") - 1
        inside = (place >= 0) & (numbers < self.ends[np.maximum(place, 0)])
        return np.where(inside, place, -1)

    def path(self, i: int) -> str:
        """Return where the rows of one stand below the folder `dataset`.

        Examples
        --------
        >>> Partitions(np.array([6]), np.array([31234])).path(0)
        'Norder=6/Dir=30000/Npix=31234.parquet'
        """
        pixel = int(self.pixels[i])
        return f"Norder={int(self.orders[i])}/Dir={pixel // 10_000 * 10_000}/Npix={pixel}.parquet"


def partition(numbers: Ints, most: int, finest: int) -> Partitions:
    """Divide the sky so that no partition holds more rows than it may, unless it is as fine as may be.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n_rows,)
        Pixels at order 29, sorted.
    most : int
        Rows in a partition.
    finest : int
        Order of the smallest.

    Returns
    -------
    Partitions
        Those that hold rows.

    Examples
    --------
    >>> found = partition(np.array([0, 1, 1 << 57]), 2, 10)
    >>> found.orders.tolist(), found.pixels.tolist()
    ([1, 1], [0, 2])
    """
    orders, pixels = [], []
    stack = [(0, pixel, 0, len(numbers)) for pixel in reversed(range(_N_BASE))]
    while stack:
        order, pixel, low, high = stack.pop()
        edges = (np.array([pixel, pixel + 1]) << (2 * (ORDER - order))).astype(np.int64)
        first, last = (low + np.searchsorted(numbers[low:high], edges)).tolist()
        if first == last:
            continue
        if last - first <= most or order >= finest:
            orders.append(order)
            pixels.append(pixel)
        else:
            stack += [(order + 1, 4 * pixel + child, first, last) for child in (3, 2, 1, 0)]
    return Partitions(np.array(orders, np.int64), np.array(pixels, np.int64))


def margin_order(arcsec: float) -> int:
    """Return the order of cells that are wide enough for a margin.

    Examples
    --------
    >>> margin_order(10)
    12
    """
    return max(0, min(ORDER, math.floor(math.log2(_ORDER_0_ARCSEC / (_WIDE * arcsec)))))


def margins(numbers: Ints, found: Partitions, order: int) -> tuple[Ints, Ints]:
    """Find the rows that lie near other partitions than their own.

    A row is near all partitions that reach one of the eight cells around its own.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n_rows,)
        Pixels at order 29.
    found : Partitions
        None finer than `order`.
    order : int
        Of the cells: `margin_order`.

    Returns
    -------
    rows, partitions : ndarray of int64, shape (n_pairs,)
        Each pair once.
    """
    from cdshealpix.nested import neighbours  # noqa: PLC0415 - of the extra `hats`

    shift = 2 * (ORDER - order)
    cells, cell_of = np.unique(numbers >> shift, return_inverse=True)
    if not len(cells):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    around = neighbours(cells.astype(np.uint64), order).astype(np.int64)
    near = np.where(around >= 0, found.of(around << shift), -1)
    own = found.of(cells << shift)
    cell, side = np.nonzero((near >= 0) & (near != own[:, None]))
    pairs = np.unique(np.column_stack([cell, near[cell, side]]), axis=0)
    counts = np.bincount(cell_of, minlength=len(cells))
    rows = np.argsort(cell_of, kind="stable")
    begins = np.cumsum(counts) - counts
    sizes = counts[pairs[:, 0]]
    take = (
        np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(begins[pairs[:, 0]], sizes)
    )
    return rows[take], np.repeat(pairs[:, 1], sizes)
