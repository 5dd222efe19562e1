"""Spectra: OGIP PHA and PI files, type I (one spectrum) and type II (one per row).

Source: OGIP/92-007 (The OGIP Spectral File Format, Arnaud, George & Tennant 2009) and 92-007a.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.fits import HDU, read_hdus
from ingest.products.headers import columns_not_kept, header_batch, identity, tables_not_kept
from ingest.products.ogip import QUIET, Integers, Numbers, SmallTable, finite, small_int
from ingest.products.pha_table import (
    REFERENCES,
    USED,
    Flags,
    RawSpectrum,
    as_list,
    broadcast,
    channels,
    integers_or_none,
    is_spectrum,
    placed,
    raw_spectra,
)
from ingest.products.provenance import mission, mission_flags
from ingest.products.regions import is_region, spectrum_regions
from ingest.readers import FileName, Flag, Rows

_CALL = re.compile(r"^\w+\((.*)\)$", re.DOTALL)
_FOLDER = re.compile(r"^.*[/\\]", re.DOTALL)
_SELECTION = re.compile(r"^(?P<name>[^\[{]*?)(?P<selected>[\[{].*|\+\d{1,9})$", re.DOTALL | re.ASCII)
_PARTS = tuple(
    (re.compile(form, re.IGNORECASE | re.ASCII), sign)
    for form, sign in (
        (r"\{\s*(\d{1,9})\s*\}", ""),
        (r"\[\s*(?:EXTNAME\s*=\s*)?[a-z_ ]+\s*[,;]\s*(?:EXTVER\s*=\s*)?(\d{1,9})\s*[\],;]", ""),
        (r"\[\s*[a-z_ ]*[a-z_](\d{1,9})\s*\]", ""),
        (r"\[\s*\+?(\d{1,9})\s*\]", "+"),
        (r"\+(\d{1,9})$", "+"),
    )
)


class Reference(NamedTuple):
    """What a header says of another file.

    Attributes
    ----------
    name : str or None
        Its base name; None where the header names none.
    part : str or None
        Which of several responses or spectra in it is meant: '2' is the second, or that of EXTVER 2; '+2' the one in
        the second extension. None where the header does not say.
    """

    name: str | None
    part: str | None = None


def file_reference(text: str | None) -> Reference:
    """Read what ANCRFILE, RESPFILE or BACKFILE say.

    Source: XSPEC manual ("file.arf{2}"); CFITSIO extended file names ("file[SPECRESP,2]", "file[2]", "file+2"); CIAO
    data model ("file[SPECRESP2]").

    Examples
    --------
    >>> file_reference("grid(../3c273.rmf[MATRIX][cols ENERG_LO,ENERG_HI])"), file_reference(" NONE ").name
    (Reference(name='3c273.rmf', part=None), None)
    >>> [file_reference(f"two.arf{which}").part for which in ("{2}", "[SPECRESP,2]", "[SPECRESP2]", "[2]", "+2", "[1]")]
    ['2', '2', '2', '+2', '+2', '+1']
    """
    name = (text or "").strip()
    if match := _CALL.match(name):
        name = match[1]
    split = _SELECTION.match(name)
    name, selected = (split["name"], split["selected"][:200]) if split else (name, "")
    name = _FOLDER.sub("", name).strip().strip("'\"!@")
    if name.lower() in {"", "none", "null", "n/a", "caldb"}:
        return Reference(None)
    part = next((f"{sign}{int(m[1])}" for form, sign in _PARTS if (m := form.match(selected))), None)
    return Reference(name, part)


Row = dict[str, object]

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
        For product.header, product.spectrum and product.region.
    Flag
        'rate_only', 'non_integer_counts', 'negative_counts', 'null_counts', 'no_exposure', 'no_backscal',
        'backscal_varies', 'areascal_varies', 'no_channel_column', 'channels_filled', 'detchans_differs',
        'background_channels_differ', 'background_not_counts', 'background_in_file', 'not_chandra', 'unknown_unit',
        'unit_assumed', 'correction_not_used', 'columns_not_kept', 'tables_not_kept'.

    Raises
    ------
    UnreadableFile
        If the file has no spectrum.

    Source: OGIP/92-007; CIAO "Type II PHA" for the background columns of gratings.
    """
    hashing = _Hashing(stream)
    flags: Flags = {}
    read: list[tuple[HDU, list[Row]]] = []
    others: list[HDU] = []
    seen = []
    for hdu in read_hdus(cast("BinaryIO", hashing)):
        seen.append(hdu.name or f"HDU {hdu.index}")
        if is_spectrum(hdu):
            flags.update(dict.fromkeys(mission_flags(hdu)))
            raws = raw_spectra(SmallTable(hdu), flags.setdefault)
            read.append((hdu, [_row(raw, hdu, file, flags) for raw in raws]))
            if hdu.text("CORRFILE"):
                flags["correction_not_used"] = None
        else:
            others += [] if is_region(hdu) else [hdu]  # the header told the same
    if not read:
        raise UnreadableFile("a SPECTRUM table with COUNTS or RATE", f"{', '.join(seen)}")
    content = hashing.finish()
    yield Rows("product.header", header_batch(read[0][0], file, "spectrum", read[0][0].n_rows))
    rows = _join_background([row for _, rows in read for row in rows], file, flags)
    for number, row in enumerate(rows, start=1):
        row["spec_num"] = number
        row["spectrum_id"] = hashlib.sha256(content + number.to_bytes(4, "big")).hexdigest()[:16]
    yield Rows("product.spectrum", pa.RecordBatch.from_pylist(rows, TABLES["product.spectrum"].schema))
    yield from spectrum_regions([hdu for hdu, _ in read], file)
    left = [*columns_not_kept([hdu for hdu, _ in read], USED), *tables_not_kept(others)]
    yield from map(Flag, (*flags, *left))


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


