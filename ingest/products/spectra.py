"""Spectra: OGIP PHA and PI files, type I (one spectrum) and type II (one per row).

Source: OGIP/92-007 (The OGIP Spectral File Format, Arnaud, George & Tennant 2009) and 92-007a.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.tables import TABLES
from ingest.content import FileName, Flag, Rows
from ingest.fits import HDU, read_hdus
from ingest.products.headers import header_batch, identity
from ingest.products.ogip import (
    MAX_CHANNELS,
    QUIET,
    Integers,
    Numbers,
    SmallTable,
    file_reference,
    finite,
    small_int,
    whole,
)

Row = dict[str, object]
Flags = dict[str, None]  # a set that keeps its order

_DATA = ("COUNTS", "RATE", "COUNT_RATE")
_PER_CHANNEL = ("CHANNEL", *_DATA, "STAT_ERR", "QUALITY", "GROUPING", "BACKGROUND_UP", "BACKGROUND_DOWN")
_SCALINGS = ("EXPOSURE", "BACKSCAL", "AREASCAL", "BACKSCUP", "BACKSCDN", "TG_M", "TG_PART")
_REFERENCES = ("ANCRFILE", "RESPFILE", "BACKFILE")
_PIECE = 1 << 20


def read_spectra(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read all spectra of a file.

    A background in the same file (a second SPECTRUM table with HDUCLAS2 = 'BKG', or the columns BACKGROUND_UP
    and BACKGROUND_DOWN of gratings) becomes the background_* columns of the source's row. One in a file of its
    own stays a row of its own, and is linked later.

    `spectrum_id` is the first 16 hex digits of SHA-256(SHA-256(decompressed file) || spec_num). Files of equal
    content are loaded once, so it is unique by construction; it depends neither on the file's name nor on
    whether the file was gzipped.

    Parameters
    ----------
    stream : binary file
        Decompressed FITS.
    file : FileName
        Its name.

    Yields
    ------
    Rows
        For product.spectrum and product.header.
    Flag
        'rate_only', 'non_integer_counts', 'negative_counts', 'null_counts', 'no_exposure', 'no_backscal',
        'backscal_varies', 'areascal_varies', 'no_channel_column', 'channels_filled', 'detchans_differs',
        'background_channels_differ', 'background_not_counts', 'background_in_file'.

    Raises
    ------
    UnreadableFile
        If the file has no spectrum.

    Source: OGIP/92-007; CIAO "Type II PHA" for the background columns of gratings.
    """
    hashing = _Hashing(stream)
    flags: Flags = {}
    read: list[tuple[HDU, list[Row]]] = []
    seen = []
    for hdu in read_hdus(cast("BinaryIO", hashing)):
        seen.append(hdu.name or f"HDU {hdu.index}")
        if _is_spectrum(hdu):
            read.append((hdu, [_row(raw, hdu, file, flags) for raw in _raw_spectra(SmallTable(hdu))]))
    if not read:
        raise UnreadableFile("a SPECTRUM table with COUNTS or RATE", f"{', '.join(seen)}")
    content = hashing.finish()
    yield Rows("product.header", header_batch(read[0][0], file, "spectrum", read[0][0].n_rows))
    rows = _join_background([row for _, rows in read for row in rows], file, flags)
    for number, row in enumerate(rows, start=1):
        row["spec_num"] = number
        row["spectrum_id"] = hashlib.sha256(content + number.to_bytes(4, "big")).hexdigest()[:16]
    yield Rows("product.spectrum", pa.RecordBatch.from_pylist(rows, TABLES["product.spectrum"].schema))
    yield from map(Flag, flags)


