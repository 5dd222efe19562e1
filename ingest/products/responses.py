"""Responses: effective areas (ARF) and redistribution matrices (RMF), stored sparse and once per content.

Source: CAL/GEN/92-002 and its addendum CAL/GEN/92-002a (George et al. 1998, 2007): extensions SPECRESP, MATRIX
or SPECRESP MATRIX, EBOUNDS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.tables import TABLES
from ingest.content import FileName, Flag, Rows
from ingest.fits import HDU, read_hdus
from ingest.fits.columns import Array
from ingest.products.headers import identity
from ingest.products.ogip import (
    MAX_CHANNELS,
    QUIET,
    Integers,
    Numbers,
    SmallTable,
    content_id,
    finite,
    small_int,
    whole,
)

ROW_SUM = 1.5
"""A matrix row spreads one photon over the channels; a larger sum says that the area is in it."""
_GAP = 0.01  # of a bin's width: above the rounding of single-precision edges, below any real gap
_KEV = {"": 1.0, "kev": 1.0, "ev": 1e-3, "mev": 1e3, "gev": 1e6, "tev": 1e9}
_CM2 = {"": 1.0, "cm**2": 1.0, "cm2": 1.0, "cm^2": 1.0, "m**2": 1e4, "m2": 1e4, "m^2": 1e4, "mm**2": 1e-2, "mm2": 1e-2}

Row = dict[str, Array | float | str | bool | None]
"""One row of product.arf or product.rmf."""


@dataclass(frozen=True)
class Channels:
    """EBOUNDS: the nominal energies of the channels, in channel order."""

    first: int
    e_min: Numbers
    e_max: Numbers


@dataclass
class _Found:
    """What a file turned out to hold."""

    arfs: list[tuple[HDU, Row]] = field(default_factory=list)
    matrices: list[tuple[HDU, SmallTable]] = field(default_factory=list)
    channels: list[Channels] = field(default_factory=list)
    flags: dict[str, None] = field(default_factory=dict)  # a set that keeps its order

    def flag(self, text: str) -> None:
        self.flags[text] = None


def read_response(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read an ARF, an RMF, or a file that holds both.

    Parameters
    ----------
    stream : binary file
        Decompressed FITS.
    file : FileName
        Its name.

    Yields
    ------
    Rows
        For product.arf and product.rmf, each response once, and for product.response_file.
    Flag
        'no_ebounds', 'ebounds_channel_ignored', 'energy_gaps', 'null_areas', 'negative_areas', 'null_matrix',
        'rmf_includes_area', 'rmf_row_sum_above_one', 'first_channel_assumed', 'first_channel_differs',
        'detchans_differs', 'unknown_unit', 'several_matrices'.

    Raises
    ------
    UnreadableFile
        If no response is in the file, or nothing of it could be folded with.
    """
    found = _Found()
    for hdu in read_hdus(stream):
        if hdu.is_table:
            _take(hdu, found)
    rmfs = [(hdu, _rmf(table, _channels_of(i, found), found)) for i, (hdu, table) in enumerate(found.matrices)]
    if len(rmfs) > 1:
        found.flag("several_matrices")
    if not found.arfs and not rmfs:
        seen = "EBOUNDS alone" if found.channels else "none"
        raise UnreadableFile("an ARF (SPECRESP) or an RMF (MATRIX) extension", seen)
    for kind, responses in (("arf", found.arfs), ("rmf", rmfs)):
        ids = [content_id(row) for _, row in responses]
        unique = dict(zip(ids, (row for _, row in responses), strict=True))
        yield from (_batch(f"product.{kind}", {f"{kind}_id": key, **row}) for key, row in unique.items())
        for number, ((hdu, _), key) in enumerate(zip(responses, ids, strict=True), start=1):
            yield _batch("product.response_file", _reference(hdu, file, kind, number, key))
    yield from map(Flag, found.flags)


