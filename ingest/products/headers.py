"""What a product's header says of the observation: the same for events, spectra and light curves.

Keyword names vary with the release and with the tool that wrote the file; the maps below are the one place
that knows them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

import pyarrow as pa

from catalog.schema import TABLES
from catalog.schema.identifiers import ProductName, detection_id, parse_product_name
from ingest.fits import HDU, resolve
from ingest.products.mission_time import MJD_0, clock, clock_flags
from ingest.products.provenance import Processing, instrument_of, is_other_mission, mission, mission_flags, processing
from ingest.readers import FileName
from ingest.units import factor

HeaderKind = Literal["events", "spectrum", "light_curve", "region"]

_CIRCLE, _POLE = 360.0, 90.0  # deg

_OBSIDS = 1_000_000  # Chandra's have at most six digits; longer numbers are other missions'
_LONGEST = 10  # digits of an identifier; more are damage, and Python's int() refuses thousands of them

_TEXTS: dict[str, tuple[str, ...]] = {
    "detector": ("DETNAM", "DETECTOR"),
    "grating": ("GRATING",),
    "object": ("OBJECT",),
    "content": ("CONTENT",),
    "ascdsver": ("ASCDSVER",),
}
_NUMBERS: dict[str, tuple[str, ...]] = {
    "ra_pnt": ("RA_PNT",),
    "dec_pnt": ("DEC_PNT",),
    "roll_pnt": ("ROLL_PNT",),
    "exposure_s": ("EXPOSURE", "LIVETIME"),
}
_START_DATE = ("DATE-OBS", "DATE_OBS")
_START_MJD = ("MJD-OBS", "MJD_OBS")


class Identity(NamedTuple):
    """Which observation, and which detection if any, a product belongs to; None where it does not tell."""

    obsid: int | None
    obi: int | None
    region_id: int | None
    detection_id: str | None


class SkyWCS(NamedTuple):
    """The tangential projection of the sky pixels, north up."""

    x_crpix: float
    x_crval: float
    x_cdelt: float
    y_crpix: float
    y_crval: float
    y_cdelt: float


def identity(hdu: HDU, file: FileName) -> Identity:
    """Tell which observation and detection a product belongs to.

    The header goes first, the product's name fills in; a merged file (OBS_ID 'Merged') belongs to none, and so does
    another mission's, whose OBS_ID is no ObsID.

    Examples
    --------
    >>> import io
    >>> hdu = HDU(1, {"OBS_ID": "23022", "OBI_NUM": 0, "REGIONID": "0122"}, 0, io.BytesIO())
    >>> identity(hdu, FileName.of("regevt3.fits"))
    Identity(obsid=23022, obi=0, region_id=122, detection_id='23022.0.122')
    """
    if is_other_mission(hdu):
        return Identity(None, None, None, None)
    name = parse_product_name(file.name)
    obsid_text = hdu.observed("OBS_ID")
    obsid = _whole(obsid_text, 1, 20)
    obsid = obsid if obsid is not None and obsid < _OBSIDS else None
    if obsid is None and (obsid_text is None or not obsid_text.isalpha()):
        obsid = name.obsid if name else None
    if obsid is None:
        return Identity(None, None, None, None)
    obi, region = _whole(hdu.observed("OBI_NUM"), 0, 15), _whole(hdu.observed("REGIONID"), 1, 31)
    # A name speaks for the header only where both mean the same observation.
    if name and name.obsid == obsid:
        obi = name.obi if obi is None else obi
        region = name.region_id if region is None else region
    return Identity(obsid, obi, region, detection_id(obsid, obi, region) if region else None)


def _whole(text: str | None, least: int, bits: int) -> int | None:
    if text is None or len(text) > _LONGEST or not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if least <= value < 1 << bits else None


def instrument(hdu: HDU, file: FileName) -> str | None:
    """Return 'ACIS' or 'HRC' (or what else INSTRUME says), from the header or the product's name."""
    name = parse_product_name(file.name)
    return instrument_of(hdu) or (name.detector.upper() if name else None)


