"""Rows that a table function gives, held so that a query can read them more than once: in memory, or on disk if many.

Large answers go to a temporary file that has no name any more once it is open: nothing else can reach it, and the
operating system removes it with its last reader, however that ends. Its pages are the system's to drop and read again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from catalog.errors import OutOfSpace, is_disk_full

MEMORY_BYTES = 256 << 20
"""An answer of more than this goes to disk."""


def held(rows: pa.Table | pa.RecordBatchReader, limit: int = MEMORY_BYTES) -> pa.Table:
    """Return all rows as a table, in memory or backed by a file.

    Parameters
    ----------
    rows : pyarrow.Table or pyarrow.RecordBatchReader
        A table is returned as it is.
    limit : int
        Bytes that are held in memory.

    Raises
    ------
    OutOfSpace
        If the disk is full.

    Examples
    --------
    >>> table = pa.table({"n": [1, 2]})
    >>> held(table.to_reader(), limit=0).equals(table)
    True
    """
    if isinstance(rows, pa.Table):
        return rows
    first: list[pa.RecordBatch] = []
    n_bytes = 0
    for batch in rows:
        first.append(batch)
        n_bytes += sum(_own_bytes(column) for column in batch.columns)
        if n_bytes > limit:
            return _on_disk(rows.schema, first, rows)
    return pa.Table.from_batches(first, rows.schema)


def _on_disk(schema: pa.Schema, first: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]) -> pa.Table:
    with tempfile.TemporaryDirectory(prefix="photonlake-") as folder:
        path = Path(folder) / "rows.arrow"
        try:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
                while first:
                    writer.write_batch(first.pop(0))
                for batch in rest:
                    writer.write_batch(batch)
        except OSError as error:
            if is_disk_full(error):
                raise OutOfSpace(
                    f"the disk is full: {folder} cannot hold so large an answer; raise the threshold, or point TMPDIR "
                    "at a larger disk"
                ) from error
            raise
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _own_bytes(column: pa.Array) -> int:
    """Return the bytes of a column without its dictionary, which all batches share."""
    own = column.indices if pa.types.is_dictionary(column.type) else column
    return int(own.nbytes)
