"""FITS header cards -> keyword: value.

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), sections 4.1-4.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from catalog.errors import UnreadableFile

CARD = 80

_USUAL = 1 << 18
"""Bytes of a header, at most, that is remembered: damaged ones have megabytes."""

Value = str | int | float | bool | None

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?", re.ASCII)
_STRING = re.compile(r"'((?:[^']|'')*)'")


def _value(text: str) -> Value:
    """Parse the value field of one card (columns 11-80), comment and all."""
    text = text.lstrip()
    if text.startswith("'"):
        end = text.find("'", 1)
        if end > 0 and text[end + 1 : end + 2] != "'":  # nearly every string: no quote inside
            return text[1:end].rstrip()
        match = _STRING.match(text)
        # A string without its closing quote is damaged: better no value than half of one.
        return match[1].replace("''", "'").rstrip() if match else None
    word = text.partition("/")[0].rstrip()
    if word in {"T", "F"}:
        return word == "T"
    if not _NUMBER.fullmatch(word):
        return word or None
    try:
        return int(word)
    except ValueError:
        return _float(word)


def _float(word: str) -> float:
    return float(word.upper().replace("D", "E"))


class Header(Mapping[str, Value]):
    """Keywords and values of one header. A value is parsed when it is first asked for: most never are.

    Examples
    --------
    >>> dict(parse_header(b"NAXIS   =                    2 / axes".ljust(80) + b"END".ljust(80)))
    {'NAXIS': 2}
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def add(self, keyword: str, text: str) -> None:
        """Take the value field of a card, as it is written."""
        self._texts[keyword] = text

    def tell(self, keyword: str, value: Value) -> None:
        """Take a value that several cards give together."""
        self._texts.setdefault(keyword, "")
        self._values[keyword] = value

    def __getitem__(self, keyword: str) -> Value:
        """Return the value of a keyword."""
        if keyword in self._values:
            return self._values[keyword]
        value = self._values[keyword] = _value(self._texts[keyword])
        return value

    def get(self, keyword: str, default: Any = None) -> Any:  # noqa: ANN401 - as Mapping has it
        """Return the value of a keyword that may be absent: as most are that readers ask for."""
        return self[keyword] if keyword in self._texts else default

    def __contains__(self, keyword: object) -> bool:
        """Tell whether there is a keyword."""
        return keyword in self._texts

    def __iter__(self) -> Iterator[str]:
        """Go through the keywords in their order."""
        return iter(self._texts)

    def __len__(self) -> int:
        """Return the number of keywords."""
        return len(self._texts)


def parse_header(block: bytes) -> Header:
    """Parse header cards up to END. A file's headers are met twice: to tell what it is, and to read it.

    Parameters
    ----------
    block : bytes
        Whole cards of 80 bytes. Of repeated keywords the first counts, but all lines of COMMENT are kept; HISTORY is
        left out; CONTINUE'd strings are joined.

    Returns
    -------
    Header
        A mapping of str to str, int, float, bool or None.

    Examples
    --------
    >>> parse_header(b"NAXIS   =                    2 / axes".ljust(80) + b"END".ljust(80))["NAXIS"]
    2
    """
    return _parsed(block) if len(block) <= _USUAL else _parsed.__wrapped__(block)


@lru_cache(maxsize=64)
def _parsed(block: bytes) -> Header:
    header = Header()
    last = ""
    text = block.decode("latin-1")
    for start in range(0, len(text) - CARD + 1, CARD):
        keyword = text[start : start + 8].rstrip()
        if text[start + 8 : start + 10] == "= ":
            # The standard leaves open what a repeated keyword means; the first is what astropy gives too.
            last = "" if keyword in header else keyword
            if last:
                header.add(keyword, text[start + 10 : start + CARD])
        elif keyword == "CONTINUE":
            so_far, more = header.get(last), _value(text[start + 8 : start + CARD])
            if isinstance(so_far, str) and so_far.endswith("&") and isinstance(more, str):
                header.tell(last, so_far[:-1] + more)
        elif keyword == "END":
            break
        elif keyword == "HIERARCH":
            name, equals, rest = text[start + 8 : start + CARD].partition("=")
            last = name.strip().upper() if equals else ""
            if last and last not in header:
                header.add(last, rest)
        else:
            last = ""
            if keyword == "COMMENT":
                said = text[start + 8 : start + CARD].strip()
                header.tell("COMMENT", f"{header['COMMENT']}\n{said}" if "COMMENT" in header else said)
    return header


def integer(header: Mapping[str, Value], keyword: str, default: int | None = None) -> int:
    """Return a keyword that must be a non-negative integer.

    Raises
    ------
    UnreadableFile
        If it is missing without a default, no integer, or negative.

    Examples
    --------
    >>> integer({"NAXIS": 2}, "NAXIS")
    2
    """
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UnreadableFile(f"{keyword} to be a non-negative integer", repr(header.get(keyword, "nothing")))
    return value


def number(header: Mapping[str, Value], keyword: str) -> float | None:
    """Return a keyword as a finite float; None where it is absent or not a number.

    Some programs write numbers as texts (TLMIN4 = '0'): they are numbers all the same.

    Examples
    --------
    >>> number({"TIMEDEL": 3.2, "OBJECT": "M 82"}, "TIMEDEL"), number({"TLMIN4": "0"}, "TLMIN4")
    (3.2, 0.0)
    """
    value = header.get(keyword)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = _float(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
