"""A store: made, opened, written to; its snapshots, and what it remembers of itself.

A store is a directory. Its tables live in a DuckLake whose catalog is one SQLite file in write-ahead mode, or a
database: readers are never blocked, writers take turns through a lock that dies with its process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa

from catalog.errors import StoreNewer, StoreOutdated, command
from catalog.store import confinement, definitions, engine, inspection, sqlite_catalog, template
from catalog.store.location import attach, check_exists, exists, release_of
from catalog.store.place import place_of
from catalog.store.transactions import lock, transaction
from sql.objects import OBJECTS

__all__ = [
    "Connection",
    "Snapshot",
    "arrow",
    "bring_up_to_date",
    "connect",
    "create",
    "identity",
    "is_current",
    "lock",
    "reading",
    "recall",
    "remember",
    "remember_all",
    "snapshots",
    "transaction",
    "writer",
]

Connection: TypeAlias = duckdb.DuckDBPyConnection
"""A session with a store; packages above take it from here and leave DuckDB alone."""


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
    place = place_of(store)
    if read_only and not place.is_team and not os.access(store, os.W_OK):  # SQLite writes beside a file that it reads
        from catalog.store import frozen  # noqa: PLC0415 - it builds on this module

        return frozen.connect(store, snapshot=snapshot, at=at).connection
    with sqlite_catalog.opened(place.address) as cursor:
        inspection.check_for_jobs(sqlite_catalog.asking(cursor), store)
    connection = engine.start(postgres=place.is_team)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        attach(connection, store, place.attachment, place.data_path, read_only=read_only, snapshot=snapshot, at=at)
        confinement.keep_to_store(connection, place.folders, spill)
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
            template.place(store, _make)
            return True
        with contextlib.closing(connect(store, read_only=False)) as connection:
            return _upgrade(connection, store)


def _make(store: Path) -> None:
    """Make a new store, statement by statement."""
    definitions.create_empty(store)
    with contextlib.closing(connect(store, read_only=False)) as connection:
        _upgrade(connection, store)


def _upgrade(connection: duckdb.DuckDBPyConnection, store: Path) -> bool:
    """Make what a store lacks of this version; the writer's lock is held."""
    if is_current(connection):
        return False
    _refuse_newer(connection, store)
    with transaction(connection, "tables, views and macros of this version"):
        for statement in definitions.missing(connection):
            connection.execute(statement)
        made = {item.full_name: item.fingerprint for item in OBJECTS}
        remember_all(
            connection, made | {_EVERYTHING: definitions.version(), _WRITTEN_BY: metadata.version("photonlake")}
        )
    return True


@contextlib.contextmanager
def writer(
    store: Path,
    purpose: str,
    *,
    commit: str = "",
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
    spill: Path | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Write to a store: the only way there is.

    It waits for its turn, brings the store up to this version, and gives a connection to write with. Other processes
    wait until the block ends. What is written is published when its transaction commits: readers see all of it, or
    nothing.

    Parameters
    ----------
    store : Path
        The store's directory.
    purpose : str
        What for: others read it while they wait.
    commit : str, optional
        Make the whole block one commit, with this message; else each `transaction` in it is one.
    wait, on_wait
        See `catalog.store.transactions.lock`.
    spill : Path, optional
        See `connect`.

    Raises
    ------
    StoreNotFound
        If there is no store.
    StoreLocked
        If another process writes and `wait` is false.
    StoreNewer
        If a later version of photonlake wrote it.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "s"
    >>> create(store)
    True
    >>> with writer(store, "an example", commit="remember a word") as connection:
    ...     remember(connection, "word", "photon")
    """
    check_exists(store)
    with (
        lock(store, purpose, wait=wait, on_wait=on_wait),
        contextlib.closing(connect(store, read_only=False, spill=spill)) as connection,
    ):
        _upgrade(connection, store)
        with transaction(connection, commit) if commit else contextlib.nullcontext():
            yield connection


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


_FEW_ROWS = 8
"""Rows that DuckLake keeps in the catalog itself. Of more in one statement it makes a file, to be read each time."""


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a store has the tables, views and macros of this version: one row, one comparison."""
    try:
        return recall(connection, _EVERYTHING) == definitions.version()
    except duckdb.CatalogException:
        return False


def recall(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return what the store remembers under a name (meta.state); None for nothing."""
    return recall_all(connection).get(name)


def recall_all(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return all that the store remembers: each name with its value.

    A read of one row takes as long as a read of all. And it has no parameters: at the first, DuckDB imports pandas.
    """
    return dict(connection.execute("SELECT name, value FROM lake.meta.state").fetchall())


def remember(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Remember something under a name, inside the caller's transaction."""
    remember_all(connection, {name: value})


def remember_all(connection: duckdb.DuckDBPyConnection, values: Mapping[str, str]) -> None:
    """Remember several things, each under its name, inside the caller's transaction."""
    names = list(values)
    connection.execute("DELETE FROM lake.meta.state WHERE list_contains(?, name)", [names])
    for start in range(0, len(names), _FEW_ROWS):
        some = names[start : start + _FEW_ROWS]
        rows = [some, [values[name] for name in some]]
        connection.execute("INSERT INTO lake.meta.state SELECT unnest(?), unnest(?)", rows)


def identity(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the store's UUID: the one that DuckLake gave its main schema when the store was made.

    A copy of a store keeps it: the same UUID and the same snapshot number are the same rows, as long as only one of the
    copies is written to.
    """
    row = connection.execute(
        "SELECT schema_uuid::VARCHAR FROM __ducklake_metadata_lake.ducklake_schema WHERE schema_id = 0"
    ).fetchone()
    return str(row[0]) if row else ""


def snapshots(connection: duckdb.DuckDBPyConnection) -> list[Snapshot]:
    """List the store's snapshots, oldest first."""
    rows = connection.execute(
        "SELECT snapshot_id, snapshot_time AT TIME ZONE 'UTC', coalesce(commit_message, ''), "
        "array_to_string(map_keys(changes), ', ') FROM lake.snapshots() ORDER BY snapshot_id"
    ).fetchall()
    return [Snapshot(number, time_, message, changes) for number, time_, message, changes in rows]


def arrow(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Run a query of our own and return an Arrow table."""
    return connection.execute(query, list(parameters)).to_arrow_table()
