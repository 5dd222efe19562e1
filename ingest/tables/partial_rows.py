"""Rows of merged tables: several about one thing become one, and what is not the catalog's goes into `extra`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.schema.columns import EXTRA


def map_of(columns: Mapping[str, pa.Array], n_rows: int) -> pa.Array:
    """Fold text columns into one map per row: what is NULL has no entry, a row without entries is NULL.

    Parameters
    ----------
    columns : mapping of str to pyarrow.StringArray, each of n_rows
    n_rows : int

    Examples
    --------
    >>> map_of({"V": pa.array(["17.1", None]), "z": pa.array(["0.1", None])}, 2).to_pylist()
    [[('V', '17.1'), ('z', '0.1')], None]
    """
    if not columns or not n_rows:
        return pa.nulls(n_rows, EXTRA)
    valid = np.stack([np.asarray(c.is_valid()) for c in columns.values()], axis=1)
    rows, keys = np.nonzero(valid)
    values = pa.chunked_array([c.cast(pa.string()) for c in columns.values()]).combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # more than 2 GB of text
        values = pa.concat_arrays(values.chunks)
    items = values.take(pa.array(keys * n_rows + rows))
    names = pa.array(list(columns), pa.string()).take(pa.array(keys))
    counts = valid.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    # A NULL offset makes a NULL map; the last one only closes the last map.
    null_rows = np.append(counts == 0, [False])
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32(), mask=null_rows), names, items).cast(EXTRA)


class Merged(NamedTuple):
    """Rows brought together by key.

    Attributes
    ----------
    columns : dict of str to pyarrow.Array, one value per key
        Of each column the last value that is not NULL.
    disputed : dict of str to int
        Column -> number of keys for which the rows disagree, where any do.
    """

    columns: dict[str, pa.Array]
    disputed: dict[str, int]


def merge_rows(keys: pa.Array, columns: Mapping[str, pa.Array], rank: pa.Array | None = None) -> Merged:
    """Bring rows with the same key together.

    Parameters
    ----------
    keys : pyarrow.Array, shape (n,)
        Without NULL.
    columns : mapping of str to pyarrow.Array, shape (n,)
        Flat types, the key's own column among them.
    rank : pyarrow.IntegerArray, optional
        Rows of a higher rank win; the order of the file decides among equals.

    Examples
    --------
    >>> merged = merge_rows(pa.array(["a", "a", "b"]), {"x": pa.array([1, None, 3]), "y": pa.array([1, 2, 3])})
    >>> merged.columns["x"].to_pylist(), merged.columns["y"].to_pylist(), merged.disputed
    ([1, 3], [2, 3], {'y': 1})
    """
    codes = np.asarray(keys.dictionary_encode().indices)
    n_keys = int(codes.max()) + 1 if len(codes) else 0
    if n_keys == len(codes):
        return Merged(dict(columns), {})
    order = np.arange(len(codes))
    if rank is not None:
        order = np.argsort(np.asarray(rank), kind="stable")
    merged, disputed = {}, {}
    for name, values in columns.items():
        valid = np.asarray(values.is_valid())
        rows = order[valid[order]]
        last = np.full(n_keys, -1, np.int64)
        last[codes[rows]] = rows  # of repeated indices the last assignment stays
        chosen = pa.array(last, mask=last < 0)
        merged[name] = values.take(chosen)
        differs = pc.not_equal(values, values.take(chosen.take(pa.array(codes))))
        differs = np.asarray(pc.fill_null(differs, fill_value=False))
        if differs.any():
            disputed[name] = len(np.unique(codes[differs]))
    return Merged(merged, disputed)


def varies(names: pa.Array, values: pa.Array) -> bool | None:
    """Tell whether a column changes between rows of one source; None where its values do not tell."""
    keep = pc.indices_nonzero(pc.and_(pc.is_valid(names), pc.is_valid(values)))
    names, values = names.take(keep), values.take(keep)
    merged = merge_rows(names, {"name": names, "values": values}) if len(names) else None
    if merged is None or len(merged.columns["name"]) == len(names) or len(values.unique()) == 1:
        return None
    return bool(merged.disputed)
