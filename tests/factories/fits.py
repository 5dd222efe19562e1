"""Tiny files in the real formats, written with astropy: events and light curves in all their quirks.

Everything is seeded; the same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np
from astropy.io import fits

T0 = 3.0e8  # mission seconds
SPAN = 10_000.0
KEYWORDS = {
    "TELESCOP": "CHANDRA",
    "MISSION": "AXAF",
    "OBJECT": "M 82",
    "GRATING": "NONE",
    "RA_PNT": 148.95,
    "DEC_PNT": 69.67,
    "ROLL_PNT": 41.5,
    "DATE-OBS": "2007-07-05T12:26:40",
    "MJDREF": 50814.0,
    "TIMEZERO": 0.0,
    "TIMEUNIT": "s",
    "TIMESYS": "TT",
    "TIMEDEL": 3.14104,
    "TSTART": T0 - 100.0,
    "TSTOP": T0 + SPAN + 100.0,
    "EXPOSURE": 9_800.0,
    "ASCDSVER": "10.9.4",
}
WCS = {"x": ("RA---TAN", 4096.5, 148.96, -0.492 / 3600), "y": ("DEC--TAN", 4096.5, 69.68, 0.492 / 3600)}
_FORMATS = {
    "time": "1D",
    "ccd_id": "1I",
    "node_id": "1I",
    "expno": "1J",
    "chipx": "1I",
    "chipy": "1I",
    "tdetx": "1I",
    "tdety": "1I",
    "detx": "1E",
    "dety": "1E",
    "x": "1E",
    "y": "1E",
    "pha": "1J",
    "pha_ro": "1J",
    "energy": "1E",
    "pi": "1J",
    "fltgrade": "1I",
    "grade": "1I",
}
_HRC = ("time", "x", "y", "pha", "pi")
_NULLS = {"pi": 0, "pha": 0, "pha_ro": 0, "tdetx": 9999, "tdety": 9999}
_UNITS = {"time": "s", "x": "pixel", "y": "pixel", "energy": "eV", "pi": "chan"}


def random_events(n: int, seed: int = 1, ccds: Sequence[int] = (7,)) -> dict[str, np.ndarray]:
    """Photons as ACIS has them: framed times in order, PI that follows from the energy."""
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.integers(0, 3000, n))
    energy = np.minimum(rng.lognormal(7.3, 0.9, n), 2.0e4).astype(np.float32)
    return {
        "time": T0 + frames * (SPAN / 3000),
        "ccd_id": rng.choice(np.asarray(ccds, np.int16), n),
        "node_id": rng.integers(0, 4, n, dtype=np.int16),
        "expno": frames.astype(np.int32),
        "chipx": rng.integers(1, 1025, n, dtype=np.int16),
        "chipy": rng.integers(1, 1025, n, dtype=np.int16),
        "tdetx": rng.integers(1, 8193, n, dtype=np.int16),
        "tdety": rng.integers(1, 8193, n, dtype=np.int16),
        "detx": rng.normal(4096.5, 300, n).astype(np.float32),
        "dety": rng.normal(4096.5, 300, n).astype(np.float32),
        "x": rng.normal(4096.5, 300, n).astype(np.float32),
        "y": rng.normal(4096.5, 300, n).astype(np.float32),
        "pha": (energy / 4).astype(np.int32),
        "pha_ro": (energy / 4).astype(np.int32),
        "energy": energy,
        "pi": np.clip(np.floor(energy.astype(np.float64) / 14.6) + 1, 1, 1024).astype(np.int32),
        "fltgrade": rng.choice(np.int16([0, 2, 8, 16, 64, 80, 208]), n),
        "grade": rng.choice(np.int16([0, 2, 3, 4, 6]), n),
    }


def events_hdu(
    events: Mapping[str, np.ndarray],
    *,
    upper: bool = False,
    status: str = "32X",
    wcs: bool = True,
    nulls: bool = True,
    formats: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    header: Mapping[str, object] | None = None,
) -> fits.BinTableHDU:
    """An EVENTS table of the given columns; `formats`, `units` and `header` override, None in `header` deletes."""
    columns = []
    n = len(next(iter(events.values())))
    for name, values in events.items():
        form = (formats or {}).get(name) or _FORMATS[name]
        null = _NULLS.get(name) if nulls and form[-1] in "IJ" else None
        unit = {**_UNITS, **(units or {})}.get(name)
        columns.append(fits.Column(name.upper() if upper else name, form, unit, null, array=values))
    if status == "32X":
        columns.append(fits.Column("status", "32X", array=np.zeros((n, 32), bool)))
    elif status == "4B":
        columns.append(fits.Column("STATUS" if upper else "status", "4B", array=np.zeros((n, 4), np.uint8)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    head = hdu.header
    head["HDUCLASS"], head["HDUCLAS1"], head["HDUCLAS2"] = "OGIP", "EVENTS", "ACCEPTED"
    for number, name in enumerate(events, 1):
        if wcs and name in WCS:
            for key, value in zip(("TCTYP", "TCRPX", "TCRVL", "TCDLT"), WCS[name], strict=True):
                head[f"{key}{number}"] = value
    _set(head, header or {})
    return hdu


def good_time_hdu(
    intervals: Sequence[tuple[float, float]] = ((T0 - 1.0, T0 + SPAN + 1.0),),
    ccd_id: int | None = 7,
    name: str = "GTI",
    header: Mapping[str, object] | None = None,
) -> fits.BinTableHDU:
    """One GTI extension; Chandra writes one per CCD."""
    start, stop = np.asarray(intervals, float).reshape(-1, 2).T
    columns = [fits.Column("START", "1D", "s", array=start), fits.Column("STOP", "1D", "s", array=stop)]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    if ccd_id is not None:
        hdu.header["CCD_ID"] = ccd_id
    _set(hdu.header, header or {})
    return hdu


def events_file(
    events: Mapping[str, np.ndarray] | None = None,
    *,
    n: int = 50,
    seed: int = 1,
    content: str = "EVT2",
    obs_id: object = "10542",
    instrument: str = "ACIS",
    ccds: Sequence[int] = (7,),
    drop: Sequence[str] = (),
    unsorted: bool = False,
    good_times: Sequence[fits.BinTableHDU] | None = None,
    header: Mapping[str, object] | None = None,
    compress: bool = False,
    **options: object,
) -> bytes:
    """A whole events file.

    `content` is EVT2, EVT3 or REGEVT3 (with OBI_NUM and REGIONID), `drop` names columns it lacks, `good_times`
    replaces the GTI extensions (one per CCD), `options` go to `events_hdu`.
    """
    events = dict(random_events(n, seed, ccds) if events is None else events)
    if instrument == "HRC":
        events = {name: values for name, values in events.items() if name in _HRC}
        options = {"status": "4B", "nulls": False, **options}
    events = {name: values for name, values in events.items() if name not in drop}
    if unsorted:
        order = np.random.default_rng(seed).permutation(len(next(iter(events.values()))))
        events = {name: values[order] for name, values in events.items()}
    detnam = f"ACIS-{''.join(map(str, ccds))}" if instrument == "ACIS" else "HRC-I"
    said: dict[str, object] = {**KEYWORDS, "INSTRUME": instrument, "DETNAM": detnam, "CONTENT": content}
    said["OBS_ID"] = obs_id
    if content.endswith("3"):
        said["OBI_NUM"] = 0
    if content == "REGEVT3":
        said["REGIONID"] = "0122"
    if good_times is None:
        good_times = [good_time_hdu(ccd_id=ccd) for ccd in (ccds if instrument == "ACIS" else (None,))]
    table = events_hdu(events, header={**said, **(header or {})}, **options)  # type: ignore[arg-type]
    return to_bytes([table, *good_times], compress=compress)


def light_curve_file(
    n: int = 6,
    *,
    seed: int = 1,
    background: bool = True,
    names: Sequence[str] = ("Time", "COUNT_RATE", "COUNT_RATE_ERR", "Minus_3Sig", "Plus_3Sig"),
    shift_s: float = 0.0,
    header: Mapping[str, object] | None = None,
    compress: bool = False,
) -> bytes:
    """A light curve as lc3 has it; `shift_s` moves the background's bins, `names` are the columns it has."""
    rng = np.random.default_rng(seed)
    hdus = []
    for name in ("LIGHTCURVE", "BKGLIGHTCURVE")[: 1 + background]:
        rate = rng.gamma(2.0, 0.01, n)
        values = [T0 + 500.0 * np.arange(n), rate, 0.1 * rate, 0.7 * rate, 1.3 * rate]
        values[0] = values[0] + (shift_s if name.startswith("BKG") else 0.0)
        units = ("s", *["count/s"] * 4)
        columns = [fits.Column(c, "1D", u, array=v) for c, u, v in zip(names, units, values, strict=False)]
        hdu = fits.BinTableHDU.from_columns(columns, name=name)
        said = {**KEYWORDS, "INSTRUME": "ACIS", "OBS_ID": "10542", "OBI_NUM": 0, "REGIONID": "0017", "BAND": "broad"}
        said |= {"TIMEDEL": 500.0, "CONTENT": "LIGHTCURVE", "HDUCLAS1": "LIGHTCURVE", "HDUCLAS2": "TOTAL"}
        _set(hdu.header, {**said, **(header or {})})
        hdus.append(hdu)
    return to_bytes(hdus, compress=compress)


