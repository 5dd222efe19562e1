"""Room given back: old snapshots end, and with them the files and vectors that only they held. Named ones stay.

A name is a promise: a paper cites `paper-2026`, and that snapshot stays as long as the name does. All else may go once
it is old. What goes is decided in one commit; files are removed after it. So a process that is killed leaves files that
nobody sees, and the next `expire` removes them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from catalog.errors import QueryError, UnknownName, command
from catalog.store import checksums, fault_points, lake, unreferenced
from catalog.store.place import place_of
from catalog.store.transactions import wait_until_free

SMALL_BYTES = 8 << 20
"""Parquet files that are smaller are merged with their neighbours."""

_READ_FOR = timedelta(hours=1)
"""Files that merging has replaced stay so long: a reader of the snapshot before may be about to open them."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_AGE = re.compile(r"([0-9]{1,5})\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_META = "__ducklake_metadata_lake"


@dataclass(frozen=True)
class Expired:
    """What `expire` did, or would do.

    Attributes
    ----------
    snapshots : tuple of int
        Those that ended.
    n_kept : int
        Snapshots that stay.
    n_bytes : int
        Bytes on disk that came back; for a trial, of the files that only these snapshots hold.
    """

    snapshots: tuple[int, ...]
    n_kept: int
    n_bytes: int


def parse_age(text: str) -> timedelta:
    """Understand an age in hours, days or weeks.

    Raises
    ------
    QueryError
        If it is none.

    Examples
    --------
    >>> parse_age("90d").days, parse_age("2w").days, parse_age("36 h").total_seconds() / 3600
    (90, 14, 36.0)
    """
    match = _AGE.fullmatch(text.strip().lower())
    if match is None:
        raise QueryError(f"{text!r} is no age; give hours, days or weeks, as in 36h, 90d or 12w")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])


