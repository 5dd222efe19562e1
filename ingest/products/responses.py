"""Responses: effective areas (ARF) and redistribution matrices (RMF), stored sparse and once per content.

Source: CAL/GEN/92-002 and its addendum CAL/GEN/92-002a (George et al. 1998, 2007): extensions SPECRESP, MATRIX
or SPECRESP MATRIX, EBOUNDS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.fits import HDU, read_hdus
from ingest.products.headers import columns_not_kept, identity, tables_not_kept
from ingest.products.matrices import Channels, Row, added, read_ebounds, read_matrix
from ingest.products.ogip import (
    QUIET,
    Numbers,
    SmallTable,
    content_id,
    contiguous,
    edges,
    scale,
    single,
    small_int,
)
from ingest.products.provenance import mission, mission_flags
from ingest.readers import FileName, Flag, Rows

_AREA = ("energ_lo", "energ_hi", "specresp", "psf_frac")
_MATRIX = ("energ_lo", "energ_hi", "n_grp", "f_chan", "n_chan", "matrix")
_FOR = ("TG_M", "TG_PART", "TG_SRCID", "TSTART", "TSTOP")
"""Keywords that tell for which spectrum a matrix is: an order and arm of a grating, or a piece of time."""


@dataclass
class _Found:
    """What a file turned out to hold."""

    arfs: list[tuple[HDU, Row]] = field(default_factory=list)
    matrices: list[tuple[HDU, SmallTable]] = field(default_factory=list)
    channels: list[Channels] = field(default_factory=list)
    others: list[HDU] = field(default_factory=list)
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
        For product.arf and product.rmf, each response once, and for product.response_file. Of several matrices for
        one spectrum their sum comes, too, as number 0.
    Flag
        'not_chandra', 'no_ebounds', 'ebounds_channel_ignored', 'energy_gaps', 'null_areas', 'negative_areas',
        'null_matrix', 'rmf_includes_area', 'rmf_row_sum_above_one', 'first_channel_assumed', 'first_channel_differs',
        'detchans_differs', 'unknown_unit', 'unit_assumed', 'matrices_added', 'several_matrices', 'columns_not_kept',
        'tables_not_kept'.

    Raises
    ------
    UnreadableFile
        If no response is in the file, or nothing of it could be folded with.
    """
    found = _Found()
    for hdu in read_hdus(stream):
        if hdu.is_table:
            _take(hdu, found)
    rmfs = [
        (hdu, read_matrix(table, _channels_of(i, found), found.flag)) for i, (hdu, table) in enumerate(found.matrices)
    ]
    total = _total(rmfs, found)
    if not found.arfs and not rmfs:
        seen = "EBOUNDS alone" if found.channels else "none"
        raise UnreadableFile("an ARF (SPECRESP) or an RMF (MATRIX) extension", seen)
    for kind, responses, sums in (("arf", found.arfs, []), ("rmf", rmfs, total)):
        numbers = [0] * len(sums) + _numbers([hdu for hdu, _ in responses])
        ids = [content_id(row) for _, row in (*sums, *responses)]
        unique = dict(zip(ids, (row for _, row in (*sums, *responses)), strict=True))
        yield from (_batch(f"product.{kind}", {f"{kind}_id": key, **row}) for key, row in unique.items())
        for number, (hdu, _), key in zip(numbers, (*sums, *responses), ids, strict=True):
            yield _batch("product.response_file", _reference(hdu, file, kind, number, key))
    hdus = [hdu for hdu, _ in (*found.arfs, *rmfs)]
    flags = dict.fromkeys(flag for hdu in hdus for flag in mission_flags(hdu))
    left = [*columns_not_kept(hdus, {*_AREA, *_MATRIX}), *tables_not_kept(found.others)]
    yield from map(Flag, dict.fromkeys((*flags, *found.flags, *left)))


def _numbers(hdus: list[HDU]) -> list[int]:
    """Return the numbers that headers give the responses of a file: EXTVER where they differ in it, else 1, 2, ..."""
    versions = [int(v) if (v := hdu.number("EXTVER")) is not None and v == int(v) else 1 for hdu in hdus]
    told = len(set(versions)) == len(versions) and all(0 < v < 1 << 31 for v in versions)
    return versions if told else [*range(1, len(hdus) + 1)]


def _total(rmfs: list[tuple[HDU, Row]], found: _Found) -> list[tuple[HDU, Row]]:
    """Return the sum of several matrices that are for one spectrum, if there is one."""
    if len(rmfs) < 2:  # noqa: PLR2004 - one matrix is its own sum
        return []
    same = len({tuple(hdu.number(key) for key in _FOR) for hdu, _ in rmfs}) == 1
    row = added([row for _, row in rmfs]) if same else None
    found.flag("several_matrices" if row is None else "matrices_added")
    return [] if row is None else [(rmfs[0][0], row)]


def _take(hdu: HDU, found: _Found) -> None:
    """Read one table, if it is part of a response."""
    names = {name.upper() for name in hdu.column_names}
    if {"ENERG_LO", "SPECRESP"} <= names:
        found.arfs += [(hdu, row) for row in _arfs(SmallTable(hdu), found)]
    elif {"ENERG_LO", "MATRIX"} <= names:
        found.matrices.append((hdu, SmallTable(hdu)))
    elif {"E_MIN", "E_MAX"} <= names and (hdu.name == "EBOUNDS" or hdu.text("HDUCLAS2") == "EBOUNDS"):
        found.channels.append(read_ebounds(SmallTable(hdu), found.flag))
    else:
        found.others.append(hdu)


def _arfs(table: SmallTable, found: _Found) -> Iterator[Row]:
    """Read the areas of one table: one, or one per row where its columns hold arrays (gratings)."""
    if not table.n_rows:
        raise UnreadableFile("an effective area in SPECRESP", "0 rows", "make the ARF again")
    keys = ("ENERG_LO", "ENERG_HI", "SPECRESP", "PSF_FRAC")
    energies = table.ragged(keys[0])
    if energies is not None and (energies.lengths == 1).all():
        whole = {key: table.ragged(key) for key in keys}
        rows = {key: None if r is None else [r.values.astype(np.float64)] for key, r in whole.items()}
    else:
        rows = {key: table.rows(key) for key in keys}
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
    lo, hi = edges(table, lo, hi, ("ENERG_LO", "ENERG_HI"), found.flag)
    areas = single(area * scale(table, "SPECRESP", "cm**2", found.flag))
    fraction = columns.get("PSF_FRAC")
    gaps = not contiguous(lo, hi)
    nulls, negative = bool(np.isnan(areas).any()), bool((areas < 0).any())
    for text, is_so in (("energy_gaps", gaps), ("null_areas", nulls), ("negative_areas", negative)):
        if is_so:
            found.flag(text)
    return {
        "energ_lo": lo,
        "energ_hi": hi,
        "specresp": areas,
        "fracexpo": None if fraction is None or len(fraction) != len(areas) else single(fraction),
        "valid": not (gaps or nulls or negative),
    }


def _channels_of(i: int, found: _Found) -> Channels | None:
    """Return the EBOUNDS of matrix i: its own where there are as many as matrices, else the one there is."""
    if len(found.channels) == len(found.matrices):
        return found.channels[i]
    return found.channels[0] if found.channels else None


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
        "hdu": hdu.index if number else None,
        "mission": mission(hdu),
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
