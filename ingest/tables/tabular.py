"""Any table a user may have (CSV, TSV, VOTable, FITS, Parquet) -> one shape: fields, then batches of columns.

A `Sheet` says nothing of what the columns mean; `ingest.tables.source_tables` does that.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from ingest.fits import HDU, null_mask, read_hdus

HEAD_BYTES = 64 << 10
BATCH_ROWS = 1 << 15
_SPOOL_BYTES = 64 << 20
_RELEASE = re.compile(r"(?<![a-z0-9])(?:csc|rel(?:ease)?)[\s_-]*(2)[._]?([01])(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """One column as its file introduces it.

    Attributes
    ----------
    name : str
        In the file's spelling, stripped; never empty.
    table, column : str
        CSC table and column where the file says them (a csccli preamble maps aliases); else empty.
    """

    name: str
    table: str = ""
    column: str = ""


@dataclass
class Sheet:
    """A table being read.

    Attributes
    ----------
    fields : tuple of Field
    batches : iterator of pyarrow.RecordBatch
        Columns in the order of `fields`, text or numbers; read once.
    release : str or None
        CSC release, where the file names it in its comments.
    flags : list of str
        What a user should know; complete once the batches have been read.
    resources : contextlib.ExitStack
        What is open while batches are read; whoever reads them closes it.
    """

    fields: tuple[Field, ...]
    batches: Iterator[pa.RecordBatch]
    release: str | None = None
    flags: list[str] = field(default_factory=list)
    resources: ExitStack = field(default_factory=ExitStack)


class HeadStream:
    """A forward-only stream whose first bytes can be looked at before they are read.

    Examples
    --------
    >>> import io
    >>> stream = HeadStream(io.BytesIO(b"abcdef"))
    >>> stream.head[:3], stream.read(4), stream.read(4)
    (b'abc', b'abcd', b'ef')
    """

    def __init__(self, stream: BinaryIO, n_bytes: int = HEAD_BYTES) -> None:
        self._stream = stream
        pieces: list[bytes] = []
        while n_bytes > 0 and (piece := stream.read(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
        self.head = self._left = b"".join(pieces)

    def read(self, n: int = -1) -> bytes:
        """Read at most n bytes; all that is left for a negative n."""
        if n < 0:
            out, self._left = self._left + self._stream.read(), b""
            return out
        if self._left:
            out, self._left = self._left[:n], self._left[n:]
            return out
        return self._stream.read(n)


def named_release(text: str) -> str | None:
    """Find the CSC release that a comment, a query or a service's address names; None where none is.

    Examples
    --------
    >>> named_release("SELECT m.name FROM csc21.master_source m"), named_release("version=rel2.0")
    ('2.1', '2.0')
    >>> named_release("the Chandra Source Catalog") is None
    True
    """
    match = _RELEASE.search(text)
    return f"{match[1]}.{match[2]}" if match else None


def batch_of(columns: list[pa.Array | pa.ChunkedArray]) -> pa.RecordBatch:
    """Make a batch whose columns are known by position alone: headers may repeat names."""
    arrays = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    return pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])


def fits_sheet(stream: BinaryIO) -> Sheet:
    """Read the first binary table of a FITS file that names sources or observations.

    Raises
    ------
    UnreadableFile
        If there is none.
    """
    seen: list[str] = []
    for hdu in read_hdus(stream):
        if not hdu.is_table:
            continue
        names = [f.name for f in hdu.fields]
        if any(re.fullmatch(r"(.*[._])?(name(_\d)?|obsid|obs_id)", n, re.IGNORECASE) for n in names):
            return _sheet_of_hdu(hdu)
        seen += names
    raise UnreadableFile(
        "a FITS table with a column of CSC source names (name) or obsid",
        f"columns {', '.join(seen[:8])}" if seen else "no table",
    )


def _sheet_of_hdu(hdu: HDU) -> Sheet:
    kept = [f for f in hdu.fields if f.code not in "PQXCM" and f.repeat > 0]
    left_out = [f.name for f in hdu.fields if f not in kept]
    flags = [f"columns left out, of variable length, bits or complex: {', '.join(left_out)}"] if left_out else []
    unique = {str(i): f for i, f in enumerate(kept)}

    def batches() -> Iterator[pa.RecordBatch]:
        for chunk in hdu.chunks({key: f.name for key, f in unique.items()}, BATCH_ROWS):
            columns = []
            for key, f in unique.items():
                values = chunk[key]
                if values.ndim > 1:
                    columns.append(pa.array(values.reshape(len(values), -1).tolist()))
                else:
                    mask = null_mask(values, f)
                    columns.append(pa.array(values, mask=None if mask is None else np.asarray(mask)))
            yield batch_of(columns)

    comments = " ".join(str(v) for k, v in hdu.header.items() if not k.startswith(("TFORM", "TDISP")))
    return Sheet(
        tuple(Field(f.name or f"column {key}") for key, f in unique.items()), batches(), named_release(comments), flags
    )


def parquet_sheet(stream: BinaryIO) -> Sheet:
    """Read a Parquet file; its index stands at its end, so it is spooled to a temporary file.

    Raises
    ------
    UnreadableFile
        If it is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - a third of pyarrow's import time, for one format

    from ingest.tables.bounds import parquet_batches  # noqa: PLC0415 - it bounds what is made here

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
        names = list(file.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        resources.close()
        raise UnreadableFile("a Parquet file", str(error).splitlines()[0], "write it again") from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from parquet_batches(cast("BinaryIO", spool), file, BATCH_ROWS, flags)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableFile("a whole Parquet file", str(error).splitlines()[0], "write it again") from None

    fields = tuple(Field(n.strip() or f"column {i + 1}") for i, n in enumerate(names))
    comments = " ".join(str(v) for v in (file.schema_arrow.metadata or {}).values())
    return Sheet(fields, batches(), named_release(comments), flags=flags, resources=resources)