def sky_wcs(hdu: HDU) -> SkyWCS | None:
    """Read the sky WCS of the x and y columns; None where they have none.

    Raises
    ------
    UnreadableFile
        If the column keywords contradict one another.

    Source: FITS WCS papers I and II (Greisen & Calabretta 2002, Calabretta & Greisen 2002), pixel list keywords.
    """
    x = _axis(hdu, resolve(hdu.fields, "x"), "RA---TAN", "XLON-TAN")  # the second as region files have it
    y = _axis(hdu, resolve(hdu.fields, "y"), "DEC--TAN", "XLAT-TAN")
    return SkyWCS(*x, *y) if x and y else None


def _axis(hdu: HDU, column: str | None, *projections: str) -> tuple[float, float, float] | None:
    if column is None:
        return None
    n = 1 + next(i for i, f in enumerate(hdu.fields) if f.name == column)
    kind = hdu.text(f"TCTYP{n}") or hdu.text(f"TCTY{n}") or ""
    crpix, crval, cdelt = (
        next((v for form in forms if (v := hdu.number(f"{form}{n}")) is not None), None)
        for forms in (("TCRPX", "TCRP"), ("TCRVL", "TCRV"), ("TCDLT", "TCDE"))
    )
    degrees = factor(hdu.text(f"TCUNI{n}") or "deg", "deg")
    if kind.upper() not in projections or crpix is None or crval is None or not cdelt or degrees is None:
        return None
    return crpix, crval * degrees, cdelt * degrees


def header_flags(hdu: HDU) -> list[str]:
    """Say what in a header is not as Chandra's products have it."""
    flags = [*mission_flags(hdu), *clock_flags(hdu)]
    frame = _frame(hdu)
    if frame != "icrs":
        flags.append(f"radesys_{frame}")
    return flags


def header_batch(hdu: HDU, file: FileName, kind: HeaderKind, n_rows: int) -> pa.RecordBatch:
    """Make the row of product.header for one file.

    Parameters
    ----------
    hdu : HDU
        Its main table.
    file : FileName
        Its name.
    kind : {'events', 'spectrum', 'light_curve', 'region'}
        What the file holds.
    n_rows : int
        Rows of the main table.

    Raises
    ------
    UnreadableFile
        If the column keywords contradict one another.
    """
    name = parse_product_name(file.name)
    times = clock(hdu)
    wcs = sky_wcs(hdu)
    whose = identity(hdu, file)
    ra_src, dec_src = source_position(hdu) if whose.detection_id else (None, None)
    row: dict[str, object] = {
        "file_id": file.file_id,
        "kind": kind,
        **whose._asdict(),
        "mission": mission(hdu),
        "obs_id": hdu.observed("OBS_ID"),
        "instrument": instrument(hdu, file),
        **{column: next((t for k in keys if (t := hdu.observed(k))), None) for column, keys in _TEXTS.items()},
        **{column: _first_number(hdu, keys) for column, keys in _NUMBERS.items()},
        "ra_src": ra_src,
        "dec_src": dec_src,
        "date_obs": start_date(hdu),
        "frame_time_s": times.duration(hdu.observed_number("TIMEDEL")),
        "tstart_s": times.seconds(hdu.observed_number("TSTART")),
        "tstop_s": times.seconds(hdu.observed_number("TSTOP")),
        "n_rows": n_rows,
        "release": _release(hdu, file, name),
        "version": name.version if name else None,
        **(processing(hdu, file)._asdict() if kind == "events" else dict.fromkeys(Processing._fields)),
        **(wcs._asdict() if wcs else dict.fromkeys(SkyWCS._fields)),
    }
    # GRATING = 'NONE' is an answer here, not a missing one.
    said = hdu.header.get("GRATING", hdu.primary.get("GRATING"))
    row["grating"] = "NONE" if str(said).strip().upper() == "NONE" else row["grating"]
    if kind == "light_curve":
        row["frame_time_s"] = None  # there TIMEDEL is the width of a bin
    schema = TABLES["product.header"].schema
    return pa.RecordBatch.from_arrays([pa.array([row[f.name]], f.type) for f in schema], schema=schema)


