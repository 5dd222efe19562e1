"""The only road to DuckDB: extensions, attach, snapshots, transactions, the writer's lock.

A store is a directory. Its tables live in a DuckLake whose catalog is one SQLite file in write-ahead mode:
readers are never blocked, writers take turns through a lock that dies with its process.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import logging
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import duckdb
import filelock
import pyarrow as pa

from catalog.errors import (
    OutOfSpace,
    PhotonlakeError,
    StoreLocked,
    StoreNewer,
    StoreOutdated,
    command,
)
from catalog.schema import SCHEMAS, TABLES, Table
from catalog.schema.columns import literal, quote
from catalog.store import confinement, engine, inspection, sqlite_catalog
from catalog.store.location import CATALOG, DATA, INCOMING, attach, check_exists, exists, release_of
from catalog.store.sqlite_catalog import held, is_locked
from sql.objects import OBJECTS

Connection: TypeAlias = duckdb.DuckDBPyConnection
"""A session with a store; packages above take it from here and leave DuckDB alone."""

LOCK = "writer.lock"
HOLDER = "writer.json"
_PATIENCE_S, _SAID_AFTER_S, _POLL_S = 60.0, 1.0, 0.1
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One commit: what the store was at a moment.

    Attributes
    ----------
    number : int
        Counts up with every commit.
    time : datetime
        When it was committed, UTC.
    message : str
        What the job that made it said of it.
    changes : str
        Tables it touched.
    """

    number: int
    time: datetime
    message: str
    changes: str


