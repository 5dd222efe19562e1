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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import duckdb
import filelock
import pyarrow as pa

from catalog import engine
from catalog.columns import literal, quote
from catalog.errors import OutOfSpace, QueryError, StoreLocked, StoreNotFound, StoreOutdated, UnknownName
from catalog.tables import SCHEMAS, TABLES, Table
from sql.objects import OBJECTS

Connection: TypeAlias = duckdb.DuckDBPyConnection
"""A session with a store; packages above take it from here and leave DuckDB alone."""

CATALOG = "catalog.sqlite"
DATA = "lake"
INCOMING = "incoming"
LOCK = "writer.lock"
HOLDER = "writer.json"
_BUSY_MS = 30_000
_LOG = logging.getLogger(__name__)


def store_path(store: str | os.PathLike[str] | None = None) -> Path:
    """Return the store's directory: the argument, else $PHOTONLAKE_STORE, else ./store.

    Examples
    --------
    >>> store_path("s").name
    's'
    """
    return Path(store or os.environ.get("PHOTONLAKE_STORE") or "store").expanduser().resolve()


def exists(store: Path) -> bool:
    """Tell whether a directory is a store."""
    return (store / CATALOG).is_file()


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

    Raises
    ------
    StoreNotFound
        If there is no store.
    UnknownName
        If there is no such snapshot.
    """
    _check_exists(store)
    options = [f"DATA_PATH {literal(f'{store / DATA}{os.sep}')}", "OVERRIDE_DATA_PATH true"]
    options.append(f"META_BUSY_TIMEOUT {_BUSY_MS}")
    if read_only:
        options.append("READ_ONLY")
    if snapshot is not None:
        options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
    if at is not None:
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        options.append(f"SNAPSHOT_TIME {literal(moment.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f+00'))}")
    connection = engine.start()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH {literal(f'ducklake:sqlite:{store / CATALOG}')} AS lake ({', '.join(options)})")
        connection.execute("USE lake")
    except duckdb.Error as error:
        connection.close()
        if snapshot is not None or at is not None:
            asked = f"snapshot {snapshot}" if snapshot is not None else f"snapshot at or before {at}"
            advice = f"list them with: python -m catalog snapshots --store {store}"
            raise UnknownName(f"there is no {asked} in {store}; {advice}") from error
        raise QueryError(f"{store / CATALOG} cannot be opened: {_first_line(error)}") from error
    return connection


def _check_exists(store: Path) -> None:
    if not exists(store):
        advice = f"make one with: python -m ingest files FOLDER --store {store}"
        raise StoreNotFound(f"{store} is no photonlake store (no {CATALOG} in it); {advice}")


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
    EngineMismatch
        If DuckDB and its extensions are not of one version.
    """
    if exists(store):
        with contextlib.closing(connect(store)) as connection:
            if is_current(connection):
                return False
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
                for item in OBJECTS:
                    remember(connection, item.full_name, item.fingerprint)
                remember(connection, _EVERYTHING, _version())
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
    _check_exists(store)
    return create(store, wait=wait, on_wait=on_wait)


@contextlib.contextmanager
def reading(connection: duckdb.DuckDBPyConnection, store: Path) -> Iterator[None]:
    """Read views and tables of this version in a block; a store that lacks them says so and what to type.

    Raises
    ------
    StoreOutdated
        If a query fails and the store was made by another version.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_current(connection):
            raise
        advice = f"bring it up to date: python -m catalog init --store {store}"
        raise StoreOutdated(f"{store} was made by another version of photonlake; {advice}") from error


_EVERYTHING = "*"
"""Name in meta.state under which the fingerprint of all definitions together stands."""


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
    connection.execute("DELETE FROM lake.meta.state WHERE name = ?", [name])
    connection.execute("INSERT INTO lake.meta.state VALUES (?, ?)", [name, value])


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

    Raises
    ------
    OutOfSpace
        If the disk is full; nothing of the block is kept.
    """
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        if message:
            connection.execute("CALL lake.set_commit_message('photonlake', ?)", [message])
        connection.execute("COMMIT")
        _LOG.info("committed: %s", message or "rows")
    except BaseException as error:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        if is_disk_full(error):
            raise OutOfSpace(errno.ENOSPC, "the disk is full; free some space and run the same again") from error
        raise


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


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
