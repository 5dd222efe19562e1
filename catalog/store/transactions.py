"""Writers take turns, and a commit is whole: the lock and the transaction that `lake.writer` is made of."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import filelock

from catalog.errors import OutOfSpace, PhotonlakeError, StoreLocked, command, is_disk_full
from catalog.store import checksums, fault_points, postgres_sessions
from catalog.store.network_disk import check_local
from catalog.store.place import CATALOG, place_of
from catalog.store.sqlite_catalog import held, is_locked, signature

LOCK = "writer.lock"
HOLDER = "writer.json"
_PATIENCE_S, _SAID_AFTER_S, _POLL_S = 60.0, 1.0, 0.1
_POSTGRES = "postgres:"
_LOG = logging.getLogger(__name__)


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
    NetworkDisk
        If SQLite's catalog lies on a disk of another machine.
    StoreUnreachable
        If the catalog is in PostgreSQL, which does not answer.
    """
    place = place_of(store)
    if place.is_team:
        place.check_claimed()
        with postgres_sessions.held(place, purpose, wait=wait, on_wait=on_wait):
            yield
        return
    check_local(store)
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
    cut_short, before, sound = (store / HOLDER).exists(), signature(store / CATALOG), True
    try:
        sound = checksums.begin(store) or cut_short
        if not sound:
            advice = command("catalog check", store)
            _LOG.warning("%s is not as its last writer left it; type: %s", store / CATALOG, advice)
        who = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": _now().isoformat()}
        (store / HOLDER).write_text(json.dumps(who), encoding="utf-8")
        yield
    finally:
        if sound and (store / CATALOG).exists() and (cut_short or signature(store / CATALOG).files != before.files):
            checksums.record_catalog(store)
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
    wait_until_free(connection)
    connection.execute("BEGIN TRANSACTION")
    try:
        fault_points.reach("begin")
        yield
        if message:
            connection.execute("CALL lake.set_commit_message('photonlake', ?)", [message])
        checksums.settle(_root_of(connection))
        wait_until_free(connection)  # SQLite itself does not wait where a reader becomes a writer
        fault_points.reach("commit")
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
    fault_points.reach("committed")


def wait_until_free(connection: duckdb.DuckDBPyConnection) -> None:
    """Wait as long as another program holds the catalog's file.

    Raises
    ------
    StoreLocked
        If that takes too long.
    """
    if (address := _address_of(connection)).startswith(_POSTGRES):
        postgres_sessions.check(address.removeprefix(_POSTGRES))
        return
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
    return Path(_address_of(connection).removeprefix("sqlite:")).parent


def _root_of(connection: duckdb.DuckDBPyConnection) -> Path:
    """Return the folder whose files have checksums: that of the store, or of a team's store the one of its files."""
    if not _address_of(connection).startswith(_POSTGRES):
        return _store_of(connection)
    query = "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'data_path'"
    row = connection.execute(query).fetchone()
    return Path(str(row[0])).parent if row else Path()


def _address_of(connection: duckdb.DuckDBPyConnection) -> str:
    query = "SELECT path FROM duckdb_databases() WHERE database_name = 'lake'"
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
