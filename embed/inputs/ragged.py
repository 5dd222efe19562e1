"""Arrow list columns as flat NumPy arrays with offsets: no Python object per element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths, one per row.

    Attributes
    ----------
    flat : ndarray of float, shape (n_total,)
        All elements in a row; NULL as NaN.
    offsets : ndarray of int, shape (n + 1,)
        Row i is ``flat[offsets[i]:offsets[i + 1]]``.
    """

    flat: Floats
    offsets: Ints

    @property
    def lengths(self) -> Ints:
        """Elements per row, shape (n,); 0 for a NULL list."""
        return np.diff(self.offsets)

    @property
    def row(self) -> Ints:
        """The row of each element, shape (n_total,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def __getitem__(self, i: int) -> Floats:
        """Return the elements of one row, shape (n_i,), without a copy."""
        return self.flat[self.offsets[i] : self.offsets[i + 1]]


def ragged(column: pa.ChunkedArray, field: str | None = None) -> Ragged:
    """Read a list column.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Lists of numbers, or of structs.
    field : str, optional
        Which field of the structs.

    Examples
    --------
    >>> r = ragged(pa.chunked_array([[[1, 2], None, [3]]]))
    >>> r.flat.tolist(), r.offsets.tolist(), r.row.tolist()
    ([1.0, 2.0, 3.0], [0, 2, 2, 3], [0, 0, 2])
    """
    if pa.types.is_null(column.type):
        return Ragged(np.empty(0), np.zeros(len(column) + 1, np.int64))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    flat = pc.list_flatten(column)
    if field is not None:
        flat = pc.struct_field(flat, field)
    values = flat.cast(pa.float64()).to_numpy() if len(flat) else np.empty(0)
    return Ragged(np.asarray(values, np.float64), np.concatenate([[0], np.cumsum(lengths)]))


def numbers(column: pa.ChunkedArray, missing: float = np.nan) -> Floats:
    """Read a column of numbers, shape (n,); NULL becomes `missing`.

    Examples
    --------
    >>> numbers(pa.chunked_array([[1, None]]), missing=-1.0).tolist()
    [1.0, -1.0]
    """
    return np.asarray(pc.fill_null(column.cast(pa.float64()), missing).to_numpy(), np.float64)
