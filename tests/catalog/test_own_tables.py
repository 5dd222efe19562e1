"""Tables of a user's own in SQL: every kind of frame and file, refused names, and no way in for anybody else."""

from __future__ import annotations

import gzip
import io

import astropy.units as u
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import ForbiddenStatement, QueryError, UnknownName, UnreadableFile
from catalog.formats import own_tables
from catalog.serve.tap_uploads import table_of_votable

ROWS = {"label": ["a", "b", None], "flux": [1.5, float("nan"), 3.0]}
CLEAN = [{"label": "a", "flux": 1.5}, {"label": "b", "flux": None}, {"label": None, "flux": 3.0}]


@pytest.fixture
def cat(made_store):
    with Catalog(made_store) as cat:
        yield cat


def astropy_table():
    label = MaskedColumn(["a", "b", ""], mask=[False, False, True])
    return Table({"label": label, "flux": np.array([1.5, np.nan, 3.0], dtype=">f8") * u.mJy})


@pytest.mark.parametrize(
    "frame",
    [ROWS, pl.DataFrame(ROWS), pl.LazyFrame(ROWS), pd.DataFrame(ROWS), pa.table(ROWS), astropy_table()],
    ids=["dict", "polars", "lazy", "pandas", "arrow", "astropy"],
)
def test_any_frame_is_a_table_and_nan_is_null(cat, frame):
    cat.register("mine", frame)
    assert cat.sql("FROM mine").arrow().to_pylist() == CLEAN


def write_csv(path):
    pl.DataFrame(ROWS).write_csv(path)


def write_gzipped_csv(path):
    path.write_bytes(gzip.compress(b"label,flux\na,1.5\nb,NaN\n,3.0\n"))


def write_fits(path):
    table = Table({"label": ["a", "b", "c"], "flux": np.array([1.5, np.nan, 3.0]) * u.mJy})
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2))), fits.table_to_hdu(table)]).writeto(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", write_csv),
        ("t.csv.gz", write_gzipped_csv),
        ("t.tsv", lambda p: pl.DataFrame(ROWS).write_csv(p, separator="\t")),
        ("t.parquet", lambda p: pq.write_table(pa.table(ROWS), p)),
        ("t.vot", lambda p: astropy_table().write(p, format="votable")),
        ("t.ecsv", lambda p: astropy_table().write(p, format="ascii.ecsv")),
        ("t.fits", write_fits),
    ],
)
def test_any_file_of_a_table_is_read_by_its_name(cat, tmp_path, name, write):
    write(tmp_path / name)
    cat.register("mine", tmp_path / name)
    assert cat.sql("SELECT flux FROM mine").arrow()["flux"].to_pylist() == [1.5, None, 3.0]
    assert cat.sql("SELECT label FROM mine").fetchall()[0] == ("a",)


def test_own_rows_meet_the_catalog_by_position(cat):
    name, ra, dec = cat.sql("SELECT name, ra, dec FROM csc.master_source ORDER BY name").fetchall()[0]
    cat.register("mine", Table({"position": SkyCoord([ra], [dec], unit="deg"), "id": [7]}))
    found = cat.sql("SELECT mine.id, c.name FROM mine, cone(mine.ra, mine.dec, 2) AS c").fetchall()
    assert (7, name) in found


def test_units_of_an_own_table_reach_the_answer(cat):
    cat.register("mine", astropy_table())
    assert cat.sql("SELECT 1 AS one, flux FROM mine").table()["flux"].unit == u.mJy
    assert [c.unit for c in cat.info("mine").columns] == ["", "mJy"]
    assert ("mine", 3) in [(r.name, r.n_rows) for r in cat.tables()]


def test_times_are_utc_and_images_are_lists():
    made = own_tables.from_frame(Table({"t": Time(["2020-01-01T00:00:00"], scale="utc"), "v": np.ones((1, 2))}))
    assert made["t"][0].as_py().isoformat() == "2020-01-01T00:00:00"
    assert made["v"].to_pylist() == [[1.0, 1.0]]


def test_a_query_in_time_sees_own_tables_too(cat):
    cat.register("mine", ROWS)
    assert cat.sql("SELECT count(*) FROM mine", timeout_s=60).fetchall() == [(3,)]
    cat.unregister("mine")
    with pytest.raises(UnknownName, match="there is no table or view mine"):
        cat.sql("SELECT count(*) FROM mine", timeout_s=60)


@pytest.mark.parametrize("name", ["a b", "1st", "csc", "cone", "nearest", "a.b", ""])
def test_a_name_that_is_taken_or_not_plain_is_refused(cat, name):
    with pytest.raises(QueryError, match=r"cannot name a table|taken by the store"):
        cat.register(name, ROWS)


