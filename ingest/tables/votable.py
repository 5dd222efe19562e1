"""VOTables as CSCview and TAP services write them: TABLEDATA, BINARY and BINARY2.

Columns go by their NAME, as the catalog knows them: CSCview numbers its IDs col0, col1, ...

Source: VOTable 1.4 (IVOA Recommendation, 2019), sections 4.1, 5 and 6; DALI 1.1, section 4.4 (QUERY_STATUS).
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema.identifiers import whole_number
from ingest.tables.bounds import BoundedXml
from ingest.tables.tabular import BATCH_ROWS, Field, Sheet, batch_of, named_release, names_service

Event = tuple[bool, str, dict[str, str] | str, tuple[int, int]]
Cell = str | int | float | bool | None

_CODES = {"boolean": "c", "bit": "B", "unsignedByte": "B", "short": "h", "int": "i", "long": "q"}
_CODES |= {"char": "c", "unicodeChar": "H", "float": "f", "double": "d", "floatComplex": "2f", "doubleComplex": "2d"}
_MAX_STREAM = 1 << 31
_OWN_COLUMN = re.compile(r"(csc2\d?\.)?(master_source|observation_source)\.", re.IGNORECASE)
"""How CSCview names the columns of its answers."""


class _Readable(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class _Column:
    name: str
    datatype: str
    size: int | None
    """Elements in a cell; None where each cell says its own."""
    null: str | None = None
    unit: str = ""


def votable_sheet(stream: _Readable) -> Sheet:
    """Read the first table with rows of a VOTable.

    Raises
    ------
    UnreadableFile
        If the XML is damaged (with line and column), the service answered an error, there is no table, or a
        binary stream ends within a row.
    """
    from astropy.utils.xml.iterparser import get_xml_iterator  # noqa: PLC0415 - astropy only where a VOTable is read

    resources = ExitStack()
    try:
        events: Iterator[Event] = resources.enter_context(get_xml_iterator(BoundedXml(stream).read))
        sheet = _Document(events).sheet()
    except (ValueError, OSError) as error:
        resources.close()
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile("a VOTable", f"broken XML: {error}", "fetch the file again") from None
    sheet.resources = resources
    return sheet


class _Document:
    """The state of one forward pass through the XML events."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._columns: list[_Column] = []
        self._comments: list[str] = []
        self._sheet: Sheet | None = None

    def sheet(self) -> Sheet:
        for start, tag, data, _ in self._guarded():
            if start and tag in {"TABLEDATA", "BINARY", "BINARY2", "FITS"}:
                return self._open(tag)
            self._note(data, tag, start=start)
        raise UnreadableFile("a VOTable with a table", "none", "the query found nothing, or the file is cut")

    def _open(self, serialization: str) -> Sheet:
        if serialization == "FITS":
            raise UnreadableFile("rows as TABLEDATA, BINARY or BINARY2", "FITS inside the VOTable", "save it as FITS")
        rows = self._tabledata() if serialization == "TABLEDATA" else self._binary(nulls=serialization == "BINARY2")
        fields = tuple(Field(c.name or f"column {i + 1}", unit=c.unit) for i, c in enumerate(self._columns))
        comments = " ".join(self._comments)
        own = names_service(comments) or any(_OWN_COLUMN.match(f.name) for f in fields)
        self._sheet = Sheet(fields, self._batches(rows), named_release(comments), own=own)
        return self._sheet

    def _guarded(self) -> Iterator[Event]:
        """Pass the events on; say where the XML breaks."""
        try:
            yield from self._events
        except (ValueError, OSError) as error:
            raise UnreadableFile("a VOTable", f"broken XML at {error}", "fetch the file again") from None

    def _note(self, data: dict[str, str] | str, tag: str, *, start: bool) -> None:
        """Take in what stands outside the rows: fields, nulls, messages of the service."""
        if start and isinstance(data, dict):
            if tag == "FIELD":
                self._columns.append(_column(data))
            elif tag == "VALUES" and self._columns and "null" in data:
                last = self._columns.pop()
                self._columns.append(replace(last, null=data["null"].strip()))
            elif tag in {"INFO", "RESOURCE", "TABLE", "LINK"}:
                self._comments.append(f"<{tag} {' '.join(data.values())}>")
                self._status = data.get("value", "") if data.get("name") == "QUERY_STATUS" else ""
        elif tag == "INFO" and isinstance(data, str):
            if self._status.upper() == "ERROR":
                raise UnreadableFile("a table", f"the service's error {data.strip()[:200]!r}", "correct the query")
            if self._status.upper() == "OVERFLOW" and self._sheet:
                self._sheet.flags.append("truncated: the service answered OVERFLOW, there are more rows than these")
        elif tag == "DESCRIPTION" and isinstance(data, str) and not self._columns:
            self._comments.append(data)

    _status = ""

    def _tabledata(self) -> Iterator[list[Cell]]:
        row: list[Cell] = []
        n_columns = len(self._columns)
        for start, tag, data, (line, _) in self._guarded():
            if tag == "TD" and not start:
                row.append(data if isinstance(data, str) else "")
            elif tag == "TR" and not start:
                if len(row) != n_columns:
                    raise UnreadableFile(f"rows of {n_columns} cells", f"{len(row)} in the row of line {line}")
                yield row
                row = []
            elif tag == "TABLEDATA":
                return

    def _binary(self, *, nulls: bool) -> Iterator[list[Cell]]:
        for start, tag, data, _ in self._guarded():
            if start and tag == "STREAM" and isinstance(data, dict) and data.get("href"):
                raise UnreadableFile(
                    "rows within the VOTable", f"a link to {data['href'][:80]!r}", "save the data in it"
                )
            if not start and tag == "STREAM" and isinstance(data, str):
                try:
                    raw = base64.b64decode(data)
                except (binascii.Error, ValueError) as error:
                    raise UnreadableFile("a base64 stream", str(error)) from None
                yield from _unpack(raw, self._columns, nulls=nulls)
                return

    def _batches(self, rows: Iterator[list[Cell]]) -> Iterator[pa.RecordBatch]:
        nulls = [c.null for c in self._columns]
        block: list[list[Cell]] = []
        for row in rows:
            block.append(row)
            if len(block) == BATCH_ROWS:
                yield _transpose(block, nulls)
                block = []
        if block:
            yield _transpose(block, nulls)
        n_tables = 0
        for start, tag, data, _ in self._guarded():
            n_tables += start and tag in {"TABLEDATA", "BINARY", "BINARY2"}
            if tag == "INFO":
                self._note(data, tag, start=start)
        if n_tables and self._sheet:
            self._sheet.flags.append(f"only the first of {n_tables + 1} tables was read")


