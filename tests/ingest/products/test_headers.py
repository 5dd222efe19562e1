"""What a header says: identity, clock, sky WCS, and the row of product.header."""

from __future__ import annotations

import io

import pytest

from catalog.schema import TABLES
from ingest.fits import HDU
from ingest.products.headers import header_batch, header_flags, identity, instrument, sky_wcs, start_date
from ingest.products.mission_time import clock
from ingest.readers import FileName

CSC = "acisf10542_001N021_r0085_pha3.fits.gz"


def hdu(**cards):
    cards = {key.replace("__", "-"): value for key, value in cards.items()}
    return HDU(1, {"TFIELDS": 0, "NAXIS1": 0, **cards}, 0, io.BytesIO())


@pytest.mark.parametrize(
    ("cards", "name", "expected"),
    [
        ({"OBS_ID": "755"}, "755_evt2.fits", (755, None, None, None)),
        ({"OBS_ID": 755}, "755_evt2.fits", (755, None, None, None)),
        ({"OBS_ID": "00755"}, "755_evt2.fits", (755, None, None, None)),
        ({}, CSC, (10542, 1, 85, "10542.1.85")),
        ({"OBS_ID": ""}, CSC, (10542, 1, 85, "10542.1.85")),
        ({"OBS_ID": "10542", "OBI_NUM": 0}, CSC, (10542, 0, 85, "10542.0.85")),
        ({"OBS_ID": "10542", "OBI_NUM": 0, "REGIONID": "0122"}, "x.fits", (10542, 0, 122, "10542.0.122")),
        ({"OBS_ID": "10542", "REGIONID": 7}, "x.fits", (10542, None, 7, "10542.-.7")),
        ({"OBS_ID": "Merged"}, CSC, (None, None, None, None)),
        ({"OBS_ID": "4736"}, CSC, (4736, None, None, None)),  # a renamed file: the header goes first
        ({}, "acisf00942N004_evt2.fits", (942, None, None, None)),
        ({"OBS_ID": "9" * 5000}, "x.fits", (None, None, None, None)),
        ({"OBS_ID": "-3"}, "x.fits", (None, None, None, None)),
        ({"OBS_ID": "1200120106"}, "x.fits", (None, None, None, None)),  # NICER's, without a word of the telescope
        ({"OBS_ID": "0112880201"}, "x.fits", (None, None, None, None)),
        ({"OBS_ID": "999999"}, "x.fits", (999_999, None, None, None)),
        ({"OBS_ID": "755", "OBI_NUM": 99_999, "REGIONID": 2**31}, "x.fits", (755, None, None, None)),
    ],
)
def test_identity(cards, name, expected):
    assert tuple(identity(hdu(**cards), FileName.of(name))) == expected


@pytest.mark.parametrize(
    ("cards", "name", "expected"),
    [
        ({"INSTRUME": "acis"}, "x.fits", "ACIS"),
        ({"DETNAM": "HRC-S"}, "x.fits", "HRC"),
        ({}, "hrcf10542_001N021_evt3.fits", "HRC"),
        ({}, "x.fits", None),
    ],
)
def test_instrument(cards, name, expected):
    assert instrument(hdu(**cards), FileName.of(name)) == expected


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({}, 100.0),
        ({"MJDREF": 50814.0, "TIMEZERO": 0.0, "TIMEUNIT": "s"}, 100.0),
        ({"TIMEZERO": 2.5}, 102.5),
        ({"MJDREF": 50815.0}, 100.0 + 86_400.0),
        ({"MJDREFI": 50814, "MJDREFF": 0.5}, 100.0 + 43_200.0),
        ({"TIMEUNIT": "d"}, 8_640_000.0),
    ],
)
def test_clock(cards, expected):
    assert clock(hdu(**cards)).seconds(100.0) == expected
    assert clock(hdu(**cards)).is_mission_time == (expected == 100.0)


def test_clock_of_good_times_asks_the_events():
    assert clock(hdu(MJDREF=50814.0), hdu(TIMEZERO=3.0)).seconds(1.0) == 4.0
    assert clock(hdu(TIMEZERO=1.0), hdu(TIMEZERO=3.0)).seconds(1.0) == 2.0
    assert clock(hdu(TIMEZERO=1e308)).seconds(1.7e308) is None


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"DATE__OBS": "2020-05-15T11:46:45"}, "2020-05-15 11:46:45"),
        ({"DATE__OBS": "2020-05-15T11:46:45.250Z"}, "2020-05-15 11:46:45.250000"),
        ({"DATE__OBS": "2020-05-15"}, "2020-05-15 00:00:00"),
        ({"DATE__OBS": "15/05/20", "MJD_OBS": 58984.5}, "2020-05-15 12:00:00"),
        ({"MJD__OBS": 51544.0}, "2000-01-01 00:00:00"),
        ({"MJD__OBS": 1e300}, None),
        ({"DATE__OBS": "VALUES"}, None),
        ({}, None),
    ],
)
def test_start_date(cards, expected):
    assert str(start_date(hdu(**cards))) == str(expected)


