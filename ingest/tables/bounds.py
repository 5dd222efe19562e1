"""How much a table may unpack to: a cell beyond reason costs itself, a file that never ends costs itself.

Forty kilobytes of Parquet can hold a cell of a gigabyte, and a few bytes of XML a name that never ends. So sizes are
looked at before anything is unpacked, where the format tells them, and after each batch where it does not.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import UnreadableFile
from ingest.streams import MAX_GROWTH, MAX_UNPACKED
from ingest.tables.tabular import Sheet, batch_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_CELL_BYTES = 1 << 20
MAX_COLUMNS = 10_000
_SLICE_BYTES = 64 << 20
_MAX_CHUNK = 64 << 20
_MAX_TEXT, _MAX_STREAM = 64 << 20, 1 << 30
"""Bytes of XML without a tag: in a cell, and in a stream of rows."""


class _Readable(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...


def bounded(sheet: Sheet) -> Iterator[pa.RecordBatch]:
    """Pass on a sheet's batches without the cells that are larger than any value of a table is.

    Raises
    ------
    UnreadableFile
        If it has more columns than any table has.

    Examples
    --------
    >>> from ingest.tables.tabular import Field
    >>> texts = pa.RecordBatch.from_arrays([pa.array(["a", "b" * 2_000_000])], ["0"])
    >>> sheet = Sheet((Field("name"),), iter([texts]))
    >>> [batch.to_pydict() for batch in bounded(sheet)], sheet.flags
    ([{'0': ['a', None]}], ['cells left out, larger than 1 MB: name (1)'])
    """
    if len(sheet.fields) > MAX_COLUMNS:
        raise UnreadableFile(f"at most {MAX_COLUMNS:,} columns", f"{len(sheet.fields):,}")
    left_out: Counter[str] = Counter()
    for batch in sheet.batches:
        columns = list(batch.columns)
        for i, column in enumerate(columns):
            if not _is_text(column.type) or column.nbytes <= MAX_CELL_BYTES:
                continue
            large = pc.fill_null(pc.greater(pc.binary_length(column), MAX_CELL_BYTES), False)
            if n := pc.sum(large).as_py() or 0:
                columns[i] = pc.if_else(large, pa.scalar(None, column.type), column)
                left_out[sheet.fields[i].name] += n
        yield batch_of(columns)
    if left_out:
        words = ", ".join(f"{name} ({n:,})" for name, n in left_out.items())
        sheet.flags.append(f"cells left out, larger than {MAX_CELL_BYTES >> 20} MB: {words}")


def _is_text(type_: pa.DataType) -> bool:
    return any(f(type_) for f in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary))


class BoundedXml:
    """A stream of XML in which nothing goes on for ever without a tag."""

    def __init__(self, stream: _Readable) -> None:
        self._stream = stream
        self._run, self._tag = 0, b""

    def read(self, n: int = -1, /) -> bytes:
        """Read on.

        Raises
        ------
        UnreadableFile
            If a cell, a name or a comment is larger than any is.
        """
        piece = self._stream.read(n)
        first = piece.find(b"<")
        self._check(self._run + (len(piece) if first < 0 else first))
        if first < 0:
            self._run += len(piece)
            self._tag = (self._tag + piece)[:40]
        else:
            last = piece.rfind(b"<")
            self._run, self._tag = len(piece) - last, piece[last : last + 40]
        return piece

    def _check(self, run: int) -> None:
        limit = _MAX_STREAM if b"STREAM" in self._tag else _MAX_TEXT
        if run > limit:
            raise UnreadableFile(f"at most {limit >> 20:,} MB between two tags", "more", "look at the file's end")


def parquet_batches(source: BinaryIO, file: pq.ParquetFile, n_rows: int, flags: list[str]) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches that fit into memory, whatever its cells unpack to.

    Parameters
    ----------
    source : binary file
        The file's bytes.
    file : pyarrow.parquet.ParquetFile
        The same, opened.
    n_rows : int
        Rows in a batch, at most.
    flags : list of str
        Gains what was left out.

    Raises
    ------
    UnreadableFile
        If the file as a whole unpacks to more than its size lets one expect.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - a third of pyarrow's import time, for one format

    schema, n_bytes = file.schema_arrow, source.seek(0, io.SEEK_END)
    names = [f.name for f in schema]
    # A text that stands in a million rows is held once.
    texts = [f.name for f in schema if _is_text(f.type)]
    file = pq.ParquetFile(pa.PythonFile(source, mode="r"), metadata=file.metadata, read_dictionary=texts)
    left, missing = MAX_UNPACKED + MAX_GROWTH * n_bytes, set[int]()
    for group in range(file.num_row_groups):
        large = _large(file, schema, group)
        missing |= large
        kept = [i for i in range(len(schema)) if i not in large]
        columns = [schema[i].name for i in kept] if large else None
        if len(set(columns or [])) < len(columns or []):
            raise UnreadableFile("columns of reasonable size", f"{names[min(large)]}, and names that repeat")
        if columns == []:
            continue
        for batch in file.iter_batches(n_rows, row_groups=[group], columns=columns, use_threads=False):
            batch.validate(full=True)  # damaged pages can hold bytes that are no text
            for part in _slices(batch):
                left -= part.nbytes
                if left < 0:
                    expected = f"a table of {n_bytes:,} bytes that unpacks to at most {MAX_GROWTH} times as much"
                    raise UnreadableFile(expected, "one that goes on")
                found = dict(zip(kept, part.columns, strict=True))
                yield batch_of([found.get(i, pa.nulls(part.num_rows, schema[i].type)) for i in range(len(schema))])
    if missing:
        flags.append(f"columns left out where they unpack without end: {', '.join(names[i] for i in sorted(missing))}")


def _large(file: pq.ParquetFile, schema: pa.Schema, group: int) -> set[int]:
    """Tell which columns of a row group unpack to far more than they are."""
    about = file.metadata.row_group(group)
    large, leaf = set(), 0
    for i, field in enumerate(schema):
        n_leaves = _leaves(field.type)
        for n in range(leaf, min(leaf + n_leaves, about.num_columns)):
            chunk = about.column(n)
            nested = 8 * chunk.num_values if pa.types.is_nested(field.type) else 0
            size = max(chunk.total_uncompressed_size, nested)
            if size > _MAX_CHUNK + MAX_GROWTH * max(0, chunk.total_compressed_size):
                large.add(i)
        leaf += n_leaves
    return large


def _leaves(type_: pa.DataType) -> int:
    if pa.types.is_nested(type_):
        return sum(_leaves(type_.field(i).type) for i in range(type_.num_fields))
    return 1


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Write texts out, in as many batches as it takes for each to be small; without cells beyond reason."""
    columns, sizes = [], np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary)
            if len(lengths) and (pc.max(lengths).as_py() or 0) > MAX_CELL_BYTES + 1:
                # One byte more than a cell may have says that it was larger; the rest of it is of no use.
                column = pa.DictionaryArray.from_arrays(column.indices, _cut(column.dictionary))  # noqa: PLW2901 - the same column, cut
                lengths = pc.binary_length(column.dictionary)
            sizes += pc.fill_null(lengths.take(column.indices), 0).to_numpy(zero_copy_only=False)
        columns.append(column)
    start = 0
    ends = np.cumsum(sizes)
    while start < batch.num_rows:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _SLICE_BYTES, "right")))
        parts = [c.slice(start, stop - start) for c in columns]
        written = [p.dictionary_decode() if pa.types.is_dictionary(p.type) else p for p in parts]
        yield pa.RecordBatch.from_arrays(written, names=[str(i) for i in range(len(written))])
        start = stop


def _cut(texts: pa.Array) -> pa.Array:
    """Cut texts that are too long to be a cell, one byte after the limit."""
    large = pc.greater(pc.binary_length(texts), MAX_CELL_BYTES)
    return pc.if_else(large, pa.scalar(b"x" * (MAX_CELL_BYTES + 1)).cast(texts.type), texts)
