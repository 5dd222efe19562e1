"""JSON records one by one, from a list, from lines, or from within an answer's envelope, never all at once."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from catalog.errors import UnreadableFile

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Record: TypeAlias = "dict[str, Json]"

PIECE_BYTES = 1 << 20
MAX_RECORD_CHARACTERS = 64 << 20
MAX_DEPTH = 200

_BLANK = re.compile(r"[ \t\r\n]*")
_OUTSIDE = re.compile(r'["{}\[\],]')
_RECORD_LINE = re.compile(r"\n(?=\{)")
_INSIDE = re.compile(r'\\.|"', re.DOTALL)


class _Readable(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...


class Answer(dict[str, Json]):
    """What an answer's envelope says besides its records (an error, a count)."""


@dataclass(frozen=True)
class LeftOut:
    """A record that was passed over, and why."""

    why: str


class _Unfit(Exception):
    """A value that is too deep or too large; it has been stepped over."""


Item: TypeAlias = "Record | Answer | LeftOut"


def read_json_records(stream: _Readable, envelopes: Sequence[tuple[str, ...]] = ()) -> Iterator[Item]:
    r"""Read the objects of a JSON list, of JSON lines, or of a list within an envelope.

    Parameters
    ----------
    stream : readable
        UTF-8.
    envelopes : sequence of tuple of str
        Keys that lead from a single object to the list of records: ('response', 'docs') in an ADS answer.

    Yields
    ------
    dict
        Each record; NaN and infinities become None, halves of surrogate pairs the replacement character. An `Answer`
        for an object that is the envelope of no records, a `LeftOut` for a record that is too deep or too large, or
        for a line that is no JSON.

    Raises
    ------
    UnreadableFile
        If it is no JSON, with the line; of JSON lines, only where nothing can be read after it.

    Examples
    --------
    >>> import io
    >>> list(read_json_records(io.BytesIO(b'[{"a": 1},\n {"a": NaN}]')))
    [{'a': 1}, {'a': None}]
    >>> list(read_json_records(io.BytesIO(b'{"a": 1}\n{"a": 2}\n')))
    [{'a': 1}, {'a': 2}]
    >>> list(read_json_records(io.BytesIO(b'{"response": {"docs": [{"a": 1}]}}'), [("response", "docs")]))
    [{'a': 1}]
    """
    text = _Text(stream)
    first = text.peek()
    if not first:
        raise UnreadableFile("JSON records", "an empty file", "fetch the file again")
    if first == "[":
        yield from _of_list(text)
        return
    if first != "{":
        raise UnreadableFile("JSON: '{' or '[' at the start", repr(text.here(30)))
    enveloped = bool(envelopes)
    while text.peek():
        try:
            if enveloped:
                enveloped, said = yield from _of_envelope(text, envelopes)
                if not enveloped:
                    yield said
            else:
                yield _record(text)
        except UnreadableFile as error:
            if not text.next_line_of_record():  # nothing follows: the file is cut
                raise
            yield LeftOut(error.found)
        if text.peek() == ",":
            text.take()


def _of_list(text: _Text) -> Iterator[Item]:
    text.take()
    while text.next_of("]"):
        yield _record(text)
    text.take()


def _record(text: _Text) -> Item:
    try:
        value = text.value()
    except _Unfit as error:
        return LeftOut(str(error))
    if not isinstance(value, dict):
        raise UnreadableFile("a JSON object for each record", f"{type(value).__name__} in line {text.line}")
    return _judged(value)


def _judged(record: Record) -> Record | Answer:
    return Answer(record) if {"error", "responseHeader", "export"} & record.keys() else record


def _of_envelope(
    text: _Text, envelopes: Sequence[tuple[str, ...]]
) -> Generator[Item, None, tuple[bool, Record | Answer | LeftOut]]:
    """Go through an object member by member; yield the records of the list that an envelope leads to.

    Returns
    -------
    (bool, dict)
        Whether there was such a list; what else the object says.
    """
    text.take()
    found, said, unfit = False, dict[str, Json](), ""
    while text.next_of("}"):
        try:
            key = str(text.value())
            if text.peek() != ":":
                raise UnreadableFile("JSON: ':' after a key", f"{text.here(10)!r} in line {text.line}")
            text.take()
            inner = [e[1:] for e in envelopes if e[0] == key]
            if () in inner and text.peek() == "[":
                found = True
                yield from _of_list(text)
            elif any(inner) and text.peek() == "{":
                has_list, rest = yield from _of_envelope(text, [e for e in inner if e])
                found |= has_list
                said[key] = rest if isinstance(rest, dict) else None
            else:
                said[key] = text.value()
        except _Unfit as error:
            unfit = str(error)
    text.take()
    return found, LeftOut(unfit) if unfit else _judged(said)


