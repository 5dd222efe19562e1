"""JSON records one by one, from a list, from lines, or from within an answer's envelope, never all at once."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator
from typing import Protocol, TypeAlias

from catalog.errors import UnreadableFile

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Record: TypeAlias = "dict[str, Json]"

PIECE_BYTES = 1 << 20
MAX_RECORD_CHARACTERS = 1 << 30
_DEEPEST = 200


class _Readable(Protocol):
    def read(self, n: int = -1, /) -> bytes: ...


class Answer(dict[str, Json]):
    """What an answer's envelope says besides its records (an error, a count)."""


def read_json_records(stream: _Readable, envelope: tuple[str, ...] = ()) -> Iterator[Record | Answer]:
    r"""Read the objects of a JSON list, of JSON lines, or of a list within an envelope.

    Parameters
    ----------
    stream : readable
        UTF-8.
    envelope : tuple of str
        Keys that lead from a single object to the list of records: ('response', 'docs') in an ADS answer.

    Yields
    ------
    dict
        Each record; NaN and infinities become None. An `Answer` for an object that is the envelope of no records.

    Raises
    ------
    UnreadableFile
        If it is no JSON, with the line.

    Examples
    --------
    >>> import io
    >>> list(read_json_records(io.BytesIO(b'[{"a": 1},\n {"a": NaN}]')))
    [{'a': 1}, {'a': None}]
    >>> list(read_json_records(io.BytesIO(b'{"a": 1}\n{"a": 2}\n')))
    [{'a': 1}, {'a': 2}]
    >>> list(read_json_records(io.BytesIO(b'{"response": {"docs": [{"a": 1}]}}'), ("response", "docs")))
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
    while text.peek():
        record = _object(text.value(), text)
        yield from _unfold(record, envelope)
        if text.peek() == ",":
            text.take()


def _of_list(text: _Text) -> Iterator[Record]:
    text.take()
    while (mark := text.peek()) != "]":
        if not mark:
            raise UnreadableFile(
                "the list's end, ']'", f"the file's end in line {text.line}", "the file is cut: fetch it again"
            )
        yield _object(text.value(), text)
        if text.peek() == ",":
            text.take()


def _object(value: Json, text: _Text) -> Record:
    if not isinstance(value, dict):
        raise UnreadableFile("a JSON object for each record", f"{type(value).__name__} in line {text.line}")
    return value


def _unfold(record: Record, envelope: tuple[str, ...]) -> Iterator[Record | Answer]:
    if not envelope or envelope[0] not in record:
        yield Answer(record) if "error" in record or "responseHeader" in record else record
        return
    inner: Json = record
    for key in envelope:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, list):
        yield Answer(record)
        return
    yield from (r for r in inner if isinstance(r, dict))


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
            while self._at < len(self._buffer):
                mark = self._buffer[self._at]
                if mark not in " \t\r\n":
                    return mark
                self.line += mark == "\n"
                self._at += 1
            if not self._more(PIECE_BYTES):
                return ""

    def take(self) -> None:
        """Step over one character."""
        self._at += 1

    def here(self, n: int) -> str:
        """Return what stands next."""
        return self._buffer[self._at : self._at + n]

    def value(self) -> Json:
        """Parse the next value, reading as much as it needs."""
        size = PIECE_BYTES
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise UnreadableFile(f"at most {_DEEPEST} levels of JSON", f"more in line {self.line}") from None
            except ValueError as error:
                # Perhaps the value goes on in the next piece; each try reads twice as much as the last.
                if len(self._buffer) - self._at > MAX_RECORD_CHARACTERS or not self._more(size):
                    raise self._broken(error) from None
                size *= 2
                continue
            if end == len(self._buffer) and self._more(size):
                size *= 2
                continue  # a number may go on
            self.line += self._buffer.count("\n", self._at, end)
            self._at = end
            return _finite(value)

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

    def _broken(self, error: ValueError) -> UnreadableFile:
        if isinstance(error, json.JSONDecodeError):
            line = self.line + self._buffer.count("\n", self._at, error.pos)
            return UnreadableFile("JSON", f"{error.msg!r} in line {line}", "the file is cut or damaged: fetch it again")
        return UnreadableFile("JSON", f"{error} in line {self.line}")


def _finite(value: Json) -> Json:
    """Turn numbers too large for a float into None; NaN and Infinity never get so far."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return value
