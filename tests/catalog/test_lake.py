"""The lake: one snapshot per commit, readers never wait, writers take turns, moved stores open."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from importlib.metadata import version

import pytest

from catalog.errors import StoreLocked, StoreNewer, StoreNotFound, StoreOutdated, UnknownName
from catalog.query.names import relations
from catalog.schema import SCHEMAS, TABLES
from catalog.store import engine, lake, location, transactions, unreferenced


def count(connection, table="meta.source"):
    return connection.execute(f"SELECT count(*) FROM lake.{table}").fetchone()[0]


def add_source(store, name="/data"):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection, lake.transaction(connection, "add"):
        connection.execute("INSERT INTO lake.meta.source VALUES ('files', ?, NULL, now()::TIMESTAMP, NULL)", [name])


def test_a_new_store_has_every_table_with_its_columns_and_comments(store):
    with contextlib.closing(lake.connect(store)) as connection:
        rows = connection.execute(
            "SELECT schema_name || '.' || table_name, column_name, data_type, comment "
            "FROM duckdb_columns() WHERE database_name = 'lake'"
        ).fetchall()
    stored = {(table, column): (type_, comment) for table, column, type_, comment in rows}
    for table in TABLES.values():
        for column in table.columns:
            said = None if table.merged_into and column.name != "disputed" else column.comment  # their table has them
            assert stored[table.full_name, column.name] == (column.duckdb_type, said)
    assert set(SCHEMAS) == {name.partition(".")[0] for name in relations()}


def test_creating_twice_makes_nothing_new(store):
    with contextlib.closing(lake.connect(store)) as connection:
        before = lake.snapshots(connection)
    assert lake.create(store) is False
    with contextlib.closing(lake.connect(store)) as connection:
        assert lake.snapshots(connection) == before


def test_a_store_of_an_older_version_gets_the_new_columns(store):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        connection.execute("ALTER TABLE lake.meta.file DROP COLUMN flags")
        connection.execute("DELETE FROM lake.meta.state WHERE name = '*'")
    assert lake.create(store) is True
    with contextlib.closing(lake.connect(store)) as connection:
        assert connection.execute("SELECT flags FROM lake.meta.file").fetchall() == []


def test_a_missing_store_says_what_to_type(tmp_path):
    with pytest.raises(StoreNotFound, match="python -m ingest files"):
        lake.connect(tmp_path)


def test_snapshots_reopen_by_number_and_by_time(store):
    add_source(store, "/one")
    with contextlib.closing(lake.connect(store)) as connection:
        then = lake.snapshots(connection)[-1]
    add_source(store, "/two")
    with contextlib.closing(lake.connect(store, snapshot=then.number)) as connection:
        assert count(connection) == 1
    with contextlib.closing(lake.connect(store, at=then.time)) as connection:
        assert count(connection) == 1
    with contextlib.closing(lake.connect(store)) as connection:
        assert count(connection) == 2
    with pytest.raises(UnknownName, match="catalog snapshots"):
        lake.connect(store, snapshot=10_000)


def test_a_failed_transaction_leaves_nothing(store):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        insert = "INSERT INTO lake.meta.source VALUES ('files', '/x', NULL, now()::TIMESTAMP, NULL)"
        with pytest.raises(ZeroDivisionError), lake.transaction(connection, "half"):
            connection.execute(insert).fetchall()[0][0] / 0
        assert count(connection) == 0
    with contextlib.closing(lake.connect(store)) as connection:
        assert [s.message for s in lake.snapshots(connection)][-1] != "half"


def test_a_moved_store_opens_and_repair_mends_it_for_bare_duckdb(store, tmp_path):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection, lake.transaction(connection):
        connection.execute(
            "INSERT INTO lake.meta.source SELECT 'files', i::VARCHAR, NULL, now()::TIMESTAMP, NULL FROM range(100) t(i)"
        )
    moved = tmp_path / "elsewhere"
    shutil.move(store, moved)
    with contextlib.closing(lake.connect(moved)) as connection:
        assert count(connection) == 100
    assert any("data path" in line for line in unreferenced.repair_tables(moved))
    bare = engine.start()
    bare.execute(f"ATTACH 'ducklake:sqlite:{moved}/catalog.sqlite' AS lake (READ_ONLY)")
    assert bare.execute("SELECT count(*) FROM lake.meta.source").fetchone() == (100,)


def test_a_second_writer_fails_at_once_or_waits_and_says_for_whom(store):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
                import sys
                from pathlib import Path
                from catalog.store import lake
                with lake.lock(Path({str(store)!r}), "a long refresh"):
                    print("held", flush=True)
                    sys.stdin.read()
            """),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreLocked, match=f"process {holder.pid} .*a long refresh"), lake.lock(store, "x", wait=False):
        pass
    said = []
    waited = threading.Event()

    def wait_for_it():
        with lake.lock(store, "second", on_wait=said.append):
            waited.set()

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    assert not waited.wait(0.3)
    holder.kill()  # the lock dies with its process
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    thread.join(timeout=20)
    assert waited.is_set()
    assert "a long refresh" in said[0]


def test_readers_never_wait_for_a_writer(store):
    with contextlib.closing(lake.connect(store, read_only=False)) as writer, lake.transaction(writer):
        writer.execute("INSERT INTO lake.meta.source VALUES ('files', '/x', NULL, now()::TIMESTAMP, NULL)")
        with contextlib.closing(lake.connect(store)) as reader:
            assert count(reader) == 0
    with contextlib.closing(lake.connect(store)) as reader:
        assert count(reader) == 1


