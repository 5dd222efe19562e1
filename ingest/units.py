"""Units as files spell them: how many of one make one of another, and what a table declares against the registry.

The spelling in a TUNITn varies with the program that wrote it ('keV', 'KEV', 'ergs', 'counts/sec', 'cm^2'). What a
unit means is astropy's business; here are only the spellings that astropy does not know.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache

import pyarrow as pa

from catalog.schema.columns import Column

# Spellings -> astropy's: as they stand, else in lower case. A count and a photon are the same here.
_WORDS = {
    **dict.fromkeys(("count", "counts", "ct", "cts", "photon", "photons", "ph", "event", "events"), "ct"),
    **dict.fromkeys(("Msec", "Ms"), "Ms"),
    **dict.fromkeys(("erg", "ergs"), "erg"),
    **dict.fromkeys(("j", "joule", "joules"), "J"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ks", "ksec"), "ks"),
    **dict.fromkeys(("ms", "msec"), "ms"),
    **dict.fromkeys(("us", "usec"), "us"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("yr", "year", "years"), "yr"),
    **dict.fromkeys(("angstrom", "angstroms"), "Angstrom"),
    **dict.fromkeys(("pix", "pixel", "pixels"), "pix"),
    **dict.fromkeys(("deg", "degree", "degrees"), "deg"),
    **{name.lower(): name for name in ("eV", "keV", "MeV", "GeV", "TeV", "PeV", "mm", "cm", "m", "arcsec", "arcmin")},
}
_BRACKETS = str.maketrans("", "", "[]{}")
_WORD = re.compile(r"[A-Za-z]+")
_COUNTS = re.compile(r"\bct\b\s*")
_PER_FRAME = re.compile(r"\s*/\s*frames?\b", re.IGNORECASE)  # says of what there are so many, as 'per source' would
_ROUNDING = 1e-14


@lru_cache(maxsize=512)
def factor(unit: str, to: str) -> float | None:
    """Return how many `to` one `unit` is; None where astropy does not know the unit, or it measures something else.

    Parameters
    ----------
    unit : str
        As a file spells it, not blank.
    to : str
        Of the registry: 'eV', 's', 'cm**2', 'count/s', ...

    Returns
    -------
    float or None
        Values in `unit` times this are values in `to`.

    Examples
    --------
    >>> factor("KEV", "eV"), factor("count/ks", "count/s"), factor("furlong", "cm**2") is None
    (1000.0, 0.001, True)
    >>> factor("counts/frame/pixel", "count/pixel")
    1.0
    """
    if _respelled(unit) == _respelled(to):
        return 1.0
    from astropy import units as u  # noqa: PLC0415 - half a second, and nearly every file has the registry's own unit

    # As it stands first: 'S' may be siemens and 'meV' a thousandth of an eV, and only then a careless spelling. Counts
    # are numbers, too: a rate of them may be given as one over a time.
    for text, target in ((unit, to), (_respelled(unit), _respelled(to)), _without_counts(unit, to)):
        try:
            with warnings.catch_warnings(action="ignore", category=u.UnitsWarning):
                found, wanted = u.Unit(text), u.Unit(target)
            usual = isinstance(found, u.UnitBase)  # no logarithms
            scale = float(found.to(wanted, equivalencies=u.temperature_energy())) if usual else math.nan
        except (ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError):
            continue  # UnitConversionError is a TypeError and a ValueError; the parser fails on odd texts in many ways
        if math.isfinite(scale) and scale > 0:
            return _exact(scale)
    return None


def _without_counts(unit: str, to: str) -> tuple[str, str]:
    """Leave counts and photons out of both units, where only one has them."""
    bare, target = (_COUNTS.sub("", _respelled(text)) for text in (unit, to))
    return f"1{bare}" if bare.startswith("/") else bare, f"1{target}" if target.startswith("/") else target


def _exact(scale: float) -> float:
    """Undo the rounding of products: an hour of right ascension is 15 deg, not 14.999999999999998."""
    up, down = round(scale), round(1 / scale)
    if up and abs(scale - up) < _ROUNDING * up:
        return float(up)
    return 1 / down if down and abs(1 / scale - down) < _ROUNDING * down else scale


def _respelled(unit: str) -> str:
    unit = _PER_FRAME.sub("", unit)
    words = _WORD.sub(lambda word: _WORDS.get(word[0], _WORDS.get(word[0].lower(), word[0])), unit)
    return words.replace("^", "**").translate(_BRACKETS)


_UNITLESS = frozenset(
    {"-", "--", "---", "1", "none", "null", "unitless", "dimensionless", "number", "#", "prob", "probability", "sigma"}
    | {"solar", "ratio", "fraction", "n/a", "bool", "boolean", "flag", "code", "text", "string"}
)
_HOURS = frozenset({"h", "hr", "hrs", "hour", "hours", "hourangle", "hour angle"})
_SEXAGESIMAL = re.compile(r'^"?(h+|d+|deg)[: ]?m+[: ]?s+(\.s+)?"?$|^sexagesimal$', re.IGNORECASE)
_SPELLINGS = {'"': "arcsec", "''": "arcsec", "\N{DOUBLE PRIME}": "arcsec", "'": "arcmin", "\N{PRIME}": "arcmin"}
_SPELLINGS |= {"\N{DEGREE SIGN}": "deg", "mjd": "d"}
_WHAT_IS_COUNTED = re.compile(r"N_?\{?_?HI?\}?|\batoms?\b|\bHI?\b", re.IGNORECASE)
_LOGARITHM = re.compile(r"^\[.*\]$|\b(log|ln|lg)(10)?\b|\bdex\b|\bmag\b", re.IGNORECASE)


def conversion(column: Column, unit: str) -> float | None:
    """Return how many of the registry's unit one of the file's is; None where it measures something else.

    A column without a declared unit has the registry's; text and truth values have none.

    Parameters
    ----------
    column : Column
        Of the registry.
    unit : str
        As the file declares it.

    Examples
    --------
    >>> from catalog.schema import TABLES
    >>> columns = TABLES["csc.master_source"].column
    >>> conversion(columns("err_ellipse_r0"), "arcmin"), conversion(columns("flux_aper_b"), "W/m2")
    (60.0, 1000.0)
    >>> conversion(columns("flux_aper_b"), "mJy") is conversion(columns("flux_aper_b"), "[mW/m2]") is None
    True
    """
    unit, to = unit.strip(), column.unit
    if not unit or unit == to or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return 1.0
    if to == "deg" and unit.lower() in _HOURS:
        return 15.0
    if (to == "deg" and _SEXAGESIMAL.match(unit)) or (not to and unit.lower() in _UNITLESS):
        return 1.0
    if _LOGARITHM.search(unit):
        return None
    unit = _SPELLINGS.get(unit.lower(), unit)
    if "cm**-2" in to and to.startswith("10**"):
        unit = _WHAT_IS_COUNTED.sub("", unit).strip()
    return factor(unit, to)
