"""Names of sources, detections and product files, parsed and built.

Source: CSC 2 "Source Names" and "Data Product File Names" pages; the package key of the CSC command-line
service ('obsid.obi.region_id').
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from catalog.errors import Terminal

_WHOLE = re.compile(r"\s*[0-9]{1,18}\s*")

SOURCE_NAME = r"(?P<prefix>[12]CXOU?|CXO)J(?P<ra>[0-9]{6}\.[0-9])(?P<dec>[+-][0-9]{6})(?P<suffix>[A-Z]?)"
"""A source name without its blanks, in upper case: what `source_name` and the readers of tables match."""

MINUS_SIGNS = "\u2010\u2011\u2012\u2013\u2212\ufe58\ufe63\uff0d"
PLUS_SIGNS = "\ufe62\uff0b"
"""Signs that papers and spreadsheets write for '-' and '+'."""

NOT_OF_A_NAME = r"[\s_\[\]'\"\x{200b}-\x{200f}\x{2060}\x{feff}]|\p{Z}"
"""What stands between the parts of a name, or around it, in some spelling: in the syntax of RE2."""

_SOURCE_NAME = re.compile(SOURCE_NAME)
_SIGNS = str.maketrans({**dict.fromkeys(MINUS_SIGNS, "-"), **dict.fromkeys(PLUS_SIGNS, "+")})
_BETWEEN = re.compile(r"[\s_\[\]'\"\u200b-\u200f\u2060\ufeff]+")
_BYTES = re.compile(r"^\s*b(['\"])(.*)\1\s*$")
DETECTION_ID = (
    r"^(?P<obsid>[0-9]{1,6})\.(?P<obi>[0-9]{1,3}|-)\."
    r"(?P<region>[0-9]{1,5}|(?:[12]CXOU?|CXO) J[0-9]{6}\.[0-9][+-][0-9]{6}[A-Z]?)$"
)
_PRODUCT = re.compile(
    r"^(?P<detector>acis|hrc)f(?P<obsid>\d{5,6})(?:_(?P<obi>\d{3}))?N(?P<version>\d{3})"
    r"(?:_e(?P<exposure>[12]))?(?:_r(?P<region>\d{4,5})(?P<band>[a-z])?)?_(?P<kind>[a-z]+\d)"
    r"(?P<suffix>\.fits)?$",
    re.IGNORECASE | re.ASCII,
)


def whole_number(text: str | None) -> int | None:
    """Return the number that a text of decimal digits says; None for any other text.

    Not all that counts as a digit is one to `int`, and of thousands of digits it makes an error.

    Examples
    --------
    >>> whole_number(" 12 "), whole_number("-1"), whole_number("²"), whole_number("9" * 5000), whole_number(None)
    (12, None, None, None, None)
    """
    return int(text) if text and _WHOLE.fullmatch(text) else None


class InvalidName(Terminal, ValueError):
    """A text that is no source name, detection id or product name."""


def source_name(text: str) -> str:
    """Bring a CSC source name into its canonical form.

    Parameters
    ----------
    text : str
        As tables carry it: padded, lower case, with several blanks, none or an underscore before the J, in brackets,
        with the signs of a typesetter, or as Python spells bytes.

    Returns
    -------
    str
        '2CXO J031948.1+413046', of release 1 'CXO J031948.1+413046'; a trailing X (an extended source) or other letter
        (one of several sources at one place: '2CXO J004243.8+411629A') is part of the name.

    Raises
    ------
    InvalidName
        If it is no CSC name.

    Examples
    --------
    >>> source_name("  2cxo  j031948.1+413046 "), source_name("[2CXO]_J031948.1\N{MINUS SIGN}413046")
    ('2CXO J031948.1+413046', '2CXO J031948.1-413046')
    """
    match = _matched(text)
    if not match:
        msg = f"{text!r} is no CSC source name; one reads '2CXO J031948.1+413046'"
        raise InvalidName(msg)
    return f"{match['prefix']} J{match['ra']}{match['dec']}{match['suffix']}"


def _matched(text: str) -> re.Match[str] | None:
    return _SOURCE_NAME.fullmatch(_BETWEEN.sub("", _BYTES.sub(r"\2", text).translate(_SIGNS)).upper())


def is_source_name(text: str) -> bool:
    """Tell whether a text is a CSC source name.

    Examples
    --------
    >>> is_source_name("2CXO J031948.1+413046X"), is_source_name("M 82")
    (True, False)
    """
    return bool(_matched(text))


def detection_id(obsid: int, obi: int | None, region: int | str) -> str:
    """Build the key of a detection.

    Parameters
    ----------
    obsid : int
        Observation identifier.
    obi : int or None
        Observation interval; None where a table does not tell, written '-'.
    region : int or str
        Region identifier; a table without one gives the source's name instead.

    Examples
    --------
    >>> detection_id(1575, 1, 85), detection_id(1595, None, 57)
    ('1575.1.85', '1595.-.57')
    """
    return f"{obsid}.{'-' if obi is None else obi}.{region}"


OWN_DETECTION_ID = (
    "CASE WHEN obsid IS NULL OR coalesce(region_id::VARCHAR, name) IS NULL THEN detection_id "
    "ELSE concat_ws('.', obsid, coalesce(obi::VARCHAR, '-'), coalesce(region_id::VARCHAR, name)) END"
)
"""SQL: the key that follows from what a row says itself, as `detection_id` builds it."""


@dataclass(frozen=True)
class ProductName:
    """What the name of a CSC or archive product tells.

    Attributes
    ----------
    detector : str
        'acis' or 'hrc'.
    obsid : int
        Observation identifier.
    obi : int or None
        Observation interval; archive (not CSC) names carry none.
    version : int
        N-version: a higher one replaces a lower.
    region_id : int or None
        Region identifier; None for whole observations.
    band : str or None
        Band letter of a banded product.
    kind : str
        Three letters or more and the level: 'regevt3', 'pha3', 'evt2', ...
    """

    detector: str
    obsid: int
    obi: int | None
    version: int
    region_id: int | None
    band: str | None
    kind: str


def parse_product_name(name: str) -> ProductName | None:
    """Parse the base name of a product file, with or without '.fits' and '.gz' or the like; None for any other name.

    Examples
    --------
    >>> parse_product_name("acisf03532_000N021_r0017b_lc3.fits.gz")
    ProductName(detector='acis', obsid=3532, obi=0, version=21, region_id=17, band='b', kind='lc3')
    >>> parse_product_name("acisf00942N004_evt2.fits").obi is None
    True
    >>> parse_product_name("3c273.pi") is None
    True
    """
    match = _PRODUCT.match(re.sub(r"\.(gz|bz2|xz|zst)$", "", name, flags=re.IGNORECASE))
    if not match:
        return None
    return ProductName(
        detector=match["detector"].lower(),
        obsid=int(match["obsid"]),
        obi=int(match["obi"]) if match["obi"] else None,
        version=int(match["version"]),
        region_id=int(match["region"]) if match["region"] else None,
        band=match["band"].lower() if match["band"] else None,
        kind=match["kind"].lower(),
    )
