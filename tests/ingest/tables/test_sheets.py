"""Formats that people have tables of sources in: each gives the rows that the same table gives as CSV."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from ingest.detect import ReplayStream, detect
from ingest.readers import FileName, Flag
from ingest.tables.source_tables import read_source_table

NAMES = ["2CXO J000001.2+000001", "2CXO J000002.2-000002X", "2CXO J000003.3+000003"]
SAID = [
    (NAMES[0], 0.005, 1.0, 60.0, True),
    (NAMES[1], 0.009, None, None, False),
    (NAMES[2], 0.013, -0.5, 6.0, None),
]


def read(data: bytes, name: str, release: str | None = None):
    """Rows of csc.master_source and flags, as a refresh reads them: the kind of the file is found out, too."""
    file = FileName.of(name, release)
    assert detect(ReplayStream(io.BytesIO(data)), file).name == "source_table"
    rows, flags = [], []
    for item in read_source_table(io.BytesIO(data), file):
        if isinstance(item, Flag):
            flags.append(item.text)
        elif item.table == "csc.master_source":
            rows += item.batch.to_pylist()
    return rows, flags


def table(*, boolean: bool = True) -> Table:
    made = Table(
        {
            "name": NAMES,
            "ra": [0.005, 0.009, 0.013] * u.deg,
            "dec": MaskedColumn([60.0, 0.0, -30.0], mask=[False, True, False], unit=u.arcmin),
            "err_ellipse_r0": MaskedColumn([1.0, 0.0, 0.1], mask=[False, True, False], unit=u.arcmin),
        }
    )
    if boolean:
        made["extent_flag"] = MaskedColumn([True, False, True], mask=[False, False, True])
    return made


def said(rows):
    return [(r["name"], r["ra"], r["dec"], r["err_ellipse_r0"], r["extent_flag"]) for r in rows]


def written(format_: str, **options) -> bytes:
    text = io.StringIO()
    table().write(text, format=format_, **options)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (written("ascii.ecsv"), "a.ecsv"),
        (written("ascii.ecsv", delimiter=","), "a.csv"),
        (b"\xef\xbb\xbf" + written("ascii.ecsv"), "a.txt"),
    ],
)
def test_ecsv_gives_values_in_the_catalogs_units_and_its_nulls(data, name):
    rows, flags = read(data, name)
    assert said(rows) == SAID
    assert flags == []


@pytest.mark.parametrize("format_", ["ascii.ipac", "ascii.mrt"])
def test_ipac_and_machine_readable_tables(format_):
    text = io.StringIO()
    table(boolean=False).write(text, format=format_)
    rows, flags = read(text.getvalue().encode(), "a.tbl")
    assert [r[:4] for r in said(rows)] == [r[:4] for r in SAID]
    assert flags == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_of_windows_programs(encoding, end):
    lines = ["name\tra\tnote", f"{NAMES[0]}\t0.005\t\N{GREEK SMALL LETTER ALPHA} Cen", f"{NAMES[1]}\t0.009\t"]
    rows, _ = read(end.join([*lines, ""]).encode(encoding), "a.txt")
    assert [(r["name"], r["ra"], r["extra"]) for r in rows] == [
        (NAMES[0], 0.005, [("note", "\N{GREEK SMALL LETTER ALPHA} Cen")]),
        (NAMES[1], 0.009, None),
    ]


def ascii_fits(**changes) -> bytes:
    columns = [
        fits.Column("name", "A24", array=NAMES),
        fits.Column("ra", "F12.7", unit="deg", array=[0.005, 0.009, 0.013]),
        fits.Column("dec", "E15.7", unit="arcmin", null="NULL", array=[60.0, 0.0, -30.0]),
        fits.Column("err_ellipse_r0", "D25.17", unit="arcmin", array=[1.0, 0.0, 0.1]),
        fits.Column("phot_nsrcs", "I6", array=[1, 2, 3]),
    ]
    hdu = fits.TableHDU.from_columns(columns, name="CSC21_MASTER")
    hdu.header.update(changes)
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    return out.getvalue()


def test_fits_ascii_tables_with_nulls_units_and_the_release_of_their_extension():
    data = ascii_fits()
    begin = data.index(NAMES[1].encode()) + fits.getheader(io.BytesIO(data), 1)["TBCOL3"] - 1
    data = data[:begin] + b"           NULL" + data[begin + 15 :]
    rows, flags = read(data, "a.fits")
    values = [(r["ra"], r["dec"], r["err_ellipse_r0"], r["phot_nsrcs"], r["release"]) for r in rows]
    assert values == [(0.005, 1.0, 60.0, 1, "2.1"), (0.009, None, 0.0, 2, "2.1"), (0.013, -0.5, 6.0, 3, "2.1")]
    assert flags == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 11520), st.binary(min_size=1, max_size=6))
def test_damaged_ascii_tables_are_read_or_refused(at, junk):
    data = bytearray(ascii_fits())
    data[2880 + at : 2880 + at + len(junk)] = junk
    try:
        list(read_source_table(io.BytesIO(bytes(data)), FileName.of("a.fits")))
    except UnreadableFile as error:
        assert str(error)  # noqa: PT017 - either outcome is right, another exception is not


def test_column_wise_fits_is_the_same_table():
    """Colfits, as TOPCAT writes it: one row, in which each column is an array over the table's rows."""
    wide = np.char.ljust(np.array(NAMES), 24)
    columns = [
        fits.Column("name", "72A", dim="(24,3)", array=[wide]),
        fits.Column("ra", "3D", unit="deg", dim="(3)", array=[[0.005, 0.009, 0.013]]),
        fits.Column("dec", "3E", unit="arcmin", dim="(3)", array=[np.array([60.0, np.nan, -30.0], np.float32)]),
        fits.Column("extent_flag", "3L", dim="(3)", array=[[True, False, True]]),
        fits.Column("pair", "6J", dim="(2,3)", array=[np.arange(6).reshape(3, 2)]),
    ]
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(out)
    rows, flags = read(out.getvalue(), "a.colfits")
    assert [(r["name"], r["ra"], r["dec"], r["extent_flag"], dict(r["extra"])) for r in rows] == [
        (NAMES[0], 0.005, 1.0, True, {"pair": "[0, 1]"}),
        (NAMES[1], 0.009, None, False, {"pair": "[2, 3]"}),
        (NAMES[2], 0.013, -0.5, True, {"pair": "[4, 5]"}),
    ]
    assert flags == ["unknown columns, kept in extra: pair"]