def _take(hdu: HDU, found: _Found) -> None:
    """Read one table, if it is part of a response."""
    names = {str(hdu.header.get(f"TTYPE{n}") or "").upper().strip() for n in range(1, 1000)}
    if {"ENERG_LO", "SPECRESP"} <= names:
        found.arfs += [(hdu, row) for row in _arfs(SmallTable(hdu), found)]
    elif {"ENERG_LO", "MATRIX"} <= names:
        found.matrices.append((hdu, SmallTable(hdu)))
    elif {"E_MIN", "E_MAX"} <= names and (hdu.name == "EBOUNDS" or hdu.text("HDUCLAS2") == "EBOUNDS"):
        found.channels.append(_ebounds(SmallTable(hdu), found))


def _scaled(table: SmallTable, name: str, units: dict[str, float], found: _Found) -> float:
    column = table.find(name)
    unit = column.unit.lower().replace(" ", "") if column else ""
    if unit not in units:
        found.flag("unknown_unit")
    return units.get(unit, 1.0)


def _arfs(table: SmallTable, found: _Found) -> Iterator[Row]:
    """Read the areas of one table: one, or one per row where its columns hold arrays (gratings)."""
    if not table.n_rows:
        raise UnreadableFile("an effective area in SPECRESP", "0 rows", "make the ARF again")
    keys = ("ENERG_LO", "ENERG_HI", "SPECRESP", "PSF_FRAC")
    rows = {key: table.rows(key) for key in keys}
    if all(len(r) == 1 for r in rows["ENERG_LO"] or ()):
        rows = {key: None if value is None else [np.concatenate(value)] for key, value in rows.items()}
    for i in range(len(rows["ENERG_LO"] or ())):
        columns = {key: value[i] for key, value in rows.items() if value is not None}
        for key in keys[:3]:
            if key not in columns:
                raise table.lacking(key)
        yield _arf(table, columns, found)


@QUIET
def _arf(table: SmallTable, columns: dict[str, Numbers], found: _Found) -> Row:
    lo, hi, area = (columns[key] for key in ("ENERG_LO", "ENERG_HI", "SPECRESP"))
    if len({len(lo), len(hi), len(area)}) > 1:
        raise UnreadableFile("as many areas as energies", f"{len(area)} and {len(lo)}")
    if np.isnan(area).all():
        raise UnreadableFile("an effective area in SPECRESP", f"NaN in all {len(area)} rows", "make the ARF again")
    lo, hi = (finite(x * _scaled(table, "ENERG_LO", _KEV, found)) for x in (lo, hi))
    areas = _single(area * _scaled(table, "SPECRESP", _CM2, found))
    fraction = columns.get("PSF_FRAC")
    gaps = not _contiguous(lo, hi)
    nulls, negative = bool(np.isnan(areas).any()), bool((areas < 0).any())
    for text, is_so in (("energy_gaps", gaps), ("null_areas", nulls), ("negative_areas", negative)):
        if is_so:
            found.flag(text)
    return {
        "energ_lo": lo,
        "energ_hi": hi,
        "specresp": areas,
        "fracexpo": None if fraction is None or len(fraction) != len(areas) else _single(fraction),
        "valid": not (gaps or nulls or negative),
    }


@QUIET
def _ebounds(table: SmallTable, found: _Found) -> Channels:
    """Read EBOUNDS; its rows may come in any order."""
    e_min, e_max = (finite(table.needed(name) * _scaled(table, name, _KEV, found)) for name in ("E_MIN", "E_MAX"))
    if not len(e_min):
        raise UnreadableFile("channels in EBOUNDS", "0 rows")
    first, place, n = _places(table, len(e_min), found)
    bounds = np.full((2, n), np.nan)
    bounds[:, place] = e_min, e_max
    return Channels(first, bounds[0], bounds[1])


def _places(table: SmallTable, n_rows: int, found: _Found) -> tuple[int, Integers, int]:
    """Return the first channel, the place of each row of EBOUNDS from 0, and the number of channels.

    Without channel numbers, or with numbers that repeat (some CIAO 4.3 files hold pieces of floats there),
    the rows are the channels, as for every reader that never looks at the numbers.
    """
    column = table.find("CHANNEL")
    first = 1 if column is None or column.minimum is None else column.minimum
    numbers = table.numbers("CHANNEL")
    if numbers is not None:
        distinct = np.unique(numbers)  # sorted; NaN last
        integral = bool((distinct == np.rint(distinct)).all()) and len(distinct) == n_rows
        if integral and np.abs(distinct).max() < MAX_CHANNELS and np.ptp(distinct) < MAX_CHANNELS:
            first = int(distinct[0])
            return first, numbers.astype(np.int64) - first, int(np.ptp(distinct)) + 1
        found.flag("ebounds_channel_ignored")
    if n_rows > MAX_CHANNELS:
        raise UnreadableFile(f"at most {MAX_CHANNELS} channels in EBOUNDS", str(n_rows))
    return (first if abs(first) < MAX_CHANNELS else 1), np.arange(n_rows), n_rows


