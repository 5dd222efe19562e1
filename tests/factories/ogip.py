"""Tiny OGIP files in the real formats, each quirk of the field an argument. Written with astropy, returned as bytes."""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits

KEYWORDS = {"TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "HDUCLASS": "OGIP"}
N_CHANNELS = 12
COUNTS = np.arange(N_CHANNELS) % 5
EDGES = np.linspace(0.5, 2.5, 9).astype(np.float32)  # 8 energy bins, keV


def to_bytes(*hdus: fits.BinTableHDU) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    return buffer.getvalue()


def table(columns: list[fits.Column], name: str, header: dict | None = None) -> fits.BinTableHDU:
    """A table; keywords of value None are left out, so that a quirk can take one away."""
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    for key, value in (KEYWORDS | (header or {})).items():
        if value is not None:
            hdu.header[key] = value
    return hdu


def spectrum_hdu(
    counts=COUNTS,
    *,
    channel=None,
    data="COUNTS",
    form="J",
    unit=None,
    first=1,
    tlmin=True,
    columns: list[fits.Column] | None = None,
    name="SPECTRUM",
    **header,
) -> fits.BinTableHDU:
    """A type-I spectrum. `columns` are added, other arguments are keywords; None takes a keyword away."""
    n = len(counts)
    channel = np.arange(first, first + n) if channel is None else np.asarray(channel)
    made = [fits.Column("CHANNEL", "J", array=channel), fits.Column(data, form, unit, array=np.asarray(counts))]
    usual = {
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS2": "TOTAL",
        "HDUCLAS3": "TYPE:I",
        "DETCHANS": n,
        "EXPOSURE": 1000.0,
        "BACKSCAL": 1e-6,
        "AREASCAL": 1.0,
        "POISSERR": True,
        "ANCRFILE": "none",
        "RESPFILE": "none",
        "BACKFILE": "none",
        "OBS_ID": "1575",
        "TLMIN1": first if tlmin else None,
    }
    return table(made + (columns or []), name, usual | header)


def pha(counts=COUNTS, *, background=None, background_backscal=1e-5, **quirks) -> bytes:
    """A type-I file; with `background`, a second SPECTRUM table as CSC's pha3 have it."""
    hdus = [spectrum_hdu(counts, **quirks)]
    if background is not None:
        kept = {"OBS_ID": quirks.get("OBS_ID", "1575")}
        hdus.append(spectrum_hdu(background, HDUCLAS2="BKG", BACKSCAL=background_backscal, **kept))
    return to_bytes(*hdus)


def pha2(
    counts=None,
    *,
    background=True,
    orders=(-1, 1),
    data="COUNTS",
    unit="count",
    background_unit=None,
    columns=(),
    **header,
) -> bytes:
    """A type-II file of gratings: one spectrum per row, shape (n_spectra, n_channels); `columns` are added."""
    counts = np.arange(2 * N_CHANNELS).reshape(2, N_CHANNELS) if counts is None else np.asarray(counts)
    n_spectra, n = counts.shape
    made = [
        fits.Column("SPEC_NUM", "I", array=np.arange(1, n_spectra + 1)),
        fits.Column("TG_M", "I", array=np.asarray(orders)),
        fits.Column("TG_PART", "I", array=np.ones(n_spectra)),
        fits.Column("CHANNEL", f"{n}I", array=np.tile(np.arange(1, n + 1), (n_spectra, 1))),
        fits.Column(data, f"{n}{'I' if data == 'COUNTS' else 'D'}", unit, array=counts),
        fits.Column("EXPOSURE", "D", array=100.0 * np.arange(1, n_spectra + 1)),
    ]
    if background:
        sides = [f"BACKGROUND_{side}" for side in ("UP", "DOWN")]
        made += [fits.Column(side, f"{n}D", background_unit, array=counts + 1) for side in sides]
    usual = {"HDUCLAS1": "SPECTRUM", "HDUCLAS2": "TOTAL", "HDUCLAS4": "TYPE:II", "DETCHANS": n, "AREASCAL": 1.0}
    usual |= {"BACKSCAL": 1.0, "BACKSCUP": 4.0, "BACKSCDN": 3.0, "OBS_ID": "459", "TLMIN4": 1}
    return to_bytes(table([*made, *columns], "SPECTRUM", usual | header))


def arf_hdu(areas=None, *, form="E", fraction=False, edges=EDGES, unit="cm**2", **header) -> fits.BinTableHDU:
    areas = 100.0 + np.arange(len(edges) - 1) if areas is None else np.asarray(areas)
    columns = [
        fits.Column("ENERG_LO", form, "keV", array=edges[:-1]),
        fits.Column("ENERG_HI", form, "keV", array=edges[1:]),
        fits.Column("SPECRESP", form, unit, array=areas),
    ]
    if fraction:
        columns.append(fits.Column("PSF_FRAC", "D", array=np.full(len(areas), 0.9)))
    return table(columns, "SPECRESP", {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP"} | header)


def arf(areas=None, **quirks) -> bytes:
    return to_bytes(arf_hdu(areas, **quirks))


def groups(n_energy=8, n_channels=N_CHANNELS, seed=0):
    """Channel groups per energy bin, channels from 0: rows of [(first, elements), ...], some empty, some split."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n_energy):
        first = min(i, n_channels - 4)
        rows.append(
            [] if i == 1 else [(first, rng.random(2) / 4)] + ([(first + 3, rng.random(1) / 4)] if i % 3 else [])
        )
    return rows


def dense(rows, n_channels=N_CHANNELS):
    """The matrix of `groups`, shape (n_energy, n_channels)."""
    out = np.zeros((len(rows), n_channels))
    for i, row in enumerate(rows):
        for first, elements in row:
            out[i, first : first + len(elements)] = np.asarray(elements, np.float32)
    return out


def matrix_hdu(
    rows=None, *, layout="variable", first=1, tlmin=True, name="MATRIX", edges=EDGES, form="E", **header
) -> fits.BinTableHDU:
    """A redistribution matrix. layout: 'variable' (heap), 'fixed' (padded arrays), 'scalar' (one group a row)."""
    rows = groups() if rows is None else rows
    f_chan = [np.array([g[0] + first for g in row], np.int32) for row in rows]
    n_chan = [np.array([len(g[1]) for g in row], np.int32) for row in rows]
    matrix = [np.concatenate([g[1] for g in row]) if row else np.empty(0) for row in rows]
    columns = [
        fits.Column("ENERG_LO", form, "keV", array=edges[:-1]),
        fits.Column("ENERG_HI", form, "keV", array=edges[1:]),
        fits.Column("N_GRP", "I", array=[len(row) for row in rows]),
    ]
    if layout == "variable":
        columns += [_heap("F_CHAN", "PI()", f_chan, "i2"), _heap("N_CHAN", "PI()", n_chan, "i2")]
        columns.append(_heap("MATRIX", "PE()", matrix, "f4"))
    else:
        for label, values, code in (("F_CHAN", f_chan, "J"), ("N_CHAN", n_chan, "J"), ("MATRIX", matrix, form)):
            width = max(len(v) for v in values)
            padded = np.array([np.pad(v, (0, width - len(v))) for v in values])
            scalar = layout == "scalar" and label != "MATRIX"
            columns.append(
                fits.Column(label, code if scalar else f"{width}{code}", array=padded[:, 0] if scalar else padded)
            )
    usual = {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", "HDUCLAS3": "REDIST", "DETCHANS": N_CHANNELS}
    usual |= {"LO_THRES": 1e-6, "TLMIN4": first if tlmin else None}
    return table(columns, name, usual | header)


def _heap(name: str, form: str, values: list, dtype: str) -> fits.Column:
    array = np.empty(len(values), object)
    array[:] = [np.asarray(v, dtype) for v in values]
    return fits.Column(name, form, array=array)


def ebounds_hdu(n=N_CHANNELS, *, first=1, channel=None, form="J", **header) -> fits.BinTableHDU:
    edges = np.linspace(0.3, 3.0, n + 1).astype(np.float32)
    channel = np.arange(first, first + n) if channel is None else np.asarray(channel)
    order = np.argsort(np.argsort(channel)) if len(np.unique(channel)) == n else np.arange(n)
    columns = [
        fits.Column("CHANNEL", form, array=channel),
        fits.Column("E_MIN", "E", "keV", array=edges[:-1][order]),
        fits.Column("E_MAX", "E", "keV", array=edges[1:][order]),
    ]
    return table(columns, "EBOUNDS", {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS", "DETCHANS": n} | header)


def rmf(rows=None, *, ebounds="after", ebounds_first=None, first=1, **quirks) -> bytes:
    """A redistribution matrix file; ebounds: 'before', 'after' or 'none'."""
    matrix = matrix_hdu(rows, first=first, **quirks)
    bounds = ebounds_hdu(first=first if ebounds_first is None else ebounds_first)
    return to_bytes(*{"before": [bounds, matrix], "after": [matrix, bounds], "none": [matrix]}[ebounds])