def _column(attributes: dict[str, str]) -> _Column:
    shape = attributes.get("arraysize", "1").strip()
    size: int | None = 1
    for part in shape.split("x"):
        n = whole_number(part)
        size = n * size if n is not None and size is not None else None
    if size is not None and size > 1 << 20:
        raise UnreadableFile("cells of at most a million elements", f"arraysize {shape!r}")
    datatype = attributes.get("datatype", "char")
    name = (attributes.get("name") or attributes.get("ID") or "").strip()
    return _Column(name, datatype, size, unit=attributes.get("unit", "").strip())


def _transpose(block: list[list[Cell]], nulls: list[str | None]) -> pa.RecordBatch:
    columns = []
    for values, null in zip(zip(*block, strict=True), nulls, strict=True):
        cells = [None if null is not None and str(v).strip() == null else v for v in values] if null else list(values)
        columns.append(pa.array(cells, pa.string()) if _textual(cells) else pa.array(cells))
    return batch_of(columns)


def _textual(cells: list[Cell]) -> bool:
    return all(v is None or isinstance(v, str) for v in cells)


def _unpack(raw: bytes, columns: list[_Column], *, nulls: bool) -> Iterator[list[Cell]]:
    """Decode rows of a BINARY or BINARY2 stream: big-endian cells, with null bits before each BINARY2 row."""
    position, n_null_bytes = 0, (len(columns) + 7) // 8 if nulls else 0
    cells = [(c, struct.Struct(f">{_code(c)}").size) for c in columns]
    while position < len(raw):
        begin = position
        flags = raw[position : position + n_null_bytes]
        position += n_null_bytes
        row: list[Cell] = []
        for i, (column, width) in enumerate(cells):
            n = column.size
            if n is None:
                n = int.from_bytes(raw[position : position + 4], "big")
                position += 4
            n_bytes = (n + 7) // 8 if column.datatype == "bit" else n * width
            if position + n_bytes > len(raw) or len(flags) < n_null_bytes:
                raise UnreadableFile(
                    f"a row of {len(columns)} cells", f"the stream's end after {len(raw) - begin} bytes"
                )
            is_null = bool(flags) and bool(flags[i // 8] & (0x80 >> i % 8))
            row.append(None if is_null else _cell(raw[position : position + n_bytes], column, n))
            position += n_bytes
        if position == begin:
            raise UnreadableFile("rows with cells", "fields without any")
        yield row


def _code(column: _Column) -> str:
    try:
        return _CODES[column.datatype]
    except KeyError:
        raise UnreadableFile("a datatype of the VOTable standard", repr(column.datatype)) from None


def _cell(raw: bytes, column: _Column, n: int) -> Cell:
    match column.datatype:
        case "char":
            cell: Cell = raw.split(b"\0", 1)[0].decode("utf-8", "replace")
        case "unicodeChar":
            cell = raw.decode("utf-16-be", "replace").split("\0", 1)[0]
        case "boolean" if n == 1:
            cell = {b"T": True, b"t": True, b"1": True, b"F": False, b"f": False, b"0": False}.get(raw)
        case "bit" if n == 1:
            cell = any(raw)  # the standard sets the highest bit, astropy another
        case "bit" | "boolean":
            cell = raw.hex()
        case "floatComplex" | "doubleComplex":
            cell = str(list(struct.unpack(f">{2 * n}{_CODES[column.datatype][-1]}", raw)))
        case datatype:
            numbers = struct.unpack(f">{n}{_CODES[datatype]}", raw)
            cell = numbers[0] if n == 1 else str(list(numbers))
    return cell