def _channels_of(i: int, found: _Found) -> Channels | None:
    """Return the EBOUNDS of matrix i: its own where there are as many as matrices, else the one there is."""
    if len(found.channels) == len(found.matrices):
        return found.channels[i]
    return found.channels[0] if found.channels else None


@QUIET
def _rmf(table: SmallTable, channels: Channels | None, found: _Found) -> Row:
    if not table.n_rows:
        raise UnreadableFile("energy bins in MATRIX", "0 rows", "make the RMF again")
    lo, hi = (finite(table.needed(name) * _scaled(table, name, _KEV, found)) for name in ("ENERG_LO", "ENERG_HI"))
    n_grp, f_chan, n_chan, matrix = _groups(table)
    f_chan, first = _from_zero(table, f_chan, channels, found)
    last = int((f_chan + n_chan).max(initial=0))
    n_channels = _n_channels(table.hdu, channels, last, found)
    if f_chan.min(initial=0) < 0 or last > n_channels:
        found_range = f"channels {first + int(f_chan.min(initial=0))}..{first + last - 1}"
        raise UnreadableFile(f"channel groups within {first}..{first + n_channels - 1}", found_range)
    includes_area = _includes_area(table.hdu)
    rows = np.repeat(np.repeat(np.arange(table.n_rows), n_grp), n_chan)
    sums = np.bincount(rows, np.nan_to_num(matrix), minlength=table.n_rows)
    complete = channels is not None and not np.isnan((channels.e_min, channels.e_max)).any()
    gaps, nulls = not _contiguous(lo, hi), bool(np.isnan(matrix).any())
    for text, is_so in (
        ("no_ebounds", channels is None),
        ("energy_gaps", gaps),
        ("null_matrix", nulls),
        ("rmf_includes_area", includes_area),
        ("rmf_row_sum_above_one", not includes_area and bool((sums > ROW_SUM).any())),
    ):
        if is_so:
            found.flag(text)
    return {
        "energ_lo": lo,
        "energ_hi": hi,
        "n_grp": n_grp,
        "f_chan": f_chan,
        "n_chan": n_chan,
        "matrix": _single(matrix),
        "first_channel": channels.first if channels else first,
        "e_min": channels.e_min if channels else None,
        "e_max": channels.e_max if channels else None,
        "n_channels": n_channels,
        "lo_thres": table.hdu.number("LO_THRES"),
        "includes_area": includes_area,
        "valid": complete and not (gaps or nulls),
    }


def _groups(table: SmallTable) -> tuple[Integers, Integers, Integers, Array]:
    """Lay the channel groups of all energy bins end to end; empty groups and padding are left out.

    Returns
    -------
    n_grp : ndarray of int, shape (n_energy,)
    f_chan, n_chan : ndarray of int, shape (n_groups,)
        As the file numbers channels.
    matrix : ndarray of float, shape (sum(n_chan),)
    """
    n_grp = whole(table.needed("N_GRP"), "N_GRP")
    ragged = {}
    for name in ("F_CHAN", "N_CHAN", "MATRIX"):
        column = table.ragged(name)
        if column is None:
            raise table.lacking(name)
        ragged[name] = column
    if n_grp.min() < 0 or (n_grp > np.minimum(ragged["F_CHAN"].lengths, ragged["N_CHAN"].lengths)).any():
        raise UnreadableFile("N_GRP groups per row in F_CHAN and N_CHAN", "rows with fewer")
    f_chan = whole(ragged["F_CHAN"].heads(n_grp), "F_CHAN")
    n_chan = whole(ragged["N_CHAN"].heads(n_grp), "N_CHAN")
    if n_chan.min(initial=0) < 0:
        raise UnreadableFile("N_CHAN of 0 or more", str(int(n_chan.min())))
    bin_of_group = np.repeat(np.arange(len(n_grp)), n_grp)
    needed = np.bincount(bin_of_group, n_chan, minlength=len(n_grp)).astype(np.int64)
    lengths = ragged["MATRIX"].lengths
    if (needed > lengths).any():
        row = int((needed > lengths).argmax())
        raise UnreadableFile(f"{needed[row]} elements in row {row} of MATRIX, as N_CHAN says", str(int(lengths[row])))
    used = n_chan > 0
    counted = np.bincount(bin_of_group[used], minlength=len(n_grp)).astype(np.int64)
    return counted, f_chan[used], n_chan[used], ragged["MATRIX"].heads(needed)


