"""Spectra: every shape a PHA file comes in gives the same plain row."""

from __future__ import annotations

import contextlib
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from factories import ogip
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.flags import QUIET, word_of
from ingest.products.spectra import read_spectra
from ingest.readers import FileName, Flag, Rows


def read(content, name="/d/x.pi", *, quiet=False):
    """Return the rows of product.spectrum and the flags, if `quiet` the quiet ones too."""
    rows, flags = [], []
    for item in read_spectra(io.BytesIO(content), FileName.of(name)):
        if isinstance(item, Flag):
            if quiet or word_of(item.text) not in QUIET:
                flags.append(item.text)
        else:
            assert item.batch.schema.equals(TABLES[item.table].schema)
            rows += item.batch.to_pylist() if item.table == "product.spectrum" else []
    return rows, flags


def one(content, name="/d/x.pi"):
    rows, flags = read(content, name)
    assert len(rows) == 1
    return rows[0], flags


def column(name, values, form="J"):
    return fits.Column(name, form, array=np.asarray(values))


def test_a_plain_spectrum_is_read_as_it_stands():
    row, flags = one(ogip.pha(ANCRFILE="a.arf", RESPFILE="../r/B.RMF"))
    assert flags == []
    assert row["counts"] == ogip.COUNTS.tolist()
    assert (row["role"], row["hduclas2"], row["obsid"], row["spec_num"]) == ("source", "TOTAL", 1575, 1)
    assert (row["first_channel"], row["exposure_s"], row["backscal"], row["areascal"]) == (1, 1000.0, 1e-6, 1.0)
    assert (row["ancrfile"], row["respfile"], row["backfile"]) == ("a.arf", "B.RMF", None)
    empty = ("rate", "stat_err", "background_counts", "quality", "grouping", "arf_id", "rmf_id", "background_id")
    assert [row[name] for name in empty] == [None] * len(empty)


def test_the_header_of_the_observation_is_kept():
    items = list(read_spectra(io.BytesIO(ogip.pha(OBJECT="3C 273")), FileName.of("/d/x.pi")))
    (header,) = [i.batch.to_pylist()[0] for i in items if isinstance(i, Rows) and i.table == "product.header"]
    assert (header["kind"], header["object"], header["n_rows"]) == ("spectrum", "3C 273", ogip.N_CHANNELS)


def test_a_background_in_the_second_hdu_stands_beside_its_source():
    row, flags = one(ogip.pha(background=ogip.COUNTS + 3, BACKFILE="x.pi"))
    assert row["background_counts"] == (ogip.COUNTS + 3).tolist()
    assert (row["background_backscal"], row["background_exposure_s"], row["background_areascal"]) == (1e-5, 1000.0, 1.0)
    assert flags == []
    assert one(ogip.pha(background=ogip.COUNTS, BACKFILE="other_pha3.fits"))[1] == ["background_in_file"]


def test_a_background_file_is_a_row_of_its_own():
    assert one(ogip.pha(HDUCLAS2="BKG"))[0]["role"] == "background"
    assert one(ogip.pha(HDUCLAS2="TOTAL"))[0]["role"] == "source"


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("tlmin", [True, False])
def test_channels_count_from_0_or_1_in_any_order(first, tlmin):
    order = np.random.default_rng(0).permutation(ogip.N_CHANNELS)
    row, flags = one(ogip.pha(ogip.COUNTS[order], channel=order + first, first=first, tlmin=tlmin))
    assert (row["counts"], row["first_channel"], flags) == (ogip.COUNTS.tolist(), first, [])


@pytest.mark.parametrize("tlmin", [True, False])
def test_channels_left_out_have_no_counts(tlmin):
    row, flags = one(ogip.pha([7, 8], channel=[3, 5], DETCHANS=6, tlmin=tlmin))
    assert (row["counts"], row["first_channel"], flags) == ([0, 0, 7, 0, 8, 0], 1, ["channels_filled"])


def test_detchans_that_contradicts_the_channels_is_said():
    row, flags = one(ogip.pha([1, 2, 3], DETCHANS=2))
    assert (row["counts"], flags) == ([1, 2, 3], ["detchans_differs"])
    assert one(ogip.pha([1, 2, 3], DETCHANS=None))[1] == []


def test_a_table_without_channels_is_read_in_order():
    hdu = ogip.table([column("COUNTS", [4, 5])], "SPECTRUM", {"HDUCLAS1": "SPECTRUM", "EXPOSURE": 1.0, "BACKSCAL": 1.0})
    row, flags = one(ogip.to_bytes(hdu))
    assert (row["counts"], row["first_channel"], flags) == ([4, 5], 1, ["no_channel_column"])


