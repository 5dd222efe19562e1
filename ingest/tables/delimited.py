"""CSV and TSV, as catalogs, spreadsheets and the CSC's command-line service write them.

Streamed in blocks of whole lines, every value as text: a table of two million detections passes through a
few dozen megabytes, and what a value means is decided later, column by column.

Source: RFC 4180; csccli getProperties answers ('#Column' lines); the `pyarrow.csv` reader does the splitting.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
import pyarrow.csv as pv

from catalog.errors import UnreadableFile
from ingest.tables.tabular import Field, Sheet, batch_of, named_release, names_service

BLOCK_BYTES = 8 << 20
MAX_ROW_BYTES = 64 << 20
MAX_COLUMNS = 10_000
_CONFLICT_MARKS = (b"<<<<<<< ", b"||||||| ", b"=======\n", b"=======\r\n", b">>>>>>> ")
_MESSAGE_BYTES = 64 << 10
_SERVICE_ERROR = re.compile(rb"Error executing query:?[^\r\n]*", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"^#\s*Column\t(?P<name>[^\t]+)\t.*\t\s*\((?P<table>[A-Za-z_]*)\.(?P<column>[A-Za-z_]\w*)\)\s*"
    r"(?:\t\s*(?:\[\"(?P<unit>[^\"]*)\"\])?|$)",
    re.IGNORECASE,
)
_RULE = re.compile(r"[-\s\t,;|]*-[-\s\t,;|]*")
"""The line of dashes that VizieR writes below its lines of names and units."""


class _Readable(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...


def delimited_sheet(stream: _Readable) -> Sheet:
    r"""Read a table of delimited text: tab, comma, semicolon or bar.

    Lines that begin with '#' before the header are comments; '#Column' lines say which table and column each
    name stands for.

    Raises
    ------
    UnreadableFile
        With the line's number: merge-conflict markers, bytes that are no UTF-8, ragged rows, an open quote,
        an error message of the service in place of a table, an empty file.

    Examples
    --------
    >>> sheet = delimited_sheet(io.BytesIO(b"name,hard_hs\n2CXO J000000.1-000000, 0.5\n"))
    >>> [f.name for f in sheet.fields], next(sheet.batches).to_pydict()
    (['name', 'hard_hs'], {'0': ['2CXO J000000.1-000000'], '1': [' 0.5']})
    """
    blocks = _blocks(stream)
    start = next(blocks, None)
    if start is None:
        raise UnreadableFile("a table with a header line", "an empty file")
    line, block = start
    _guard(block, line)
    comments, header, n_lines, rest = _header(block)
    units_line, rest, n_more = _units(rest)
    delimiter = max("\t,;|", key=lambda d: (header.count(d), d == ","))
    quoted = delimiter != "\t" or '"' in header
    try:
        names = [n.strip() for n in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise UnreadableFile("a header line with column names", f"{error} in line {n_lines}") from None
    if len(names) > MAX_COLUMNS:
        raise UnreadableFile(f"at most {MAX_COLUMNS:,} columns", f"{len(names):,} in line {n_lines}")
    known = {m["name"].strip(): m for c in comments if (m := _PREAMBLE.match(c))}
    units = [u.strip() for u in next(csv.reader([units_line], delimiter=delimiter), [])]
    units += [""] * (len(names) - len(units))
    fields = tuple(
        Field(n, known[n]["table"], known[n]["column"], known[n]["unit"] or "")
        if n in known
        else Field(n or f"column {i + 1}", unit=unit)
        for i, (n, unit) in enumerate(zip(names, units, strict=False))
    )

    def batches() -> Iterator[pa.RecordBatch]:
        yield from _parse(rest, line + n_lines + n_more, len(fields), delimiter, quoted=quoted)
        for line_number, more in blocks:
            _guard(more, line_number)
            yield from _parse(more, line_number, len(fields), delimiter, quoted=quoted)

    text = " ".join(comments)
    own = any(m["table"] for m in known.values()) or names_service(text)
    return Sheet(fields, batches(), named_release(text), own=own)


def _blocks(stream: _Readable) -> Iterator[tuple[int, bytes]]:
    """Cut the stream into blocks of whole records, each with the number of its first line (from 1)."""
    line, carry = 1, b""
    while True:
        piece = _fill(stream)
        if not piece:
            break
        block = carry + piece
        cut = _cut(block)
        if not cut:
            if len(block) > MAX_ROW_BYTES:
                raise UnreadableFile(
                    "rows of at most 64 MB",
                    f"none that ends after line {line}",
                    "look for a quote that is never closed",
                )
            carry = block
            continue
        yield line, block[:cut]
        line += block.count(b"\n", 0, cut)
        carry = block[cut:]
    if carry.strip():
        yield line, carry


def _fill(stream: _Readable) -> bytes:
    """Read a whole block: the first one decides what columns mean, and streams answer with less than is asked."""
    pieces, left = [], BLOCK_BYTES
    while left > 0 and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _cut(block: bytes) -> int:
    """Return the end of the last record: a line's end outside quotes (an even number of quotes before it)."""
    end = block.rfind(b"\n") + 1
    if block.count(b'"', 0, end) % 2 == 0:
        return end
    # Inside a quoted value: the record began on the line of the last quote, at the latest.
    return block.rfind(b"\n", 0, block.rfind(b'"', 0, end)) + 1


