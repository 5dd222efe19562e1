"""Names, numbers, NULLs and units as people write them: all of one meaning are read as one."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.schema import TABLES
from catalog.schema.identifiers import InvalidName, source_name
from ingest.readers import FileName, Flag
from ingest.tables.casting import cast_angle, cast_column, cast_name
from ingest.tables.source_tables import read_source_table
from ingest.tables.tabular import named_release
from ingest.units import conversion

NAME = "2CXO J000002.2-000002"
MASTER = TABLES["csc.master_source"]


def read(*lines: str, name: str = "table.csv", release: str | None = None):
    rows, flags = [], []
    for item in read_source_table(io.BytesIO("\n".join(lines).encode() + b"\n"), FileName.of(name, release)):
        if isinstance(item, Flag):
            flags.append(item.text)
        elif item.table == "csc.master_source":
            rows += item.batch.to_pylist()
    return rows, flags


@pytest.mark.parametrize(
    "text",
    [NAME, "2CXOJ000002.2-000002", "2cxo j000002.2-000002", "2CXO_J000002.2-000002", "[2CXO] J000002.2-000002",
     "  2CXO   J000002.2-000002\t", "2CXO\N{NO-BREAK SPACE}J000002.2\N{MINUS SIGN}000002\N{NO-BREAK SPACE}",
     "2CXO J000002.2\N{EN DASH}000002", "2CXO J000002.2\N{FULLWIDTH HYPHEN-MINUS}000002", "\ufeff2CXO J000002.2-000002",
     "2CXO J 000002.2 -000002", "b'2CXO J000002.2-000002'", '"2CXO J000002.2-000002"', "[2CXO J000002.2-000002]",
     "2CXO J000002.2-00\u200b0002"],
)  # fmt: skip
def test_a_name_is_one_however_it_is_written(text):
    assert source_name(text) == NAME
    assert cast_name(pa.array([text])).values.to_pylist() == [NAME]
    if not text.startswith("b'"):
        assert source_name(f"{text.strip()} X".replace("] X", " X]")) == f"{NAME}X"


@pytest.mark.parametrize("text", ["CXO J000002.2-000002", "cxo_j000002.2\N{MINUS SIGN}000002"])
def test_a_name_of_release_1_is_another_name(text):
    assert source_name(text) == "CXO J000002.2-000002"
    assert cast_name(pa.array([text])).values.to_pylist() == ["CXO J000002.2-000002"]


@pytest.mark.parametrize(
    "text", ["J000002.2-000002", "4XMM J000002.2-000002", "CXOU J000002.2-000002", "2CXO J00000.2-000002", "M 82",
             "2CXO J000002.2-00000\N{ARABIC-INDIC DIGIT TWO}", "2CXO J000002.2-000002XY"]
)  # fmt: skip
def test_what_is_no_name_stays_none(text):
    with pytest.raises(InvalidName):
        source_name(text)
    assert cast_name(pa.array([text])).values.to_pylist() == [None]


@given(st.text(st.sampled_from("2CXO J0123456789.+-\u2212\u00a0_[]xX'\"b\u0662"), max_size=30) | st.text(max_size=30))
def test_both_readers_of_names_agree(text):
    try:
        expected = source_name(text)
    except InvalidName:
        expected = None
    assert cast_name(pa.array([text])).values.to_pylist() == [expected]


@pytest.mark.parametrize(
    ("header", "name"),
    [("2CXO", NAME), ("CXO", f"CXO {NAME[5:]}"), ("CSC2_ID", NAME), ("CSC2_Name", NAME)],
)
def test_the_columns_own_name_tells_what_a_bare_designation_is_one_of(header, name):
    rows, _ = read(f"{header},RAICRS", f"{NAME[5:]},0.5")
    assert [r["name"] for r in rows] == [name]


def test_a_bare_designation_in_a_column_that_does_not_tell_is_no_source_of_ours():
    rows, flags = read("name,ra", f"{NAME},1", "J000003.3+000003,2")
    assert [r["name"] for r in rows] == [NAME]
    assert "rows left out, with neither a CSC source name nor an obsid: 1" in flags


def test_a_cross_match_marks_the_catalogs_columns_and_they_go_before_others_of_the_name():
    header = "SDSS_ID,ra,dec,CSC2_ID,CSC2_Type,CSC2_RA,CSC2_Dec,CSC2_ErrMaj_95%,CSC2_flux_aper_b,SDSS_RA"
    rows, flags = read(header, f"1,5,6,{NAME},P,0.009,-0.0006,0.7,1e-14,5")
    (row,) = rows
    found = (row["name"], row["ra"], row["dec"], row["err_ellipse_r0"], row["flux_aper_b"])
    assert found == (NAME, 0.009, -0.0006, 0.7, 1e-14)
    assert dict(row["extra"]) == {"SDSS_ID": "1", "ra": "5", "dec": "6", "CSC2_Type": "P", "SDSS_RA": "5"}
    assert flags == ["unknown columns, kept in extra: SDSS_ID, ra, dec, CSC2_Type, SDSS_RA"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("\N{MINUS SIGN}0.0006", -0.0006), ("\N{EN DASH}5", -5.0), ("1.5\N{NO-BREAK SPACE}", 1.5),
     ("12\N{NO-BREAK SPACE}345.5", 12345.5), ("1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567", 1234567.0),
     ("\N{FULLWIDTH PLUS SIGN}3", 3.0), ("1.5D\N{MINUS SIGN}14", 1.5e-14), ("\u200b7", 7.0)],
)  # fmt: skip
def test_numbers_of_typesetters_are_numbers(text, number):
    cast = cast_column(pa.array([text, "1"]), pa.float64())
    assert cast.values.to_pylist() == [number, 1.0]
    assert cast.misfits is None


def test_a_sexagesimal_position_may_be_typeset_too():
    text = "\N{MINUS SIGN}00\N{NO-BREAK SPACE}30\N{NO-BREAK SPACE}00"
    assert cast_angle(pa.array([text]), hours=False).values.to_pylist() == [-0.5]


@pytest.mark.parametrize("word", ["", "  ", "NaN", "nan", "null", "--", "---", "...", "\N{HORIZONTAL ELLIPSIS}", "N/A",
                                  "Not Available", "NOT AVAILABLE", "<NA>", "\\N", "masked"])  # fmt: skip
def test_a_word_for_nothing_is_null_in_every_type(word):
    rows, flags = read(
        "name,ra,likelihood_class,conf_flag,phot_nsrcs,mood", f"{NAME},{word},{word},{word},{word},{word}"
    )
    (row,) = rows
    values = [row[c] for c in ("ra", "likelihood_class", "conf_flag", "phot_nsrcs", "extra")]
    assert values == [None] * 5
    assert flags == []


def test_a_grating_of_none_is_a_value():
    table = b"name,obsid,obi,region_id,grating\n" + f"{NAME},1,0,1,NONE\n".encode()
    rows = [i.batch for i in read_source_table(io.BytesIO(table), FileName.of("a.csv")) if not isinstance(i, Flag)]
    assert [b["grating"].to_pylist() for b in rows if "grating" in b.schema.names] == [["NONE"]]


@pytest.mark.parametrize(
    ("column", "unit", "factor"),
    [
        ("err_ellipse_r0", "arcmin", 60.0), ("err_ellipse_r0", '"', 1.0), ("err_ellipse_r0", "deg", 3600.0),
        ("err_ellipse_r0", "mas", 1e-3), ("ra", "hourangle", 15.0), ("ra", "h", 15.0), ("ra", '"h:m:s"', 1.0),
        ("dec", "arcmin", 1 / 60), ("dec", "d:m:s", 1.0), ("src_area_b", "arcmin^2", 3600.0),
        ("flux_aper_b", "mW/m2", 1.0), ("flux_aper_b", "W/m2", 1000.0), ("flux_aper_b", "10-14mW/m2", 1e-14),
        ("flux_aper_b", "ergs/s/cm^2", 1.0), ("flux_aper_b", "1e-15 erg/s/cm2", 1e-15),
        ("flux_aper_b", "keV/cm2/s", 1.602176634e-09), ("photflux_aper_b", "ph/m2/s", 1e-4),
        ("photflux_aper_b", "ct/s/cm2", 1.0), ("photflux_aper_b", "1/(cm2 s)", 1.0), ("nh_gal", "cm-2", 1e-20),
        ("nh_gal", "10^22 cm^-2", 100.0), ("nh_gal", "N_{HI} atoms 10^20 cm^-2", 1.0), ("bb_kt", "eV", 1e-3),
        ("bb_kt", "K", 8.617333262145179e-08), ("acis_time", "ks", 1000.0), ("acis_time", "Msec", 1e6),
        ("hard_hs", "", 1.0), ("hard_hs", "---", 1.0), ("ks_intra_prob_b", "%", 0.01), ("likelihood_class", "keV", 1.0),
        ("flux_aper_b", "mJy", None), ("flux_aper_b", "[mW/m2]", None), ("flux_aper_b", "log(erg/s/cm2)", None),
        ("flux_aper_b", "mag", None), ("flux_aper_b", "erg/s", None), ("nh_gal", "log10(cm-2)", None),
        ("bb_kt", "[keV]", None), ("ra", "furlong", None), ("hard_hs", "keV", None),
    ],
)  # fmt: skip
def test_declared_units_are_converted_into_the_registrys_or_not_at_all(column, unit, factor):
    found = conversion(MASTER.column(column), unit)
    assert found == (None if factor is None else pytest.approx(factor, rel=1e-12))


def test_values_of_a_foreign_unit_are_null_kept_beside_and_said():
    lines = ['#Column\tname\t(A)\tName\t(master_source.name)\t[""]\t[]',
             '#Column\tflux_aper_b\t(E)\tFlux\t(master_source.flux_aper_b)\t["mJy"]\t[]',
             '#Column\terr_ellipse_r0\t(E)\tError\t(master_source.err_ellipse_r0)\t["arcmin"]\t[]',
             "name\tflux_aper_b\terr_ellipse_r0", f"{NAME}\t0.5\t0.5"]  # fmt: skip
    (row,), flags = read(*lines)
    assert (row["flux_aper_b"], row["err_ellipse_r0"], dict(row["extra"])) == (None, 30.0, {"flux_aper_b": "0.5"})
    assert flags == [
        "units that cannot be converted, their values are kept in extra: flux_aper_b [mJy], not [erg s**-1 cm**-2]"
    ]


def test_a_sexagesimal_right_ascension_is_not_converted_twice():
    cast = cast_angle(pa.array(["08 42 30.00", "8.7"]), hours=True, factor=15.0)
    assert cast.values.to_pylist() == [130.625, 130.5]


@pytest.mark.parametrize(
    ("text", "release"),
    [("FROM csc21.master_source m", "2.1"), ("version=rel2.0", "2.0"), ("CSC 2.1.1", "2.1"), ("csc22", "2.2"),
     ("CSC release 2.0", "2.0"), ("release 2.0 of the CSC", "2.0"), ("IX/70/csc21mas", "2.1"), ("IX/57", "2.0"),
     ("CSC 1.1", "1.1"), ("csc2_detections", None), ("CSC 2", None), ("CSC 21 sources", "2.1"), ("IX/577", None),
     ("the Chandra Source Catalog", None), ("rel 25 rows", None)],
)  # fmt: skip
def test_releases_as_comments_name_them(text, release):
    assert named_release(text) == release


@pytest.mark.parametrize(("cell", "release"), [("2.1", "2.1"), ("CSC 2.1", "2.1"), ("csc21", "2.1"), ("2", "2.0"),
                                               ("CSC2", "2.0"), ("rel2.1.1", "2.1")])  # fmt: skip
def test_releases_as_rows_name_them(cell, release):
    (row,), _ = read("name,release", f"{NAME},{cell}", release="2.0")
    assert row["release"] == release


def test_the_files_name_tells_a_release_that_nothing_in_it_does():
    assert read("name,ra", f"{NAME},1", name="csc21_sources.csv", release="2.0")[0][0]["release"] == "2.1"
    assert read("# CSC 2.0", "name,ra", f"{NAME},1", name="csc21_sources.csv")[0][0]["release"] == "2.0"


@pytest.mark.parametrize(
    ("lines", "standing"),
    [
        (("name,ra,dec", f"{NAME},1,2"), 2),
        (("name,obsid,region_id,theta,hard_hs", f"{NAME},1,2,3,0.5"), 2),
        (("# matched with CSC 2.1", "name,ra,dec,mood", f"{NAME},1,2,good"), 2),
        (("m.name,m.ra,m.hard_hs,o.hard_hs,o.obsid", f"{NAME},1,2,3,0.5"), 2),
        (('#Column\tra\t(F)\tRA\t(master_source.ra)\t["deg"]\t[]', "name\tra", f"{NAME}\t1"), 1001),
    ],
)  # fmt: skip
def test_how_much_a_file_counts_is_how_much_of_the_catalog_it_has_and_whether_it_is_the_catalogs(lines, standing):
    rows, _ = read(*lines)
    assert [r["standing"] for r in rows] == [standing]