def names(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the snapshots that have a name: name -> number. A store of an older version has none."""
    with contextlib.suppress(duckdb.CatalogException):
        return dict(connection.execute("SELECT name, snapshot FROM lake.meta.snapshot_name ORDER BY name").fetchall())
    return {}


def name_snapshot(store: Path, name: str, snapshot: int) -> None:
    """Give a snapshot a name. It is kept from then on, and can be asked by its name.

    Raises
    ------
    QueryError
        If the name is not made of letters, digits, '.', '_' and '-', beginning with a letter; or is another snapshot's.
    UnknownName
        If there is no such snapshot.
    """
    if not _NAME.fullmatch(name):
        raise QueryError(
            f"{name!r} cannot name a snapshot; expected a letter, then letters, digits, '.', '_' or '-', "
            "64 at most, as in paper-2026"
        )
    with lake.writer(store, f"name snapshot {snapshot}") as connection:
        if snapshot not in {s.number for s in lake.snapshots(connection)}:
            raise UnknownName(f"there is no snapshot {snapshot}; list them with: {command('catalog snapshots', store)}")
        held = names(connection).get(name)
        if held == snapshot:
            return
        if held is not None:
            raise QueryError(
                f"{name} is the name of snapshot {held}, and somebody may cite it; choose another name, or first type: "
                f"{command(f'catalog snapshots --unname {name}', store)}"
            )
        with lake.transaction(connection, f"snapshot {snapshot} is called {name}"):
            connection.execute("INSERT INTO lake.meta.snapshot_name (name, snapshot) VALUES (?, ?)", [name, snapshot])


def unname(store: Path, name: str) -> None:
    """Take a name away: its snapshot may expire then.

    Raises
    ------
    UnknownName
        If no snapshot has this name.
    """
    with lake.writer(store, f"forget the name {name}") as connection:
        if name not in (known := names(connection)):
            raise UnknownName(f"no snapshot is called {name}; names: {', '.join(known) or 'none'}")
        with lake.transaction(connection, f"no snapshot is called {name} any more"):
            connection.execute("DELETE FROM lake.meta.snapshot_name WHERE name = ?", [name])


def expire(
    store: Path,
    older_than: timedelta,
    *,
    keep_last: int = 1,
    dry_run: bool = False,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Expired:
    """End old snapshots, and remove the files and Lance versions that only they held. Small Parquet files are merged.

    The newest snapshot and those with a name always stay. Who still reads a snapshot that ends may be told that a file
    is missing: leave out what is read now.

    Parameters
    ----------
    store : Path
    older_than : timedelta
        Snapshots that were made longer ago end.
    keep_last : int
        So many of the newest stay, whatever their age.
    dry_run : bool
        Only tell what would be done.
    wait, on_wait
        See `catalog.store.lake.writer`.

    Raises
    ------
    StoreNotFound, StoreLocked
        As from `catalog.store.lake.writer`.
    """
    before = _on_disk(place_of(store).data)
    with lake.writer(store, "expire snapshots", wait=wait, on_wait=on_wait) as connection:
        made = lake.snapshots(connection)
        limit, kept = datetime.now(UTC) - older_than, set(names(connection).values())
        old = made[: max(0, len(made) - max(1, keep_last))]
        gone = tuple(s.number for s in old if s.time.replace(tzinfo=UTC) < limit and s.number not in kept)
        stay = [s.number for s in made if s.number not in gone]
        if dry_run:
            return Expired(gone, len(stay), _held_beyond(connection, store, stay))
        wait_until_free(connection)
        recent = _clean_up(connection, datetime.now(UTC) - _READ_FOR)
        if gone:
            connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => {list(gone)})")
        fault_points.reach("expire-files")
        if not recent:  # else files that a merge has just replaced would go too
            connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")
        freed = before - _on_disk(
            place_of(store).data
        )  # before merging: what it replaces stays a while beside the new files
        fault_points.reach("expire-merge")
        with lake.transaction(connection):  # which brings the merged files to disk before it commits
            connection.execute(f"CALL ducklake_merge_adjacent_files('lake', max_file_size => {SMALL_BYTES})")
        checksums.prune(place_of(store).root)
    fault_points.reach("expire-vectors")
    before = _on_disk(place_of(store).vectors)
    unreferenced.repair_vectors(store)
    return Expired(gone, len(stay), max(0, freed) + max(0, before - _on_disk(place_of(store).vectors)))


def held_by_old(connection: duckdb.DuckDBPyConnection, store: Path) -> int:
    """Return the bytes that the newest snapshot does not need: what `expire` could give back."""
    row = connection.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()
    return _held_beyond(connection, store, [int(row[0])]) if row and row[0] is not None else 0


def _clean_up(connection: duckdb.DuckDBPyConnection, before: datetime) -> bool:
    """Remove files that went out of use before a moment; tell whether younger ones are left."""
    moment = before.strftime("%Y-%m-%d %H:%M:%S+00")
    connection.execute(f"CALL ducklake_cleanup_old_files('lake', older_than => '{moment}'::TIMESTAMPTZ)")
    return bool(connection.execute(f"FROM {_META}.ducklake_files_scheduled_for_deletion LIMIT 1").fetchone())


def _held_beyond(connection: duckdb.DuckDBPyConnection, store: Path, stay: Sequence[int]) -> int:
    """Return the bytes of files and vectors that none of some snapshots needs."""
    row = connection.execute(
        f"""
        SELECT coalesce(sum(f.file_size_bytes), 0)::BIGINT FROM (
          SELECT file_size_bytes, begin_snapshot, end_snapshot FROM {_META}.ducklake_data_file
          UNION ALL SELECT file_size_bytes, begin_snapshot, end_snapshot FROM {_META}.ducklake_delete_file
        ) AS f
        WHERE NOT EXISTS (FROM (SELECT unnest(?::BIGINT[]) AS id) AS s
          WHERE s.id >= f.begin_snapshot AND (f.end_snapshot IS NULL OR s.id < f.end_snapshot))""",
        [list(stay)],
    ).fetchone()
    return (int(row[0]) if row else 0) + unreferenced.held_beyond(connection, store, stay)


def _on_disk(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process may remove what it no longer needs
            total += path.stat().st_size if path.is_file() else 0
    return total