def source_position(hdu: HDU) -> tuple[float | None, float | None]:
    """Read where the source of a level-3 product is: right ascension and declination, deg, ICRS.

    Products of release 1 have it in RA and DEC; later ones do not. In files of a whole field the same keywords mean
    the target or the pointing: ask only about files of one detection.

    Returns
    -------
    ra, dec : float or None
        None where the header does not tell, or tells no position on the sky, or one in another frame.

    Examples
    --------
    >>> import io
    >>> source_position(HDU(1, {"RA": 211.31, "DEC": 54.41, "RADECSYS": "ICRS"}, 0, io.BytesIO()))
    (211.31, 54.41)
    >>> source_position(HDU(1, {"RA": 211.31, "DEC": 154.41}, 0, io.BytesIO()))
    (None, None)
    """
    ra, dec = hdu.number("RA"), hdu.number("DEC")
    if ra is None or dec is None or not (0 <= ra <= _CIRCLE and abs(dec) <= _POLE) or _frame(hdu) != "icrs":
        return None, None
    return ra, dec


def _frame(hdu: HDU) -> str:
    return (hdu.observed("RADESYS") or hdu.observed("RADECSYS") or "ICRS").lower()


def _first_number(hdu: HDU, keywords: tuple[str, ...]) -> float | None:
    return next((value for k in keywords if (value := hdu.observed_number(k)) is not None), None)


def _release(hdu: HDU, file: FileName, name: ProductName | None) -> str | None:
    """Return the CSC release the user vouches for; archive products (level 1 and 2) belong to none.

    Headers do not name it: DS_IDENT tells release 1 from 2 ('ADS/Sa.CXO#CSC/', '...#2CSC/', 'csc2.obs'), but
    not 2.0 from 2.1, and ASCDSVER counts pipelines, not releases.
    """
    kind = name.kind if name else (hdu.text("CONTENT") or "")  # CONTENT: 'REGEVT3', 'EVT2', 'SPECTRUM'
    return None if kind.endswith(("1", "2")) else file.release


def start_date(hdu: HDU) -> dt.datetime | None:
    """Return the start of the observation as the header has it (TT); None where it has none."""
    for text in filter(None, map(hdu.observed, _START_DATE)):
        try:
            date = dt.datetime.fromisoformat(text)
        except ValueError:
            continue
        return date.replace(tzinfo=None)
    days = _first_number(hdu, _START_MJD)
    try:
        return None if days is None else MJD_0 + dt.timedelta(days=days)
    except OverflowError:
        return None


def columns_not_kept(hdus: Sequence[HDU], used: Collection[str]) -> Iterator[str]:
    """Flag the columns that a reader did not use.

    Parameters
    ----------
    hdus : sequence of HDU
        The tables it read.
    used : collection of str
        Names of the columns that it keeps, or that follow from those, in lower case.

    Examples
    --------
    >>> import io
    >>> hdu = HDU(1, {"TFIELDS": 2, "TTYPE1": "TIME", "TTYPE2": "GRADE"}, 0, io.BytesIO())
    >>> list(columns_not_kept([hdu], {"time"}))
    ['columns_not_kept: GRADE']
    """
    names = {name.lower(): name for hdu in hdus for name in hdu.column_names}
    left = [name for lower, name in names.items() if lower not in used]
    if left:
        yield f"columns_not_kept: {', '.join(left)}"


def tables_not_kept(hdus: Sequence[HDU]) -> Iterator[str]:
    """Flag the tables that a reader passed over, but for good times: they were applied when the file was made.

    Examples
    --------
    >>> import io
    >>> list(tables_not_kept([HDU(2, {"XTENSION": "BINTABLE", "EXTNAME": "BADPIX"}, 0, io.BytesIO())]))
    ['tables_not_kept: BADPIX']
    """
    names = dict.fromkeys(hdu.name or f"HDU {hdu.index}" for hdu in hdus if hdu.is_table)
    left = [name for name in names if "GTI" not in name]
    if left:
        yield f"tables_not_kept: {', '.join(left)}"
