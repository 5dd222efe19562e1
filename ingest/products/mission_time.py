"""From a table's times to mission seconds: TT seconds since MJD 50814.0.

Source: OGIP memo OGIP/93-003; FITS standard 4.0, section 9 (MJDREF, JDREF, DATEREF, TIMEUNIT).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np

from ingest.fits import HDU, Field
from ingest.products.nullable import Nullable, reals
from ingest.products.provenance import is_other_mission
from ingest.units import factor

MJDREF = 50814.0
"""MJD (TT) from which Chandra counts its seconds: 1998-01-01."""

DAY_S = 86_400.0
MJD_0 = dt.datetime.fromisoformat("1858-11-17")
"""MJD 0, without a zone: TT has none."""

_JD_OF_MJD_0 = 2_400_000.5


@dataclass(frozen=True)
class Clock:
    """How times become mission seconds: `time * scale + offset_s`; NaN where that is not known.

    Source: OGIP memo OGIP/93-003: absolute time = MJDREF + TIMEZERO + TIME.
    """

    scale: float = 1.0
    offset_s: float = 0.0

    @property
    def is_mission_time(self) -> bool:
        """Whether the times are mission seconds already, as in every Chandra product."""
        return self.scale == 1.0 and self.offset_s == 0.0

    def seconds(self, time: float | None) -> float | None:
        """Bring one time into mission seconds; None stays None, and so becomes what overflows."""
        seconds = math.nan if time is None else time * self.scale + self.offset_s
        return seconds if math.isfinite(seconds) else None

    def duration(self, time: float | None) -> float | None:
        """Bring a length of time into seconds."""
        return Clock(self.scale).seconds(time)

    def convert(self, times: Nullable) -> Nullable:
        """Bring a column of times into mission seconds; untouched to the last bit where they are."""
        if self.is_mission_time:
            return times
        with np.errstate(over="ignore", invalid="ignore"):
            return reals(times.floats * self.scale + self.offset_s, None, np.float64)


def clock(hdu: HDU, parent: HDU | None = None, column: Field | None = None) -> Clock:
    """Read how a table counts time.

    Parameters
    ----------
    hdu : HDU
        The table.
    parent : HDU, optional
        The table it belongs to, asked for keywords it lacks: good times seldom repeat TIMEZERO.
    column : Field, optional
        A column of times: its TUNIT goes before TIMEUNIT, which is the unit of the keywords.

    Examples
    --------
    >>> import io
    >>> clock(HDU(1, {"TIMEUNIT": "d", "TIMEZERO": 1.0}, 0, io.BytesIO()))
    Clock(scale=86400.0, offset_s=86400.0)
    >>> clock(HDU(1, {"TIMEUNIT": "d"}, 0, io.BytesIO()), column=Field("TIME", "D", 1, 0, 8, "s")).scale
    1.0
    """
    hdus = [hdu] if parent is None else [hdu, parent]
    scale = _seconds(time_unit(hdu, parent))
    zero = _first(hdus, "TIMEZERO")
    if zero is None:
        zero = _split(hdus, "TIMEZER")
    reference = _reference(hdus)
    if reference is None:
        reference = math.nan if is_other_mission(hdus[-1]) else MJDREF
    offset_s = (reference - MJDREF) * DAY_S + (0.0 if not zero else scale * zero)
    return Clock(_seconds(column.unit) if column is not None and column.unit else scale, offset_s)


def time_unit(hdu: HDU, parent: HDU | None = None) -> str:
    """Return the unit of a table's keywords of time."""
    said = hdu.observed("TIMEUNIT") or (parent.observed("TIMEUNIT") if parent is not None else None)
    return said or "s"


def clock_flags(hdu: HDU) -> list[str]:
    """Say what of a table's clock is not as Chandra's products have it."""
    flags = []
    system = (hdu.observed("TIMESYS") or "TT").lower()
    if system != "tt":
        flags.append(f"timesys_{'_'.join(system.replace(':', ' ').split())}")
    column = next((f for f in hdu.fields if f.name.lower() == "time"), None)
    times, keywords = clock(hdu, column=column), clock(hdu)
    if math.isnan(keywords.scale):
        flags.append(f"unknown_unit: TIMEUNIT ({time_unit(hdu)})")
    elif math.isnan(times.offset_s):
        flags.append("no_time_reference")
    elif not times.is_mission_time and not math.isnan(times.scale):
        flags.append("time_shifted")
    return flags


def _seconds(unit: str) -> float:
    scale = factor(unit, "s")
    return math.nan if scale is None else scale


def _reference(hdus: list[HDU]) -> float | None:
    """Return the MJD from which times count; None where no keyword tells."""
    for name, zero in (("MJDREF", 0.0), ("JDREF", _JD_OF_MJD_0)):
        days = _first(hdus, name)
        days = _split(hdus, name) if days is None else days
        if days is not None:
            return days - zero
    for text in filter(None, (h.observed("DATEREF") for h in hdus)):
        try:
            return (dt.datetime.fromisoformat(text).replace(tzinfo=None) - MJD_0) / dt.timedelta(days=1)
        except ValueError:
            continue
    return None


def _split(hdus: list[HDU], stem: str) -> float | None:
    """Return a number that is split into a whole part (...I) and a fraction (...F)."""
    whole = _first(hdus, f"{stem}I")
    return None if whole is None else whole + (_first(hdus, f"{stem}F") or 0.0)


def _first(hdus: list[HDU], keyword: str) -> float | None:
    return next((value for h in hdus if (value := h.observed_number(keyword)) is not None), None)
