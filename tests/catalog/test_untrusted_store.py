"""A store from somebody else: its catalog may say anything, and opening it runs no code and opens no path it names."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

import lance
import numpy as np
import pytest
from factories.store import write

from catalog.catalog import Catalog
from catalog.errors import PhotonlakeError, UntrustedStore
from catalog.store import lake, vectors
from catalog.store.vectors import Pin

PATHS = [
    ("ducklake_data_file", "path = '/etc/passwd'"),
    ("ducklake_data_file", "path = '/etc/passwd', path_is_relative = 0"),
    ("ducklake_data_file", "path_is_relative = 0"),
    ("ducklake_data_file", "path_is_relative = NULL"),
    ("ducklake_data_file", "path_is_relative = 'true'"),
    ("ducklake_data_file", "path = '../../catalog.sqlite'"),
    ("ducklake_data_file", "path = 'a/../../../x.parquet'"),
    ("ducklake_data_file", "path = 's3://bucket/x.parquet'"),
    ("ducklake_data_file", "path = 'file:/etc/passwd'"),
    ("ducklake_data_file", "path = '..\\x.parquet'"),
    ("ducklake_data_file", "path = 'x' || char(0) || '/../..'"),
    ("ducklake_data_file", "path = CAST('../x' AS BLOB)"),
    ("ducklake_data_file", "path = NULL"),
    ("ducklake_schema", "path = '/tmp/', path_is_relative = 0"),
    ("ducklake_schema", "path = '../'"),
    ("ducklake_table", "path = '/etc/', path_is_relative = 0"),
    ("ducklake_table", "path = '../../'"),
]
HELD = [
    "INSERT INTO ducklake_files_scheduled_for_deletion VALUES (1, '/etc/passwd', 0, '2020-01-01')",
    "INSERT INTO ducklake_files_scheduled_for_deletion VALUES (1, '../../catalog.sqlite', 1, '2020-01-01')",
    "INSERT INTO ducklake_delete_file (path, path_is_relative) VALUES ('/etc/passwd', 0)",
    "UPDATE ducklake_inlined_data_tables SET table_name = 'ducklake_snapshot; --'",
    "UPDATE ducklake_inlined_data_tables SET table_name = 'sqlite_master'",
]
VIEWS = [
    "FROM read_text('/etc/passwd')",
    "FROM 'x.csv'",
    "FROM sqlite_scan('catalog.sqlite', 'ducklake_table')",
    "SELECT getenv('HOME') AS a",
    "SELECT 1; SELECT 2",
    "COPY (SELECT 1) TO 'x'",
    "FROM query('SELECT 1')",
    "SELECT (SELECT max(content) FROM read_text('x')) AS a",
    "FROM ducklake_add_data_files('lake', 't', 'f')",
]
MACROS = [
    ("getenv('HOME')", "scalar"),
    ("(SELECT max(content) FROM read_text('/etc/passwd'))", "scalar"),
    ("current_setting('temp_directory')", "scalar"),
    ("1); SELECT getenv('HOME'", "scalar"),
    ("FROM read_text('/etc/passwd')", "table"),
    ("SELECT 1; SELECT 2", "table"),
    ("FROM sqlite_scan('a', 'b')", "table"),
]
BROKEN = [
    "DROP TABLE ducklake_view",
    "UPDATE ducklake_snapshot SET next_file_id = 'abc'",
    "UPDATE ducklake_snapshot SET schema_version = NULL",
    "UPDATE ducklake_column SET column_type = 'decimal(1,2) AS x'",
    "UPDATE ducklake_column SET initial_default = 'f(1)', default_value_type = 'expression' WHERE column_name = 'ra'",
    "UPDATE ducklake_view SET column_aliases = 'x) AS FROM read_text(1) --'",
    "UPDATE ducklake_macro_parameters SET default_value = 'getenv(1)', default_value_type = 'literal'",
]


@pytest.fixture(scope="module")
def made(made_store, tmp_path_factory):
    """The small store with a file of rows, nothing of which is open."""
    store = shutil.copytree(made_store, tmp_path_factory.mktemp("sent") / "s")
    write(store, "product.good_time", *({"file_id": n, "obsid": 1} for n in range(100)))
    return store


@pytest.fixture
def sent(made, tmp_path):
    """Return a function that makes a store whose catalog was changed by hand."""

    def changed(*statements):
        store = tmp_path / "sent"
        store.mkdir()
        shutil.copy(made / "catalog.sqlite", store)
        (store / "lake").symlink_to(made / "lake")
        with sqlite3.connect(store / "catalog.sqlite") as catalog:
            for statement in statements:
                assert catalog.execute(statement).rowcount, "it changes nothing"
        catalog.close()
        return store

    return changed


def in_one_line(caught):
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def refused_by_all(store):
    for opened in (Catalog, lake.connect):
        with pytest.raises(UntrustedStore) as caught:
            opened(store)
        assert str(store) in in_one_line(caught)


@pytest.mark.parametrize(("table", "change"), PATHS)
def test_a_path_outside_the_lake_is_refused(sent, table, change):
    refused_by_all(sent(f"UPDATE {table} SET {change} WHERE rowid = (SELECT max(rowid) FROM {table})"))


@pytest.mark.parametrize("statement", HELD)
def test_whatever_else_holds_a_path_is_looked_at(sent, statement):
    refused_by_all(sent(statement))


def test_where_the_lake_lies_is_not_the_catalogs_to_say(sent):
    store = sent("UPDATE ducklake_metadata SET value = '/etc/' WHERE key = 'data_path'")
    with Catalog(store) as cat:
        assert cat.sql("SELECT count(*) > 0 AS n FROM meta.state").fetchall() == [(True,)]


def test_a_lake_that_holds_the_store_and_much_else_is_refused(sent):
    store = sent()
    (store / "lake").unlink()
    for folder in (Path("/"), store.parent, store):
        (store / "lake").symlink_to(folder)
        refused_by_all(store)
        (store / "lake").unlink()


@pytest.mark.parametrize("body", VIEWS)
def test_a_view_that_does_more_than_read_tables_is_left_out(sent, body, caplog):
    quoted = body.replace("'", "''")
    store = sent(f"UPDATE ducklake_view SET sql = '{quoted}' WHERE view_name = 'class_conflict'")
    with caplog.at_level(logging.WARNING), Catalog(store) as cat:
        with pytest.raises(PhotonlakeError) as caught:
            cat.sql("FROM analysis.class_conflict").fetchall()
        assert "class_conflict" in in_one_line(caught)
        assert cat.sql("SELECT count(*) AS n FROM csc.master_source").fetchall() == [(3,)]
    told = [record.getMessage() for record in caplog.records if "class_conflict" in record.getMessage()]
    assert told
    assert all("left out" in line and len(line.splitlines()) == 1 for line in told)


@pytest.mark.parametrize(("body", "form"), MACROS)
def test_a_macro_that_does_more_than_read_tables_is_left_out(sent, body, form):
    macro = "(SELECT macro_id FROM ducklake_macro WHERE macro_name = 'separation_arcsec')"
    quoted = body.replace("'", "''")
    store = sent(f"UPDATE ducklake_macro_impl SET sql = '{quoted}', type = '{form}' WHERE macro_id = {macro}")
    call = "separation_arcsec(1, 2, 3, 4)"
    with Catalog(store) as cat:
        for query in (f"SELECT {call} AS s", f"FROM {call}", "SELECT * FROM cone(83.75, -5.4, 60)"):
            with pytest.raises(PhotonlakeError) as caught:
                cat.sql(query).fetchall()
            in_one_line(caught)
        assert cat.sql("SELECT count(*) AS n FROM csc.master_source").fetchall() == [(3,)]


def test_a_macro_named_like_a_function_of_the_engine_lets_none_through(sent):
    store = sent(
        "UPDATE ducklake_macro SET macro_name = 'getenv' WHERE macro_name = 'separation_arcsec'",
        "UPDATE ducklake_view SET sql = 'SELECT getenv(''HOME'') AS a' WHERE view_name = 'class_conflict'",
    )
    with Catalog(store) as cat:
        for query in ("SELECT getenv(1, 2, 3, 4)", "FROM analysis.class_conflict"):
            with pytest.raises(PhotonlakeError):
                cat.sql(query).fetchall()


@pytest.mark.parametrize("body", ["FROM sqlite_scan('a', 'b')", "SELECT (FROM sqlite_query('lake', 'x')) AS a"])
def test_a_job_opens_no_store_whose_views_open_databases(sent, body):
    quoted = body.replace("'", "''")
    store = sent(f"UPDATE ducklake_view SET sql = '{quoted}' WHERE view_name = 'class_conflict'")
    with pytest.raises(UntrustedStore, match="class_conflict"):
        lake.connect(store)


@pytest.mark.parametrize("statement", BROKEN)
def test_a_catalog_that_makes_no_sense_is_told_in_one_line(sent, statement):
    with pytest.raises(PhotonlakeError) as caught:
        Catalog(sent(statement))
    assert "sent" in in_one_line(caught)


@pytest.mark.parametrize("space", ["../../outside", "/outside", "a/b", "", "..", ".", "s3://bucket/x", "a\0b", "a\\b"])
def test_a_space_has_a_plain_name(tmp_path, space):
    with pytest.raises(UntrustedStore, match="plain name"):
        vectors.path(tmp_path, space)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "a" * 63, "A" * 64, "a" * 64 + "\n", "", "None"])
def test_weights_are_named_by_their_hash(tmp_path, name):
    assert vectors.weights_file(tmp_path, "a" * 64).parent == tmp_path / "models"
    with pytest.raises(UntrustedStore, match="named by their hash"):
        vectors.weights_file(tmp_path, name)


def test_a_store_that_names_vectors_or_weights_elsewhere_is_told(made, tmp_path):
    store = shutil.copytree(made, tmp_path / "s")
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection):
            vectors.publish(connection, Pin("../../outside", 1, "e", 1, 4))
        connection.close()
    with Catalog(store) as cat, pytest.raises(UntrustedStore, match="plain name"):
        cat.sql("FROM nearest('../../outside', [1, 2, 3, 4])").fetchall()


def test_vectors_that_lie_elsewhere_are_not_read(tmp_path):
    rows = vectors.rows(["1.0.1"], ["n"], np.ones((1, 4), np.float32), ["spectrum"], "e", ["h"])
    folder = vectors.path(tmp_path / "s", "spectrum")
    folder.parent.mkdir(parents=True)
    elsewhere = lance.DatasetBasePath(str(tmp_path / "elsewhere"), name="elsewhere")
    made = lance.write_dataset(rows, str(folder), initial_bases=[elsewhere], target_bases=["elsewhere"])
    with pytest.raises(UntrustedStore, match="a path to others"):
        vectors.open_pinned(tmp_path / "s", "spectrum", made.version)
