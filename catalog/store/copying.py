"""A store of one person becomes a team's: its catalog row by row into PostgreSQL, its files as they are.

Snapshots keep their numbers, the store its UUID, spaces their Lance versions: what was cited can be cited still.
DuckLake keeps rows of a few lines in the catalog itself, SQLite and PostgreSQL each in types of their own; these tables
are made anew. Source: DuckLake specification 1.0, data inlining; types as DuckLake 1.0 gives them in PostgreSQL.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from catalog.errors import command
from catalog.schema.columns import literal, quote
from catalog.store import checksums, engine, lake, postgres_sessions, sqlite_catalog
from catalog.store.backup_files import copy_file
from catalog.store.frozen import types_of
from catalog.store.location import check_exists
from catalog.store.place import Place, PlaceWrong, place_of
from catalog.store.sqlite_catalog import ALIAS, Ask

_TEAM = "team_catalog"
_AS_IS = frozenset({"BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "UUID", "INTERVAL"})
_AS_IS |= {"TIME", "TIME WITH TIME ZONE"}
_WIDER = {"TINYINT": "SMALLINT", "UTINYINT": "INTEGER", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "FLOAT": "REAL"}
_BYTES = {"VARCHAR", "JSON", "BLOB"}
_OWN = frozenset({"row_id", "begin_snapshot", "end_snapshot", "file_id"})
_INLINED = re.compile(r"ducklake_inlined_(data|delete)_\d+(_\d+)?")


@dataclass(frozen=True)
class Copied:
    """What was copied: the newest snapshot, how many there are, files and their bytes."""

    snapshot: int
    n_snapshots: int
    n_files: int
    n_bytes: int


def copy(
    store: Path,
    target: Path,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
    on_file: Callable[[str], None] | None = None,
) -> Copied:
    """Copy a store of one person, with all snapshots, vectors and models, into a team's store that has no rows yet.

    Nobody writes to either meanwhile. The catalog is copied last, in one transaction: a copy that is cut short leaves
    files that no snapshot names, and the next one goes on.

    Parameters
    ----------
    store : Path
    target : Path
        See `catalog.store.team_store.init`.
    wait, on_wait
        See `catalog.store.transactions.lock`.
    on_file : callable, optional
        Called with the name of each file that is copied.

    Raises
    ------
    StoreNotFound
    PlaceWrong
        If the target is no team's store, or has rows already.
    StoreLocked
        If another process writes and `wait` is false.
    """
    check_exists(store)
    check_exists(target)
    ours, theirs = place_of(store), place_of(target)
    if ours.is_team or not theirs.is_team:
        made = command("catalog init --catalog postgresql://HOST/DATABASE --data FOLDER", target)
        raise PlaceWrong(f"{target}: expected a team's store to copy {store} into, a store of its own; type: {made}")
    with (
        lake.writer(store, "copy it", wait=wait, on_wait=on_wait),
        lake.writer(target, "copy into it", wait=wait, on_wait=on_wait) as there,
    ):
        _check_empty(there, target)
        known = checksums.recorded(ours.root)
        files = [(source, final, _sum_of(source, ours, known)) for source, final in _files(ours, theirs)]
        sizes = [_place_file(source, final, wanted, on_file) for source, final, wanted in files]
        with contextlib.closing(engine.start(postgres=True)) as connection:
            newest, n_snapshots = _copy_catalog(connection, ours, theirs)
    return Copied(newest, n_snapshots, len(sizes), sum(sizes))


def _check_empty(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    for table in ("meta.file", "meta.source", "meta.space", "meta.snapshot_name"):
        if connection.execute(f"SELECT 1 FROM lake.{table} LIMIT 1").fetchone():
            raise PlaceWrong(f"{target}: expected a team's store without rows, found some in {table}")


def _files(ours: Place, theirs: Place) -> Iterator[tuple[Path, Path]]:
    """Yield the files of tables, vectors and models, and where they belong."""
    for folder, final in ((ours.data, theirs.data), (ours.vectors, theirs.vectors), (ours.models, theirs.models)):
        for path, _, names in os.walk(folder):
            yield from ((Path(path, name), final / Path(path, name).relative_to(folder)) for name in sorted(names))


def _sum_of(source: Path, ours: Place, known: Mapping[str, str]) -> str:
    """Return the checksum that a file must have; '' for one that may change, or of which none is on record."""
    name = str(source.relative_to(ours.root))
    return known.get(name, "") if checksums.never_changes(name) else ""


def _place_file(source: Path, final: Path, wanted: str, on_file: Callable[[str], None] | None) -> int:
    """Copy a file and bring it to disk, unless a copy before left it there as it was written.

    Raises
    ------
    BackupDamaged
        If it is not as it was written.
    """
    if not (wanted and final.is_file() and checksums.sum_of(final) == wanted):
        if on_file:
            on_file(final.name)
        copy_file(source, final, wanted)
    return source.stat().st_size


def _copy_catalog(connection: duckdb.DuckDBPyConnection, ours: Place, theirs: Place) -> tuple[int, int]:
    """Put the rows of one catalog in the place of another's; return the newest snapshot and how many there are."""
    execute = connection.execute
    execute("SET TimeZone = 'UTC'")
    execute(f"ATTACH {literal(ours.catalog)} AS {ALIAS} (TYPE sqlite, READ_ONLY)")
    execute(f"ATTACH {literal(theirs.catalog)} AS {_TEAM} (TYPE postgres)")
    ask = sqlite_catalog.asking(connection)
    old, new = _columns(connection, ALIAS), _columns(connection, _TEAM)
    execute("BEGIN TRANSACTION")
    for name in new:
        execute(f"DROP TABLE {_TEAM}.{quote(name)}" if _INLINED.fullmatch(name) else f"DELETE FROM {_TEAM}.{name}")
    for name, columns in old.items():
        if _INLINED.fullmatch(name):
            _copy_inlined(connection, ask, name, list(columns))
            continue
        cells = [f"{quote(c)}::{type_} AS {quote(c)}" for c, type_ in new[name].items() if c in columns]
        execute(f"INSERT INTO {_TEAM}.{quote(name)} BY NAME SELECT {', '.join(cells)} FROM {ALIAS}.{quote(name)}")
    path = literal(theirs.data_path)
    checksums.settle(theirs.root)
    execute(f"UPDATE {_TEAM}.ducklake_metadata SET value = {path} WHERE key = 'data_path'")
    row = execute(f"SELECT max(snapshot_id), count(*) FROM {_TEAM}.ducklake_snapshot").fetchone() or (0, 0)
    postgres_sessions.check(str(theirs.catalog))
    execute("COMMIT")
    return int(row[0]), int(row[1])


