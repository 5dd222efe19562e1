"""Light curves: CSC's lc3 (source and background rates per bin) and CIAO users' own.

Source: CSC 2 "Light Curve" data product page (glvary's Gregory-Loredo curve: LIGHTCURVE, BKGLIGHTCURVE); CIAO's
dmextract (BG_RATE beside COUNT_RATE); OGIP/93-003 for others (HDUCLAS1 = 'LIGHTCURVE').
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.identifiers import parse_product_name
from ingest.fits import HDU, Field, read_hdus, resolve_number
from ingest.products.headers import columns_not_kept, header_batch, header_flags, identity, tables_not_kept
from ingest.products.mission_time import clock
from ingest.products.nullable import Nullable, reals, scale_to, scaled
from ingest.readers import CHUNK_ROWS, FileName, Flag, Rows

_COLUMNS: dict[str, tuple[str, ...]] = {
    "time_s": ("time",),
    "count_rate": ("count_rate", "rate"),
    "count_rate_err": ("count_rate_err", "error"),
    "minus_3sig": ("minus_3sig",),
    "plus_3sig": ("plus_3sig",),
    "background_rate": ("bg_rate",),
    "background_rate_err": ("bg_err",),
}
_BACKGROUND = {"background_rate": "count_rate", "background_rate_err": "count_rate_err"}
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
        Of product.light_curve, one per bin, with the background's rate in the same bin, from a table of its own or
        from the same one; then product.header.
    Flag
        no_band, no_bins, no_background, background_bins_differ, several_light_curves, columns_not_kept, ...

    Raises
    ------
    UnreadableFile
        If there is no light curve, it is damaged, or it has neither times nor rates.
    """
    main: HDU | None = None
    source: Curve = {}
    background: Curve = {}
    others: list[HDU] = []
    seen: list[str] = []
    flags: list[str] = []
    for hdu in read_hdus(stream):
        seen.append(hdu.name or "unnamed")
        if not is_light_curve(hdu):
            others.append(hdu)
        elif is_background(hdu):
            background = background or _read_curve(hdu, flags.append)
        elif main is None:
            main, source = hdu, _read_curve(hdu, flags.append)
        else:
            flags.append("several_light_curves")
    if main is None:
        raise UnreadableFile("a light curve (LIGHTCURVE)", f"HDUs {', '.join(seen)}")
    n = len(source["time_s"].values)
    band = band_of(main, file)
    flags = [*header_flags(main), *flags, *([] if band else ["no_band"]), *([] if n else ["no_bins"])]
    if background and not np.array_equal(background["time_s"].values, source["time_s"].values):
        flags.append("background_bins_differ")  # rates of other times are no background of these bins
    elif background:
        source |= {name: background[rate] for name, rate in _BACKGROUND.items() if rate in background}
    elif not len(source["background_rate"].known if "background_rate" in source else ()):
        flags.append("no_background")
    if n:
        yield Rows("product.light_curve", _batch(main, file, band, source))
    yield Rows("product.header", header_batch(main, file, "light_curve", n))
    used = {name for names in _COLUMNS.values() for name in (*names, "bg_exposure")}
    flags += [*columns_not_kept([main], used), *tables_not_kept(others)]
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


def _read_curve(hdu: HDU, say: Callable[[str], None]) -> Curve:
    found = {key: resolve_number(hdu.fields, *names) for key, names in _COLUMNS.items()}
    fields: dict[str, Field] = {key: f for key, f in found.items() if f is not None}
    if not {"time_s", "count_rate"} <= fields.keys():
        names = ", ".join(f.name for f in hdu.fields)
        raise UnreadableFile(f"columns TIME and COUNT_RATE in {hdu.name or 'the light curve'}", names or "no columns")
    exposure = resolve_number(hdu.fields, "bg_exposure")
    if "background_rate_err" in fields and exposure is not None:
        fields["exposure"] = exposure
    else:
        fields.pop("background_rate_err", None)
    chunks = list(hdu.chunks({key: f.name for key, f in fields.items()}, CHUNK_ROWS))
    joined = {key: np.concatenate([np.empty(0), *(c[key] for c in chunks)]) for key in fields}
    scale_to(fields["time_s"], "s", say, usual=False)
    time_s = clock(hdu, column=fields["time_s"]).convert(reals(joined["time_s"], fields["time_s"], np.float64))
    units = dict.fromkeys(fields, "count/s") | {"exposure": "s", "background_rate_err": "count"}
    scales = {key: scale_to(f, units[key], say) for key, f in fields.items() if key != "time_s"}
    curve = {key: scaled(joined[key], fields[key], scale, np.float64) for key, scale in scales.items()}
    if "background_rate_err" in curve:
        # dmextract gives the error of the counts (BG_ERR) beside the rate (BG_RATE = BG_COUNTS / BG_EXPOSURE).
        curve["background_rate_err"] = _quotient(curve["background_rate_err"], curve.pop("exposure"))
    return curve | {"time_s": time_s}


def _quotient(dividend: Nullable, divisor: Nullable) -> Nullable:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return reals(dividend.floats / divisor.floats, None, np.float64)


def _batch(hdu: HDU, file: FileName, band: str | None, source: Curve) -> pa.RecordBatch:
    n = len(source["time_s"].values)
    constants = {"file_id": file.file_id, "band": band, **identity(hdu, file)._asdict()}
    arrays = {"row": pa.array(np.arange(n)), **{name: column.arrow() for name, column in source.items()}}
    schema = TABLES["product.light_curve"].schema
    for field in schema:
        if field.name not in arrays:
            arrays[field.name] = pa.repeat(pa.scalar(constants.get(field.name), field.type), n)
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)
