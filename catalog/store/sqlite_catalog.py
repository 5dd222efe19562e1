"""The DuckLake catalog of a store, read as the tables that it is, and how to tell cheaply that it has changed.

It is a file of SQLite, or of a team's store a database of PostgreSQL.

A process must not open the file with a second copy of SQLite, such as Python's: locks are the process's, so whichever
copy closes the file drops the locks of the other, and a writer then changes what a reader reads. So it is DuckDB's
copy that reads here too, in an engine of its own that no user's text ever reaches.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import duckdb

from catalog.errors import QueryError, StoreLocked, StoreUnreachable, command
from catalog.schema.columns import literal
from catalog.store import confinement, engine, postgres_sessions

Version: TypeAlias = tuple[int, ...]
"""What changes with everything that is committed: newest snapshot, newest file, number of snapshots."""

ALIAS = "catalog_file"


@dataclass(frozen=True)
class Ask:
    """Answers a query of our own on a catalog's tables, in the dialect of SQLite or of PostgreSQL.

    Attributes
    ----------
    cursor : duckdb.DuckDBPyConnection
        Of `opened`.
    dialect : str
        'sqlite' or 'postgres'.
    """

    cursor: duckdb.DuckDBPyConnection
    dialect: str

    def __call__(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows."""
        rows = self.cursor.execute(f"FROM {self.dialect}_query({literal(ALIAS)}, {literal(query)})").fetchall()
        return list(rows)


_VERSION = (
    "SELECT (SELECT max(snapshot_id) FROM ducklake_snapshot) AS newest, "
    "(SELECT max(data_file_id) FROM ducklake_data_file) AS file, (SELECT count(*) FROM ducklake_snapshot) AS n"
)
_BUSY_MS = 30_000
_SURE_AFTER_NS = 100_000_000
"""A file that was changed less than this before it was looked at may be changed again under the same time."""


@dataclass(frozen=True)
class Signature:
    """What changes on disk when a catalog is written to.

    Attributes
    ----------
    files : tuple
        Inode, size and time of change of the catalog and of its write-ahead log, and how that begins.
    sure : bool
        Whether every later change shows: file systems tell time in steps.
    """

    files: tuple[object, ...]
    sure: bool


def signature(file: Path) -> Signature:
    """Look at a catalog without opening it; it takes some microseconds.

    Examples
    --------
    >>> signature(Path("no such file")).files
    (None, None, b'')
    """
    now = time.time_ns()
    log = file.with_name(f"{file.name}-wal")
    looked = [_looked_at(path) for path in (file, log)]
    start = b""
    with contextlib.suppress(OSError), log.open("rb") as stream:  # SQLite holds no locks on its log
        start = stream.read(32)
    newest = max((stat[2] for stat in looked if stat is not None), default=0)
    return Signature((*looked, start), sure=newest < now - _SURE_AFTER_NS)


def _looked_at(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass
class Watch:
    """Tells whether anything was committed to a catalog since it was read.

    Attributes
    ----------
    file : Path or str
        The catalog; as text, the address of a database, which is asked each time.
    before : Signature
        How it looked before it was read: what comes later is a change.
    version : tuple of int
        What was read.
    """

    file: Path | str
    before: Signature
    version: Version

    def is_newest(self) -> bool:
        """Tell whether nothing was committed since; where no file was touched, without opening it."""
        if isinstance(self.file, str):
            return _numbers(postgres_sessions.row_of(self.file, _VERSION)) == self.version
        now = signature(self.file)
        if now.files == self.before.files and self.before.sure:
            return True
        if not self.file.is_file():
            return False  # whoever opens it next says so
        with opened(self.file) as cursor:
            if version(asking(cursor)) != self.version:
                return False
        self.before = now
        return True


@functools.cache
def _reader(*, postgres: bool = False) -> tuple[duckdb.DuckDBPyConnection, threading.Lock]:
    connection = engine.start(postgres=postgres)
    connection.execute("SET force_compression = 'uncompressed'")  # copies are small, and gone soon
    return connection, threading.Lock()


@contextlib.contextmanager
def opened(file: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach a catalog for reading as `ALIAS`, in one transaction, in an engine that may read and write any file.

    Parameters
    ----------
    file : Path or str
        It exists. Where SQLite may not write beside it, a copy is read. As text: the address of a database.

    Raises
    ------
    StoreLocked
        If another program holds the catalog for itself.
    StoreUnreachable
        If its server does not answer.
    QueryError
        If it cannot be read.
    """
    connection, lock = _reader(postgres=isinstance(file, str))
    with lock:
        cursor = connection.cursor()
        copy = None
        try:
            try:
                _attach(cursor, file)
            except duckdb.Error as error:
                if isinstance(file, str):
                    raise StoreUnreachable(postgres_sessions.unreachable(file, error)) from error
                if os.access(file.parent, os.W_OK) or not os.access(file, os.R_OK):
                    raise
                copy = _copied(file, error)
                _attach(cursor, copy)
            yield cursor
        except duckdb.Error as error:
            if is_locked(error) and isinstance(file, Path):
                raise StoreLocked(held(file)) from error
            raise QueryError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
        finally:
            for statement in ("ROLLBACK", "USE memory", f"DETACH DATABASE IF EXISTS {ALIAS}"):
                with contextlib.suppress(duckdb.Error):
                    cursor.execute(statement)
            cursor.close()
            if copy is not None:
                copy.unlink()


def _attach(cursor: duckdb.DuckDBPyConnection, file: Path | str) -> None:
    options = "TYPE postgres" if isinstance(file, str) else f"TYPE sqlite, BUSY_TIMEOUT {_BUSY_MS}"
    cursor.execute(f"ATTACH {literal(str(file))} AS {ALIAS} ({options}, READ_ONLY)")
    try:
        cursor.execute(f"USE {ALIAS}")
        cursor.execute("BEGIN TRANSACTION")
        cursor.execute("SELECT count(*) FROM ducklake_metadata").fetchall()
    except duckdb.Error:
        for statement in ("ROLLBACK", "USE memory", f"DETACH DATABASE IF EXISTS {ALIAS}"):
            with contextlib.suppress(duckdb.Error):
                cursor.execute(statement)
        raise


def _copied(file: Path, error: duckdb.Error) -> Path:
    """Copy a catalog beside which nothing may be written: nobody but its owner changes it, and its log is empty."""
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and log.stat().st_size:
        raise QueryError(
            f"{log}: expected no unfinished log in a store without write permission; its owner can finish it with: "
            f"{command('catalog snapshots', file.parent)}"
        ) from error
    copy = confinement.private_file(".sqlite")
    shutil.copyfile(file, copy)
    return copy


def is_locked(error: BaseException) -> bool:
    """Tell whether an error says that another program holds the catalog's file."""
    return "database is locked" in str(error)


def held(file: Path) -> str:
    """Say what to do about a catalog that another program holds for itself."""
    return (
        f"{file} is held by another program, such as a database browser; "
        "save or revert there, close it, and type the same again"
    )


def asking(cursor: duckdb.DuckDBPyConnection) -> Ask:
    """Return what hands queries in its own dialect to the database that a cursor of `opened` has."""
    row = cursor.execute(f"SELECT type FROM duckdb_databases() WHERE database_name = {literal(ALIAS)}").fetchone()
    return Ask(cursor, str(row[0]) if row else "sqlite")


def version(ask: Ask) -> Version:
    """Return what changes with every commit."""
    return _numbers(ask(_VERSION)[0])


def _numbers(row: tuple[object, ...]) -> Version:
    return tuple(int(str(n or 0)) for n in row)