class _Text:
    """A text read in pieces, of which one JSON value after another is taken."""

    def __init__(self, stream: _Readable) -> None:
        self._stream, self._ended = stream, False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder(parse_constant=lambda _: None)
        self._buffer, self._at = "", 0
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is no blank, '' at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._at)
            self._pass(blank.end() if blank else self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more(PIECE_BYTES):
                return ""

    def take(self) -> None:
        """Step over one character."""
        self._at += 1

    def here(self, n: int) -> str:
        """Return what stands next."""
        return self._buffer[self._at : self._at + n]

    def next_line_of_record(self) -> bool:
        """Step over what is broken, to a line that begins a record; False where there is none."""
        start = _RECORD_LINE.search(self._buffer, self._at)
        if start:
            self._pass(start.end())
        return start is not None

    def next_of(self, end: str) -> bool:
        """Step over a comma to the next value; False where the end mark stands."""
        mark = self.peek()
        if mark == ",":
            self.take()
            mark = self.peek()
        if not mark:
            found = f"the file's end in line {self.line}"
            raise UnreadableFile(f"the list's end, '{end}'", found, "the file is cut: fetch it again")
        return mark != end

    def value(self) -> Json:
        """Parse the next value, reading as much as it needs.

        Raises
        ------
        _Unfit
            If it is too deep or too large; it has been stepped over.
        UnreadableFile
            If it is no JSON.
        """
        self.peek()
        size, line = PIECE_BYTES, self.line
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._at)
                if end == len(self._buffer) and self._more(size):
                    size *= 2
                    continue  # a number may go on
                value = sound(value)
            except RecursionError:
                raise self._unfit(f"more than {MAX_DEPTH} levels of JSON in line {line}") from None
            except json.JSONDecodeError as error:
                # Perhaps the value goes on in the next piece; each try reads twice as much as the last.
                if len(self._buffer) - self._at > MAX_RECORD_CHARACTERS:
                    raise self._unfit(f"more than {MAX_RECORD_CHARACTERS >> 20} MB in line {line}") from None
                place = self.line + self._buffer.count("\n", self._at, error.pos)
                if not self._more(size):
                    found = f"{error.msg!r} in line {place}"
                    raise UnreadableFile("JSON", found, "the file is cut or damaged: fetch it again") from None
                size *= 2
                continue
            except ValueError as error:  # a number of thousands of digits
                raise self._unfit(f"{error} in line {line}") from None
            self.line += self._buffer.count("\n", self._at, end)
            self._at = end
            return value

    def _unfit(self, why: str) -> _Unfit:
        """Step over the next value without keeping it."""
        depth, quoted, at = 0, False, self._at
        while True:
            match = (_INSIDE if quoted else _OUTSIDE).search(self._buffer, at)
            if match is None:
                self._pass(len(self._buffer) - (quoted and self._buffer.endswith("\\")))
                if not self._more(PIECE_BYTES):
                    raise UnreadableFile("a record's end", f"the file's end; {why}", "fetch the file again")
                at = self._at
                continue
            mark, at = match[0], match.end()
            if depth == 0 and mark in ",}]":
                self._pass(match.start())
                return _Unfit(why)
            quoted ^= mark == '"'
            depth += (mark in "{[") - (mark in "}]")
            if depth == 0 and not quoted and mark in '"}]':
                self._pass(at)
                return _Unfit(why)

    def _pass(self, end: int) -> None:
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end

    def _more(self, n_bytes: int) -> bool:
        if self._ended:
            return False
        piece = self._stream.read(n_bytes)
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                "JSON in UTF-8",
                f"the byte 0x{error.object[error.start]:02x} after line {self.line}",
                "save it as UTF-8",
            ) from None
        self._ended = not piece
        self._buffer, self._at = self._buffer[self._at :] + text, 0
        return bool(piece)


def sound(value: Json, depth: int = 0) -> Json:
    r"""Return a value that every table and file can hold: no infinities, no NaN, no halves of surrogate pairs.

    Raises
    ------
    RecursionError
        If it is deeper than MAX_DEPTH.

    Examples
    --------
    >>> sound({"a": ["x\ud800", float("inf")]})
    {'a': ['x\ufffd', None]}
    """
    if isinstance(value, str):
        return value if value.isascii() else mended(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return [sound(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return {mended(k): sound(v, depth + 1) for k, v in value.items()}
    return value


def mended(text: str) -> str:
    r"""Replace what is no character, halves of surrogate pairs: no table and no file can hold them.

    Examples
    --------
    >>> mended("a\ud800b"), mended("\ud83d\udd2d") == "\U0001f52d"
    ('a\ufffdb', True)
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