class _Hashing(io.RawIOBase):
    """A stream that hashes what passes through."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner, self._hash = inner, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._inner.read(size)
        self._hash.update(data)
        return data

    def finish(self) -> bytes:
        while self.read(_PIECE):
            pass
        return self._hash.digest()


def _is_spectrum(hdu: HDU) -> bool:
    if not hdu.is_table or "SPECTRUM" not in {hdu.name, (hdu.text("HDUCLAS1") or "").upper()}:
        return False
    return any(str(hdu.header.get(f"TTYPE{n}") or "").upper().strip() in _DATA for n in range(1, 1000))


@dataclass(frozen=True)
class _RawSpectrum:
    """One spectrum as the table has it: arrays of one value, or one per channel in the order of the rows."""

    columns: dict[str, Numbers]
    references: dict[str, str | None]
    tlmin: int | None

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


def _raw_spectra(table: SmallTable) -> Iterator[_RawSpectrum]:
    """Take a table apart into spectra: type I has one number per row in its data column, type II an array."""
    data = table.find(*_DATA)
    if data is None or not table.n_rows:
        raise UnreadableFile("channels in the SPECTRUM table", f"{table.n_rows} rows")
    channel = table.find("CHANNEL")
    tlmin = channel.minimum if channel else None
    names = (*_PER_CHANNEL, *_SCALINGS)
    if not data.element and data.repeat == 1:
        columns = {name: column for name in names if (column := table.numbers(name)) is not None}
        yield _RawSpectrum(columns, {k: table.hdu.text(k) for k in _REFERENCES}, tlmin)
        return
    rows = {name: arrays for name in names if (arrays := table.rows(name)) is not None}
    texts = {name: words for name in _REFERENCES if (words := table.texts(name)) is not None}
    for i in range(table.n_rows):
        references = {k: texts[k][i] if k in texts else table.hdu.text(k) for k in _REFERENCES}
        yield _RawSpectrum({name: arrays[i] for name, arrays in rows.items()}, references, tlmin)


@QUIET
def _row(raw: _RawSpectrum, hdu: HDU, file: FileName, flags: Flags) -> Row:
    """Make the row of product.spectrum, but for its number and id."""
    first, places, n = _channels(raw, hdu, flags)
    exposure, _ = raw.scaling("EXPOSURE", hdu)
    if exposure is None or exposure <= 0:
        exposure = None
        flags["no_exposure"] = None
    scalings: dict[str, float | None] = {}
    for name in ("BACKSCAL", "AREASCAL"):
        value, varies = raw.scaling(name, hdu)
        scalings[name.lower()] = value if value is not None and value > 0 else None
        if varies:
            flags[f"{name.lower()}_varies"] = None
    if scalings["backscal"] is None:
        flags["no_backscal"] = None
    counts, rate = _counts_and_rate(raw, places, n, exposure, flags)
    order, _ = raw.scaling("TG_M", hdu)
    part, _ = raw.scaling("TG_PART", hdu)
    hduclas2 = (hdu.text("HDUCLAS2") or "").upper()
    quality = _placed(_broadcast(raw, "QUALITY", hdu), places, n, 0)
    grouping = _placed(_broadcast(raw, "GROUPING", hdu), places, n, 1)
    return {
        "file_id": file.file_id,
        **identity(hdu, file)._asdict(),
        "role": "background" if hduclas2 == "BKG" else "source",
        "hduclas2": hduclas2 or None,
        "first_channel": first,
        "counts": _list(counts),
        "rate": _list(rate),
        "stat_err": _stat_err(raw, hdu, places, n),
        "exposure_s": exposure,
        **scalings,
        **_grating_background(raw, hdu, places, n, exposure, scalings["areascal"], flags),
        "quality": _integers(quality, "QUALITY", trivial=(0,)),
        "grouping": _integers(grouping, "GROUPING", trivial=(0, 1)),
        **{name.lower(): file_reference(raw.references[name]) for name in _REFERENCES},
        "grating_order": small_int(order),
        "grating_part": small_int(part),
    }


def _channels(raw: _RawSpectrum, hdu: HDU, flags: Flags) -> tuple[int, Integers, int]:
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


def _counts_and_rate(
    raw: _RawSpectrum, places: Integers, n: int, exposure: float | None, flags: Flags
) -> tuple[Numbers | None, Numbers | None]:
    """Return counts where they are whole numbers, else a rate: never one made up from the other."""
    if "COUNTS" not in raw.columns:
        flags["rate_only"] = None
        return None, _placed(raw.data, places, n, 0)
    counts = raw.columns["COUNTS"]
    known = counts[np.isfinite(counts)]
    if not len(known):
        raise UnreadableFile("counts in COUNTS", f"none in all {len(counts)} channels")
    if len(known) < len(counts):
        flags["null_counts"] = None
    if (known < 0).any():
        flags["negative_counts"] = None
    if not (known == np.rint(known)).all():
        flags["non_integer_counts"] = None
        if exposure is None:
            raise UnreadableFile("whole COUNTS, or an EXPOSURE to make them a rate", "neither")
        return None, _placed(finite(counts / exposure), places, n, 0)
    if np.abs(known).max() >= 1 << 31:
        raise UnreadableFile("COUNTS that fit in 32 bits", f"{np.abs(known).max():g}")
    return _placed(counts, places, n, 0), None


def _grating_background(
    raw: _RawSpectrum,
    hdu: HDU,
    places: Integers,
    n: int,
    exposure: float | None,
    areascal: float | None,
    flags: Flags,
) -> Row:
    """Return the background_* columns: the sum of the regions on both sides of a grating's arm, if there are."""
    arms = {"BACKGROUND_UP": "BACKSCUP", "BACKGROUND_DOWN": "BACKSCDN"}
    sides = {scaling: raw.columns[name] for name, scaling in arms.items() if name in raw.columns}
    if not sides:
        return _background(None)
    if {len(side) for side in sides.values()} != {len(places)}:
        flags["background_channels_differ"] = None
        return _background(None)
    total = np.sum(list(sides.values()), axis=0)
    if not (np.abs(total) < 1 << 31).all() or (total != np.rint(total)).any():  # also where NaN
        flags["background_not_counts"] = None
        return _background(None)
    scalings = [raw.scaling(name, hdu)[0] for name in sides]
    row: Row = {
        "counts": _list(_placed(total, places, n, 0)),
        "exposure_s": exposure,
        "backscal": sum(s for s in scalings if s is not None) if None not in scalings else None,
        "areascal": areascal,
    }
    return _background(row)


