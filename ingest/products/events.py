"""Event lists: evt2, evt3, regevt3 and CIAO users' own, of ACIS and HRC -> photons, header, good times.

Source: CXC "ASC FITS File Designers' Guide"; OGIP event lists (HDUCLAS1 = 'EVENTS').

PI follows from the energy in every file that the pipeline or CIAO has written. It is stored only where it does not, and
the view product.event gives the file's own PI back. Source: CXC, "ACIS Gain and PI": channels 14.6 eV wide, from 1;
the last, 1024, gathers all energies above.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.fits import HDU, Array, Field, read_hdus, resolve_number
from ingest.products.good_times import GoodTimes, is_good_times, longest_s
from ingest.products.headers import (
    columns_not_kept,
    header_batch,
    header_flags,
    identity,
    instrument,
    sky_wcs,
    tables_not_kept,
)
from ingest.products.mission_time import clock
from ingest.products.nullable import Nullable, integers, reals, scale_to, scaled
from ingest.products.provenance import is_other_mission
from ingest.readers import CHUNK_ROWS, FileName, Flag, Rows

PI_WIDTH_EV = 14.6
LAST_PI = 1024
NULL_PI = 0
"""What pi_stored says where the file's PI is null."""

_BLOCK = 1 << 15  # rows checked at once, in the processor's cache