COLUMNS = {"TFIELDS": 2, "NAXIS1": 8, "TTYPE1": "X", "TFORM1": "E", "TTYPE2": "y", "TFORM2": "E"}
SKY = {
    "TCTYP1": "RA---TAN", "TCRPX1": 4096.5, "TCRVL1": 77.4, "TCDLT1": -1e-4,
    "TCTYP2": "DEC--TAN", "TCRPX2": 4096.5, "TCRVL2": -67.5, "TCDLT2": 1e-4,
}  # fmt: skip


def test_sky_wcs_of_the_x_and_y_columns():
    assert sky_wcs(hdu(**COLUMNS, **SKY)) == (4096.5, 77.4, -1e-4, 4096.5, -67.5, 1e-4)


@pytest.mark.parametrize(
    "change", [{"TCTYP1": "RA---SIN"}, {"TCRVL2": None}, {"TCDLT1": 0.0}, {"TTYPE1": "chipx"}, {"TCTYP2": "CPCY"}]
)
def test_no_sky_wcs(change):
    cards = {**COLUMNS, **SKY, **change}
    assert sky_wcs(hdu(**cards)) is None
    assert header_batch(hdu(**cards), FileName.of("x.fits"), "events", 3).to_pylist()[0]["x_crval"] is None


def test_flags():
    assert header_flags(hdu(TELESCOP="CHANDRA", RADECSYS="ICRS", TIMESYS="TT")) == []
    cards = {"TELESCOP": "XMM", "RADESYS": "FK5", "TIMESYS": "TDB", "TIMEZERO": 1.0, "MJDREF": 50814.0}
    assert header_flags(hdu(**cards)) == ["not_chandra", "timesys_tdb", "time_shifted", "radesys_fk5"]
    assert header_flags(hdu(TELESCOP="XMM")) == ["not_chandra", "no_time_reference"]
    assert header_flags(hdu(TIMEUNIT="furlong")) == ["unknown_unit: TIMEUNIT (furlong)"]
    assert header_flags(hdu(MJDREFI=50814, MJDREFF=0.0, TIMESYS="TT")) == []


def test_header_row():
    cards = {"OBS_ID": "10542", "INSTRUME": "ACIS", "GRATING": "NONE", "OBJECT": "none", "TIMEDEL": 3.2, "EXPOSURE": 5}
    file = FileName.of(f"/data/{CSC}", release="2.1")
    batch = header_batch(hdu(**cards, DETECTOR="ACIS-7", TSTART=1.0, RA_PNT=float("inf")), file, "spectrum", 1024)
    assert batch.schema == TABLES["product.header"].schema
    (row,) = batch.to_pylist()
    assert (row["detection_id"], row["version"], row["release"], row["n_rows"]) == ("10542.1.85", 21, "2.1", 1024)
    assert (row["grating"], row["object"], row["detector"], row["exposure_s"]) == ("NONE", None, "ACIS-7", 5.0)
    assert (row["tstart_s"], row["tstop_s"], row["ra_pnt"], row["frame_time_s"]) == (1.0, None, None, 3.2)
    (curve,) = header_batch(hdu(**cards), file, "light_curve", 1).to_pylist()
    assert curve["frame_time_s"] is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (CSC, "SPECTRUM", "2.1"),
        ("acisf00942N004_evt2.fits", "EVT2", None),
        ("mine.fits", "EVT2", None),
        ("mine.fits", "REGEVT3", "2.1"),
        ("mine.fits", "SPECTRUM", "2.1"),
    ],
)
def test_a_release_is_of_level_3_alone(name, content, expected):
    batch = header_batch(hdu(CONTENT=content), FileName.of(name, release="2.1"), "events", 0)
    assert batch.to_pylist()[0]["release"] == expected


@pytest.mark.parametrize(
    ("cards", "name", "expected"),
    [
        ({"RA": 211.31, "DEC": 54.41}, CSC, (211.31, 54.41)),
        ({"RA": 0.0, "DEC": -90.0, "RADECSYS": "ICRS"}, CSC, (0.0, -90.0)),
        ({"RA": 211.31, "DEC": 54.41}, "755_evt2.fits", (None, None)),  # there it is the target, or the pointing
        ({"RA": 211.31, "DEC": 54.41, "RADECSYS": "FK4"}, CSC, (None, None)),
        ({"RA": 211.31}, CSC, (None, None)),
        ({"RA": 400.0, "DEC": 54.41}, CSC, (None, None)),
        ({"RA": 211.31, "DEC": -91.0}, CSC, (None, None)),
        ({"RA": "14:05:15.6", "DEC": "+54:24:58"}, CSC, (None, None)),
    ],
)
def test_where_the_source_is(cards, name, expected):
    (row,) = header_batch(hdu(**cards), FileName.of(name), "spectrum", 5).to_pylist()
    assert (row["ra_src"], row["dec_src"]) == expected