def _columns(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    """Return the columns of a catalog's tables, and their types."""
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = ? "
        "AND regexp_full_match(table_name, 'ducklake_[a-z0-9_]+') ORDER BY table_name, column_index",
        [database],
    ).fetchall()
    for table, column, type_ in rows:
        found.setdefault(str(table), {})[str(column)] = str(type_)
    return found


def _copy_inlined(connection: duckdb.DuckDBPyConnection, ask: Ask, name: str, columns: list[str]) -> None:
    """Make a table of rows that stand in the catalog itself, and copy it."""
    true = types_of(ask, name, columns)
    declared, cells = [], []
    for column in columns:
        type_ = "BIGINT" if column in _OWN and column not in true else true.get(column, "VARCHAR")
        kept = _kept(type_)
        declared.append(f"{quote(column)} {kept}")
        value = f"{quote(column)}::{'VARCHAR' if kept == 'VARCHAR' or type_ == 'JSON' else type_}"
        cells.append(f"encode({value})" if kept == "BLOB" and type_ != "BLOB" else value)
    connection.execute(f"CREATE TABLE {_TEAM}.{quote(name)} ({', '.join(declared)})")
    connection.execute(f"INSERT INTO {_TEAM}.{quote(name)} SELECT {', '.join(cells)} FROM {ALIAS}.{quote(name)}")


def _kept(type_: str) -> str:
    """Return the type in which DuckLake keeps values of a type in PostgreSQL.

    Examples
    --------
    >>> [_kept(t) for t in ("BIGINT", "UINTEGER", "VARCHAR", "VARCHAR[]", "TIMESTAMP", "DECIMAL(9,3)")]
    ['BIGINT', 'BIGINT', 'BLOB', 'VARCHAR', 'VARCHAR', 'DECIMAL(9,3)']
    """
    if type_ in _BYTES:
        return "BLOB"
    if type_ in _AS_IS or re.fullmatch(r"DECIMAL\(\d+, ?\d+\)", type_):
        return type_
    return _WIDER.get(type_, "VARCHAR")
