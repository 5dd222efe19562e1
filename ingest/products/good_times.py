"""Good time intervals: the GTI extensions of an events file, one per CCD, in one table.

Source: OGIP memo OGIP/93-003 (GTI extensions); CXC "ASC FITS File Designers' Guide" (one GTI per CCD).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.intervals import Floats, Ints, merged
from catalog.schema import TABLES
from ingest.fits import HDU, Field, resolve_number
from ingest.products.headers import Identity
from ingest.products.mission_time import clock
from ingest.products.nullable import reals
from ingest.readers import CHUNK_ROWS

_CCD_OF_NAME = re.compile(r"GTI(\d)(?:_|$)")
_NO_CCD = -1


def is_good_times(hdu: HDU) -> bool:
    """Tell whether a table is of good times: GTI, or that HDU class, or GTI3_CPT, STDGTI, ... with START and STOP."""
    if not hdu.is_table:
        return False
    is_so = hdu.name == "GTI" or (hdu.text("HDUCLAS1") or "").upper() == "GTI"
    return is_so or ("GTI" in hdu.name and {"start", "stop"} <= {name.lower() for name in hdu.column_names})


@dataclass
class GoodTimes:
    """The good times of one file, gathered over its GTI extensions."""

    flags: set[str] = field(default_factory=set)
    _parts: list[tuple[HDU, Field, npt.NDArray[np.float64]]] = field(default_factory=list)

    def take(self, hdu: HDU) -> None:
        """Read one GTI extension; one without START and STOP is flagged: it says nothing of the photons.

        Raises
        ------
        UnreadableFile
            If it is damaged.
        """
        start, stop = resolve_number(hdu.fields, "start"), resolve_number(hdu.fields, "stop")
        if start is None or stop is None:
            self.flags.add("bad_good_times")
            return
        for chunk in hdu.chunks({"start": start.name, "stop": stop.name}, CHUNK_ROWS):
            self._parts.append((hdu, start, np.column_stack([chunk["start"], chunk["stop"]]).astype(np.float64)))

    def batch(self, file_id: int, identity: Identity, events: HDU) -> pa.RecordBatch:
        """Make the rows of product.good_time, sorted by CCD and start; none overlaps another of its CCD.

        Merged files repeat intervals in several extensions, and tables that name no CCD tell the same time each:
        intervals that overlap become one, so that no second counts twice.
        """
        ccd_id, start_s, stop_s = self._intervals(events)
        n = len(start_s)
        columns = {
            "file_id": pa.repeat(pa.scalar(file_id, pa.int64()), n),
            "obsid": pa.repeat(pa.scalar(identity.obsid, pa.int32()), n),
            "obi": pa.repeat(pa.scalar(identity.obi, pa.int16()), n),
            "ccd_id": pa.array(ccd_id.astype(np.int8), mask=ccd_id == _NO_CCD),
            "start_s": pa.array(start_s),
            "stop_s": pa.array(stop_s),
        }
        schema = TABLES["product.good_time"].schema
        return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)

    def _intervals(self, events: HDU) -> tuple[Ints, Floats, Floats]:
        ccds = [np.full(len(part), _ccd_id(hdu), np.int64) for hdu, _, part in self._parts]
        times = [clock(hdu, events, f).convert(reals(part, None, np.float64)).values for hdu, f, part in self._parts]
        ccd_id = np.concatenate([np.empty(0, np.int64), *ccds])
        start_s, stop_s = np.concatenate([np.empty((0, 2)), *times]).astype(np.float64).T
        with np.errstate(invalid="ignore"):
            real = np.isfinite(start_s) & np.isfinite(stop_s) & (start_s <= stop_s)
        if not real.all():
            self.flags.add("bad_good_times")
        ccd_id, start_s, stop_s = ccd_id[real], start_s[real], stop_s[real]
        n_starts = len(np.unique(np.column_stack([ccd_id, start_s]), axis=0))
        joined = merged(start_s, stop_s, ccd_id)
        if n_starts < len(ccd_id):
            self.flags.add("repeated_good_times")
        if len(joined[0]) < n_starts:
            self.flags.add("overlapping_good_times")
        return joined[2], joined[0], joined[1]


def longest_s(batch: pa.RecordBatch) -> float | None:
    """Return the good time of the CCD that has most of it, s; None without good times."""
    if not batch.num_rows:
        return None
    ccd_id = batch["ccd_id"].fill_null(_NO_CCD).to_numpy()
    spans_s = batch["stop_s"].to_numpy() - batch["start_s"].to_numpy()
    return float(np.bincount(ccd_id.astype(np.intp) - _NO_CCD, spans_s).max())


def _ccd_id(hdu: HDU) -> int:
    """Return the CCD an extension holds for, as CCD_ID or its name (GTI7, GTI3_CPT12) says."""
    said = hdu.header.get("CCD_ID")
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= np.iinfo(np.int8).max:
        return said
    for name in (hdu.name, str(hdu.header.get("HDUNAME") or "").upper()):
        if match := _CCD_OF_NAME.match(name):
            return int(match[1])
    return _NO_CCD