def energy_of_pi(pi: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the energy in the middle of a PI channel.

    Parameters
    ----------
    pi : array_like of int, shape (n,)
        Channels, from 1.

    Returns
    -------
    ndarray of float32, shape (n,)
        eV. `pi_of_energy` leads back exactly from every channel up to 1024.

    Examples
    --------
    >>> energy_of_pi([1, 2]).round(1).tolist() == np.float32([7.3, 21.9]).tolist()
    True
    """
    return ((np.asarray(pi, np.float64) - 0.5) * PI_WIDTH_EV).astype(np.float32)


def pi_of_energy(energy_ev: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the PI channel an energy falls into: the rule that product.event applies where pi_stored is null.

    Parameters
    ----------
    energy_ev : array_like of float32, shape (n,)
        Not null, eV.

    Returns
    -------
    ndarray of float64, shape (n,)
        Whole numbers from 1 to 1024.

    Examples
    --------
    >>> pi_of_energy(np.array([14.5, 14.7, 20000], np.float32)).tolist()
    [1.0, 2.0, 1024.0]
    """
    channel = np.floor(np.asarray(energy_ev, np.float64) / PI_WIDTH_EV) + 1
    return np.asarray(np.clip(channel, 1, LAST_PI))


def pi_stored(energy_ev: Nullable | None, pi: Nullable | None, n: int) -> pa.Array:
    """Return what product.event_stored.pi_stored keeps of the PI of n photons.

    Parameters
    ----------
    energy_ev : Nullable of float32, shape (n,), or None
        As stored; None where the file has none.
    pi : Nullable of int16, shape (n,), or None
        The file's own; None where it has none.
    n : int
        Photons.

    Returns
    -------
    pyarrow.Array of int16, shape (n,)
        All null where PI follows from the energy of every photon; else PI, with 0 for null.

    Examples
    --------
    >>> energy = Nullable(np.float32([100, 200]), None, exact=True)
    >>> pi_stored(energy, Nullable(np.int16([7, 14]), None, exact=True), 2).to_pylist()
    [None, None]
    >>> pi_stored(energy, Nullable(np.int16([7, 15]), None, exact=True), 2).to_pylist()
    [7, 15]
    """
    if pi is None:
        return pa.repeat(pa.scalar(NULL_PI, pa.int16()), n)
    complete = pi.null is None and energy_ev is not None and energy_ev.null is None
    if complete and energy_ev is not None and _follows(energy_ev.values, pi.values):
        return pa.nulls(n, pa.int16())
    return pa.array(pi.values if pi.null is None else np.where(pi.null, np.int16(NULL_PI), pi.values))


def _follows(energy_ev: npt.ArrayLike, pi: npt.ArrayLike) -> bool:
    energy_ev, pi = np.asarray(energy_ev), np.asarray(pi)
    blocks = (slice(start, start + _BLOCK) for start in range(0, len(pi), _BLOCK))
    return all(np.array_equal(pi_of_energy(energy_ev[b]), pi[b]) for b in blocks)


_COLUMNS = ("time", "x", "y", "energy", "pi", "ccd_id")
_UNITS = {"x": "pixel", "y": "pixel", "energy": "eV"}
_ENOUGH = 100  # photons; fewer can span less than the exposure by chance


def read_events(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read an events file.

    Parameters
    ----------
    stream : binary file
        Decompressed content.
    file : FileName
        Its name and key.

    Yields
    ------
    Rows
        Of product.event_stored, in chunks and in file order; then product.good_time and product.header.
    Flag
        What is missing or unusual: no_time, unsorted_time, no_energy, energy_from_pi, no_pi, no_obsid,
        no_sky_position, no_sky_wcs, no_good_times, no_events, exposure_exceeds_span, columns_not_kept, ...

    Raises
    ------
    UnreadableFile
        If there is no events table, or it is damaged.
    """
    tables: list[_Photons] = []
    good_times = GoodTimes()
    others: list[HDU] = []
    seen = []
    n_rows = 0
    for hdu in read_hdus(stream):
        seen.append(hdu.name or "unnamed")
        if is_events(hdu):
            # A further events table holds further photons of the same file: rows are counted on.
            photons = _Photons(hdu, file, n_rows)
            yield from photons.rows()
            tables.append(photons)
            n_rows = photons.next_row
        elif is_good_times(hdu):
            good_times.take(hdu)
        else:
            others.append(hdu)
    if not tables:
        raise UnreadableFile("a table of events (EVENTS)", f"HDUs {', '.join(seen)}")
    main = tables[0].hdu
    intervals = good_times.batch(file.file_id, identity(main, file), main)
    if intervals.num_rows:
        yield Rows("product.good_time", intervals)
    yield Rows("product.header", header_batch(main, file, "events", n_rows))
    span_s = tables[0].span_s if n_rows >= _ENOUGH else None
    notes = {
        "several_event_tables": len(tables) > 1,
        "no_events": n_rows == 0,
        "no_good_times": intervals.num_rows == 0,
        "exposure_exceeds_span": exposure_exceeds_span(main, longest_s(intervals), span_s),
    }
    flags = [flag for t in tables for flag in (*header_flags(t.hdu), *t.flags)]
    flags += [*sorted(good_times.flags), *(flag for flag, is_so in notes.items() if is_so)]
    flags += [*columns_not_kept([t.hdu for t in tables], _COLUMNS), *tables_not_kept(others)]
    yield from map(Flag, dict.fromkeys(flags))  # each once


def is_events(hdu: HDU) -> bool:
    """Tell whether an HDU is a table of events, by its name or its OGIP class."""
    return hdu.is_table and (hdu.name == "EVENTS" or (hdu.text("HDUCLAS1") or "").upper() == "EVENTS")


def exposure_exceeds_span(hdu: HDU, good_time_s: float | None, span_s: float | None) -> bool:
    """Tell whether a header claims more exposure than its own times allow: a cut whose EXPOSURE was left alone.

    Parameters
    ----------
    hdu : HDU
        With EXPOSURE, TSTART, TSTOP.
    good_time_s : float or None
        Sum of the good times.
    span_s : float or None
        From the first photon to the last; asked only where there are no good times.
    """
    exposure = hdu.number("EXPOSURE")
    if exposure is None:
        return False
    times = clock(hdu)
    start, stop = times.seconds(hdu.number("TSTART")), times.seconds(hdu.number("TSTOP"))
    spans = [] if start is None or stop is None else [stop - start]
    if good_time_s is not None:
        spans.append(good_time_s)
    elif span_s is not None:
        spans.append(1.25 * span_s)
    slack = 1.0 + max(times.duration(hdu.number("TIMEDEL")) or 0.0, 0.0)
    return any(exposure > 1.001 * span + slack for span in spans)


class _Photons:
    """One table of events on its way into product.event_stored."""

    def __init__(self, hdu: HDU, file: FileName, first_row: int) -> None:
        self.hdu = hdu
        self.next_row = first_row
        self.flags: dict[str, None] = {}  # a set that keeps its order
        self._constants = {"file_id": file.file_id, **identity(hdu, file)._asdict()}
        self._first_s, self._last_s = np.inf, -np.inf
        found = {name: resolve_number(hdu.fields, name) for name in _COLUMNS}
        self._fields: dict[str, Field] = {name: f for name, f in found.items() if f is not None}
        if not self._fields.keys() - {"ccd_id"}:
            names = ", ".join(f.name for f in hdu.fields)
            raise UnreadableFile("events with at least one of time, x, y, energy, pi", names or "no columns")
        self._clock = clock(hdu, column=self._fields.get("time"))
        self._scales = {
            name: scale_to(f, _UNITS[name], self._flag, usual=name == "energy")
            for name, f in self._fields.items()
            if name in _UNITS
        }
        self._is_acis = instrument(hdu, file) == "ACIS" and not is_other_mission(hdu)
        # 14.6 eV per channel is the gain of ACIS; PI of HRC is no energy.
        self._energy_from_pi = self._is_acis and "energy" not in self._fields and "pi" in self._fields
        self._flag_if("no_obsid", self._constants["obsid"] is None and not is_other_mission(hdu))
        self._flag_if("no_time", "time" not in self._fields)
        if "time" in self._fields:
            scale_to(self._fields["time"], "s", self._flag, usual=False)
        self._flag_if("energy_from_pi", self._energy_from_pi)
        self._flag_if("no_energy", "energy" not in self._fields and not self._energy_from_pi)
        self._flag_if("no_pi", "pi" not in self._fields)
        self._flag_if("no_sky_position", not {"x", "y"} <= self._fields.keys())
        self._flag_if("no_sky_wcs", sky_wcs(hdu) is None)

    def _flag(self, flag: str) -> None:
        self.flags[flag] = None

    def _flag_if(self, flag: str, is_so: bool) -> None:
        if is_so:
            self._flag(flag)

    @property
    def span_s(self) -> float | None:
        """From the first photon to the last, s; None without times."""
        return float(self._last_s - self._first_s) if self._last_s >= self._first_s else None

    def rows(self) -> Iterator[Rows]:
        """Read the table in chunks."""
        names = {key: f.name for key, f in self._fields.items()}
        for chunk in self.hdu.chunks(names, CHUNK_ROWS):
            yield Rows("product.event_stored", self._batch(chunk))

    def _batch(self, chunk: dict[str, Array]) -> pa.RecordBatch:
        n = len(next(iter(chunk.values())))
        schema = TABLES["product.event_stored"].schema
        columns = {
            "time_s": self._time(chunk),
            "x": self._real(chunk, "x"),
            "y": self._real(chunk, "y"),
            "ccd_id": self._whole(chunk, "ccd_id", np.int8),
        }
        pi = self._whole(chunk, "pi", np.int16)
        columns["energy_ev"] = energy = self._energy(chunk, pi)
        if pi is not None and not self._is_acis:
            self._flag_if("pi_0_is_null", bool((pi.known == 0).any()))  # a channel of HRC, but 0 says null
        arrays = {name: column.arrow() for name, column in columns.items() if column is not None}
        arrays["row"] = pa.array(np.arange(self.next_row, self.next_row + n))
        arrays["pi_stored"] = pi_stored(energy, pi, n)
        for field in schema:
            if field.name not in arrays:
                value = pa.scalar(self._constants.get(field.name), field.type)
                arrays[field.name] = pa.repeat(value, n)
        self.next_row += n
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)

    def _time(self, chunk: dict[str, Array]) -> Nullable | None:
        if "time" not in chunk:
            return None
        column = self._clock.convert(reals(chunk["time"], self._fields["time"], np.float64))
        self._flag_if("null_time", column.null is not None and not math.isnan(self._clock.scale + self._clock.offset_s))
        known = np.asarray(column.known, np.float64)
        if len(known):
            self._flag_if("unsorted_time", bool(known[0] < self._last_s or (known[1:] < known[:-1]).any()))
            self._first_s = min(self._first_s, float(known.min()))
            self._last_s = max(self._last_s, float(known.max()))
        return column

    def _real(self, chunk: dict[str, Array], name: str) -> Nullable | None:
        if name not in chunk:
            return None
        column = scaled(chunk[name], self._fields[name], self._scales[name], np.float32)
        self._flag_if(f"rounded_{name}", not column.exact)
        return column

    def _whole(self, chunk: dict[str, Array], name: str, dtype: type[np.integer]) -> Nullable | None:
        if name not in chunk:
            return None
        column = integers(chunk[name], self._fields[name], dtype)
        self._flag_if(f"bad_{name}", not column.exact)
        return column

    def _energy(self, chunk: dict[str, Array], pi: Nullable | None) -> Nullable | None:
        if self._energy_from_pi and pi is not None:
            channels = np.asarray(pi.values, np.int16)
            no_energy = channels < 1 if pi.null is None else (channels < 1) | pi.null
            return Nullable(energy_of_pi(channels), no_energy if no_energy.any() else None, exact=True)
        return self._real(chunk, "energy")