def test_rates_stay_rates():
    rate = ogip.COUNTS / 1000.0
    row, flags = one(ogip.pha(rate, data="RATE", form="D", unit="counts/s"))
    assert (row["counts"], row["rate"], flags) == (None, rate.tolist(), ["rate_only"])
    row, flags = one(ogip.pha(rate, data="RATE", form="D"))
    assert (row["rate"], flags) == (rate.tolist(), ["unit_assumed: RATE (count/s)", "rate_only"])


def test_rates_of_every_unit_become_counts_a_second_with_their_errors():
    errors = [fits.Column("STAT_ERR", "D", "counts/ks", array=np.ones(ogip.N_CHANNELS))]
    data = {"data": "RATE", "form": "D", "columns": errors, "POISSERR": False}
    row, _ = one(ogip.pha(np.ones(ogip.N_CHANNELS), unit="counts/ks", **data))
    assert row["rate"] == row["stat_err"] == [0.001] * ogip.N_CHANNELS
    row, flags = one(ogip.pha(np.ones(ogip.N_CHANNELS), unit="photon/cm**2/s", **data))
    assert (row["rate"], flags[0]) == (None, "unknown_unit: RATE (photon/cm**2/s)")


def test_counts_in_floats_are_counts_if_whole():
    assert one(ogip.pha(ogip.COUNTS, form="D"))[0]["counts"] == ogip.COUNTS.tolist()
    row, flags = one(ogip.pha([0.5, 1.0], form="D"))
    assert (row["counts"], row["rate"], flags) == (None, [0.0005, 0.001], ["non_integer_counts"])
    row, flags = one(ogip.pha([-2.0, 1.0], form="D"))
    assert (row["counts"], flags) == ([-2, 1], ["negative_counts"])
    row, flags = one(ogip.pha([np.nan, 1.0], form="D"))
    assert (row["counts"], flags) == ([None, 1], ["null_counts"])


@pytest.mark.parametrize("exposure", [0.0, -5.0, None, "unknown"])
def test_an_exposure_that_is_none_is_null(exposure):
    row, flags = one(ogip.pha(EXPOSURE=exposure))
    assert (row["exposure_s"], flags) == (None, ["no_exposure"])


def test_scalings_are_keywords_or_columns():
    n = ogip.N_CHANNELS
    constant = [column("BACKSCAL", np.full(n, 0.3), "D"), column("AREASCAL", np.full(n, 0.5), "E")]
    row, flags = one(ogip.pha(columns=constant, BACKSCAL=None, AREASCAL=None))
    assert (row["backscal"], row["areascal"], flags) == (0.3, 0.5, [])
    row, flags = one(ogip.pha(columns=[column("BACKSCAL", np.arange(n), "D")]))
    assert (row["backscal"], flags) == ((n - 1) / 2, ["backscal_varies"])
    row, flags = one(ogip.pha(BACKSCAL=None))
    assert (row["backscal"], flags) == (None, ["no_backscal"])


def test_quality_and_grouping_are_kept_where_they_say_something():
    n = ogip.N_CHANNELS
    grouping, quality = np.where(np.arange(n) % 3, -1, 1), np.arange(n) % 2 * 5
    row, _ = one(ogip.pha(columns=[column("GROUPING", grouping, "I"), column("QUALITY", quality, "I")]))
    assert (row["grouping"], row["quality"]) == (grouping.tolist(), quality.tolist())
    row, _ = one(ogip.pha(columns=[column("GROUPING", np.ones(n), "I"), column("QUALITY", np.zeros(n), "I")]))
    assert (row["grouping"], row["quality"]) == (None, None)
    row, _ = one(ogip.pha(GROUPING=0, QUALITY=5))
    assert (row["grouping"], row["quality"]) == (None, [5] * n)


def test_errors_are_kept_where_they_are_not_poisson():
    errors = [column("STAT_ERR", np.full(ogip.N_CHANNELS, 1.5), "D")]
    assert one(ogip.pha(columns=errors, POISSERR=False))[0]["stat_err"] == [1.5] * ogip.N_CHANNELS
    assert one(ogip.pha(columns=errors, POISSERR=True))[0]["stat_err"] is None


def test_systematic_errors_are_columns_or_keywords():
    n = ogip.N_CHANNELS
    varying = np.linspace(0, 0.1, n)
    assert one(ogip.pha(columns=[column("SYS_ERR", varying, "D")]))[0]["sys_err"] == varying.tolist()
    assert one(ogip.pha(SYS_ERR=0.03))[0]["sys_err"] == [0.03] * n
    assert one(ogip.pha(columns=[column("SYS_ERR", np.full(n, 0.02), "D")], SYS_ERR=0.5))[0]["sys_err"] == [0.02] * n
    for nothing in ({}, {"SYS_ERR": 0.0}, {"SYS_ERR": 0}, {"columns": [column("SYS_ERR", np.zeros(n), "E")]}):
        assert one(ogip.pha(**nothing))[0]["sys_err"] is None
    rows, _ = read(ogip.pha2(columns=[column("SYS_ERR", np.array([[0.1] * 12, [0.0] * 12]), "12D")]))
    assert [r["sys_err"] for r in rows] == [[0.1] * 12, None]