@pytest.mark.parametrize(
    "frame", [5, [1, 2], {"a": [1], "A": [2]}, {"a": [1, 2], "b": [1]}, {"a": [object()]}, {"a": np.array([1j])}]
)
def test_what_is_no_table_is_refused(cat, frame):
    with pytest.raises(QueryError):
        cat.register("mine", frame)


def test_a_broken_or_absent_file_is_named(cat, tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    for file in ("t.parquet", "absent.csv"):
        with pytest.raises(UnreadableFile, match=file):
            cat.register("mine", tmp_path / file)


def test_the_command_reads_a_file_and_its_errors_say_how(made_store, tmp_path):
    write_csv(tmp_path / "t.csv")
    query = ["sql", "--store", str(made_store), "SELECT sum(flux) AS f FROM mine", "--format", "csv"]
    found = CliRunner().invoke(app, [*query, "--with", f"mine={tmp_path / 't.csv'}"])
    assert found.stdout.split() == ['"f"', "4.5"]


def test_refusals_name_the_way_for_an_own_table(cat, tmp_path):
    for query in (f"FROM read_csv('{tmp_path}/t.csv')", f"FROM '{tmp_path}/t.csv'"):
        with pytest.raises(ForbiddenStatement, match=r"cat\.register"):
            cat.sql(query)
    with pytest.raises(QueryError, match=r"cat\.register\('mine'"):
        cat.sql("SELECT $mine", mine=pl.DataFrame(ROWS))


VOTABLE = '<{0}VOTABLE xmlns{1}="http://www.ivoa.net/xml/VOTable/v1.3"><{0}RESOURCE><{0}TABLE{2}>{3}</{0}TABLE>'
VOTABLE += "</{0}RESOURCE></{0}VOTABLE>"
CHARS = '<{0}FIELD name="c" datatype="char" arraysize="{1}"/>'
ELSEWHERE = '<{0}DATA><{0}{2}><{0}STREAM {3}="file://{1}"/></{0}{2}></{0}DATA>'


def elsewhere(secret, prefix="", kind="BINARY", name="href"):
    xmlns = f":{prefix[:-1]}" if prefix else ""
    return VOTABLE.format(prefix, xmlns, "", CHARS.format(prefix, 1) + ELSEWHERE.format(prefix, secret, kind, name))


def test_no_file_named_in_a_votable_is_opened(cat, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    plain = elsewhere(secret)
    sent = {
        "plain": plain.encode(),
        "prefixed": elsewhere(secret, "v:").encode(),
        "utf16": ('<?xml version="1.0" encoding="utf-16"?>' + plain).encode("utf-16"),
        "gzipped": gzip.compress(plain.encode()),
        "binary2": elsewhere(secret, kind="BINARY2").encode(),
        "fits": elsewhere(secret, kind="FITS").encode(),
        "entity": (f'<!DOCTYPE V [<!ENTITY w "file://{secret}">]>' + plain.replace(f"file://{secret}", "&w;")).encode(),
    }
    for name, content in sent.items():
        file = tmp_path / f"{name}.vot"
        file.write_bytes(content)
        with pytest.raises(UnreadableFile, match=rf"{name}.vot: .*rows elsewhere"):
            cat.register("mine", file)
        with pytest.raises(QueryError, match="rows elsewhere" if name != "gzipped" else "no VOTable"):
            table_of_votable(file)


@pytest.mark.parametrize("size", ["20000000", "5000x5000", "2_0000000", "9" * 30, "-1", "1e9", "70000x*"])
def test_no_cell_of_a_votable_is_larger_than_one_is(size):
    text = VOTABLE.format("", "", "", CHARS.format("", size))
    with pytest.raises(QueryError, match="arraysize"):
        own_tables.check_votable(io.BytesIO(text.encode()))


@pytest.mark.parametrize("rows", [' nrows="90000000"', ' nrows="1_0"', ""])
def test_a_votable_that_is_sent_has_so_many_cells(tmp_path, rows):
    file = tmp_path / "t.vot"
    file.write_text(VOTABLE.format("", "", rows, CHARS.format("", 1 << 16) * 100 + "<TR/>" * 11))
    with pytest.raises(QueryError, match=r"cells|nrows"):
        table_of_votable(file)
    for good in ("", "*", "3", "2x3", "2x*", "8*"):
        own_tables.check_votable(io.BytesIO(VOTABLE.format("", "", "", CHARS.format("", good)).encode()), 100)