@QUIET
def _row(raw: RawSpectrum, hdu: HDU, file: FileName, flags: Flags) -> Row:
    """Make the row of product.spectrum, but for its number and id."""
    first, places, n = channels(raw, hdu, flags)
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
    quality = placed(broadcast(raw, "QUALITY", hdu), places, n, 0)
    grouping = placed(broadcast(raw, "GROUPING", hdu), places, n, 1)
    return {
        "file_id": file.file_id,
        **identity(hdu, file)._asdict(),
        "mission": mission(hdu),
        "role": "background" if hduclas2 == "BKG" else "source",
        "hduclas2": hduclas2 or None,
        "first_channel": first,
        "counts": as_list(counts),
        "rate": as_list(rate),
        "stat_err": _stat_err(raw, hdu, places, n),
        "sys_err": _sys_err(raw, hdu, places, n),
        **{name.lower(): as_list(placed(raw.columns.get(name), places, n, np.nan)) for name in ("BIN_LO", "BIN_HI")},
        "exposure_s": exposure,
        **scalings,
        **_grating_background(raw, hdu, places, n, exposure, scalings["areascal"], flags),
        "quality": integers_or_none(quality, "QUALITY", trivial=(0,)),
        "grouping": integers_or_none(grouping, "GROUPING", trivial=(0, 1)),
        **_references(raw),
        "grating_order": small_int(order),
        "grating_part": small_int(part),
    }


def _counts_and_rate(
    raw: RawSpectrum, places: Integers, n: int, exposure: float | None, flags: Flags
) -> tuple[Numbers | None, Numbers | None]:
    """Return counts where they are whole numbers, else a rate: never one made up from the other."""
    if "COUNTS" not in raw.columns:
        flags["rate_only"] = None
        return None, placed(raw.data, places, n, 0)
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
        return None, placed(finite(counts / exposure), places, n, 0)
    if np.abs(known).max() >= 1 << 31:
        raise UnreadableFile("COUNTS that fit in 32 bits", f"{np.abs(known).max():g}")
    return placed(counts, places, n, 0), None


def _grating_background(
    raw: RawSpectrum,
    hdu: HDU,
    places: Integers,
    n: int,
    exposure: float | None,
    areascal: float | None,
    flags: Flags,
) -> Row:
    """Return the background_* columns: the sum of the regions on both sides of a grating's arm, if there are.

    It is a rate where the columns are, or where they are no whole numbers, as the spectrum is then.
    """
    arms = {"BACKGROUND_UP": "BACKSCUP", "BACKGROUND_DOWN": "BACKSCDN"}
    sides = {name: raw.columns[name] for name in arms if name in raw.columns}
    if not sides:
        return _background(None)
    if {len(side) for side in sides.values()} != {len(places)}:
        flags["background_channels_differ"] = None
        return _background(None)
    total = np.sum(list(sides.values()), axis=0)
    is_rate = bool(raw.rates)
    if not is_rate and (total != np.rint(total)).any():  # also where NaN
        is_rate, total = True, total / (exposure or np.nan)
    if len(raw.rates) not in {0, len(sides)} or not (np.abs(total) < 1 << 31).any():
        flags["background_not_counts"] = None
        return _background(None)
    scalings = [raw.scaling(arms[name], hdu)[0] for name in sides]
    row: Row = {
        "rate" if is_rate else "counts": as_list(placed(finite(total), places, n, 0)),
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


def _references(raw: RawSpectrum) -> Row:
    """Return which files the header names, and which of several in a file."""
    row: Row = {}
    for name in REFERENCES:
        row[name.lower()], row[f"{name.lower()}_part"] = file_reference(raw.references[name])
    return row


def _sys_err(raw: RawSpectrum, hdu: HDU, places: Integers, n: int) -> list[float | None] | None:
    """Return SYS_ERR, a column or a keyword, where it says something."""
    errors = placed(broadcast(raw, "SYS_ERR", hdu), places, n, 0)
    return as_list(finite(errors)) if errors is not None and np.nan_to_num(errors).any() else None


def _stat_err(raw: RawSpectrum, hdu: HDU, places: Integers, n: int) -> list[float | None] | None:
    """Return STAT_ERR unless it follows from the counts."""
    errors = raw.columns.get("STAT_ERR")
    if errors is None or len(errors) != len(places) or hdu.header.get("POISSERR") is True:
        return None
    out = placed(errors, places, n, 0)
    return as_list(out) if out is not None and np.nan_to_num(out).any() else None