def test_repair_removes_what_no_snapshot_references(store):
    unreferenced.repair_tables(store)  # the fixture's store is a copy: its data path is mended first
    orphan = store / location.DATA / "meta" / "source" / "left-over.parquet"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"PAR1")
    (store / location.INCOMING).mkdir()
    (store / location.INCOMING / "half.parquet").write_bytes(b"PAR1")
    done = unreferenced.repair_tables(store)
    assert len(done) == 2
    assert not orphan.exists()
    assert unreferenced.repair_tables(store) == []


BROWSER = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
held.execute("UPDATE ducklake_metadata SET value = value")
print("held", flush=True)
sys.stdin.readline()
held.execute(sys.argv[2])
held.close()
"""


@contextlib.contextmanager
def held_by_a_browser(store, seconds, end="ROLLBACK"):
    """Another process holds the write lock of the catalog's file, as a database browser with unsaved changes does."""
    command = [sys.executable, "-c", BROWSER, str(store / location.CATALOG), end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as browser:
        assert browser.stdout.readline() == "held\n"
        timer = threading.Timer(seconds, lambda: browser.communicate("\n"))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            if browser.poll() is None:
                with contextlib.suppress(ValueError):  # the timer was quicker
                    browser.communicate("\n")


def remembered(store):
    with contextlib.closing(lake.connect(store)) as connection:
        return lake.recall(connection, "a")


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_a_program_that_holds_the_catalog_is_waited_for(store, monkeypatch, caplog, end):
    monkeypatch.setattr(transactions, "_SAID_AFTER_S", 0.0)
    with (
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        held_by_a_browser(store, 0.5, end),
        lake.transaction(connection),
    ):
        lake.remember(connection, "a", end)
    assert remembered(store) == end
    assert "another program holds" in caplog.text


def test_a_program_that_begins_to_hold_the_catalog_in_the_midst_is_waited_for(store):
    with (
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        contextlib.ExitStack() as browser,
        lake.transaction(connection),
    ):
        lake.remember(connection, "a", "b")
        browser.enter_context(held_by_a_browser(store, 0.5))
    assert remembered(store) == "b"


def test_a_program_that_never_lets_go_is_told_in_one_line(store, monkeypatch):
    monkeypatch.setattr(transactions, "_PATIENCE_S", 0.2)
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        with held_by_a_browser(store, 60):
            held = pytest.raises(StoreLocked, match=r"catalog\.sqlite is held by another program")
            with held, lake.transaction(connection):
                lake.remember(connection, "a", "b")
            assert remembered(store) is None  # reading goes on
        with lake.transaction(connection):
            lake.remember(connection, "a", "c")
    assert remembered(store) == "c"


def set_catalog_version(store, version):
    with contextlib.closing(sqlite3.connect(store / location.CATALOG, isolation_level=None)) as catalog:
        catalog.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'version'", [version])


def test_a_catalog_of_another_version_of_ducklake_is_told_in_one_line(store):
    set_catalog_version(store, "9.12")
    for options in ({}, {"read_only": False}, {"snapshot": 1}):
        with pytest.raises(StoreNewer, match=r"by DuckLake 9\.12, and this photonlake has DuckLake [\d.]+; type: pip"):
            lake.connect(store, **options)
    set_catalog_version(store, "0.1")
    with pytest.raises(StoreOutdated, match=r"by DuckLake 0\.1, .*AUTOMATIC_MIGRATION"):
        lake.connect(store)


def test_a_store_of_a_later_photonlake_is_left_as_it_is(store):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        assert lake.recall(connection, "photonlake") == version("photonlake")
        with lake.transaction(connection):
            lake.remember(connection, "photonlake", "99.1")
            lake.remember(connection, "*", "of another version")
    before = (store / location.CATALOG).read_bytes()
    with pytest.raises(StoreNewer, match=r"written by photonlake 99\.1, and this is "):
        lake.create(store)
    assert (store / location.CATALOG).read_bytes() == before
    with contextlib.closing(lake.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM csc.master_source").fetchall()  # what it has can be read
        with pytest.raises(StoreNewer), lake.reading(connection, store):
            connection.execute("SELECT * FROM meta.what_there_is_not")


def test_a_writer_publishes_all_or_nothing_and_lets_others_in_again(store):
    with lake.writer(store, "a test", commit="one word") as connection:
        lake.remember(connection, "a", "1")
        assert remembered(store) is None  # a reader beside it sees nothing yet
    with contextlib.suppress(KeyError), lake.writer(store, "a test", commit="another") as connection:
        lake.remember(connection, "a", "2")
        raise KeyError
    assert remembered(store) == "1"
    with lake.writer(store, "a test", wait=False) as connection:
        for word in ("3", "4"):
            with lake.transaction(connection, word):
                lake.remember(connection, "a", word)
    with contextlib.closing(lake.connect(store)) as connection:
        assert [s.message for s in lake.snapshots(connection)][-3:] == ["one word", "3", "4"]


def test_a_writer_wants_a_store_and_its_turn(store, tmp_path):
    with pytest.raises(StoreNotFound), lake.writer(tmp_path / "absent", "a test"):
        pass
    with lake.writer(store, "a long refresh"):
        held = pytest.raises(StoreLocked, match="a long refresh")
        with held, lake.writer(store, "a test", wait=False):
            pass
