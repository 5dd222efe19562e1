"""Damaged files: whatever happens to the bytes, a reader says UnreadableFile or gives well-formed rows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from factories.fits import events_file, good_time_hdu, light_curve_file, to_bytes
from factories.regions import region_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.fits import read_hdus
from ingest.products.events import read_events
from ingest.products.light_curves import read_light_curve
from ingest.products.regions import read_region
from ingest.readers import FileName, Rows

RESPONSE = to_bytes(
    [
        fits.BinTableHDU.from_columns(
            [
                fits.Column("ENERG_LO", "E", "keV", array=np.arange(4.0)),
                fits.Column("N_GRP", "I", array=[1, 2, 0, 1]),
                fits.Column("F_CHAN", "PI(2)", array=np.array([[1], [1, 5], [], [3]], object)),
                fits.Column("MATRIX", "PE(9)", array=np.array([[0.5], [0.1, 0.2], [], [1.0] * 9], object)),
                fits.Column("NAME", "4A", array=["a", "bc", "", "defg"]),
                fits.Column("FLAG", "X", array=np.ones((4, 1), bool)),
                fits.Column("OK", "L", array=[True, False, True, True]),
                fits.Column("N", "J", bzero=2**31, array=np.arange(4, dtype="u4")),
                fits.Column("Z", "C", array=np.ones(4, "c8")),
            ],
            name="MATRIX",
        )
    ]
)
EVENTS = [
    events_file(n=20, ccds=(6, 7), content="REGEVT3"),
    events_file(n=20, drop=("energy",), good_times=[good_time_hdu(), good_time_hdu(name="GTI7_CPT", ccd_id=None)]),
    events_file(n=20, instrument="HRC", upper=True, header={"TIMEZERO": 1.5}),
]
LIGHT_CURVE = light_curve_file()
REGION = region_file(
    {
        "SRCREG": [("Ellipse", [4100.0], [4200.0], [10.0, 5.0], 92.0, 1)],
        "BKGREG": [("Polygon", [1.0, 9.0, 9.0], [1.0, 1.0, 9.0], [], 0.0, 1), ("!Circle", [5.0], [5.0], [1.0], 0.0, 1)],
    }
)
KEYWORDS = [
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "EXTNAME",
    "TTYPE1", "TFORM1", "TFORM2", "TFORM3", "TFORM4", "TSCAL1", "TZERO1", "TNULL1", "TDIM1", "TUNIT1", "TLMIN1",
    "TSCAL8", "TZERO8", "TNULL8", "TZERO16", "TSCAL15", "TNULL16", "TFORM16", "HDUCLAS1", "ZTABLE", "ZIMAGE",
    "OBS_ID", "OBI_NUM", "REGIONID", "INSTRUME", "TIMEZERO", "MJDREF", "TIMEUNIT", "DATE-OBS", "MJD-OBS", "TSTART",
    "EXPOSURE", "TIMEDEL", "TCTYP11", "TCRPX11", "TCRVL12", "TCDLT12", "CCD_ID", "END", "CONTINUE", "HIERARCH",
]  # fmt: skip
VALUES = [
    "0", "1", "2", "-1", "3.5", "1e999", "-1E308", "9" * 60, "T", "F", "", "'  '", "'x'", "'it''s'", "'open", "(1,2)",
    "2147483648", "9223372036854775808", "-128", "32768", "1.0D5", "nan", "'1D'", "'PE(3)'", "'QD'", "'0E'", "'32X'",
    "'5000000000D'", "'4A'", "'(2,2)'", "'BINTABLE'", "'EVENTS'", "'GTI'", "'d'", "'Merged'", "'99999999999'", "'&'",
    "'2020-13-45T99:00:00'", "'HRC'", "/ nothing", "\xb2", "\0\0",
]  # fmt: skip


@st.composite
def damage(draw, data):
    """One or a few edits of the bytes: flipped, cut, inserted, deleted, or a card with another value."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["card", "card", "card", "flip", "cut", "insert", "delete", "zero"]))
        if kind == "card":
            data = with_card(
                data, draw(st.sampled_from(KEYWORDS)), draw(st.sampled_from(VALUES)), draw(st.integers(0, 3))
            )
        elif kind == "flip":
            data = data[:at] + bytes([(data[at] if data else 0) ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=100)) + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + draw(st.integers(1, 5000)) :]
        else:
            length = draw(st.integers(1, 3000))
            data = data[:at] + b"\0" * min(length, len(data) - at) + data[at + length :]
    return data


def with_card(data, keyword, value, nth):
    """Give the nth card of that keyword another value; or make the last card before an END into it."""
    card = f"{keyword:8}= {value}"[:80].ljust(80).encode("latin-1")
    places = [i for i in range(0, len(data) - 79, 80) if data[i : i + 10] == card[:10]]
    ends = [i - 80 for i in range(80, len(data) - 79, 80) if data[i : i + 8] == b"END     "]
    places = places or ends
    if not places:
        return data
    at = places[nth % len(places)]
    return data[:at] + card + data[at + 80 :]


def refusal(read, *args):
    """Read, and return the one line a user sees where the file is refused."""
    try:
        read(*args)
    except UnreadableFile as error:
        return str(error)
    return ""


def read_everything(data):
    for hdu in read_hdus(io.BytesIO(data)):
        if hdu.is_table and hdu.index % 2:
            for f, values in zip(hdu.fields, hdu.table().values(), strict=False):
                assert len(values) == hdu.n_rows, f
        elif hdu.is_table:
            names = {f.name: f.name for f in hdu.fields if f.code not in "PQ"}
            assert sum(len(next(iter(c.values()), [])) for c in hdu.chunks(names, 5)) in {hdu.n_rows, 0}


def read_rows(read, data, name):
    tables = []
    for item in read(io.BytesIO(data), FileName.of(name)):
        if isinstance(item, Rows):
            item.batch.validate(full=True)
            assert item.batch.schema == TABLES[item.table].schema
            for column in item.batch.columns:
                if str(column.type) in {"float", "double"}:
                    assert np.isfinite(column.drop_null().to_numpy(zero_copy_only=False)).all()
            tables.append(item.table)
    assert tables.count("product.header") == 1 or tables == ["product.region"]  # damaged into a text of regions


MANY = settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(st.sampled_from([RESPONSE, *EVENTS, LIGHT_CURVE]).flatmap(damage))
def test_damaged_tables(data):
    assert "\n" not in refusal(read_everything, data)


@MANY
@given(st.sampled_from(EVENTS).flatmap(damage))
def test_damaged_events(data):
    assert "\n" not in refusal(read_rows, read_events, data, "acisf10542_000N003_r0012_regevt3.fits")


@MANY
@given(damage(LIGHT_CURVE))
def test_damaged_light_curves(data):
    assert "\n" not in refusal(read_rows, read_light_curve, data, "lc.fits")


@MANY
@given(damage(REGION))
def test_damaged_regions(data):
    assert "\n" not in refusal(read_rows, read_region, data, "acisf10542_000N003_r0012_reg3.fits")


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=9000))
def test_bytes_of_no_meaning_are_refused(data):
    with pytest.raises(UnreadableFile):
        list(read_events(io.BytesIO(data), FileName.of("a.fits")))


@pytest.mark.slow
@settings(deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([RESPONSE, *EVENTS, LIGHT_CURVE]).flatmap(damage))
def test_damaged_files_at_length(data):
    assert "\n" not in refusal(read_everything, data)
    assert "\n" not in refusal(read_rows, read_events, data, "a.fits")
    assert "\n" not in refusal(read_rows, read_light_curve, data, "a.fits")