def _background(row: Row | None) -> Row:
    keys = ("counts", "rate", "exposure_s", "backscal", "areascal")
    return {f"background_{key}": row.get(key) if row else None for key in keys}


def _join_background(rows: list[Row], file: FileName, flags: Flags) -> list[Row]:
    """Put the one background of a file beside its one source spectrum."""
    sources = [row for row in rows if row["role"] == "source"]
    backgrounds = [row for row in rows if row["role"] == "background"]
    if len(sources) != 1 or len(backgrounds) != 1:
        return rows
    source, background = sources[0], backgrounds[0]
    named = str(source["backfile"] or file.name).lower().removesuffix(".gz")
    if named != file.name.lower():
        flags["background_in_file"] = None  # the header names another: renamed since, as CSC products often are
    data = [row["rate"] if row["counts"] is None else row["counts"] for row in (source, background)]
    if len({len(d) for d in data if isinstance(d, list)}) > 1:
        flags["background_channels_differ"] = None
    return [source | _background(background)]


def _stat_err(raw: _RawSpectrum, hdu: HDU, places: Integers, n: int) -> list[float | None] | None:
    """Return STAT_ERR unless it follows from the counts."""
    errors = raw.columns.get("STAT_ERR")
    if errors is None or len(errors) != len(places) or hdu.header.get("POISSERR") is True:
        return None
    placed = _placed(errors, places, n, 0)
    return _list(placed) if placed is not None and np.nan_to_num(placed).any() else None


def _broadcast(raw: _RawSpectrum, name: str, hdu: HDU) -> Numbers | None:
    """Return a column; one value, in a column or keyword, holds for all channels."""
    values = raw.columns.get(name)
    if values is None:
        number = hdu.number(name)
        values = None if number is None else np.array([number])
    return np.broadcast_to(values, len(raw.data)) if values is not None and len(values) == 1 else values


def _placed(values: Numbers | None, places: Integers, n: int, missing: float) -> Numbers | None:
    """Put the table's values at their channels, shape (n,)."""
    if values is None or len(values) != len(places):
        return None
    placed = np.full(n, float(missing))
    placed[places] = values
    return placed


def _list(values: Numbers | None) -> list[float | None] | None:
    """Return numbers as a list with None for NaN."""
    if values is None:
        return None
    items: list[float | None] = values.tolist()
    return [None if v != v else v for v in items] if np.isnan(values).any() else items  # noqa: PLR0124 - NaN


def _integers(values: Numbers | None, name: str, trivial: tuple[int, ...]) -> list[int] | None:
    """Return flags per channel; None where they say nothing."""
    if values is None:
        return None
    integers = whole(values, name)
    return None if any((integers == t).all() for t in trivial) else integers.tolist()
