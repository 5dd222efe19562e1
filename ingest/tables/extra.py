"""`extra`: what a file says in columns that are not the catalog's, one map per row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

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