def test_a_fits_table_of_one_source_is_no_column_wise_one():
    columns = [fits.Column("name", "24A", array=NAMES[:1]), fits.Column("ra", "D", array=[0.5])]
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(out)
    assert [(r["name"], r["ra"]) for r in read(out.getvalue(), "a.fits")[0]] == [(NAMES[0], 0.5)]


def test_units_of_parquet_columns_are_read():
    schema = pa.schema([("name", pa.string()), pa.field("dec", pa.float64(), metadata={"unit": "arcmin"})])
    out = io.BytesIO()
    pq.write_table(pa.table([NAMES, [60.0, None, -30.0]], schema=schema), out)
    assert [r["dec"] for r in read(out.getvalue(), "a.parquet")[0]] == [1.0, None, -0.5]


VIZIER = """#
#   VizieR Astronomical Server vizier.cds.unistra.fr
#Name: IX/57/csc2master
#Column\tRAICRS\t(F11.7)\tRight ascension\t[ucd=pos.eq.ra]

2CXO\tRAICRS\tDEICRS\tr0\tS/N\tFluxb\tb_Fluxb\tB_Fluxb\tPF90avgs\tfe
 \tdeg\tdeg\tarcsec\t \tmW/m2\tmW/m2\tmW/m2\tct/s/m2\t
-----------------\t-----------\t-----------\t------\t----\t-----\t-----\t-----\t-----\t-
J000001.2+000001 \t000.0050000\t+00.0003000\t 0.70\t 5.0\t1e-14\t8e-15\t2e-14\t0.02\t0
J000002.2-000002X\t000.0090000\t-00.0006000\t     \t    \t     \t     \t     \t    \t1
"""


def test_vizier_text_with_its_lines_of_units_and_dashes():
    rows, flags = read(VIZIER.encode(), "asu.tsv")
    first, second = rows
    assert (first["name"], first["ra"], first["dec"], first["err_ellipse_r0"], first["significance"]) == (
        NAMES[0], 0.005, 0.0003, 0.7, 5.0)  # fmt: skip
    assert (first["flux_aper_b"], first["flux_aper_lolim_b"], first["flux_aper_hilim_b"]) == (1e-14, 8e-15, 2e-14)
    assert first["photflux_aper90_avg_s"] == pytest.approx(2e-6, rel=1e-15)
    assert (first["extent_flag"], first["release"], first["standing"]) == (False, "2.0", 1009)
    assert (second["name"], second["significance"], second["extent_flag"]) == (NAMES[1], None, True)
    assert flags == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: name, datatype: string}\nname ra\n", "expected an ECSV table"),
        (b"|name|ra|\n|char|double|\n 2CXO J000001.2+000001\n", "expected an IPAC table"),
    ],
)  # fmt: skip
def test_what_astropy_cannot_read_is_refused_by_the_name_of_its_format(data, words):
    with pytest.raises(UnreadableFile, match=words):
        list(read_source_table(io.BytesIO(data), FileName.of("a.txt")))


def test_a_fits_table_names_its_release_in_a_comment():
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("name", "24A", array=NAMES), fits.Column("ra", "D", array=[1, 2, 3])]
    )
    hdu.header.add_comment("made by hand")
    hdu.header.add_comment("from csc21.master_source")
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    assert {r["release"] for r in read(out.getvalue(), "a.fits")[0]} == {"2.1"}
