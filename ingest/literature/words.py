r"""Texts and names as tokens, so that M82 is M 82, GRS 1758$-$258 is GRS 1758-258, and M 8 is not M 82.

A token is a run of letters, a number, or the sign between two numbers. Case, blanks, hyphens after letters and mark-up
do not count; any other punctuation stands between tokens that do not belong together.

Texts give positions, too. A designation like J132942.0+471028 truncates its coordinates: it stands for a cell, whose
size is the last digit's. How far the source may lie from the cell depends on the mission.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")
_DASHES = re.compile("[\u2010-\u2015\u2212]|-{2,3}")
_MARKUP = re.compile(r"\\(?:rm|mathrm|it|text|mbox|sim|ensuremath)\b|[$^{}\\]")
_THIN = re.compile(r"\\[,;:! ]|~")
_TOKEN = re.compile(r"[A-Za-z]+|\d+(?:\.\d+)?|(?<=\d)\s?[+-]\s?(?=\d)|[^\sA-Za-z0-9+\-]")

_GREEK = {
    "alf": "alpha", "bet": "beta", "gam": "gamma", "del": "delta", "eps": "epsilon", "zet": "zeta", "tet": "theta",
    "iot": "iota", "kap": "kappa", "lam": "lambda", "ksi": "xi", "omi": "omicron", "ups": "upsilon", "ome": "omega",
}  # fmt: skip
_CONSTELLATIONS = {
    "andromedae": "and", "antliae": "ant", "aquarii": "aqr", "aquilae": "aql", "arae": "ara", "arietis": "ari",
    "aurigae": "aur", "bootis": "boo", "caeli": "cae", "camelopardalis": "cam", "cancri": "cnc", "canum": "cvn",
    "capricorni": "cap", "carinae": "car", "cassiopeiae": "cas", "centauri": "cen", "cephei": "cep", "ceti": "cet",
    "chamaeleontis": "cha", "circini": "cir", "columbae": "col", "comae": "com", "corvi": "crv", "crateris": "crt",
    "crucis": "cru", "cygni": "cyg", "delphini": "del", "doradus": "dor", "draconis": "dra", "equulei": "equ",
    "eridani": "eri", "fornacis": "for", "geminorum": "gem", "gruis": "gru", "herculis": "her", "horologii": "hor",
    "hydrae": "hya", "hydri": "hyi", "indi": "ind", "lacertae": "lac", "leonis": "leo", "leporis": "lep",
    "librae": "lib", "lupi": "lup", "lyncis": "lyn", "lyrae": "lyr", "mensae": "men", "microscopii": "mic",
    "monocerotis": "mon", "muscae": "mus", "normae": "nor", "octantis": "oct", "ophiuchi": "oph", "orionis": "ori",
    "pavonis": "pav", "pegasi": "peg", "persei": "per", "phoenicis": "phe", "pictoris": "pic", "piscium": "psc",
    "puppis": "pup", "pyxidis": "pyx", "reticuli": "ret", "sagittae": "sge", "sagittarii": "sgr", "scorpii": "sco",
    "sculptoris": "scl", "scuti": "sct", "serpentis": "ser", "sextantis": "sex", "tauri": "tau", "telescopii": "tel",
    "trianguli": "tri", "tucanae": "tuc", "ursae": "uma", "velorum": "vel", "virginis": "vir", "volantis": "vol",
    "vulpeculae": "vul",
    # As X-ray sources are called: Cygnus X-1, Vela X-1.
    "cygnus": "cyg", "scorpius": "sco", "centaurus": "cen", "hercules": "her", "aquila": "aql", "circinus": "cir",
    "sagittarius": "sgr", "perseus": "per", "norma": "nor", "musca": "mus", "carina": "car", "cassiopeia": "cas",
}  # fmt: skip
_CATALOGUES = {"messier": "m", "markarian": "mrk", "mark": "mrk", "mkn": "mrk", "holmberg": "ho", "terzan": "ter"}
_SPELT: dict[str, str] = _GREEK | _CONSTELLATIONS | _CATALOGUES
CONSTELLATIONS = frozenset(_CONSTELLATIONS.values()) | {"crb", "cra", "cma", "cmi", "lmi", "umi", "psa", "tra", "aps"}
_PREFIXES = ("NAME ", "V* ", "** ", "EM* ", "Cl* ", "Cl ", "* ")


@dataclass(frozen=True)
class Token:
    """A token and where it stands in the flat text.

    Attributes
    ----------
    word : str
        Lower case, in its usual spelling.
    start, stop : int
    """

    word: str
    start: int
    stop: int


def flat(text: str) -> str:
    r"""Take mark-up out of a text: tags, LaTeX, dashes of all kinds.

    Examples
    --------
    >>> flat(r"CXOU~J182531.4--144036 and AX J1745.6$-$2901")
    'CXOU J182531.4-144036 and AX J1745.6-2901'
    """
    text = _DASHES.sub("-", _TAG.sub("", html.unescape(text)))
    return " ".join(_MARKUP.sub("", _THIN.sub(" ", text)).split())


def tokens(text: str) -> list[Token]:
    """Return the tokens of a flat text.

    Examples
    --------
    >>> [t.word for t in tokens("M82 X-1, GRS 1758-258")]
    ['m', '82', 'x', '1', ',', 'grs', '1758', '-', '258']
    """
    out = []
    for match in _TOKEN.finditer(text):
        word = match[0].strip().lower()
        out.append(Token(_number(word) if word[0].isdigit() else _SPELT.get(word, word), match.start(), match.end()))
    return out


def _number(word: str) -> str:
    """Leave out leading zeros where the number is short: tet01 is theta 1; 0957 in a position stays."""
    return word.lstrip("0") or "0" if len(word) <= _SHORT and "." not in word else word


_SHORT = 3


def key_of(name: str) -> str | None:
    """Return the tokens of a name that can be looked for in a text; None for one that would be found everywhere.

    Parameters
    ----------
    name : str
        As catalogs have it: 'V* V1487 Ori', 'M  82', '* tet01 Ori C', '[VV2006] J124255.3+024957'.

    Returns
    -------
    str or None
        None for what has no number and names no constellation (Mouse), is a number, stands in brackets, or is so short
        that other things are called so too: M8 is a spectral type.

    Examples
    --------
    >>> key_of("* tet01 Ori C"), key_of("NGC  4151"), key_of("M 82"), key_of("V* TW Hya")
    ('theta 1 ori c', 'ngc 4151', 'm 82', 'tw hya')
    >>> key_of("NAME Mouse"), key_of("M 8"), key_of("[SIM2024] 10"), key_of("2683769383648493940")
    (None, None, None, None)
    """
    name = flat(name)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if not name or name.startswith("["):
        return None
    words = [t.word for t in tokens(name)]
    letters = [w for w in words if w.isalpha()]
    numbers = [w for w in words if w[0].isdigit()]
    if not letters or len(words) < 2 or not all(w.isalpha() or w[0].isdigit() or w in "+-." for w in words):  # noqa: PLR2004 - a name of one token says too little
        return None
    n_characters = sum(len(w) for w in letters + numbers)
    if not numbers:
        return " ".join(words) if words[-1] in CONSTELLATIONS and len(words[0]) <= _SHORT else None
    if len(letters[0]) == 1 and n_characters < _LEAST and not (letters[0] == "m" and float(numbers[0]) >= _TEN):
        return None
    return " ".join(words) if n_characters >= _SHORT else None


_LEAST, _TEN = 5, 10


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
