"""The second wall by itself: statements that no guard has seen, on the connection that queries run in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import duckdb
import pytest

from catalog.errors import QueryError
from catalog.store import confinement, frozen
from catalog.store.lake_files import LakeFiles

WRITING = """
COPY (SELECT 1) TO '{store}/evil.csv'
COPY (SELECT 1) TO '{outside}/evil.parquet'
COPY (SELECT 1) TO '{root}evil.parquet'
COPY (SELECT 1) TO '{root}lit/../../evil.csv'
COPY (SELECT 1 AS a, 2 AS b) TO '{root}parts' (PARTITION_BY a, FORMAT parquet)
COPY (SELECT 1) TO '/dev/stdout'
COPY lake.csc.master_source FROM '{outside}/x.csv'
EXPORT DATABASE '{outside}/all'
IMPORT DATABASE '{outside}/all'
CREATE TABLE lake.csc.x AS SELECT 1
CREATE SCHEMA lake.x
CREATE VIEW lake.csc.x AS SELECT 1
CREATE MACRO lake.csc.x() AS 1
INSERT INTO lake.csc.master_source (name) VALUES ('x')
UPDATE lake.csc.master_source SET ra = 1
DELETE FROM lake.csc.master_source
TRUNCATE lake.csc.master_source
DROP TABLE lake.csc.master_source
ALTER TABLE lake.csc.master_source ADD COLUMN x INT
COMMENT ON TABLE lake.csc.master_source IS 'x'
MERGE INTO lake.csc.master_source USING (SELECT 'x' AS name) AS u USING (name) WHEN MATCHED THEN DELETE
DELETE FROM __ducklake_metadata_lake.ducklake_snapshot
INSERT INTO __ducklake_metadata_lake.ducklake_snapshot FROM __ducklake_metadata_lake.ducklake_snapshot
CREATE TABLE __ducklake_metadata_lake.main.x (a INT)
CALL ducklake_expire_snapshots('lake', older_than => now())
CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)
CALL ducklake_flush_inlined_data('lake')
CALL ducklake_add_data_files('lake', 'master_source', '{outside}/y.parquet', schema => 'csc')
CHECKPOINT lake
FROM checkpoint('lake')
""".strip().splitlines()

READING = """
ATTACH '{store}/catalog.sqlite' AS x
ATTACH '{store}/catalog.sqlite' AS x (TYPE sqlite)
ATTACH '{outside}/z.duckdb' AS x
ATTACH '{outside}/new.duckdb' AS x
ATTACH '{root}new.duckdb' AS x
ATTACH 'ducklake:{outside}/new.ducklake' AS x
ATTACH 'ducklake:sqlite:{store}/catalog.sqlite' AS x
ATTACH 'https://localhost/x.duckdb' AS x
FROM sqlite_scan('{store}/catalog.sqlite', 'ducklake_table')
FROM sqlite_query('lake', 'SELECT 1')
FROM read_text('{store}/x.csv')
FROM read_csv('{outside}/x.csv')
FROM '{outside}/x.csv'
FROM read_parquet('{outside}/y.parquet')
FROM read_parquet('{outside}/*.parquet')
FROM parquet_metadata('{outside}/y.parquet')
FROM sniff_csv('{outside}/x.csv')
FROM read_duckdb('{outside}/z.duckdb')
FROM read_blob('/etc/passwd')
FROM read_blob('file:///etc/passwd')
FROM read_json('/proc/self/environ')
FROM read_blob('{root}../catalog.sqlite')
FROM read_blob('{root}lit/../../catalog.sqlite')
FROM read_blob('{root}/etc/passwd')
FROM read_blob('{root}out/x.csv')
FROM glob('/etc/*')
FROM glob('{store}/*')
FROM 'https://localhost/x.parquet'
FROM read_csv('s3://bucket/x.csv')
FROM query('COPY (SELECT 1) TO ''{outside}/evil.csv''')
FROM duckdb_extensions()
SELECT getenv('HOME')
""".strip().splitlines()

CHANGING = """
INSTALL httpfs
INSTALL sqlite
LOAD httpfs
LOAD sqlite
LOAD sqlite_scanner
LOAD '{outside}/x.duckdb_extension'
SET enable_external_access = true
SET GLOBAL enable_external_access = true
RESET enable_external_access
SET allowed_directories = ['/']
SET lock_configuration = false
SET temp_directory = '{outside}'
SET memory_limit = '100GB'
SET max_temp_directory_size = '100GB'
SET threads = 99
SET autoload_known_extensions = true
SET allow_unsigned_extensions = true
SET python_enable_replacements = true
SET home_directory = '{outside}'
SET log_query_path = '{outside}/log'
SET enable_profiling = 'json'
SET profiling_output = '{outside}/profile.json'
PRAGMA enable_profiling = 'json'
PRAGMA profiling_output = '{outside}/profile.json'
CREATE PERSISTENT SECRET x (TYPE s3)
""".strip().splitlines()

ENDING = (
    # these pass, and what comes after them fails, or ends the process; nothing is written
    "CALL enable_logging('QueryLog', storage := 'file', storage_path := '{outside}/log')",
    "CALL enable_logging('QueryLog', storage_path := '{store}/log')",
    "CALL enable_profiling(format := 'json', save_location := '{outside}/profile.json')",
    "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
    "CALL ducklake_merge_adjacent_files('lake')",
    "CALL ducklake_set_commit_message('lake', 'a', 'b')",
    "COPY FROM DATABASE lake TO memory",
    "CREATE TABLE memory.main.x AS FROM range(1000)",
    "DETACH lake",
)

_EACH_BY_ITSELF = """
import contextlib, os, sys
from pathlib import Path
from catalog.store import frozen
for tried in sys.argv[2:]:
    if os.fork():
        os.wait()
        continue
    connection = frozen.connect(Path(sys.argv[1])).connection
    for statement in (tried, "SELECT 1", "FROM lake.csc.master_source"):
        with contextlib.suppress(Exception):
            connection.execute(statement).fetchall()
    os._exit(0)