def to_bytes(hdus: Sequence[fits.BinTableHDU | fits.ImageHDU], *, compress: bool = False) -> bytes:
    """The extensions behind an empty primary HDU, as bytes; gzipped with no time stamp if `compress`."""
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(stream)
    return gzip.compress(stream.getvalue(), 6, mtime=0) if compress else stream.getvalue()


def write_events(stream: BinaryIO, n: int, *, seed: int = 1, rows: int = 1 << 18) -> None:
    """Write a whole-field events file of any size in little memory: the same photons over and over, in time."""
    block = random_events(min(n, rows), seed)
    table = events_hdu(block, header={**KEYWORDS, "INSTRUME": "ACIS", "OBS_ID": "10542", "CONTENT": "EVT2"})
    width, written = table.header["NAXIS1"], to_bytes([table])
    primary = fits.PrimaryHDU().header.tostring()
    first = len(primary) + len(table.header.tostring())
    table.header["NAXIS2"] = n
    stream.write((primary + table.header.tostring()).encode("latin-1"))
    records = bytearray(written[first : first + width * len(block["time"])])
    time = np.ndarray(len(block["time"]), ">f8", records, strides=(width,))  # the first column, in place
    for start in range(0, n, rows):
        stream.write(memoryview(records)[: width * (n - start)])
        time += SPAN
    stream.write(b"\0" * (-n * width % 2880))
    gti = io.BytesIO()
    span = SPAN * (1 + n // rows)
    fits.HDUList([fits.PrimaryHDU(), good_time_hdu([(T0 - 1.0, T0 + span)])]).writeto(gti)
    stream.write(gti.getvalue()[2880:])


def _set(header: fits.Header, cards: Mapping[str, object]) -> None:
    for key, value in cards.items():
        if value is None:
            header.remove(key, ignore_missing=True)
        else:
            header[key] = value
