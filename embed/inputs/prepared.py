"""Rows made ready for an encoder: lists as flat arrays, and the words that all inputs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


Arrays = Mapping[str, npt.NDArray[np.generic]]
"""Arrays of one modality by name; the first axis of each has the same length n."""


@dataclass(frozen=True)
class Prepared:
    """Rows made ready for an encoder.

    Attributes
    ----------
    ids : list of str, length n
        detection_id or bibcode.
    names : list of (str or None), length n
        The source each belongs to: rows of one name never stand on both sides of a split. The bibcode for papers.
    arrays : mapping of str to ndarray
        First axis n; which arrays there are is the modality's business (see its module).
    skipped : dict of str to str
        Rows without an input: id -> reason, for the user to read.
    """

    ids: list[str]
    names: list[str | None]
    arrays: Arrays
    skipped: dict[str, str]


@dataclass(frozen=True)
class Input:
    """What an encoder of a modality reads.

    Attributes
    ----------
    modality : str
        Its name.
    id_column : str
        What `id` is called in the catalog: 'detection_id' or 'bibcode'.
    rows_sql, fingerprints_sql : str
        With the place-holder {selected}.
    prepare : callable
        Rows of the query -> `Prepared`. Pure.
    batch_rows : int
        How many rows a reader should hold at once: wide rows, few of them.
    spaces : tuple of str
        Spaces whose vectors the query reads, under `embed.inputs.pairs.relation(space)`; whoever runs it registers
        them.
    version : int
        Counts up when the same rows are prepared otherwise. Part of every fingerprint, and kept with each encoder: one
        that learned from another version cannot read this one.
    """

    modality: str
    id_column: str
    rows_sql: str
    fingerprints_sql: str
    prepare: Callable[[pa.Table], Prepared]
    batch_rows: int
    spaces: tuple[str, ...] = ()
    version: int = 1

    def query(self, selected: str) -> str:
        """Return the SQL of the rows of the selected ids: columns id, name, and what `prepare` needs.

        Parameters
        ----------
        selected : str
            SQL of a relation with a column `id`: a name, or a query in brackets.

        Examples
        --------
        >>> from embed.inputs.modalities import INPUTS
        >>> "lit.paper" in INPUTS["papers"].query("(SELECT bibcode AS id FROM lit.paper)")
        True
        """
        return self.rows_sql.replace("{selected}", selected)

    def fingerprints(self, selected: str) -> str:
        """Return the SQL of (id, name, input_sha256): the hash changes when, and only when, the input does."""
        return self.fingerprints_sql.replace("{selected}", selected)


def ids_and_names(rows: pa.Table, kept: npt.NDArray[np.bool_]) -> tuple[list[str], list[str | None]]:
    """Return ids and source names of the rows that are kept; shape of kept (n,)."""
    chosen = rows.select(["id", "name"]).filter(pa.array(kept))
    return chosen["id"].to_pylist(), chosen["name"].to_pylist()