print("all tried")
"""


@pytest.fixture(scope="module")
def place(made_store, tmp_path_factory):
    """A folder with a store and, beside it, files that are none of the store's."""
    place = tmp_path_factory.mktemp("wall")
    shutil.copytree(made_store, place / "s")
    outside = place / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("a,b\n1,2\n")
    (place / "s" / "x.csv").write_text("a,b\n1,2\n")
    (place / "s" / "lake" / "out").symlink_to(outside)
    with duckdb.connect(str(outside / "z.duckdb")) as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{outside}/y.parquet'")
    return place


@pytest.fixture(scope="module")
def connection(place):
    reader = frozen.connect(place / "s")
    yield reader.connection
    reader.connection.close()


def spelled(statement, place):
    return statement.format(store=place / "s", outside=place / "outside", root=confinement.ROOT)


def everything_in(place):
    """Path -> when it was changed. SQLite's readers meet in a file of their own, which holds no data."""
    return {path: path.lstat().st_mtime_ns for path in place.rglob("*") if path.name != "catalog.sqlite-shm"}


@pytest.mark.parametrize("statements", [WRITING, READING, CHANGING], ids=["writing", "reading", "changing"])
def test_the_engine_refuses_what_is_not_reading_the_lake(connection, place, statements):
    before = everything_in(place)
    let_through = []
    for statement in statements:
        cursor = connection.cursor()
        try:
            rows = cursor.execute(spelled(statement, place)).fetchall()
            let_through.append((statement, rows))
        except duckdb.Error:
            pass
        finally:
            cursor.close()
    assert not let_through
    assert everything_in(place) == before
    assert connection.execute("SELECT count(*) FROM lake.csc.master_source").fetchall() == [(3,)]


@pytest.mark.parametrize("statement", ["FROM glob('{root}**')", "FROM read_blob('{root}%2e%2e/catalog.sqlite')"])
def test_names_of_the_lake_have_no_patterns(connection, place, statement):
    assert connection.execute(spelled(statement, place)).fetchall() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_nothing_is_written_even_where_the_process_ends(place):
    before = everything_in(place)
    statements = [spelled(statement, place) for statement in ENDING]
    ran = subprocess.run(
        [sys.executable, "-c", _EACH_BY_ITSELF, str(place / "s"), *statements], check=True, capture_output=True
    )
    assert b"all tried" in ran.stdout
    assert everything_in(place) == before


def test_extensions_that_open_files_by_ways_of_their_own_are_not_in_the_engine(connection):
    called = {name for (name,) in connection.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    assert not [name for name in called if name.startswith(("sqlite", "postgres", "mysql", "iceberg", "st_read"))]
    attached = connection.execute("SELECT database_name FROM duckdb_databases() WHERE NOT readonly").fetchall()
    assert {name for (name,) in attached} <= {"memory", "system", "temp"}


def test_python_variables_are_no_tables(connection):
    secret = duckdb.sql("SELECT 1")
    with pytest.raises(duckdb.CatalogException, match="secret"):
        connection.execute("FROM secret")
    assert secret is not None


def test_a_file_system_of_the_lake_writes_nothing_and_leads_nowhere(place):
    files = LakeFiles(place / "s" / "lake")
    root = confinement.ROOT
    for mode in ("wb", "ab", "r+b", "w"):
        with pytest.raises(PermissionError, match="writes no files"):
            files.open(f"{root}new", mode)
    for change in (files.rm, files.mkdir, files.touch, files.rmdir, files.rm_file, files.makedirs):
        with pytest.raises(PermissionError, match="writes no files"):
            change(f"{root}lit")
    with pytest.raises(PermissionError, match="writes no files"):
        files.mv(f"{root}lit", f"{root}new")
    for path in ("../catalog.sqlite", "out/x.csv", "/etc/passwd", "lit/../../x.csv"):
        for look in (files.open, files.size, files.modified, files.isfile, files.isdir, files.glob):
            with pytest.raises(PermissionError, match="leads out of the lake"):
                look(f"{root}{path}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_lake_does_not_hold_a_query_up(place):
    os.mkfifo(place / "s" / "lake" / "pipe")
    try:
        opened = LakeFiles(place / "s" / "lake").open(f"{confinement.ROOT}pipe")
        with pytest.raises(OSError, match="seek"):
            opened.read(1)
    finally:
        (place / "s" / "lake" / "pipe").unlink()


def test_the_spill_folder_is_private_and_has_a_name_that_is_not_known_before(connection):
    folder = confinement.spill_folder()
    assert folder.stat().st_mode & 0o077 == 0
    assert confinement.private_file(".x") != confinement.private_file(".x")
    assert connection.execute("SELECT current_setting('temp_directory')").fetchall() == [(str(folder),)]


@pytest.mark.parametrize("amount", ["", "much", "-1GB", "0", 0, -5, "1e9 parsecs", "8GB'; COPY x TO 'y"])
def test_a_limit_that_makes_no_sense_is_told(made_store, amount):
    with pytest.raises(QueryError, match="amount like 8GB"):
        frozen.connect(made_store, limits=confinement.EngineLimits(memory=amount))
