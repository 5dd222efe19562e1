"""Light curves: CSC's lc3 (source and background rates per bin) and CIAO users' own.

Source: CSC 2 "Light Curve" data product page (glvary's Gregory-Loredo curve: LIGHTCURVE, BKGLIGHTCURVE);
OGIP/93-003 for others (HDUCLAS1 = 'LIGHTCURVE').
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.identifiers import parse_product_name
from catalog.tables import TABLES
from ingest.content import CHUNK_ROWS, FileName, Flag, Rows
from ingest.fits import HDU, Field, read_hdus, resolve_number
from ingest.products.headers import clock, header_batch, header_flags, identity
from ingest.products.nullable import Nullable, reals

_COLUMNS: dict[str, tuple[str, ...]] = {
    "time_s": ("time",),
    "count_rate": ("count_rate", "rate"),
    "count_rate_err": ("count_rate_err", "error"),
    "minus_3sig": ("minus_3sig",),
    "plus_3sig": ("plus_3sig",),
}
_BANDS = {"broad": "b", "ultrasoft": "u", "soft": "s", "medium": "m", "hard": "h", "wide": "w"}

Curve = dict[str, Nullable]


def read_light_curve(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read a light curve file.

    Parameters
    ----------
    stream : binary file
        Decompressed content.
    file : FileName
        Its name and key; a product's name tells the band.

    Yields
    ------
    Rows
        Of product.light_curve, one per bin, with the background's rate in the same bin; then product.header.
    Flag
        no_band, no_bins, no_background, background_bins_differ, several_light_curves, ...

    Raises
    ------
    UnreadableFile
        If there is no light curve, it is damaged, or it has neither times nor rates.
    """
    main: HDU | None = None
    source: Curve = {}
    background: Curve = {}
    seen, flags = [], []
    for hdu in read_hdus(stream):
        seen.append(hdu.name or "unnamed")
        if not is_light_curve(hdu):
            continue
        if is_background(hdu):
            background = background or _read_curve(hdu)
        elif main is None:
            main, source = hdu, _read_curve(hdu)
        else:
            flags.append("several_light_curves")
    if main is None:
        raise UnreadableFile("a light curve (LIGHTCURVE)", f"HDUs {', '.join(seen)}")
    n = len(source["time_s"].values)
    band = band_of(main, file)
    flags = [*header_flags(main), *flags, *([] if band else ["no_band"]), *([] if n else ["no_bins"])]
    if not background:
        flags.append("no_background")
    elif not np.array_equal(background["time_s"].values, source["time_s"].values):
        flags.append("background_bins_differ")
        background = {}  # rates of other times are no background of these bins
    if n:
        yield Rows("product.light_curve", _batch(main, file, band, source, background))
    yield Rows("product.header", header_batch(main, file, "light_curve", n))
    yield from map(Flag, dict.fromkeys(flags))


def is_light_curve(hdu: HDU) -> bool:
    """Tell whether an HDU is a light curve, by its name or its OGIP class."""
    named = hdu.name in {"LIGHTCURVE", "BKGLIGHTCURVE", "RATE"}
    return hdu.is_table and (named or (hdu.text("HDUCLAS1") or "").upper() == "LIGHTCURVE")


def is_background(hdu: HDU) -> bool:
    """Tell whether a light curve is the background's: lc3 says so by its name alone."""
    return hdu.name.startswith("BKG") or (hdu.text("HDUCLAS2") or "").upper() in {"BKG", "BACKGROUND"}


def band_of(hdu: HDU, file: FileName) -> str | None:
    """Return the CSC band's letter, from the product's name or BAND ('broad'); None where neither tells.

    Examples
    --------
    >>> import io
    >>> band_of(HDU(1, {"BAND": "broad"}, 0, io.BytesIO()), FileName.of("curve.fits"))
    'b'
    """
    name = parse_product_name(file.name)
    said = (hdu.text("BAND") or "").lower()
    return (name.band if name else None) or _BANDS.get(said) or (said if said in _BANDS.values() else None)


def _read_curve(hdu: HDU) -> Curve:
    found = {key: resolve_number(hdu.fields, *names) for key, names in _COLUMNS.items()}
    fields: dict[str, Field] = {key: f for key, f in found.items() if f is not None}
    if not {"time_s", "count_rate"} <= fields.keys():
        names = ", ".join(f.name for f in hdu.fields)
        raise UnreadableFile(f"columns TIME and COUNT_RATE in {hdu.name or 'the light curve'}", names or "no columns")
    chunks = list(hdu.chunks({key: f.name for key, f in fields.items()}, CHUNK_ROWS))
    joined = {key: np.concatenate([np.empty(0), *(c[key] for c in chunks)]) for key in fields}
    curve = {key: reals(joined[key], f, np.float64) for key, f in fields.items()}
    return curve | {"time_s": clock(hdu).convert(curve["time_s"])}


def _batch(hdu: HDU, file: FileName, band: str | None, source: Curve, background: Curve) -> pa.RecordBatch:
    n = len(source["time_s"].values)
    constants = {"file_id": file.file_id, "band": band, **identity(hdu, file)._asdict()}
    arrays = {"row": pa.array(np.arange(n)), **{name: column.arrow() for name, column in source.items()}}
    for name, rate in (("background_rate", "count_rate"), ("background_rate_err", "count_rate_err")):
        if rate in background:
            arrays[name] = background[rate].arrow()
    schema = TABLES["product.light_curve"].schema
    for field in schema:
        if field.name not in arrays:
            arrays[field.name] = pa.repeat(pa.scalar(constants.get(field.name), field.type), n)
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)
