"""Positions that texts give: Jhhmmss+ddmmss designations of any mission, and right ascensions with declinations.

A designation truncates the coordinates: it stands for a cell, whose size is the last digit's. How far the source may
lie from the cell depends on the mission.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_DESIGNATION = re.compile(
    r"J\s?(?P<ra>\d{4}(?:\d{2})?(?:\.\d+)?)\s?(?P<sign>[+-])\s?"
    r"(?P<dec>\d{4}(?:\d{2})?(?:\.\d+)?)(?![\d.]*\d)"
)
_PREFIX = re.compile(r"(?<![\w.])(?:[0-9A-Za-z]*[A-Za-z][\s-]?)?$")
_SEXAGESIMAL = re.compile(
    r"(?<![\d.])(?P<h>[01]?\d|2[0-3])\s?[h:]\s?(?P<m>[0-5]?\d)\s?[m:]\s?(?P<s>[0-5]?\d(?:\.\d+)?)\s?s?"
    r"(?:[\s,;/&()]|and|Dec\w*\.?|delta|=|:){1,8}?"
    r"(?P<sign>[+-])\s?(?P<d>\d{1,2})\s?(?:d|deg|:|°)\s?(?P<am>[0-5]?\d)\s?(?:m|'|:|arcmin)\s?(?P<as>[0-5]?\d(?:\.\d+)?)"
)
_DEGREES = re.compile(
    r"\b(?:R\.?A\.?|right ascension|alpha)[^0-9+-]{0,25}(?P<ra>\d{1,3}\.\d{2,})"
    r"[^0-9+-]{1,30}(?P<dec>[+-]?\d{1,2}\.\d{2,})",
    re.IGNORECASE,
)
RADII_ARCSEC: dict[str, float] = {
    "cxo": 2.0, "sdss": 2.0, "mass": 2.0, "wise": 2.0, "gaia": 2.0, "ps": 2.0, "vlass": 3.0, "first": 2.0,
    "xmm": 5.0, "xmmu": 5.0, "erass": 10.0, "ero": 10.0, "rxh": 8.0, "rx": 30.0, "swift": 6.0,
    "ax": 60.0, "sax": 60.0, "igr": 240.0, "xte": 240.0, "maxi": 600.0, "gro": 600.0, "fgl": 240.0, "hess": 300.0,
    "lhaaso": 900.0, "hawc": 900.0, "tasg": 900.0,
}  # fmt: skip
"""How far a source may be from the designation of a mission, by the letters of its prefix."""
USUAL_ARCSEC = 5.0


@dataclass(frozen=True)
class Cell:
    """Where a text says something is.

    Attributes
    ----------
    words : str
        As the text has it.
    prefix : str
        Letters before the J, lower case: 'cxou', 'sdss', ''.
    ra, dec : float
        Low corner on the sphere, degrees: the source has ra_low <= ra < ra + ra_size.
    ra_size, dec_size : float
        Degrees of right ascension and of declination.
    radius_arcsec : float
        How far beyond the cell the source may lie.
    """

    words: str
    prefix: str
    ra: float
    dec: float
    ra_size: float
    dec_size: float
    radius_arcsec: float


def cells(text: str) -> Iterator[Cell]:
    """Yield the positions of a flat text.

    Examples
    --------
    >>> [(c.prefix, round(c.ra, 4), round(c.dec, 4)) for c in cells("CXOU J005440.5-374320 (J0054) in NGC 300")]
    [('cxou', 13.6687, -37.7225)]
    >>> [round(c.dec_size * 3600) for c in cells("PSR J1012-4235 and SDSS J125809.31+351943.0")]
    [60, 0]
    >>> [(round(c.ra, 3), round(c.dec, 3)) for c in cells("at RA = 09:55:50.1, Dec = +69:40:46")]
    [(148.959, 69.679)]
    """
    for match in _DESIGNATION.finditer(text):
        before = _PREFIX.search(text, max(0, match.start() - _LONGEST_PREFIX), match.start())
        if before is not None and (cell := _designated(match, before[0])) is not None:
            yield cell
    for match in _SEXAGESIMAL.finditer(text):
        ra = 15 * (int(match["h"]) + int(match["m"]) / 60 + float(match["s"]) / 3600)
        dec = int(match["d"]) + int(match["am"]) / 60 + float(match["as"]) / 3600
        if dec <= _POLE:
            yield Cell(match[0], "", ra, -dec if match["sign"] == "-" else dec, 0.0, 0.0, USUAL_ARCSEC)
    for match in _DEGREES.finditer(text):
        ra, dec = float(match["ra"]), float(match["dec"])
        if ra < _CIRCLE and abs(dec) <= _POLE:
            size = 10.0 ** -min(len(part.partition(".")[2]) for part in (match["ra"], match["dec"]))
            yield Cell(match[0], "", ra - size / 2, dec - size / 2, size, size, USUAL_ARCSEC)


def _designated(match: re.Match[str], before: str) -> Cell | None:
    ra, ra_size = _sexagesimal(match["ra"])
    dec, dec_size = _sexagesimal(match["dec"])
    if ra is None or dec is None or ra >= _HOURS or dec > _POLE:
        return None
    prefix = re.sub(r"[^a-z]", "", before.lower())
    # Truncation is towards zero: south of the equator the cell lies below.
    low = -(dec + dec_size) if match["sign"] == "-" else dec
    known = next((r for p, r in RADII_ARCSEC.items() if prefix.startswith(p)), USUAL_ARCSEC)
    return Cell(before + match[0], prefix, 15 * ra, low, 15 * ra_size, dec_size, known)


def _sexagesimal(digits: str) -> tuple[float | None, float]:
    """Return 'aabb', 'aabb.b', 'aabbcc', 'aabbcc.c' as a number of the first unit, and the size of its last digit."""
    whole, _, part = digits.partition(".")
    first, second, third = int(whole[:2]), int(whole[2:4]), int(whole[4:6] or 0)
    if second >= _SIXTY or third >= _SIXTY:
        return None, 0.0
    unit = 1 / 60 if len(whole) == _MINUTES else 1 / 3600
    fraction = float(f"0.{part}") if part else 0.0
    return first + second / 60 + third / 3600 + fraction * unit, unit * 10.0 ** -len(part)


_LONGEST_PREFIX = 12
_POLE, _CIRCLE, _HOURS, _SIXTY, _MINUTES = 90.0, 360.0, 24, 60, 4