@pytest.mark.parametrize(("unit", "angstrom"), [("angstrom", 1.0), ("Angstrom", 1.0), ("nm", 10.0)])
def test_wavelengths_of_gratings_are_kept(unit, angstrom):
    lo = np.tile(np.arange(12.0), (2, 1))
    columns = [fits.Column("BIN_LO", "12D", unit, array=lo), fits.Column("BIN_HI", "12D", unit, array=lo + 1)]
    rows, flags = read(ogip.pha2(columns=columns), quiet=True)
    assert flags == []
    for row in rows:
        assert row["bin_lo"] == pytest.approx(np.arange(12.0) * angstrom)
        assert row["bin_hi"] == pytest.approx(np.arange(1.0, 13.0) * angstrom)
    assert read(ogip.pha2())[0][0]["bin_lo"] is None


def test_the_background_of_a_type_ii_rate_is_a_rate():
    rate = np.arange(24).reshape(2, 12) / 7
    for unit in ("counts/s", None):
        rows, flags = read(ogip.pha2(rate, data="RATE", unit="counts/s", background_unit=unit))
        assert [r["rate"] for r in rows] == rate.tolist()
        assert [r["background_rate"] for r in rows] == (2 * (rate + 1)).tolist()
        assert [(r["background_counts"], r["background_backscal"]) for r in rows] == [(None, 7.0)] * 2
        assert flags[0] == "rate_only" if unit else "unit_assumed: BACKGROUND_UP (count/s)"
    rows, _ = read(ogip.pha2(rate, data="RATE", unit="counts/s", background_unit="count"))
    assert rows[0]["background_rate"] == pytest.approx((2 * (rate[0] + 1) / 100.0).tolist())  # of EXPOSURE 100 s
    whole = np.arange(24).reshape(2, 12)
    rows, _ = read(ogip.pha2(whole, data="RATE", unit="counts/s", background_unit="counts"))
    assert rows[0]["background_counts"] == (2 * (whole[0] + 1)).tolist()


def test_another_missions_spectrum_is_of_no_chandra_observation():
    row, flags = one(ogip.pha(TELESCOP="SUZAKU", OBS_ID="402033010"), "/d/acisf01575_001N001_r0085_pha3.fits")
    assert (row["obsid"], row["detection_id"], flags) == (None, None, ["not_chandra"])


def test_what_is_not_kept_of_a_spectrum_is_said():
    more = [column("BG_AREA", np.ones(ogip.N_CHANNELS), "D"), column("GRP_NUM", np.ones(ogip.N_CHANNELS))]
    content = ogip.to_bytes(ogip.spectrum_hdu(columns=more, CORRFILE="corr.pi"), ogip.arf_hdu())
    said = ["correction_not_used", "columns_not_kept: BG_AREA", "tables_not_kept: SPECRESP"]
    assert read(content, quiet=True)[1] == said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("two.arf{2}", ("two.arf", "2")),
        ("two.arf{ 02 }", ("two.arf", "2")),
        ("/data/two.arf[SPECRESP,2]", ("two.arf", "2")),
        ("two.arf[specresp, 2]", ("two.arf", "2")),
        ("two.arf[EXTNAME=SPECRESP,EXTVER=2]", ("two.arf", "2")),
        ("two.rmf[SPECRESP MATRIX,2][cols ENERG_LO]", ("two.rmf", "2")),
        ("two.arf[SPECRESP2]", ("two.arf", "2")),
        ("two.arf[2]", ("two.arf", "+2")),
        ("two.arf+2", ("two.arf", "+2")),
        ("two.arf[SPECRESP]", ("two.arf", None)),
        ("grid(x.rmf[MATRIX][cols ENERG_LO,ENERG_HI])", ("x.rmf", None)),
        ("ngc253+2.arf", ("ngc253+2.arf", None)),
        ("src2.arf", ("src2.arf", None)),
        ("none", (None, None)),
        ("[SPECRESP,2]", (None, None)),
    ],
)
def test_which_response_of_a_file_is_meant(said, expected):
    row, _ = one(ogip.pha(ANCRFILE=said))
    assert (row["ancrfile"], row["ancrfile_part"]) == expected