def _from_zero(table: SmallTable, f_chan: Integers, channels: Channels | None, found: _Found) -> tuple[Integers, int]:
    """Count channels from 0: F_CHAN is relative to its TLMIN, to the first of EBOUNDS where that is absent."""
    column = table.find("F_CHAN")
    first = column.minimum if column else None
    if first is None:
        found.flag("first_channel_assumed")
        first = channels.first if channels else int(f_chan.min(initial=1) > 0)
    elif channels and channels.first != first:
        found.flag("first_channel_differs")
    if abs(first) > MAX_CHANNELS:
        raise UnreadableFile("TLMIN of F_CHAN to be 0 or 1", str(first))
    return f_chan - first, first


def _n_channels(hdu: HDU, channels: Channels | None, last: int, found: _Found) -> int:
    said = hdu.number("DETCHANS")
    if channels:
        if said is not None and said != len(channels.e_min):
            found.flag("detchans_differs")
        return len(channels.e_min)
    if said is None or said != int(said) or not last <= said <= MAX_CHANNELS:
        found.flag("detchans_differs")
        said = last
    if not 0 < said <= MAX_CHANNELS:
        raise UnreadableFile("a number of channels (DETCHANS)", str(int(said)))
    return int(said)


def _includes_area(hdu: HDU) -> bool:
    """Tell whether the area is in the matrix: HDUCLAS3 says it, the extension's name where it does not."""
    word = (hdu.text("HDUCLAS3") or "").upper()
    return word == "FULL" if word in {"FULL", "REDIST", "DETECTOR"} else hdu.name == "SPECRESP MATRIX"


def _contiguous(lo: Numbers, hi: Numbers) -> bool:
    """Tell whether bins follow one another without gap or overlap, upwards or (gratings) downwards."""
    width = hi - lo
    if not (width > 0).all() or not (lo >= 0).all():  # also where NaN
        return False
    tolerance = _GAP * np.minimum(width[1:], width[:-1])
    up, down = np.abs(lo[1:] - hi[:-1]), np.abs(hi[1:] - lo[:-1])
    return bool((up <= tolerance).all() or (down <= tolerance).all())


def _single(values: Array) -> npt.NDArray[np.float32]:
    """Round to single precision, which responses have; what does not fit is null."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    return np.where(np.isfinite(rounded), rounded, np.float32(np.nan))


def _reference(hdu: HDU, file: FileName, kind: str, number: int, response_id: str) -> dict[str, object]:
    return {
        "file_id": file.file_id,
        "kind": kind,
        "response_num": number,
        "response_id": response_id,
        "file_name": file.name.lower(),
        "folder": file.folder,
        **identity(hdu, file)._asdict(),
        "grating_order": small_int(hdu.number("TG_M")),
        "grating_part": small_int(hdu.number("TG_PART")),
    }


def _batch(table: str, row: Mapping[str, object]) -> Rows:
    """Make a batch of one row; arrays become lists without passing through Python numbers."""
    schema = TABLES[table].schema
    arrays = []
    for f in schema:
        value = row[f.name]
        if isinstance(value, np.ndarray):
            items = pa.array(value, f.type.value_type, from_pandas=True)  # NaN becomes NULL
            arrays.append(pa.ListArray.from_arrays(pa.array([0, len(items)], pa.int32()), items).cast(f.type))
        else:
            arrays.append(pa.array([value], f.type))
    return Rows(table, pa.RecordBatch.from_arrays(arrays, schema=schema))
