"""Spectra, responses and event lists as the FITS files that fitting programs read: rows of the store in, HDUs out.

Source: OGIP/92-007 and 92-007a (The OGIP Spectral File Format, Arnaud, George & Tennant 2009), CAL/GEN/92-002 and
92-002a (George et al. 1998, 2007), OGIP/93-003 (event lists and good time intervals).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from astropy.io import fits

Row = Mapping[str, object]
"""One row of a table of the store, by column; lists may hold None."""

_NULL = -(1 << 31)
_MJDREF = 50814.0  # of Chandra's mission seconds, TT


def spectrum(row: Row, header: Row, links: Mapping[str, str]) -> fits.HDUList:
    """Write a spectrum as a PHA file of type I.

    Parameters
    ----------
    row : mapping
        Of product.spectrum.
    header : mapping
        Of product.header: the file that the spectrum came from.
    links : mapping of str to str
        ANCRFILE, RESPFILE, BACKFILE: names of the files beside this one; 'none' where there is none.

    Examples
    --------
    >>> made = spectrum({"counts": [0, 3], "first_channel": 1, "exposure_s": 10.0}, {}, {"RESPFILE": "a.rmf"})
    >>> made["SPECTRUM"].data["COUNTS"].tolist(), made["SPECTRUM"].header["RESPFILE"]
    ([0, 3], 'a.rmf')
    """
    is_rate = row.get("counts") is None
    data = _list(row, "rate") if is_rate else _list(row, "counts")
    first, n = _whole(row, "first_channel", 1), len(data or ())
    columns = [fits.Column("CHANNEL", "J", array=np.arange(first, first + n))]
    if is_rate:
        columns.append(_reals("RATE", "D", data, "count/s"))
    else:
        columns.append(_integers("COUNTS", data, "count"))
    units = {"stat_err": "count/s" if is_rate else "count", "bin_lo": "angstrom", "bin_hi": "angstrom"}
    told = {name: values for name in (*_MORE, *_MARKS) if (values := _list(row, name)) is not None}
    columns += [_reals(n.upper(), "D", v, units.get(n)) for n, v in told.items() if n in _MORE]
    columns += [_integers(n.upper(), v) for n, v in told.items() if n in _MARKS]
    class_ = str(row.get("hduclas2") or ("BKG" if row.get("role") == "background" else "TOTAL"))
    cards: dict[str, object] = {"HDUCLASS": "OGIP", "HDUCLAS1": "SPECTRUM", "HDUCLAS2": class_}
    cards |= {"HDUCLAS3": "RATE" if is_rate else "COUNT", "HDUVERS": "1.2.1", "PHAVERSN": "1992a"}
    cards |= {"CHANTYPE": "PI", "DETCHANS": n, "TLMIN1": first, "TLMAX1": first + n - 1}
    cards |= {"EXPOSURE": row.get("exposure_s"), "BACKSCAL": row.get("backscal"), "AREASCAL": row.get("areascal")}
    cards |= {"POISSERR": row.get("stat_err") is None and not is_rate, "CORRFILE": "none", "CORRSCAL": 1.0}
    trivial = {"SYS_ERR": 0, "QUALITY": 0, "GROUPING": 0}
    cards |= {name: value for name, value in trivial.items() if row.get(name.lower()) is None}
    cards |= {"ANCRFILE": "none", "RESPFILE": "none", "BACKFILE": "none"} | dict(links)
    cards |= {"TG_M": row.get("grating_order"), "TG_PART": row.get("grating_part")}
    return _file([_table("SPECTRUM", columns, {**_observed(row, header), **cards})])


def background_of(row: Row) -> dict[str, object] | None:
    """Return the background that stands in a spectrum's own row, as a row; None where there is none.

    Examples
    --------
    >>> background_of({"background_counts": [1], "background_exposure_s": 5.0, "first_channel": 0})["exposure_s"]
    5.0
    """
    if row.get("background_id") is not None:
        return None
    if row.get("background_counts") is None and row.get("background_rate") is None:
        return None
    kept = ("obsid", "obi", "region_id", "detection_id", "mission", "first_channel", "bin_lo", "bin_hi")
    own = {name: row.get(name) for name in (*kept, "grating_order", "grating_part")}
    told = {name: row.get(f"background_{name}") for name in ("counts", "rate", "exposure_s", "backscal", "areascal")}
    return own | told | {"role": "background", "hduclas2": "BKG"}


def area(row: Row, header: Row) -> fits.HDUList:
    """Write an effective area as an ARF.

    Parameters
    ----------
    row : mapping
        Of product.arf.
    header : mapping
        Of product.header, of a spectrum that it is for: instrument and observation.
    """
    columns = [_reals(name.upper(), "D", _list(row, name), "keV") for name in ("energ_lo", "energ_hi")]
    columns.append(_reals("SPECRESP", "E", _list(row, "specresp"), "cm**2"))
    if (fraction := _list(row, "fracexpo")) is not None:
        columns.append(_reals("PSF_FRAC", "E", fraction))
    cards: dict[str, object] = {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP", "HDUVERS": "1.1.0"}
    return _file([_table("SPECRESP", columns, {**_observed({}, header), **cards, "ARFVERSN": "1992a"})])


def matrix(row: Row, header: Row) -> fits.HDUList:
    """Write a redistribution matrix as an RMF, with EBOUNDS where the channels' energies are known.

    Parameters
    ----------
    row : mapping
        Of product.rmf.
    header : mapping
        As for `area`.
    """
    first, n_channels = _whole(row, "first_channel", 1), _whole(row, "n_channels", 0)
    n_grp = np.asarray(_list(row, "n_grp"), np.int64)
    f_chan, n_chan = (np.asarray(_list(row, name), np.int64) for name in ("f_chan", "n_chan"))
    groups = np.split(np.arange(len(f_chan)), np.cumsum(n_grp)[:-1])
    sizes = [int(n_chan[g].sum()) for g in groups]
    elements = np.split(_floats(_list(row, "matrix"), np.float32), np.cumsum(sizes)[:-1])
    columns = [_reals(name.upper(), "D", _list(row, name), "keV") for name in ("energ_lo", "energ_hi")]
    columns.append(fits.Column("N_GRP", "J", array=n_grp))
    columns.append(_ragged("F_CHAN", "J", [f_chan[g] + first for g in groups]))
    columns.append(_ragged("N_CHAN", "J", [n_chan[g] for g in groups]))
    columns.append(_ragged("MATRIX", "E", elements))
    has_area = bool(row.get("includes_area"))
    shared: dict[str, object] = {**_observed({}, header), "HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE"}
    shared |= {"CHANTYPE": "PI", "DETCHANS": n_channels, "RMFVERSN": "1992a"}
    cards = shared | {"HDUCLAS2": "RSP_MATRIX", "HDUCLAS3": "FULL" if has_area else "REDIST", "HDUVERS": "1.3.0"}
    cards |= {"TLMIN4": first, "TLMAX4": first + n_channels - 1, "LO_THRES": row.get("lo_thres")}
    cards |= {"NUMGRP": len(f_chan), "NUMELT": int(n_chan.sum())}
    tables = [_table("SPECRESP MATRIX" if has_area else "MATRIX", columns, cards)]
    if row.get("e_min") is not None:
        channel = fits.Column("CHANNEL", "J", array=np.arange(first, first + n_channels))
        bounds = [channel, *(_reals(name.upper(), "D", _list(row, name), "keV") for name in ("e_min", "e_max"))]
        limits = {"TLMIN1": first, "TLMAX1": first + n_channels - 1}
        tables.append(_table("EBOUNDS", bounds, shared | limits | {"HDUCLAS2": "EBOUNDS", "HDUVERS": "1.2.0"}))
    return _file(tables)


def events(photons: pa.Table, header: Row, good_times: pa.Table) -> fits.HDUList:
    """Write photons and their good times as an event list.

    Parameters
    ----------
    photons : pyarrow.Table
        Of product.event, of one file, in the order of its rows.
    header : mapping
        Of product.header.
    good_times : pyarrow.Table
        Of product.good_time: one extension per CCD.
    """
    columns = [_reals("time", "D", photons["time_s"], "s")]
    columns += [_reals(name, "E", photons[name], "pixel") for name in ("x", "y") if _is_there(photons, name)]
    cards: dict[str, object] = {}
    for n, axis in enumerate(("x", "y"), 2):
        if header.get("x_crpix") is not None and header.get("y_crpix") is not None:
            kind = "RA---TAN" if axis == "x" else "DEC--TAN"
            cards |= {f"TCTYP{n}": kind, f"TCUNI{n}": "deg"}
            cards |= {f"T{key.upper()}{n}": header[f"{axis}_{long}"] for key, long in _WCS}
    if _is_there(photons, "energy_ev"):
        columns.append(_reals("energy", "E", photons["energy_ev"], "eV"))
    for name in ("pi", "ccd_id"):
        if _is_there(photons, name):
            columns.append(_integers(name, photons[name].to_pylist()))
    cards |= {"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "CONTENT": header.get("content")}
    times = {"MJDREF": _MJDREF, "TIMESYS": "TT", "TIMEUNIT": "s", "TIMEZERO": 0.0}
    tables = [_table("EVENTS", columns, {**_observed({}, header), **times, **cards})]
    for ccd in sorted(set(good_times["ccd_id"].to_pylist()), key=lambda c: -1 if c is None else c):
        rows = [r for r in good_times.select(["ccd_id", "start_s", "stop_s"]).to_pylist() if r["ccd_id"] == ccd]
        spans = [
            fits.Column(key, "D", unit="s", array=np.array([r[f"{key.lower()}_s"] for r in rows])) for key in _SPAN
        ]
        told = {"HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD", "CCD_ID": ccd} | times
        tables.append(_table("GTI" if ccd is None else f"GTI{ccd}", spans, told))
    return _file(tables)


_MORE, _MARKS = ("stat_err", "sys_err", "bin_lo", "bin_hi"), ("quality", "grouping")
_WCS = (("crpx", "crpix"), ("crvl", "crval"), ("cdlt", "cdelt"))
_SPAN = ("START", "STOP")


def _observed(row: Row, header: Row) -> dict[str, object]:
    """Return the keywords that tell of the observation."""
    whose = {name: row.get(name) if row.get(name) is not None else header.get(name) for name in _WHOSE}
    mission = row.get("mission") or header.get("mission") or "CHANDRA"
    date = header.get("date_obs")
    obsid = whose["obsid"]
    return {
        "TELESCOP": mission,
        "INSTRUME": header.get("instrument") or ("ACIS" if mission == "CHANDRA" else "NONE"),
        "FILTER": "NONE",
        "DETNAM": header.get("detector"),
        "GRATING": header.get("grating"),
        "OBJECT": header.get("object"),
        "OBS_ID": str(obsid) if obsid is not None else header.get("obs_id"),
        "OBI_NUM": whose["obi"],
        "REGIONID": None if whose["region_id"] is None else f"{whose['region_id']:04d}",
        "RA": header.get("ra_src"),
        "DEC": header.get("dec_src"),
        "RADESYS": "ICRS",
        "RA_PNT": header.get("ra_pnt"),
        "DEC_PNT": header.get("dec_pnt"),
        "ROLL_PNT": header.get("roll_pnt"),
        "DATE-OBS": date.isoformat() if isinstance(date, dt.datetime) else None,
        "TSTART": header.get("tstart_s"),
        "TSTOP": header.get("tstop_s"),
        "MJDREF": _MJDREF,
        "TIMESYS": "TT",
        "TIMEDEL": header.get("frame_time_s"),
        "EXPOSURE": header.get("exposure_s"),
        "CONTENT": header.get("content"),
        "ASCDSVER": header.get("ascdsver"),
        "CREATOR": "photonlake",
    }


_WHOSE = ("obsid", "obi", "region_id")


def _table(name: str, columns: Sequence[fits.Column], cards: Mapping[str, object]) -> fits.BinTableHDU:
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    for key, value in cards.items():
        if value is not None:
            hdu.header[key] = _ascii(value) if isinstance(value, str) else value
    return hdu


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _file(tables: Sequence[fits.BinTableHDU]) -> fits.HDUList:
    return fits.HDUList([fits.PrimaryHDU(), *tables])


def _is_there(table: pa.Table, name: str) -> bool:
    return bool(table[name].null_count < len(table[name]) or not len(table))


def _list(row: Row, name: str) -> Sequence[object] | None:
    values = row.get(name)
    return values if isinstance(values, list) else None


def _whole(row: Row, name: str, otherwise: int) -> int:
    value = row.get(name)
    return value if isinstance(value, int) else otherwise


def _floats(values: object, dtype: type) -> np.ndarray:
    if isinstance(values, pa.ChunkedArray):
        return np.asarray(values.to_numpy(), dtype)
    return np.array([np.nan if v is None else v for v in values or ()], dtype)  # type: ignore[attr-defined]


def _reals(name: str, form: str, values: object, unit: str | None = None) -> fits.Column:
    return fits.Column(name, form, unit=unit, array=_floats(values, np.float64 if form == "D" else np.float32))


def _integers(name: str, values: Sequence[object] | None, unit: str | None = None) -> fits.Column:
    given = list(values or ())
    null = _NULL if None in given else None
    return fits.Column(
        name, "J", unit=unit, null=null, array=np.array([_NULL if v is None else v for v in given], "i4")
    )


def _ragged(name: str, code: str, rows: Sequence[np.ndarray]) -> fits.Column:
    cells = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        cells[i] = row
    return fits.Column(name, f"P{code}({max(map(len, rows), default=0)})", array=cells)
