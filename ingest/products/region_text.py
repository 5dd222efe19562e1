"""Regions as text: what DS9 and CIAO save as .reg, and what CIAO's tools write into headers.

Positions are sky pixels (CIAO's and DS9's `physical`), or on the sky (`fk5`, `icrs` and others, or sexagesimal
numbers). DS9's `image` pixels depend on how an image was binned: they are not read.

Source: SAOImage DS9 reference manual, "Regions"; CIAO "ahelp dmregions". The package astropy-regions reads neither
physical coordinates nor CIAO's logic of shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingest.products.shapes import Shape, basic_shapes

Role = Literal["source", "background"]

_TERM = re.compile(r"\s*([-+!&*|,\s]*)([A-Za-z]\w*)\s*(?:\(([^()]*)\))?")
_ANGLE = re.compile(r"([+-]?)(\d+)([:hd])(\d+)[:m](\d+(?:\.\d*)?)s?", re.ASCII)
_VALUE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([\"'drip]?)", re.IGNORECASE | re.ASCII)
_OPERATORS = "-+!&*|, \t"
_PIXELS = frozenset({"physical"})
_SKY = {"icrs": "icrs", "fk5": "icrs", "j2000": "icrs", "fk4": "fk4", "b1950": "fk4", "galactic": "galactic"}
_SKY |= {"ecliptic": "barycentrictrueecliptic"}
_HOURS = frozenset({"icrs", "fk4"})  # frames whose longitudes are written in hours, where they are sexagesimal
_UNREAD = frozenset({"image", "detector", "amplifier", "linear", "tile", *(f"wcs{a}" for a in ("", *"abcdefghij"))})
_ARCSEC = {'"': 1.0, "'": 60.0, "d": 3600.0, "r": math.degrees(1) * 3600.0}
_ROUND = {"circle": 2, "ellipse": 2, "annulus": 2, "box": 2, "rotbox": 2, "elliptannulus": 2}
_COLON = frozenset({":", "d:"})  # units of sexagesimal numbers: hours or degrees, and degrees
_TURNED = frozenset({"ellipse", "box", "rotbox", "elliptannulus", "rotrectangle"})
_WORDS = (*_ROUND, "polygon", "rectangle", "rotrectangle", "point", "line", "pie", "panda", "sector", "field")
_SHAPE_LINE = re.compile(rf"\s*[-+!]?\s*({'|'.join(_WORDS)})\s*\(", re.IGNORECASE)
_HEADER = re.compile(r"\s*#\s*Region file format", re.IGNORECASE)
_QUIET = re.compile(r"\s*(global\b.*|#.*|)$", re.IGNORECASE)


@dataclass(frozen=True)
class Component:
    """Shapes that hold together, and what they are for."""

    shapes: tuple[Shape, ...]
    role: Role = "source"


@dataclass
class RegionText:
    """What was read of a text.

    Attributes
    ----------
    components : list of Component
        Inside the region is what is inside one of them.
    unread : list of str
        Why some are missing: words of shapes that are not known, frames that are not.
    """

    components: list[Component]
    unread: list[str]


def looks_like_regions(head: str) -> bool:
    r"""Tell whether a text begins like a file of regions.

    Examples
    --------
    >>> looks_like_regions("# Region file format: DS9 version 4.1\n"), looks_like_regions("physical;circle(1,2,3)")
    (True, True)
    >>> looks_like_regions("name,ra,dec\n")
    False
    """
    for line in head.splitlines()[:50]:
        if _HEADER.match(line):
            return True
        for piece in line.split(";"):
            word = piece.strip().lower()
            if _QUIET.match(piece) or word in {*_PIXELS, *_SKY, *_UNREAD}:
                continue
            return bool(_SHAPE_LINE.match(piece))
    return False


def read_regions(text: str) -> RegionText:
    r"""Read a file of regions.

    A line that cuts out (it begins with - or !) cuts out of every region of the file, as in DS9. Where a shape that
    is to be cut out is not known, none of the regions is.

    Parameters
    ----------
    text : str
        The whole file.

    Examples
    --------
    >>> found = read_regions('fk5\ncircle(10.5, 20.25, 3") # color=red\n-circle(10.5, 20.25, 1")\n')
    >>> [(s.r, s.frame, s.include) for s in found.components[0].shapes]
    [((3.0,), 'sky', True), ((1.0,), 'sky', False)]
    >>> read_regions("image\ncircle(10, 20, 3)").unread
    ['image']
    """
    found = RegionText([], [])
    frame: str = ""
    cut: list[Shape] = []
    lost = False
    for line in text.splitlines():
        code, _, properties = line.partition("#")
        role: Role = "background" if re.search(r"\bbackground\b", properties) else "source"
        for piece in filter(None, (p.strip() for p in code.split(";"))):
            word = piece.lower()
            if word in {*_PIXELS, *_SKY, *_UNREAD}:
                frame = word
            elif not word.startswith("global"):
                for shapes, unknown in _components(piece, frame):
                    if unknown:
                        found.unread.append(unknown)
                        lost |= not any(s.include for s in shapes) and piece.startswith(("-", "!"))
                    elif any(s.include for s in shapes):
                        found.components.append(Component(tuple(shapes), role))
                    else:
                        cut += shapes
    if lost:
        found.components.clear()
    found.components = [Component((*c.shapes, *cut), c.role) for c in found.components]
    return found


def read_expression(text: str) -> RegionText:
    """Read the region that a header tells: 'MASK&Ellipse(...)&!Ellipse(...)|Circle(...)', in sky pixels.

    Words without brackets are masks and tables, which say nothing of a shape: they are passed over.

    Examples
    --------
    >>> found = read_expression("MASK&Ellipse(2858.55,4712.93,46.0,35.5,72.4)&!Circle(2920,4692,30)")
    >>> [(s.kind, s.include) for s in found.components[0].shapes]
    [('ellipse', True), ('circle', False)]
    """
    found = RegionText([], [])
    for shapes, unknown in _components(text, "physical"):
        if unknown:
            found.unread.append(unknown)
        elif any(s.include for s in shapes):
            found.components.append(Component(tuple(shapes)))
    return found


def _components(text: str, frame: str) -> Iterator[tuple[list[Shape], str]]:
    """Yield the components of one expression: their shapes, and the word of one that cannot be read, if any."""
    shapes: list[Shape] = []
    unknown = ""
    place = 0
    while text[place:].strip(_OPERATORS):
        term = _TERM.match(text, place)
        if term is None:
            yield [], text[place:].strip()[:20]
            return
        operator, word, arguments = term[1], term[2], term[3]
        if ("|" in operator or "+" in operator) and (shapes or unknown):
            yield shapes, unknown
            shapes, unknown = [], ""
        include = ("-" in operator) == ("!" in operator)
        if arguments is not None:
            made = _shapes(word, arguments, frame, include=include)
            if made is None:
                unknown = unknown or (frame if frame in _UNREAD else word.lower())
            else:
                shapes += made
        place = term.end()
    if shapes or unknown:
        yield shapes, unknown


def _shapes(word: str, arguments: str, frame: str, *, include: bool) -> list[Shape] | None:
    """Read one shape; None where it cannot be."""
    word = word.lower()
    values = [_value(a) for a in re.split(r"[,\s]+", arguments.strip()) if a]
    if frame in _UNREAD or None in values:
        return None
    numbers = [v for v in values if v is not None]
    sky = frame in _SKY or any(unit in _COLON for _, unit in numbers[:2])
    n_places = _ROUND.get(word, len(numbers))
    rotang = numbers.pop()[0] if word in _TURNED and len(numbers) % 2 else 0.0
    places, sizes = numbers[:n_places], numbers[n_places:]
    if any(unit in {"i", '"', "'"} for _, unit in places) or any(unit in {"i", *_COLON} for _, unit in sizes):
        return None
    if sky and any(unit == "p" for _, unit in places):
        sky = False
    # Without a unit, a size is in that of the positions: degrees or pixels. Sexagesimal numbers alone tell none.
    units = {(unit or ("d" if frame in _SKY else "p")) for _, unit in sizes}
    if not units <= (_ARCSEC.keys() if sky else {"p"}):
        return None
    if sky:
        sizes = [(v * _ARCSEC[unit or "d"], unit) for v, unit in sizes]
    hours = sky and _SKY.get(frame, "icrs") in _HOURS
    x, y = ([_degrees(v, unit, hours=hours and i == 0) for v, unit in places[i::2]] for i in (0, 1))
    if sky and _SKY.get(frame, "icrs") != "icrs":
        x, y, rotang = _icrs(_SKY[frame], x, y, rotang)
    template = Shape("", (), (), include=include, frame="sky" if sky else "pixel")
    return basic_shapes(word, x, y, [v for v, _ in sizes], rotang, template)


def _value(text: str) -> tuple[float, str] | None:
    """Read a number and its unit: '' for none, ':' or 'd:' for a sexagesimal one; None for no number."""
    if match := _ANGLE.fullmatch(text):
        size = int(match[2]) + int(match[4]) / 60 + float(match[5]) / 3600
        return -size if match[1] == "-" else size, "d:" if match[3] == "d" else ":"
    if match := _VALUE.fullmatch(text):
        return float(match[1]), match[2].lower()
    return None


def _degrees(value: float, unit: str, *, hours: bool) -> float:
    """Bring a coordinate into degrees: a sexagesimal right ascension counts hours."""
    if unit == "r":
        return math.degrees(value)
    return value * 15.0 if hours and unit == ":" else value


def _icrs(frame: str, lon: list[float], lat: list[float], rotang: float) -> tuple[list[float], list[float], float]:
    """Turn positions of another frame, and an angle measured in it, into ICRS."""
    from astropy import units as u  # noqa: PLC0415 - a second of import, for the few files that need it
    from astropy.coordinates import SkyCoord  # noqa: PLC0415 - as above

    at = SkyCoord(lon, lat, unit="deg", frame=frame)
    tip = at[0].directional_offset_by((rotang - 90) * u.deg, 1 * u.arcsec).icrs
    turned = at[0].icrs.position_angle(tip).deg + 90
    return at.icrs.ra.deg.tolist(), at.icrs.dec.deg.tolist(), float(turned)
