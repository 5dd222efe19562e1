"""Units of a catalog's columns: what a table declares against what the registry has.

What a unit means is `ingest.units`' business; here is what tables of sources write besides units: hours and
sexagesimal spellings of positions, words for numbers without a unit, names of what a column density counts.
"""

from __future__ import annotations

import re

import pyarrow as pa

from catalog.schema.columns import Column
from ingest.units import factor

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
