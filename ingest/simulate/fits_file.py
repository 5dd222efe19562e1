"""Put FITS files together: headers by astropy, table data by NumPy, gzip without a time stamp.

Headers are astropy's, card for card; the data units are written directly, because building an astropy HDU object per
extension would take most of a survey's time. The test suite lets astropy verify the results.

Source: FITS standard 4.0, sections 3.3, 4.4 and 7.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from isal import igzip

BLOCK = 2880
GZIP_LEVEL = 2
NOTICE = "SIMULATED DATA made by 'photonlake simulate'. Nothing here was observed by Chandra."

Scalar = str | int | float | bool
Card = tuple[str, Scalar, str]
_FORMATS = {"D": ">f8", "E": ">f4", "J": ">i4", "I": ">i2", "B": "u1"}
_SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {"32X": ("u1", (4,)), "16A": ("S16", ()), "2D": (">f8", (2,))}


class Column(NamedTuple):
    """A column of a binary table.

    Attributes
    ----------
    name, form, unit : str
        TTYPE, TFORM ('1D', '1E', '1J', '1I', '32X', '16A', '2D') and TUNIT.
    values : ndarray, shape (n,) or, for 32X, (n, 4), and for 2D (n, 2)
        The data.
    comment : str
        After TTYPE.
    low, high, null : int, float or None
        TLMIN, TLMAX, TNULL.
    """

    name: str
    form: str
    unit: str
    values: npt.NDArray[np.generic]
    comment: str = ""
    low: float | None = None
    high: float | None = None
    null: int | None = None


class Unit(NamedTuple):
    """A header, as cards of 80 letters without END, and its data: one HDU."""

    header: str
    data: bytes


@lru_cache(maxsize=50_000, typed=True)
def _card(keyword: str, value: Scalar, comment: str) -> str:
    """Format one card, as astropy does; a text too long for it goes on in CONTINUE cards.

    Most cards of a survey repeat (a detection's seven headers share their observation's), and formatting them was
    two thirds of its time.
    """
    return str(fits.Card(keyword, value, comment[: _room(value)]))


def _room(value: Scalar) -> int:
    """Return how many letters of a comment fit beside a value: none after a text that is continued."""
    return max(0, 80 - 13 - max(len(value) + 2 + value.count("'"), 20)) if isinstance(value, str) else 44


def header_of(cards: Iterable[Card]) -> str:
    """Build a header from cards.

    Examples
    --------
    >>> fits.Header.fromstring(header_of([("OBS_ID", "70001", "Observation id")]))["OBS_ID"]
    '70001'
    """
    return "".join(_card(*card) for card in cards)


def primary(cards: Iterable[Card]) -> Unit:
    """Build a primary HDU without data."""
    fixed: list[Card] = [
        ("SIMPLE", True, "file does conform to FITS standard"),
        ("BITPIX", 16, "number of bits per data pixel"),
        ("NAXIS", 0, "number of data axes"),
        ("EXTEND", True, "FITS dataset may contain extensions"),
    ]
    return Unit(header_of([*fixed, *cards]), b"")


def _extension(kind: str, bitpix: int, axes: tuple[int, ...], heap: int, name: str) -> list[Card]:
    cards: list[Card] = [("XTENSION", kind, ""), ("BITPIX", bitpix, ""), ("NAXIS", len(axes), "")]
    cards += [(f"NAXIS{n}", size, "") for n, size in enumerate(axes, 1)]
    return [*cards, ("PCOUNT", heap, ""), ("GCOUNT", 1, ""), *([("EXTNAME", name, "")] if kind == "IMAGE" else [])]


def table(name: str, columns: list[Column], cards: Iterable[Card]) -> Unit:
    """Build a binary table of fixed-width columns.

    Parameters
    ----------
    name : str
        EXTNAME.
    columns : list of Column
        All of one length.
    cards : iterable of Card
        What follows the column keywords.

    Examples
    --------
    >>> unit = table("GTI", [Column("START", "1D", "s", np.array([1.0, 2.0]))], [])
    >>> fits.Header.fromstring(unit.header)["NAXIS2"], len(unit.data)
    (2, 16)
    """
    shapes = [(c.name, *(_SHAPES.get(c.form) or (_FORMATS[c.form[-1]], ()))) for c in columns]
    rows = np.zeros(len(columns[0].values), np.dtype(shapes))
    for column in columns:
        rows[column.name] = column.values
    described: list[Card] = []
    for n, column in enumerate(columns, 1):
        described += [(f"TTYPE{n}", column.name, column.comment), (f"TFORM{n}", column.form, "format of field")]
        described += [(f"TUNIT{n}", column.unit, "")] if column.unit else []
        limits = {"TLMIN": column.low, "TLMAX": column.high, "TNULL": column.null}
        described += [(f"{key}{n}", value, "") for key, value in limits.items() if value is not None]
    head = _extension("BINTABLE", 8, (rows.dtype.itemsize, len(rows)), 0, name)
    head += [("TFIELDS", len(columns), ""), ("EXTNAME", name, "name of this binary table extension")]
    return Unit(header_of([*head, *described, *cards]), rows.tobytes())


def variable_table(name: str, row_bytes: int, n_rows: int, heap: int, columns: list[Card], cards: list[Card]) -> str:
    """Build the header of a table with variable-length columns, whose data the caller lays out.

    Parameters
    ----------
    name : str
        EXTNAME.
    row_bytes, n_rows, heap : int
        NAXIS1, NAXIS2, PCOUNT.
    columns : list of Card
        TTYPE, TFORM, TUNIT and the like.
    cards : list of Card
        What follows.
    """
    fields = sum(1 for keyword, _, _ in columns if keyword.startswith("TTYPE"))
    head = _extension("BINTABLE", 8, (row_bytes, n_rows), heap, name)
    return header_of([*head, ("TFIELDS", fields, ""), *columns, ("EXTNAME", name, ""), *cards])


def image(name: str, pixels: npt.NDArray[np.uint8], cards: Iterable[Card]) -> Unit:
    """Build an image extension of bytes, shape (ny, nx)."""
    head = _extension("IMAGE", 8, (pixels.shape[1], pixels.shape[0]), 0, name)
    return Unit(header_of([*head, *cards]), pixels.tobytes())


def encode(units: Iterable[Unit]) -> bytes:
    """Return the bytes of a FITS file; each of its headers says that it is simulated.

    Examples
    --------
    >>> len(encode([primary([])]))
    2880
    """
    parts = []
    notice = _card("COMMENT", NOTICE, "")
    for unit in units:
        header = (unit.header + notice + "END".ljust(80)).encode("ascii")
        parts += [header.ljust(-(-len(header) // BLOCK) * BLOCK), unit.data, b"\0" * (-len(unit.data) % BLOCK)]
    return b"".join(parts)


def write(path: Path, units: Iterable[Unit]) -> int:
    """Write a FITS file, gzipped if its name ends so; the same units always give the same bytes.

    Parameters
    ----------
    path : Path
        Its folder must exist.
    units : iterable of Unit
        The primary one first.

    Returns
    -------
    int
        Bytes on disk.
    """
    content = encode(units)
    if path.suffix == ".gz":
        content = igzip.compress(content, GZIP_LEVEL, mtime=0)
    path.write_bytes(content)
    return len(content)
