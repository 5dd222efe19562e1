"""Walk through a FITS stream: header by header, rows in chunks.

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), sections 3 and 7.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO

import numpy as np

from catalog.errors import UnreadableFile
from ingest.fits.columns import (
    MAX_COLUMNS,
    Array,
    Field,
    decode,
    decode_variable,
    field_named,
    native_dtype,
    parse_fields,
    row_dtype,
)
from ingest.fits.header import CARD, Header, Value, integer, number, parse_header

BLOCK = 2880
MAX_HEADER = 4 << 20  # a header longer than 4 MB is a damaged file, not a header
MAX_TABLE = 1 << 30  # a table read whole; larger ones are read in chunks
MAX_CHUNK = 256 << 20
PIECE = 1 << 20
"""Bytes asked of a stream at once: a damaged NAXIS1 must not allocate gigabytes, and rows are decoded while
they are in the processor's cache."""

_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
_PADDING = b"\0 \n\r"
_REFETCH = "the file is truncated: fetch it again"


@dataclass
class HDU:
    """One header and the bytes that follow it, not yet read.

    Attributes
    ----------
    index : int
        0 for the primary header.
    header : mapping
        Keyword -> value.
    size : int
        Bytes of data, padding not counted.
    primary : mapping
        The file's primary header: many programs say there alone what a file is an observation of.
    """

    index: int
    header: Mapping[str, Value]
    size: int
    _stream: BinaryIO
    _taken: int = field(default=0)
    primary: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """EXTNAME in upper case, or an empty string."""
        return str(self.header.get("EXTNAME") or self.header.get("HDUNAME") or "").upper().strip()

    @property
    def is_table(self) -> bool:
        """Whether this is a binary table, and not a compressed image in the guise of one."""
        extension = str(self.header.get("XTENSION", "")).strip()
        return extension in {"BINTABLE", "A3DTABLE"} and self.header.get("ZIMAGE") is not True

    @property
    def n_rows(self) -> int:
        """NAXIS2 of a table."""
        return integer(self.header, "NAXIS2")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The table's columns, in file order.

        Raises
        ------
        UnreadableFile
            If the column keywords contradict one another.
        """
        return parse_fields(self.header)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The TTYPEs in file order, also of a table whose other column keywords contradict one another."""
        n = min(integer(self.header, "TFIELDS", 0), MAX_COLUMNS)
        return tuple(str(self.header.get(f"TTYPE{i}") or "").strip() for i in range(1, n + 1))

    def text(self, keyword: str) -> str | None:
        """Return a keyword as stripped text; None where absent, blank or 'none'."""
        return _text(self.header, keyword)

    def number(self, keyword: str) -> float | None:
        """Return a keyword as a finite float; None where absent or not a number."""
        return number(self.header, keyword)

    def observed(self, keyword: str) -> str | None:
        """Return what a keyword says of the observation, as text: here, else in the primary header."""
        return _text(self.header, keyword) or _text(self.primary, keyword)

    def observed_number(self, keyword: str) -> float | None:
        """Return the same as a finite float."""
        here = self.number(keyword)
        return number(self.primary, keyword) if here is None else here

    def read(self) -> bytes:
        """Return all data of this HDU (for small ones: spectra, responses)."""
        left = self.size - self._taken
        if left > MAX_TABLE:
            raise UnreadableFile(f"{self._title} to have at most {MAX_TABLE:,} bytes", f"{left:,}")
        return self._read_exactly(left)

    def skip(self) -> None:
        """Read past what is left of the data and its padding."""
        while (left := self.size - self._taken) > 0:
            self._read_exactly(min(left, PIECE))
        # Some writers leave out the last padding: harmless, and astropy accepts it too.
        _read_up_to(self._stream, -self.size % BLOCK)

    def chunks(self, names: Mapping[str, str], n_rows: int) -> Iterator[dict[str, Array]]:
        """Read the table's rows in chunks.

        Parameters
        ----------
        names : mapping of str to str
            Wanted name -> the column's name in this file, as `resolve` returns it.
        n_rows : int
            Rows per chunk, at most.

        Yields
        ------
        dict of str to ndarray, shape (n,) or (n, repeat)
            Native byte order, contiguous, TSCAL/TZERO applied (integers stay integers where that is exact, else
            float64), logical values as int8 (1, 0, -1 for null), text as object, bits as bytes. Nulls are not
            interpreted: `null_mask` does that.

        Raises
        ------
        UnreadableFile
            If the table ends before its last row, or a wanted column has no fixed width.
        """
        wanted = {key: field_named(self.fields, name) for key, name in names.items()}
        for f in wanted.values():
            if f.code in "PQ":
                raise UnreadableFile(f"column {f.name} to have one length in all rows", f"TFORM {f.code}{f.element}")
        width = self._row_width()
        dtype = row_dtype(wanted, width)
        n_rows = max(1, min(n_rows, MAX_CHUNK // max(width, 1)))
        step = max(1, PIECE // max(width, 1))
        for first in range(0, self.n_rows, n_rows):
            n = min(self.n_rows - first, n_rows)
            columns: dict[str, Array] = {}
            for start in range(0, n, step):
                stop = min(start + step, n)
                rows = np.frombuffer(self._read_exactly((stop - start) * width), dtype)
                for key, f in wanted.items():
                    # A plain column is copied and swapped in one pass, by the assignment below.
                    part = decode(rows, key, f) if f.scaled or f.code in "LA" or not f.width else rows[key]
                    if key not in columns:
                        columns[key] = np.empty((n, *part.shape[1:]), native_dtype(f))
                    columns[key][start:stop] = part
            yield columns

    def table(self, names: Mapping[str, str] | None = None) -> dict[str, Array | list[Array]]:
        """Read a whole small table; variable-length columns come as a list of arrays.

        Parameters
        ----------
        names : mapping of str to str, optional
            Wanted name -> name in the file; all columns under their own names by default.

        Raises
        ------
        UnreadableFile
            If the table is truncated, too large to be read whole, or its rows lie outside its heap.
        """
        names = {f.name: f.name for f in self.fields} if names is None else names
        wanted = {key: field_named(self.fields, name) for key, name in names.items()}
        width, n_rows = self._row_width(), self.n_rows
        theap = integer(self.header, "THEAP", width * n_rows)
        if not width * n_rows <= theap <= max(self.size, width * n_rows):
            raise UnreadableFile(f"THEAP of {self._title} after its rows and in its data", f"THEAP = {theap}")
        data = self.read()
        heap = memoryview(data)[theap:]
        dtype = row_dtype(wanted, width)
        rows = np.frombuffer(data, dtype, n_rows) if n_rows else np.empty(0, dtype)
        columns: dict[str, Array | list[Array]] = {}
        for key, f in wanted.items():
            if f.code not in "PQ":
                columns[key] = decode(rows, key, f)
            elif f.width:
                columns[key] = decode_variable(rows[key], f, heap)
            else:
                columns[key] = [np.empty(0, native_dtype(f))] * n_rows
        return columns

    @property
    def _title(self) -> str:
        return f"HDU {self.index} ({self.name or 'unnamed'})"

    def _row_width(self) -> int:
        width = sum(f.width for f in self.fields)
        if width == 0 and self.n_rows:
            raise UnreadableFile(f"{self._title} to have rows of at least a byte", f"{self.n_rows:,} rows of none")
        return width

    def _read_exactly(self, n: int) -> bytes:
        data = _read_up_to(self._stream, n)
        self._taken += len(data)
        if len(data) < n:
            raise UnreadableFile(
                f"{self.size:,} bytes of data in {self._title}", f"the file's end after {self._taken:,}", _REFETCH
            )
        return data


def _text(header: Mapping[str, Value], keyword: str) -> str | None:
    value = header.get(keyword)
    text = "" if value is None else str(value).strip()
    return None if text.lower() in {"", "none", "null"} else text


def _read_up_to(stream: BinaryIO, n: int) -> bytes:
    """Read n bytes, fewer only at the stream's end: memory grows with what is there, not with what is asked."""
    pieces = []
    while n > 0 and (piece := stream.read(min(n, PIECE))):
        pieces.append(piece)
        n -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_hdus(stream: BinaryIO) -> Iterator[HDU]:
    """Walk through a FITS stream, header by header, forward only.

    Data which the caller does not take are read and passed over, so that a hashing or counting stream sees
    every byte.

    Parameters
    ----------
    stream : binary file
        Decompressed; needs `read` alone.

    Raises
    ------
    UnreadableFile
        If the stream is no FITS file, a header does not end, the data do, or something else than padding
        follows the last extension: a damaged XTENSION must not hide good times or backgrounds in silence.

    Examples
    --------
    >>> import io
    >>> cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"]
    >>> block = "".join(c.ljust(80) for c in cards).ljust(2880).encode()
    >>> [hdu.header["BITPIX"] for hdu in read_hdus(io.BytesIO(block))]
    [8]
    """
    index = 0
    primary: Mapping[str, Value] = {}
    while (header := _read_header(stream, index)) is not None:
        hdu = HDU(index, header, data_size(header), stream, primary=primary)
        primary = primary if index else header
        yield hdu
        hdu.skip()
        index += 1


def _read_header(stream: BinaryIO, index: int) -> Header | None:
    block = _read_up_to(stream, BLOCK)
    if index:
        while block and not block.strip(_PADDING):  # padding after the last HDU
            block = _read_up_to(stream, BLOCK)
        if not block:
            return None
    start = b"XTENSION=" if index else b"SIMPLE  ="
    if not block.startswith(start):
        expected = f"HDU {index} or the file's end" if index else "a FITS file"
        advice = "the file is damaged, or something was appended to it: fetch it again" if index else ""
        raise UnreadableFile(f"{expected}, which begins {start.decode()!r}", repr(block[:30].decode("latin-1")), advice)
    blocks = []
    while True:
        blocks.append(block)
        if len(block) < BLOCK:
            raise UnreadableFile(f"an END card in the header of HDU {index}", "the file's end", _REFETCH)
        if _has_end(block):
            return parse_header(b"".join(blocks))
        if len(blocks) * BLOCK > MAX_HEADER:
            raise UnreadableFile(f"an END card in the header of HDU {index}", f"none in {MAX_HEADER:,} bytes")
        block = _read_up_to(stream, BLOCK)


def _has_end(block: bytes) -> bool:
    at = block.find(b"END     ")
    while at >= 0 and at % CARD:
        at = block.find(b"END     ", at + 1)
    return at >= 0


def data_size(header: Mapping[str, Value]) -> int:
    """Return the bytes of data that follow a header, padding not counted.

    Source: FITS standard 4.0, equations 1, 2 and 4.

    Raises
    ------
    UnreadableFile
        If the keywords that tell it are missing, damaged, or forbidden for a binary table.

    Examples
    --------
    >>> data_size({"BITPIX": -32, "NAXIS": 2, "NAXIS1": 3, "NAXIS2": 5})
    60
    """
    naxis = integer(header, "NAXIS")
    bitpix = header.get("BITPIX")
    if not isinstance(bitpix, int) or bitpix not in _BITPIX:
        raise UnreadableFile(f"BITPIX to be one of {sorted(_BITPIX)}", repr(bitpix))
    if naxis > 999:  # noqa: PLR2004 - the standard's limit
        raise UnreadableFile("at most 999 axes (NAXIS)", str(naxis))
    groups, parameters = integer(header, "GCOUNT", 1), integer(header, "PCOUNT", 0)
    if str(header.get("XTENSION", "")).strip() in {"BINTABLE", "A3DTABLE"} and (bitpix, naxis, groups) != (8, 2, 1):
        found = f"{bitpix}, {naxis}, {groups}"
        raise UnreadableFile("BITPIX, NAXIS, GCOUNT of a binary table to be 8, 2, 1", found)
    if naxis == 0:
        return 0
    size = 1
    for n in range(1, naxis + 1):
        axis = integer(header, f"NAXIS{n}")
        # Random groups, an old form of the primary data, announce themselves by a first axis of 0.
        size *= 1 if n == 1 and axis == 0 and header.get("GROUPS") is True else axis
    if "XTENSION" not in header and header.get("GROUPS") is not True:
        groups, parameters = 1, 0  # in a plain primary array they have no meaning
    return abs(bitpix) // 8 * groups * (parameters + size)
