"""Which format a table is in, by its first bytes, and the reader of that format.

Read here: CSV, TSV and what the catalog's service answers, VizieR's text, UTF-8 or UTF-16; VOTable; FITS (binary, ASCII
and column-wise tables); Parquet; ECSV, IPAC and machine-readable (CDS) tables, by astropy.
"""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from ingest.tables.binary_tables import fits_sheet, parquet_sheet
from ingest.tables.delimited import delimited_sheet
from ingest.tables.tabular import BATCH_ROWS, Field, HeadStream, Sheet, batch_of, named_release
from ingest.tables.votable import votable_sheet

MAX_TEXT = 1 << 30
"""Characters of a table that astropy reads: it holds all of them at once."""

_MOSTLY = 0.8
_HTML = re.compile(rb"<(!doctype html|html|head|body)[\s>]", re.IGNORECASE)
_ASCII_FORMATS = {
    "ascii.ecsv": re.compile(rb"\A# %ECSV "),
    "ascii.ipac": re.compile(rb"\A(?:\\[^\n]*\n)*\|[^\n]*\|\s*\n"),
    "ascii.mrt": re.compile(rb"^Byte-by-byte Description of file", re.MULTILINE | re.IGNORECASE),
}


def open_sheet(stream: HeadStream) -> Sheet:
    """Open a table of any format that is known here.

    Raises
    ------
    UnreadableFile
        If it is empty, an HTML page, or damaged.
    """
    start = stream.head.removeprefix(codecs.BOM_UTF8).lstrip()[:2000]
    if not start:
        raise UnreadableFile("a table", "an empty file", "fetch the file again")
    if start.startswith(b"SIMPLE  ="):
        return fits_sheet(cast("BinaryIO", stream))
    if start.startswith(b"PAR1"):
        return parquet_sheet(cast("BinaryIO", stream))
    if encoding := wide_encoding(stream.head):
        return open_sheet(HeadStream(cast("BinaryIO", _Recoded(stream, encoding))))
    if b"<VOTABLE" in start or b":VOTABLE" in start:
        return votable_sheet(stream)
    if _HTML.match(start):
        raise UnreadableFile("a table", "an HTML page in line 1", "fetch the file again")
    if format_ := ascii_format(stream.head):
        return _ascii_sheet(stream, format_)
    return delimited_sheet(stream)


def wide_encoding(head: bytes) -> str | None:
    """Name the encoding of text that has two bytes a character, as Windows programs write it; None for any other.

    Examples
    --------
    >>> [wide_encoding("name,ra".encode(encoding)) for encoding in ("utf-16", "utf-16-be", "utf-8")]
    ['utf-16', 'utf-16-be', None]
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:2000][: len(head) // 2 * 2]
    for encoding, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        # A few letters beyond Latin-1 leave most of the high bytes zero.
        if len(high) > 1 and high.count(0) > _MOSTLY * len(high) and 0 not in low:
            return encoding
    return None


def ascii_format(head: bytes) -> str | None:
    r"""Name the format of a text table that says itself what it is: ECSV, IPAC, machine-readable; None for any other.

    Examples
    --------
    >>> ascii_format(b"# %ECSV 1.0\n# ---\n"), ascii_format(b"name,ra\n")
    ('ascii.ecsv', None)
    """
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return next((name for name, pattern in _ASCII_FORMATS.items() if pattern.search(head)), None)


class _Recoded(io.RawIOBase):
    """Text of another encoding as UTF-8."""

    def __init__(self, stream: HeadStream, encoding: str) -> None:
        self._stream, self._name = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def read(self, n: int = -1) -> bytes:
        """Read at most n bytes; all that is left for a negative n."""
        while not self._left or n < 0:
            piece = self._stream.read(1 << 20)
            try:
                self._left += self._decoder.decode(piece, final=not piece).encode()
            except UnicodeError as error:
                raise UnreadableFile(f"text in {self._name.upper()}", str(error), "save it as UTF-8") from None
            if not piece:
                break
        n = len(self._left) if n < 0 else n
        out, self._left = self._left[:n], self._left[n:]
        return out


def _ascii_sheet(stream: HeadStream, format_: str) -> Sheet:
    """Read a text table by astropy, whole."""
    from astropy.table import Table  # noqa: PLC0415 - astropy only where such a table is read

    name = format_.partition(".")[2].upper()
    data = stream.read(MAX_TEXT)
    while (piece := stream.read(1 << 20)) and len(data) <= MAX_TEXT:
        data += piece
    if len(data) > MAX_TEXT:
        raise UnreadableFile(f"an {name} table of at most {MAX_TEXT >> 20:,} MiB", "a larger one", "save it as Parquet")
    try:
        with warnings.catch_warnings(action="ignore"):  # of units and masks: what matters is flagged here
            table = Table.read(data.decode("utf-8-sig"), format=format_)
    except Exception as error:  # noqa: BLE001 - astropy's readers raise many kinds for damaged text
        found = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UnreadableFile(f"an {name} table", found, "write it again, or save it as CSV") from None
    fields = tuple(
        Field(str(c).strip() or f"column {i + 1}", unit=str(table[c].unit or "")) for i, c in enumerate(table.colnames)
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for first in range(0, len(table), BATCH_ROWS):
            part = table[first : first + BATCH_ROWS]
            yield batch_of([_arrow(part[c]) for c in table.colnames])

    comments = " ".join(str(v) for v in table.meta.values())
    return Sheet(fields, batches(), named_release(comments))


def _arrow(column: object) -> pa.Array:
    values: np.ma.MaskedArray[Any, Any] = np.ma.asarray(column)
    mask = np.ma.getmaskarray(values)
    if values.ndim > 1 or values.dtype.kind == "O":
        cells = [None if np.all(m) else v for v, m in zip(values.data.tolist(), mask, strict=True)]
        texts = all(v is None or isinstance(v, str) for v in cells)
        return pa.array(cells, pa.string()) if texts else pa.array([None if v is None else str(v) for v in cells])
    return pa.array(values.data, mask=mask)
