"""The ledger of files (meta.file) and of the places they come from (meta.source)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from catalog.tables import TABLES

LOADED, DUPLICATE, SKIPPED, FAILED, STALE, UNREADABLE = (
    "loaded",
    "duplicate",
    "skipped",
    "failed",
    "stale",
    "unreadable",
)
SETTLED = frozenset({LOADED, DUPLICATE, SKIPPED, FAILED})
"""Read again only when the file changes. 'stale' and 'unreadable' (the disk said no) are tried every time."""


@dataclass(frozen=True)
class FileEntry:
    """One row of meta.file.

    Attributes
    ----------
    file_id : int
        Key.
    path : str
        Absolute path or URL.
    bytes : int
        Size on disk.
    mtime_ns : int
        Modification time, nanoseconds since 1970.
    status : str
        'loaded', 'duplicate', 'skipped', 'failed', 'stale' or 'unreadable'.
    kind, sha256, error : str or None
        As the reader found.
    n_rows : int
        Rows in all tables that came from it.
    flags : tuple of str
        What is missing in it or was done to it.
    loaded_at : datetime or None
        UTC.
    """

    file_id: int
    path: str
    bytes: int
    mtime_ns: int
    status: str
    kind: str | None = None
    sha256: str | None = None
    n_rows: int = 0
    flags: tuple[str, ...] = ()
    error: str | None = None
    loaded_at: datetime | None = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))


class Known(NamedTuple):
    """What the plan needs to know of a file in the ledger."""

    bytes: int
    mtime_ns: int
    status: str
    sha256: str | None
    n_rows: int
    kind: str | None = None


def read_ledger(connection: duckdb.DuckDBPyConnection) -> dict[str, Known]:
    """Return the ledger by path: one query, whatever its size."""
    table = connection.execute(
        "SELECT path, bytes, mtime_ns, status, sha256, n_rows, kind FROM lake.meta.file"
    ).to_arrow_table()
    columns = [column.to_pylist() for column in table.columns]
    return {path: Known(*rest) for path, *rest in zip(*columns, strict=True)}


def write_entries(connection: duckdb.DuckDBPyConnection, entries: Sequence[FileEntry]) -> None:
    """Write ledger rows, replacing those of the same files; inside the caller's transaction."""
    if not entries:
        return
    rows = [asdict(e) | {"flags": list(e.flags)} for e in entries]
    incoming = pa.Table.from_pylist(rows, TABLES["meta.file"].schema)
    connection.register("ledger_rows", incoming)
    try:
        connection.execute("DELETE FROM lake.meta.file AS t USING ledger_rows s WHERE t.file_id = s.file_id")
        connection.execute("INSERT INTO lake.meta.file BY NAME SELECT * FROM ledger_rows")
    finally:
        connection.unregister("ledger_rows")


def forget_entries(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> None:
    """Remove ledger rows of files that have no other rows, inside the caller's transaction."""
    connection.execute("DELETE FROM lake.meta.file WHERE list_contains(?, path)", [list(paths)])


def remove_rows(connection: duckdb.DuckDBPyConnection, file_ids: Sequence[int]) -> set[int]:
    """Remove all rows that came from files, inside the caller's transaction; their ledger rows stay.

    A row of several files cannot be taken apart: it goes whole, and so do all rows of all files that had a share in it,
    and in those in turn. These files are marked as stale, and so are files that repeated the content of the given
    ones: the next refresh reads them again. Were only the shared rows to go, each file that is read again would take
    those of another with it, for ever.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`, the writer's lock held.
    file_ids : sequence of int
        Keys of meta.file; at least one.

    Returns
    -------
    set of int
        The given files and those that shared rows with them, where there are any; else nothing.
    """
    given = {int(n) for n in file_ids}
    together = _sharing(connection, given)
    ids, all_ids = _listed(given), _listed(together)
    for table in TABLES.values():
        name = f"lake.{table.full_name}"
        if table.writing == "file":
            connection.execute(f"DELETE FROM {name} WHERE file_id IN ({ids})")
        elif table.writing == "merge":
            connection.execute(f"DELETE FROM {name} WHERE list_has_any(file_ids, [{all_ids}]::BIGINT[])")
    connection.execute(
        f"UPDATE lake.meta.file SET status = '{STALE}' WHERE status = '{LOADED}' AND file_id IN ({all_ids}) "
        f"AND file_id NOT IN ({ids})"
    )
    # Files that repeated the old content of a changed one hold the only copy of it now.
    connection.execute(
        f"UPDATE lake.meta.file SET status = '{STALE}' WHERE status = '{DUPLICATE}' AND sha256 IN "
        f"(SELECT sha256 FROM lake.meta.file WHERE file_id IN ({ids}))"
    )
    return together if together > given else set()


def _sharing(connection: duckdb.DuckDBPyConnection, file_ids: set[int]) -> set[int]:
    """Return files and all that share rows with them, with those, and so on."""
    found, new = set(file_ids), set(file_ids)
    tables = [f"lake.{t.full_name}" for t in TABLES.values() if t.writing == "merge"]
    while new:
        shared = " UNION ".join(
            f"SELECT unnest(file_ids) AS file_id FROM {t} WHERE list_has_any(file_ids, [{_listed(new)}]::BIGINT[])"
            for t in tables
        )
        new = {int(n) for (n,) in connection.execute(shared).fetchall()} - found
        found |= new
    return found


def _listed(file_ids: set[int]) -> str:
    return ", ".join(str(n) for n in sorted(file_ids))


@dataclass(frozen=True)
class Source:
    """One row of meta.source: a place that a bare refresh asks again."""

    kind: str
    specification: str
    release: str | None = None


def read_sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    """Return the places the store knows, oldest first."""
    rows = connection.execute(
        "SELECT kind, specification, release FROM lake.meta.source ORDER BY added_at, specification"
    ).fetchall()
    return [Source(*row) for row in rows]


def remember_source(connection: duckdb.DuckDBPyConnection, source: Source) -> bool:
    """Add a place, or change its release; tell whether anything changed. Inside the caller's transaction."""
    known = {(s.kind, s.specification): s for s in read_sources(connection)}
    before = known.get((source.kind, source.specification))
    if before == source:
        return False
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.execute(
        "DELETE FROM lake.meta.source WHERE kind = ? AND specification = ?", [source.kind, source.specification]
    )
    connection.execute(
        "INSERT INTO lake.meta.source VALUES (?, ?, ?, ?, NULL)",
        [source.kind, source.specification, source.release, now],
    )
    return True


def mark_refreshed(connection: duckdb.DuckDBPyConnection, sources: Iterable[Source]) -> None:
    """Note that sources were refreshed to the end. Inside the caller's transaction."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for source in sources:
        connection.execute(
            "UPDATE lake.meta.source SET refreshed_at = ? WHERE kind = ? AND specification = ?",
            [now, source.kind, source.specification],
        )
