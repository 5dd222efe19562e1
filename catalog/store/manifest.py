"""The ledger of files (meta.file) and of the places they come from (meta.source)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from catalog.schema import TABLES
from catalog.store.merging import take_back

LOADED, DUPLICATE, SKIPPED, FAILED, FORGOTTEN, STALE, UNREADABLE = (
    "loaded",
    "duplicate",
    "skipped",
    "failed",
    "forgotten",
    "stale",
    "unreadable",
)
SETTLED = frozenset({LOADED, DUPLICATE, SKIPPED, FAILED, FORGOTTEN})
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
        'loaded', 'duplicate', 'skipped', 'failed', 'forgotten', 'stale' or 'unreadable'.
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
    connection.execute("DELETE FROM lake.meta.file WHERE path IN (SELECT unnest(?))", [list(paths)])


def remove_rows(connection: duckdb.DuckDBPyConnection, file_ids: Sequence[int]) -> set[int]:
    """Remove all rows that came from files, inside the caller's transaction; their ledger rows stay.

    Of a row that several files gave, what the others say stays. Files that repeated the content of the given ones hold
    the only copy of it now: they are marked as stale, and the next refresh reads them.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`, the writer's lock held.
    file_ids : sequence of int
        Keys of meta.file; at least one.

    Returns
    -------
    set of int
        Files whose rows an older store kept together with theirs: they are to be read again.
    """
    ids, again = ", ".join(str(int(n)) for n in sorted(file_ids)), set[int]()
    for table in TABLES.values():
        if table.writing == "file":
            connection.execute(f"DELETE FROM lake.{table.full_name} WHERE file_id IN ({ids})")
        elif table.writing == "merge":
            again |= take_back(connection, table, file_ids)
    connection.execute(
        f"UPDATE lake.meta.file SET status = '{STALE}' WHERE status = '{DUPLICATE}' AND sha256 IN "
        f"(SELECT sha256 FROM lake.meta.file WHERE file_id IN ({ids}))"
    )
    return again


def mark_stale(connection: duckdb.DuckDBPyConnection, file_ids: Iterable[int]) -> None:
    """Note that loaded or forgotten files are to be read again, inside the caller's transaction."""
    if ids := ", ".join(str(int(n)) for n in sorted(file_ids)):
        connection.execute(
            f"UPDATE lake.meta.file SET status = '{STALE}' "
            f"WHERE status IN ('{LOADED}', '{FORGOTTEN}') AND file_id IN ({ids})"
        )


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
    forget_source(connection, source)
    connection.execute(
        "INSERT INTO lake.meta.source VALUES (?, ?, ?, ?, NULL)",
        [source.kind, source.specification, source.release, now],
    )
    return True


def forget_source(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Remove a place from those that a bare refresh asks. Inside the caller's transaction."""
    connection.execute(
        "DELETE FROM lake.meta.source WHERE kind = ? AND specification = ?", [source.kind, source.specification]
    )


def mark_refreshed(connection: duckdb.DuckDBPyConnection, sources: Iterable[Source]) -> None:
    """Note that sources were refreshed to the end. Inside the caller's transaction."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for source in sources:
        connection.execute(
            "UPDATE lake.meta.source SET refreshed_at = ? WHERE kind = ? AND specification = ?",
            [now, source.kind, source.specification],
        )