def test_type_ii_has_a_row_per_spectrum():
    counts = np.arange(24).reshape(2, 12)
    rows, flags = read(ogip.pha2(counts))
    assert flags == []
    assert [r["counts"] for r in rows] == counts.tolist()
    assert [r["background_counts"] for r in rows] == (2 * (counts + 1)).tolist()
    assert [(r["spec_num"], r["grating_order"], r["grating_part"]) for r in rows] == [(1, -1, 1), (2, 1, 1)]
    assert [(r["exposure_s"], r["background_backscal"], r["background_areascal"]) for r in rows] == [
        (100.0, 7.0, 1.0),
        (200.0, 7.0, 1.0),
    ]
    assert len({r["spectrum_id"] for r in rows}) == 2
    assert read(ogip.pha2(background=False))[0][0]["background_counts"] is None


def test_the_id_is_the_contents_whatever_the_files_name():
    content = ogip.pha()
    ids = {one(content, name)[0]["spectrum_id"] for name in ("/a/x.pi", "/b/y.pi.gz")}
    assert len(ids) == 1
    assert ids != {one(ogip.pha(OBJECT="another"))[0]["spectrum_id"]}


def test_files_without_a_spectrum_are_refused():
    for content in (ogip.arf(), ogip.pha(channel=[1] * ogip.N_CHANNELS), ogip.pha([])):
        with pytest.raises(UnreadableFile):
            read(content)


MUTATED = [ogip.pha(background=ogip.COUNTS), ogip.pha2(), ogip.pha(data="RATE", form="D", GROUPING=1)]


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, len(MUTATED) - 1),
    places=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 1 << 14),
)
def test_a_mutated_file_is_refused_or_read(which, places, cut):
    content = bytearray(MUTATED[which][:cut])
    for place, value in places:
        if content:
            content[place % len(content)] = value
    with contextlib.suppress(UnreadableFile):
        read(bytes(content))


@pytest.mark.parametrize("keyword", ["NAXIS1", "NAXIS2", "TFORM2", "TFIELDS", "DETCHANS", "TLMIN1", "PCOUNT", "GCOUNT"])
@pytest.mark.parametrize("value", ["0", "-1", "1", "2147483648", "99999999999999999", "1E999", "'1PJ(9)'", "'77D'"])
def test_a_damaged_keyword_is_refused_or_read(keyword, value):
    content = ogip.pha(TLMAX1=12)
    start = content.index(keyword.ljust(8).encode() + b"=", 2880)
    content = content[: start + 10] + value.rjust(20).encode() + content[start + 30 :]
    with contextlib.suppress(UnreadableFile):
        read(content)


# --- real files -------------------------------------------------------------------------------------------


def real_one(path):
    content = path.read_bytes()
    return one(gzip.decompress(content) if path.suffix == ".gz" else content, str(path))


@pytest.mark.real
def test_a_real_source_spectrum_has_its_counts_and_its_background(real):
    path = real / "spectra" / "acisf04736_000N001_r0079_pha3.fits"
    row, flags = real_one(path)
    assert flags == []
    assert sum(row["counts"]) == 11_648
    with fits.open(path) as hdus:
        background = next(h for h in hdus[1:] if h.header.get("HDUCLAS2") == "BKG")
        assert row["background_counts"] == background.data["COUNTS"].tolist()
        assert row["background_backscal"] == background.header["BACKSCAL"]


@pytest.mark.real
def test_every_real_spectrum_equals_astropys(real):
    paths = [*real.glob("spectra/*pha3.fits*"), *real.glob("spectra/*.pi"), *real.glob("events/*pha3.fits*")]
    assert len(paths) >= 15
    for path in paths:
        row, _ = real_one(path)
        with fits.open(path) as hdus:
            data, header = hdus[1].data, hdus[1].header
            assert row["counts"] == data["COUNTS"].tolist()
            assert (row["exposure_s"], row["backscal"]) == (header["EXPOSURE"], header["BACKSCAL"])
            assert row["first_channel"] == data["CHANNEL"].min()


@pytest.mark.real
def test_real_oddities_are_said(real):
    row, flags = real_one(real / "broken" / "source_rate.pi")
    assert (row["counts"], flags) == (None, ["rate_only"])
    assert sum(row["rate"]) > 0.2
    row, _ = real_one(real / "broken" / "back.pi")
    assert (row["ancrfile"], row["respfile"], sum(row["counts"])) == (None, None, 5622)
    row, _ = real_one(real / "broken" / "12845.pi")
    assert (row["ancrfile"], row["respfile"], row["backfile"]) == ("12845.warf", "12845.wrmf", "12845_bkg.pi")
    row, _ = real_one(real / "spectra" / "3c273.pi")
    assert set(row["grouping"]) == {1, -1}
