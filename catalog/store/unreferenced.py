"""What no snapshot references: Parquet files, unfinished parts, versions of vectors. It is found and removed here."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from catalog.store import checksums, fault_points, lake, lance_files, vectors
from catalog.store.place import INCOMING, VECTORS, place_of
from catalog.store.transactions import wait_until_free
from catalog.store.vectors import Pin

if TYPE_CHECKING:
    from lancedb.table import LanceTable


def repair_tables(store: Path) -> list[str]:
    """Remove files that no snapshot references, and mend the data path of a store that was moved.

    Returns
    -------
    list of str
        One line per thing done; empty if nothing was to do.
    """
    done: list[str] = []
    place = place_of(store)
    with lake.writer(store, "repair") as connection:
        wait_until_free(connection)
        left = [p for p in place.incoming.glob("**/*") if p.is_file()]
        if left:
            done.append(f"removed {len(left)} unfinished part(s) from {INCOMING}/")
        shutil.rmtree(place.incoming, ignore_errors=True)
        fault_points.reach("repair-orphans")
        orphans = connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)").fetchall()
        if orphans:
            done.append(f"removed {len(orphans)} Parquet file(s) that no snapshot references")
        path = place.data_path
        stored = connection.execute(
            "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'data_path'"
        ).fetchone()
        if stored and stored[0] != path:
            connection.execute(
                "UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = ? WHERE key = 'data_path'", [path]
            )
            done.append(f"data path is now {path}, was {stored[0]}")
        if n_old := checksums.settle(place_of(store).root, old=True):
            done.append(f"recorded the checksums of {n_old} file(s) that had none; what they were before is not known")
        checksums.prune(place_of(store).root)
    return done


def pinned_versions(connection: duckdb.DuckDBPyConnection, among: Sequence[int] = ()) -> dict[str, set[int]]:
    """Return every Lance version that a snapshot of the store pins, by space.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    among : sequence of int, optional
        Snapshots to ask; else all there are.
    """
    among = among or [int(n) for (n,) in connection.execute("SELECT snapshot_id FROM lake.snapshots()").fetchall()]
    versions: dict[str, set[int]] = {}
    for snapshot in _telling(connection, among):
        pinned = f"SELECT space, lance_version, next_version FROM lake.meta.space AT (VERSION => {snapshot})"
        with contextlib.suppress(duckdb.CatalogException):  # a snapshot from before there were spaces
            for space, *numbers in connection.execute(pinned).fetchall():
                versions.setdefault(space, set()).update(n for n in numbers if n is not None)
    return versions


def _telling(connection: duckdb.DuckDBPyConnection, among: Sequence[int]) -> list[int]:
    """Return the snapshots that may pin other versions than the one before: they changed pins, or that one is gone."""
    found = connection.execute(
        """
        WITH asked AS (SELECT unnest(?::BIGINT[]) AS id),
        pins AS (SELECT table_id::VARCHAR AS id FROM ducklake_table_info('lake') WHERE table_name = 'space')
        SELECT a.id FROM asked AS a JOIN lake.snapshots() AS s ON s.snapshot_id = a.id
        WHERE a.id - 1 NOT IN (SELECT id FROM asked)
          OR list_has_any(flatten(map_values(s.changes)), [(SELECT min(id) FROM pins), 'meta.space', 'meta."space"'])
        ORDER BY a.id""",
        [list(among)],
    ).fetchall()
    return [int(number) for (number,) in found]


def held_beyond(connection: duckdb.DuckDBPyConnection, store: Path, stay: Sequence[int]) -> int:
    """Return the bytes of vectors on disk that none of some snapshots pins."""
    pinned, total = pinned_versions(connection, stay), 0
    for folder in sorted(place_of(store).vectors.glob("*.lance")):
        needed = set().union(*(lance_files.data_files(folder, v) for v in pinned.get(folder.stem, ())))
        total += sum(f.stat().st_size for f in (folder / "data").glob("*.lance") if f.name not in needed)
    return total


def repair_vectors(store: Path) -> list[str]:
    """Remove the Lance versions that no snapshot pins, with their files.

    Returns
    -------
    list of str
        One line per space where something was removed.
    """
    folders = sorted(place_of(store).vectors.glob("*.lance"))
    if not folders:
        return []
    with lake.writer(store, "repair vectors") as connection:
        kept, now = pinned_versions(connection), vectors.pins(connection)
        done = [
            _repair(store, folder, kept.get(folder.stem, set()), now.get(folder.stem), connection) for folder in folders
        ]
        checksums.settle(place_of(store).root)
        checksums.prune(place_of(store).root)
    return [line for line in done if line]


def _repair(
    store: Path, folder: Path, kept: set[int], pin: Pin | None, connection: duckdb.DuckDBPyConnection
) -> str | None:
    space = folder.stem
    if not kept:
        checksums.forget(place_of(store).root, f"{VECTORS}/{folder.name}")
        shutil.rmtree(folder)
        return f"removed the vectors of {space}, which no snapshot pins"
    lance_files.opened(folder)  # it refuses one with files elsewhere
    table = vectors.table_at(store, space)
    there = {int(v["version"]) for v in table.list_versions()}
    loose = there - kept - ({table.version} if pin is None else set())  # the newest cannot go without another
    _mend_tags(table, kept & there)
    if not loose:
        return None
    if pin is not None and table.version in loose:
        # The newest version cannot be removed; one like the pinned one takes its place, and is pinned.
        version = vectors.tagged(vectors.at_top(store, space, pin.next_version or pin.lance_version))
        changed = replace(pin, next_version=version) if pin.next_version else replace(pin, lance_version=version)
        with lake.transaction(connection, f"repair the pin of {space}"):
            vectors.publish(connection, changed)
    fault_points.reach("repair-vectors")
    freed = lance_files.remove_untagged(folder)
    return f"removed {len(loose)} version(s) of {space} that no snapshot pins ({freed:,} bytes)"


def _mend_tags(table: LanceTable, wanted: set[int]) -> None:
    tags = {n: int(t["version"]) for n, t in table.tags.list().items() if n.startswith(vectors.TAG)}
    for name, version in tags.items():
        if version not in wanted:
            table.tags.delete(name)
    for version in wanted - set(tags.values()):
        table.tags.create(f"{vectors.TAG}{version}", version)