def _line_of(block: bytes, position: int, first: int) -> int:
    return first + block.count(b"\n", 0, position)


def _guard(block: bytes, line: int) -> None:
    """Refuse what is no table, naming the line."""
    for mark in _CONFLICT_MARKS:  # `find` is fifty times faster than a regular expression with '^'
        place = block.find(mark)
        if place == 0 or (place > 0 and (place := block.find(b"\n" + mark) + 1)):
            raise UnreadableFile(
                "a table",
                f"a merge-conflict marker {mark[:7].decode()!r} in line {_line_of(block, place, line)}",
                "resolve the conflict, or fetch the file again",
            )
    if match := _SERVICE_ERROR.search(block, 0, _MESSAGE_BYTES):
        message = match[0].decode("latin-1").strip()
        raise UnreadableFile(
            "a table",
            f"the service's answer {message!r} in line {_line_of(block, match.start(), line)}",
            "correct the query",
        )
    if b"\0" in block:
        where = _line_of(block, block.index(b"\0"), line)
        raise UnreadableFile("text", f"a zero byte in line {where}", "the file is binary or damaged")
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _line_of(block, error.start, line)
        raise UnreadableFile(
            "text in UTF-8", f"the byte 0x{block[error.start]:02x} in line {where}", "save it as UTF-8"
        ) from None


def _header(block: bytes) -> tuple[list[str], str, int, bytes]:
    """Return comments, header line, number of lines up to it, and the bytes after it."""
    comments: list[str] = []
    position = n_lines = 0
    while position < len(block):
        end = block.find(b"\n", position)
        end = len(block) if end < 0 else end
        text = block[position:end].decode("utf-8").removeprefix("\ufeff").strip("\r")
        position, n_lines = end + 1, n_lines + 1
        if text.lstrip().startswith("#"):
            comments.append(text.strip())
        elif text.strip():
            commented = comments[-1].lstrip("# ") if comments else ""
            if _names_of_data(commented, text):
                return comments[:-1], commented, n_lines - 1, text.encode() + b"\n" + block[position:]
            if re.match(r"\s*<(!doctype|html|head|body)", text, re.IGNORECASE):
                raise UnreadableFile("a table", f"an HTML page in line {n_lines}", "fetch the file again")
            return comments, text, n_lines, block[position:]
    raise UnreadableFile("a header line with column names", "none" if not comments else "comments only")


def _units(rest: bytes) -> tuple[str, bytes, int]:
    """Take VizieR's lines of units and of dashes off the rows; return the units, the rows, and how many lines."""
    first, _, others = rest.partition(b"\n")
    second, _, rows = others.partition(b"\n")
    if _RULE.fullmatch(second.decode("utf-8").strip("\r")):
        return first.decode("utf-8").strip("\r"), rows, 2
    if _RULE.fullmatch(first.decode("utf-8").strip("\r")):
        return "", others, 1
    return "", rest, 0


def _names_of_data(comment: str, text: str) -> bool:
    """Tell whether a comment is the header ('# name,ra,dec') of the line below it."""
    for delimiter in "\t,;|":
        n = comment.count(delimiter)
        if n and n == text.count(delimiter):
            words = {w.strip().lower() for w in comment.split(delimiter)}
            return bool(words & {"name", "obsid"}) and not words & {w.strip().lower() for w in text.split(delimiter)}
    return False


def _parse(block: bytes, line: int, n_columns: int, delimiter: str, *, quoted: bool) -> Iterator[pa.RecordBatch]:
    """Split one block; every value stays text."""
    if not block.strip():
        return
    names = [str(i) for i in range(n_columns)]
    ragged: list[pv.InvalidRow] = []

    def refuse(row: pv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        table = pv.read_csv(
            io.BytesIO(block),
            pv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            pv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted and b'"' in block,
                ignore_empty_lines=True,
                invalid_row_handler=refuse,
            ),
            pv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        if not ragged:
            raise UnreadableFile(f"a table of {n_columns} columns", str(error).splitlines()[0]) from None
        row = ragged[0]
        where = _line_of(block, max(block.find(row.text.encode()), 0), line)
        raise UnreadableFile(
            f"rows of {row.expected_columns} values",
            f"{row.actual_columns} in line {where}",
            "the file is cut or damaged",
        ) from None
    if table.num_rows:
        yield batch_of(table.columns)
