"""Rows of bytes whose cells differ in length, put together without a loop over rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Ragged:
    """One column of bytes.

    Attributes
    ----------
    lengths : ndarray of int64, shape (n,)
        Bytes of each cell.
    data : ndarray of uint8, shape (sum of lengths,)
        All cells, one after another.
    """

    lengths: npt.NDArray[np.int64]
    data: Bytes


def ragged(cells: Iterable[bytes]) -> Ragged:
    """Make a column of single cells.

    Examples
    --------
    >>> ragged([b"ab", b"", b"c"]).lengths.tolist()
    [2, 0, 1]
    """
    held = list(cells)
    lengths = np.fromiter(map(len, held), np.int64, len(held))
    return Ragged(lengths, np.frombuffer(b"".join(held), np.uint8))


def joined(columns: Sequence[npt.NDArray[np.generic] | Ragged], n_rows: int) -> bytes:
    """Put columns side by side, row after row.

    Parameters
    ----------
    columns : sequence of ndarray or Ragged
        An array has one row on its first axis per row, all of the same number of bytes.
    n_rows : int

    Examples
    --------
    >>> joined([np.frombuffer(b"12", np.uint8), ragged([b"ab", b""]), np.frombuffer(b"xy", np.uint8)], 2)
    b'1abx2y'
    """
    if not n_rows:
        return b""
    made = [c if isinstance(c, Ragged) else _as_bytes(c, n_rows) for c in columns]
    widths = [c.lengths if isinstance(c, Ragged) else np.full(n_rows, c.shape[1], np.int64) for c in made]
    whole = np.sum(widths, axis=0, dtype=np.int64) if widths else np.zeros(n_rows, np.int64)
    ends = np.cumsum(whole)
    place = ends - whole
    out = np.empty(int(ends[-1]), np.uint8)
    for column, width in zip(made, widths, strict=True):
        if isinstance(column, Ragged):
            begins = np.cumsum(width) - width
            out[np.repeat(place - begins, width) + np.arange(len(column.data))] = column.data
        else:
            out[place[:, None] + np.arange(column.shape[1])] = column
        place = place + width
    return out.tobytes()


def _as_bytes(array: npt.NDArray[np.generic], n_rows: int) -> Bytes:
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8).reshape(n_rows, -1)
