"""Units as files spell them: how many of one unit make one of another.

The spelling in a TUNITn varies with the program that wrote it ('keV', 'KEV', 'ergs', 'counts/sec', 'cm^2'). What a
unit means is astropy's business; here are only the spellings that astropy does not know.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

# Spellings in lower case -> astropy's. Counts and photons are numbers: a rate of them is one over a time.
_WORDS = {
    **dict.fromkeys(("count", "counts", "ct", "cts", "photon", "photons", "ph", "event", "events"), "1"),
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
_COUNTS = re.compile(r"\b(counts?|cts?|photons?|ph|events?)\b", re.IGNORECASE)


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
    """
    if unit == to:
        return 1.0
    from astropy import units as u  # noqa: PLC0415 - half a second, and nearly every file has the registry's own unit

    target = u.Unit(_respelled(to))
    # As it stands first: 'S' may be siemens and 'meV' a thousandth of an eV, and only then a careless spelling.
    for text in (_COUNTS.sub("1", unit), _respelled(unit)):
        try:
            found = u.Unit(text.translate(_BRACKETS))
            scale = float(found.to(target)) if isinstance(found, u.UnitBase) else math.nan  # no logarithms
        except (ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError):
            continue  # UnitConversionError is a TypeError and a ValueError; the parser fails on odd texts in many ways
        if math.isfinite(scale) and scale > 0:
            return scale
    return None


def _respelled(unit: str) -> str:
    return _WORD.sub(lambda word: _WORDS.get(word[0].lower(), word[0]), unit)
