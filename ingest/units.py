"""Units as files spell them: how many of one unit make one of another.

The spelling in a TUNITn varies with the program that wrote it ('keV', 'KEV', 'ergs', 'counts/sec', 'cm^2'). What a
unit means is astropy's business; here are only the spellings that astropy does not know.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache

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
