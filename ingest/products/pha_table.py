"""A SPECTRUM table taken apart: what it has of each spectrum, and which channel each value belongs to.

Source: OGIP/92-007 (The OGIP Spectral File Format, Arnaud, George & Tennant 2009) and 92-007a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from catalog.errors import UnreadableFile
from ingest.fits import HDU, Field
from ingest.products.nullable import scale_to
from ingest.products.ogip import MAX_CHANNELS, Integers, Numbers, SmallTable, whole
from ingest.units import factor

_DATA = ("COUNTS", "RATE", "COUNT_RATE")
_SIDES = ("BACKGROUND_UP", "BACKGROUND_DOWN")
_PER_CHANNEL = ("CHANNEL", *_DATA, "STAT_ERR", "SYS_ERR", "QUALITY", "GROUPING", *_SIDES, "BIN_LO", "BIN_HI")
_SCALINGS = ("EXPOSURE", "BACKSCAL", "AREASCAL", "BACKSCUP", "BACKSCDN", "TG_M", "TG_PART")
REFERENCES = ("ANCRFILE", "RESPFILE", "BACKFILE")
_UNITS = {"RATE": "count/s", "COUNT_RATE": "count/s", "EXPOSURE": "s", "BIN_LO": "angstrom", "BIN_HI": "angstrom"}
_FOLLOWING = ("PI", "SPEC_NUM", "ROWID", "GRP_NUM", "CHANS_PER_GRP", "GRP_DATA", "GRP_STAT_ERR")
USED = frozenset(name.lower() for name in (*_PER_CHANNEL, *_SCALINGS, *REFERENCES, *_FOLLOWING))
"""Columns that are kept, or that follow from those that are (dmgroup's, the number of a row)."""

Flags = dict[str, None]  # a set that keeps its order


def is_spectrum(hdu: HDU) -> bool:
    """Tell whether an HDU is a spectrum: by its name or its OGIP class, and with counts or rates."""
    if not hdu.is_table or "SPECTRUM" not in {hdu.name, (hdu.text("HDUCLAS1") or "").upper()}:
        return False
    return any(name.upper() in _DATA for name in hdu.column_names)


@dataclass(frozen=True)
class RawSpectrum:
    """One spectrum as the table has it: arrays of one value, or one per channel in the order of the rows."""

    columns: dict[str, Numbers]
    references: dict[str, str | None]
    tlmin: int | None
    rates: frozenset[str] = frozenset()
    """Which of BACKGROUND_UP and BACKGROUND_DOWN are rates."""

    @property
    def data(self) -> Numbers:
        """Counts, or the rate where there are none; as they stand in the table."""
        return next(self.columns[name] for name in _DATA if name in self.columns)

    def scaling(self, name: str, hdu: HDU) -> tuple[float | None, bool]:
        """Return a scaling, column before keyword, as its mean, and whether it differs between channels."""
        values = self.columns.get(name, np.empty(0))
        values = values[np.isfinite(values)]
        if not len(values):
            return hdu.number(name), False
        mean, varies = float(values.mean()), bool((values != values[0]).any())
        return (mean if varies else float(values[0])) if np.isfinite(mean) else None, varies


def raw_spectra(table: SmallTable, say: Callable[[str], None]) -> Iterator[RawSpectrum]:
    """Take a table apart into spectra: type I has one number per row in its data column, type II an array.

    Parameters
    ----------
    table : SmallTable
        Of SPECTRUM.
    say : callable
        Takes a flag.
    """
    data = table.find(*_DATA)
    if data is None or not table.n_rows:
        raise UnreadableFile("channels in the SPECTRUM table", f"{table.n_rows} rows")
    channel = table.find("CHANNEL")
    tlmin = channel.minimum if channel else None
    names = (*_PER_CHANNEL, *_SCALINGS)
    scales = _scales(table, data, say)
    rates = frozenset(name for name in _SIDES if _is_rate(table.find(name), data))
    if not data.element and data.repeat == 1:
        columns = {n: column * scales.get(n, 1.0) for n in names if (column := table.numbers(n)) is not None}
        yield RawSpectrum(columns, {k: table.hdu.text(k) for k in REFERENCES}, tlmin, rates)
        return
    rows = {name: arrays for name in names if (arrays := table.rows(name)) is not None}
    texts = {name: words for name in REFERENCES if (words := table.texts(name)) is not None}
    for i in range(table.n_rows):
        references = {k: texts[k][i] if k in texts else table.hdu.text(k) for k in REFERENCES}
        columns = {name: arrays[i] * scales.get(name, 1.0) for name, arrays in rows.items()}
        yield RawSpectrum(columns, references, tlmin, rates)


def _scales(table: SmallTable, data: Field, say: Callable[[str], None]) -> dict[str, float]:
    """Return what brings columns into the store's units; the errors have the unit of the data."""
    fields = {name: f for name in _UNITS if (f := table.find(name)) is not None}
    if data.name.upper() == "COUNTS":
        fields.pop("COUNT_RATE", None)  # it follows from the counts
    scales = {name: scale_to(f, _UNITS[name], say, usual=name != "EXPOSURE") for name, f in fields.items()}
    scales["STAT_ERR"] = scales.get(data.name.upper(), 1.0)
    sides = {name: f for name in _SIDES if (f := table.find(name)) is not None and _is_rate(f, data)}
    return scales | {name: scale_to(f, "count/s", say) for name, f in sides.items()}


def _is_rate(side: Field | None, data: Field) -> bool:
    """Tell whether a background column is a rate: as its unit says, else as the spectrum beside it is one."""
    if side is None:
        return False
    if not side.unit:
        return data.name.upper() != "COUNTS"
    return factor(side.unit, "count") is None


def channels(raw: RawSpectrum, hdu: HDU, flags: Flags) -> tuple[int, Integers, int]:
    """Return the number of the first channel, the place of each value from 0, and the number of channels.

    DETCHANS and TLMIN of CHANNEL say what the detector has; channels the table leaves out have no counts.
    """
    n_values = len(raw.data)
    if not n_values or n_values > MAX_CHANNELS:
        raise UnreadableFile(f"1 to {MAX_CHANNELS} channels", str(n_values))
    column = raw.columns.get("CHANNEL")
    if column is None or len(column) != n_values:
        flags["no_channel_column"] = None
        return 1 if raw.tlmin is None else max(0, min(raw.tlmin, 1)), np.arange(n_values), n_values
    channel = whole(column, "CHANNEL")
    lowest, highest = int(channel.min()), int(channel.max())
    said = hdu.number("DETCHANS")
    detchans = int(said) if said is not None and 0 < said <= MAX_CHANNELS and said == int(said) else None
    if detchans == highest - lowest + 1:
        first = lowest
    elif raw.tlmin is not None and 0 <= lowest - raw.tlmin < MAX_CHANNELS:
        first = raw.tlmin
    else:
        first = min(lowest, 1)
    n = detchans or highest - first + 1
    if highest - first >= n:
        flags["detchans_differs"] = None
        n = highest - first + 1
    if n > MAX_CHANNELS or len(np.unique(channel)) != len(channel):
        raise UnreadableFile("each channel once in CHANNEL", f"{n_values} rows for channels {lowest}..{highest}")
    if n > n_values:
        flags["channels_filled"] = None
    return first, channel - first, n


def broadcast(raw: RawSpectrum, name: str, hdu: HDU) -> Numbers | None:
    """Return a column; one value, in a column or keyword, holds for all channels."""
    values = raw.columns.get(name)
    if values is None:
        number = hdu.number(name)
        values = None if number is None else np.array([number])
    return np.broadcast_to(values, len(raw.data)) if values is not None and len(values) == 1 else values


def placed(values: Numbers | None, places: Integers, n: int, missing: float) -> Numbers | None:
    """Put the table's values at their channels, shape (n,)."""
    if values is None or len(values) != len(places):
        return None
    out = np.full(n, float(missing))
    out[places] = values
    return out


def as_list(values: Numbers | None) -> list[float | None] | None:
    """Return numbers as a list with None for NaN; None where all are."""
    if values is None:
        return None
    null = np.isnan(values)
    items: list[float | None] = values.tolist()
    return None if null.all() else [None if v != v else v for v in items] if null.any() else items  # noqa: PLR0124 - NaN


def integers_or_none(values: Numbers | None, name: str, trivial: tuple[int, ...]) -> list[int] | None:
    """Return flags per channel; None where they say nothing."""
    if values is None:
        return None
    integers = whole(values, name)
    return None if any((integers == t).all() for t in trivial) else integers.tolist()
