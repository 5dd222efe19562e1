"""FITS header cards -> keyword: value.

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), sections 4.1-4.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from catalog.errors import UnreadableFile

CARD = 80

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


def parse_header(block: bytes) -> dict[str, Value]:
    """Parse header cards up to END.

    Parameters
    ----------
    block : bytes
        Whole cards of 80 bytes. Of repeated keywords the first counts, but all lines of COMMENT are kept; HISTORY is
        left out; CONTINUE'd strings are joined.

    Returns
    -------
    dict of str to str, int, float, bool or None

    Examples
    --------
    >>> parse_header(b"NAXIS   =                    2 / axes".ljust(80) + b"END".ljust(80))
    {'NAXIS': 2}
    """
    header: dict[str, Value] = {}
    last = ""
    text = block.decode("latin-1")
    for start in range(0, len(text) - CARD + 1, CARD):
        keyword = text[start : start + 8].rstrip()
        if text[start + 8 : start + 10] == "= ":
            # The standard leaves open what a repeated keyword means; the first is what astropy gives too.
            last = "" if keyword in header else keyword
            if last:
                header[keyword] = _value(text[start + 10 : start + CARD])
        elif keyword == "CONTINUE":
            so_far, more = header.get(last), _value(text[start + 8 : start + CARD])
            if isinstance(so_far, str) and so_far.endswith("&") and isinstance(more, str):
                header[last] = so_far[:-1] + more
        elif keyword == "END":
            break
        elif keyword == "HIERARCH":
            name, equals, rest = text[start + 8 : start + CARD].partition("=")
            last = name.strip().upper() if equals else ""
            if last:
                header.setdefault(last, _value(rest))
        else:
            last = ""
            if keyword == "COMMENT":
                said = text[start + 8 : start + CARD].strip()
                header["COMMENT"] = f"{header['COMMENT']}\n{said}" if "COMMENT" in header else said
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
