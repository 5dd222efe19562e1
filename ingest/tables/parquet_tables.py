"""Tables of sources in Parquet files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, cast

import pyarrow as pa

from catalog.errors import UnreadableFile
from ingest.tables.bounds import parquet_batches
from ingest.tables.tabular import BATCH_ROWS, Field, Sheet, named_release

_SPOOL_BYTES = 64 << 20  # what is larger goes to disk


def parquet_sheet(stream: BinaryIO) -> Sheet:
    """Read a Parquet file; its index stands at its end, so it is spooled to a temporary file.

    Raises
    ------
    UnreadableFile
        If it is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - a third of pyarrow's import time, for one format

    flags: list[str] = []
    resources = ExitStack()
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - closed with the sheet's resources
    resources.push(spool)
    while piece := stream.read(1 << 20):
        spool.write(piece)
    spool.seek(0)
    limits = {"thrift_string_size_limit": 64 << 20, "thrift_container_size_limit": 1 << 20}
    try:
        file = pq.ParquetFile(pa.PythonFile(spool, mode="r"), **limits)
        columns = [(f.name, (f.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")) for f in file.schema_arrow]
    except (pa.ArrowException, OSError, ValueError) as error:
        resources.close()
        raise UnreadableFile("a Parquet file", str(error).splitlines()[0], "write it again") from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from parquet_batches(cast("BinaryIO", spool), file, BATCH_ROWS, flags)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableFile("a whole Parquet file", str(error).splitlines()[0], "write it again") from None

    fields = tuple(Field(n.strip() or f"column {i + 1}", unit=unit) for i, (n, unit) in enumerate(columns))
    comments = " ".join(str(v) for v in (file.schema_arrow.metadata or {}).values())
    return Sheet(fields, batches(), named_release(comments), flags=flags, resources=resources)