def connect(
    store: Path,
    *,
    read_only: bool = True,
    snapshot: int | None = None,
    at: datetime | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB connection with the store attached as `lake` and in use.

    Parameters
    ----------
    store : Path
        The store's directory.
    read_only : bool
        Without it, hold the writer's lock: see `writer`.
    snapshot : int, optional
        Reopen this snapshot.
    at : datetime, optional
        Reopen the store as it was at this moment (UTC if naive).
    spill : Path, optional
        Folder for what does not fit in memory; else one of this process's own.

    Raises
    ------
    StoreNotFound
        If there is no store.
    UnknownName
        If there is no such snapshot.
    UntrustedStore
        If the store names files outside itself.
    """
    check_exists(store)
    if read_only and not os.access(store, os.W_OK):  # SQLite would write beside its file even to read it
        from catalog.store import frozen  # noqa: PLC0415 - it builds on this module

        return frozen.connect(store, snapshot=snapshot, at=at).connection
    with sqlite_catalog.opened(store / CATALOG) as cursor:
        inspection.check_for_jobs(sqlite_catalog.asking(cursor), store)
    connection = engine.start()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        catalog_path = f"ducklake:sqlite:{store / CATALOG}"
        data_path = f"{store / DATA}{os.sep}"
        attach(connection, store, catalog_path, data_path, read_only=read_only, snapshot=snapshot, at=at)
        confinement.keep_to_store(connection, store, spill)
    except BaseException:
        connection.close()
        raise
    return connection


def create(store: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> bool:
    """Make a store, or bring one up to the tables, views and macros of this version.

    Parameters
    ----------
    store : Path
        The store's directory.
    wait, on_wait
        See `lock`.

    Returns
    -------
    bool
        Whether anything was made.

    Raises
    ------
    StoreNewer
        If a later version of photonlake wrote it: this one would take away what that one needs.
    EngineMismatch
        If DuckDB and its extensions are not of one version.
    """
    if exists(store):
        with contextlib.closing(connect(store)) as connection:
            if is_current(connection):
                return False
            _refuse_newer(connection, store)
    engine.check()  # before there is a folder
    store.mkdir(parents=True, exist_ok=True)
    with lock(store, "create the store", wait=wait, on_wait=on_wait):
        if not exists(store):
            _create_empty(store)
        with contextlib.closing(connect(store, read_only=False)) as connection:
            if is_current(connection):
                return False
            with transaction(connection, "tables, views and macros of this version"):
                for statement in _missing(connection):
                    connection.execute(statement)
                made = {item.full_name: item.fingerprint for item in OBJECTS}
                written_by = metadata.version("photonlake")
                remember_all(connection, made | {_EVERYTHING: _version(), _WRITTEN_BY: written_by})
    return True


def bring_up_to_date(store: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> bool:
    """Bring a store that exists up to this version: what a job does before it writes.

    Raises
    ------
    StoreNotFound
        If there is no store.

    Returns
    -------
    bool
        Whether anything had to be made.
    """
    check_exists(store)
    return create(store, wait=wait, on_wait=on_wait)


@contextlib.contextmanager
def reading(connection: duckdb.DuckDBPyConnection, store: Path) -> Iterator[None]:
    """Read views and tables of this version in a block; a store that lacks them says so and what to type.

    Raises
    ------
    StoreOutdated, StoreNewer
        If a query fails and the store was made by another version.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_current(connection):
            raise
        _refuse_newer(connection, store)
        advice = f"bring it up to date: {command('catalog init', store)}"
        raise StoreOutdated(f"{store} was made by another version of photonlake; {advice}") from error


_EVERYTHING = "*"
"""Name in meta.state under which the fingerprint of all definitions together stands."""
_WRITTEN_BY = "photonlake"
"""Name in meta.state under which the version stands that brought the store up to its tables and views."""


def _refuse_newer(connection: duckdb.DuckDBPyConnection, store: Path) -> None:
    try:
        theirs = recall(connection, _WRITTEN_BY)
    except duckdb.CatalogException:  # an empty lake
        return
    ours = metadata.version("photonlake")
    if theirs is not None and release_of(theirs) > release_of(ours):
        raise StoreNewer(
            f"{store} was written by photonlake {theirs}, and this is {ours}; type: pip install -U photonlake"
        )


@functools.cache
def _version() -> str:
    """Return the fingerprint of every table, view and macro of this version."""
    statements = [s for table in TABLES.values() for s in table.ddl()]
    return hashlib.sha256("\n".join(statements + [o.fingerprint for o in OBJECTS]).encode()).hexdigest()[:16]


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a store has the tables, views and macros of this version: one row, one comparison."""
    try:
        return recall(connection, _EVERYTHING) == _version()
    except duckdb.CatalogException:
        return False


def recall(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return what the store remembers under a name (meta.state); None for nothing."""
    row = connection.execute("SELECT value FROM lake.meta.state WHERE name = ?", [name]).fetchone()
    return row[0] if row else None


def remember(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Remember something under a name, inside the caller's transaction."""
    remember_all(connection, {name: value})


def remember_all(connection: duckdb.DuckDBPyConnection, values: Mapping[str, str]) -> None:
    """Remember several things, each under its name, inside the caller's transaction."""
    names = list(values)
    connection.execute("DELETE FROM lake.meta.state WHERE list_contains(?, name)", [names])
    connection.execute("INSERT INTO lake.meta.state SELECT unnest(?), unnest(?)", [names, list(values.values())])


def identity(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the store's UUID: the one that DuckLake gave its main schema when the store was made.

    A copy of a store keeps it: the same UUID and the same snapshot number are the same rows, as long as only one of the
    copies is written to.
    """
    row = connection.execute(
        "SELECT schema_uuid::VARCHAR FROM __ducklake_metadata_lake.ducklake_schema WHERE schema_id = 0"
    ).fetchone()
    return str(row[0]) if row else ""


def _create_empty(store: Path) -> None:
    """Write an empty lake beside its final name and rename it: a store exists wholly or not at all."""
    (store / DATA).mkdir(exist_ok=True)
    draft = store / f".{CATALOG}.{os.getpid()}"
    with contextlib.closing(engine.start()) as connection:
        data = f"DATA_PATH {literal(f'{store / DATA}{os.sep}')}"
        connection.execute(f"ATTACH {literal(f'ducklake:sqlite:{draft}')} AS lake ({data}, META_JOURNAL_MODE 'WAL')")
        connection.execute("CALL lake.set_option('parquet_version', '2')")
        connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
        connection.execute("DETACH lake")
    for leftover in store.glob(f"{draft.name}-*"):
        leftover.unlink()
    draft.rename(store / CATALOG)


def _missing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the statements that bring a store up to this version: new tables and columns, changed views and macros."""
    columns: dict[str, set[str]] = {}
    for table_name, column_name in connection.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake'"
    ).fetchall():
        columns.setdefault(table_name, set()).add(column_name)
    known = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake'"
    schemas = {name for (name,) in connection.execute(known).fetchall()}
    statements = [f"CREATE SCHEMA {quote(name)}" for name in SCHEMAS if name not in schemas]
    for table in TABLES.values():
        if table.full_name not in columns:
            statements += [*table.ddl(), *_primed(table)]
            if columns and table.first_rows:  # not in a new store, which has no rows to make them from
                statements.append(f"INSERT INTO lake.{table.full_name} BY NAME {table.first_rows}")
        else:
            new = [c for c in table.columns if c.name not in columns[table.full_name]]
            statements += [f"ALTER TABLE lake.{table.full_name} ADD COLUMN {c.ddl}" for c in new]
    stored: dict[str, str] = {}
    if "meta.state" in columns:
        stored = dict(connection.execute("SELECT name, value FROM lake.meta.state").fetchall())
    for item in OBJECTS:
        if stored.get(item.full_name) != item.fingerprint:
            statements += item.ddl()
    return statements


def _primed(table: Table) -> list[str]:
    """List statements that leave a new table empty, but with column statistics.

    While a table has none, DuckLake asks SQLite for each column of each query anew: with the 700 columns of
    csc.observation_source a SELECT * then takes seconds.
    """
    name = f"{quote(table.schema_name)}.{quote(table.name)}"
    return [f"INSERT INTO {name} ({quote(table.key[0])}) VALUES (NULL)", f"DELETE FROM {name}"]


def snapshots(connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
    """List the store's snapshots, oldest first."""
    rows = connection.execute(
        "SELECT snapshot_id, snapshot_time AT TIME ZONE 'UTC', coalesce(commit_message, ''), "
        "array_to_string(map_keys(changes), ', ') FROM lake.snapshots() ORDER BY snapshot_id"
    ).fetchall()
    return [Snapshot(number, time_, message, changes) for number, time_, message, changes in rows]


@contextlib.contextmanager
def lock(
    store: Path,
    purpose: str,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the writer's lock of a store. The operating system frees it when the process dies, however it dies.

    Parameters
    ----------
    store : Path
        The store's directory.
    purpose : str
        What for: others read it while they wait.
    wait : bool
        Wait for the lock; without it fail at once.
    on_wait : callable, optional
        Called once with a line that says who holds the lock.

    Raises
    ------
    StoreLocked
        If another process holds it and `wait` is false.
    """
    held = filelock.FileLock(store / LOCK)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout as error:
        message = f"{store} is being written by {_holder(store)}"
        if not wait:
            raise StoreLocked(f"{message}; leave out --no-wait to wait for it") from error
        if on_wait:
            on_wait(f"{message}; waiting")
        held.acquire()
    try:
        who = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": _now().isoformat()}
        (store / HOLDER).write_text(json.dumps(who), encoding="utf-8")
        yield
    finally:
        (store / HOLDER).unlink(missing_ok=True)
        held.release()


def _holder(store: Path) -> str:
    try:
        who = json.loads((store / HOLDER).read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} ({who['purpose']}, since {who['since'][:19]} UTC)"
    except (OSError, ValueError, KeyError):
        return "another process"


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, message: str = "") -> Iterator[None]:
    """Run a block as one commit: all of it becomes one snapshot, or nothing does.

    A program that does not know our lock may hold the catalog's file, a database browser say. It is waited for.

    Raises
    ------
    OutOfSpace
        If the disk is full; nothing of the block is kept.
    StoreLocked
        If another program holds the catalog for a minute; nothing of the block is kept.
    """
    _wait_until_free(connection)
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        if message:
            connection.execute("CALL lake.set_commit_message('photonlake', ?)", [message])
        _wait_until_free(connection)  # SQLite itself does not wait where a reader becomes a writer
        connection.execute("COMMIT")
        _LOG.info("committed: %s", message or "rows")
    except BaseException as error:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        if is_disk_full(error):
            raise OutOfSpace(errno.ENOSPC, "the disk is full; free some space and run the same again") from error
        if is_locked(error) and not isinstance(error, PhotonlakeError):
            raise StoreLocked(held(_store_of(connection) / CATALOG)) from error
        raise


def _wait_until_free(connection: duckdb.DuckDBPyConnection) -> None:
    """Wait as long as another program holds the catalog's file.

    Raises
    ------
    StoreLocked
        If that takes too long.
    """
    since, said = time.monotonic(), False
    while not _is_free(connection):
        waited = time.monotonic() - since
        if waited > _PATIENCE_S:
            raise StoreLocked(held(_store_of(connection) / CATALOG))
        if waited > _SAID_AFTER_S and not said:
            _LOG.warning("another program holds %s; waiting for it", _store_of(connection) / CATALOG)
            said = True
        time.sleep(_POLL_S)


def _is_free(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the catalog's file can be written: begin to, beside the connection's own transaction, and stop.

    It must be the engine that tries. Were another SQLite library of this process to open the file, its closing would
    drop the engine's own locks: POSIX locks belong to a process.
    """
    with connection.cursor() as beside:
        try:
            beside.execute("BEGIN TRANSACTION")
            beside.execute(
                "UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = value WHERE key = 'created_by'"
            )
        except duckdb.Error as error:
            return not is_locked(error)  # whatever else is wrong, the commit will tell
        finally:
            with contextlib.suppress(duckdb.Error):
                beside.execute("ROLLBACK")
    return True


def _store_of(connection: duckdb.DuckDBPyConnection) -> Path:
    query = "SELECT path FROM duckdb_databases() WHERE database_name = 'lake'"
    row = connection.execute(query).fetchone()
    return Path(str(row[0]).removeprefix("sqlite:")).parent if row else Path()


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or one behind it, says that the disk is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return True
        text = str(seen).lower()
        if "no space left" in text or "disk is full" in text or "disk quota" in text or "file too large" in text:
            return True
        seen = seen.__cause__
    return False


def add_parts(connection: duckdb.DuckDBPyConnection, store: Path, table: str, parts: Sequence[Path]) -> None:
    """Make finished Parquet parts rows of a table, without reading them again.

    The parts are renamed into the table's folder; they become visible with the surrounding transaction's
    commit. A crash before it leaves files that no snapshot references; `repair` removes them.
    """
    schema, _, name = table.partition(".")
    folder = store / DATA / schema / name
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        final = folder / f"photonlake-{uuid.uuid4().hex}.parquet"
        part.rename(final)
        connection.execute(
            "CALL ducklake_add_data_files('lake', ?, ?, schema => ?)",
            [name, str(final), schema],
        )


def incoming(store: Path) -> Path:
    """Return an empty folder for parts being written; call it with the writer's lock held.

    What a crashed job left there is removed: no snapshot can know it.
    """
    folder = store / INCOMING
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def repair(store: Path) -> list[str]:
    """Remove what no snapshot references, and mend the data path of a store that was moved.

    Returns
    -------
    list of str
        One line per thing done; empty if nothing was to do.
    """
    done: list[str] = []
    with lock(store, "repair"), contextlib.closing(connect(store, read_only=False)) as connection:
        _wait_until_free(connection)
        left = [p for p in (store / INCOMING).glob("**/*") if p.is_file()]
        if left:
            done.append(f"removed {len(left)} unfinished part(s) from {INCOMING}/")
        shutil.rmtree(store / INCOMING, ignore_errors=True)
        orphans = connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)").fetchall()
        if orphans:
            done.append(f"removed {len(orphans)} Parquet file(s) that no snapshot references")
        path = f"{store / DATA}{os.sep}"
        stored = connection.execute(
            "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'data_path'"
        ).fetchone()
        if stored and stored[0] != path:
            connection.execute(
                "UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = ? WHERE key = 'data_path'", [path]
            )
            done.append(f"data path is now {path}, was {stored[0]}")
    return done


def arrow(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Run a query of our own and return an Arrow table."""
    return connection.execute(query, list(parameters)).to_arrow_table()


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
