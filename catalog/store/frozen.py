"""A store's catalog as it is at this moment, copied out of SQLite into a file that DuckLake attaches without SQLite.

DuckDB's `sqlite` extension opens any SQLite file on the disk, whatever the engine's settings say. So queries run in an
engine that has never loaded it. What they need of it is small: the rows of the DuckLake catalog, in one transaction.

DuckLake keeps rows of a few lines in tables called ducklake_inlined_data_<table>_<schema version>: SQLite holds most of
their values as text, DuckDB as they are. Source: DuckLake specification 1.0, data types and ducklake_column.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from catalog.schema.columns import literal, quote
from catalog.store import confinement, engine, inspection, location, sqlite_catalog
from catalog.store.confinement import ROOT, UNLIMITED, EngineLimits
from catalog.store.place import place_of
from catalog.store.sqlite_catalog import Ask, Watch

_TYPES = {
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "int128": "HUGEINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "uint128": "UHUGEINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "varchar": "VARCHAR",
    "json": "JSON",
    "blob": "BLOB",
    "uuid": "UUID",
    "date": "DATE",
    "time": "TIME",
    "time_ns": "TIME_NS",
    "timetz": "TIME WITH TIME ZONE",
    "timestamp": "TIMESTAMP",
    "timestamp_s": "TIMESTAMP_S",
    "timestamp_ms": "TIMESTAMP_MS",
    "timestamp_us": "TIMESTAMP",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "interval": "INTERVAL",
}
_DECIMAL = re.compile(r"decimal\(\d+, ?\d+\)")
_NAME = re.compile(r"ducklake_inlined_data_(?P<table>\d+)_(?P<schema>\d+)")


@dataclass(frozen=True)
class _Column:
    """One row of ducklake_column; what a list or struct is made of has it as its parent."""

    column_id: int
    name: str
    type: str
    parent: int | None


def types_of(ask: Ask, table: str, columns: Sequence[str]) -> dict[str, str]:
    """Return the DuckDB types of an inlined table's own columns.

    Parameters
    ----------
    ask : callable
        Answers queries on the tables of a DuckLake catalog.
    table : str
        'ducklake_inlined_data_<table>_<schema version>'; any other has none.
    columns : sequence of str
        Its columns.

    Returns
    -------
    dict of str to str
        Without the columns that DuckLake adds, and those of a type that is not known here.
    """
    match = _NAME.fullmatch(table)
    if match is None:
        return {}
    ((snapshot,),) = ask(
        f"SELECT min(snapshot_id) AS n FROM ducklake_snapshot WHERE schema_version = {match['schema']}"
    )
    alive = (
        ""
        if snapshot is None
        else f"begin_snapshot <= {snapshot} AND (end_snapshot IS NULL OR end_snapshot > {snapshot}) AND"
    )
    rows = ask(
        "SELECT column_id, column_name, column_type, parent_column FROM ducklake_column "
        f"WHERE {alive} table_id = {match['table']} ORDER BY column_order"
    )
    found = [_Column(int(str(c)), str(n), str(t), None if p is None else int(str(p))) for c, n, t, p in rows]
    wanted = set(columns)
    return {c.name: made for c in found if c.parent is None and c.name in wanted and (made := _spelled(c, found))}


def _spelled(column: _Column, columns: Sequence[_Column]) -> str:
    """Spell a type as DuckDB does; '' for one that is not known."""
    parts = [(c.name, _spelled(c, columns)) for c in columns if c.parent == column.column_id]
    if not all(type_ for _, type_ in parts):
        return ""
    type_ = column.type.lower()
    if type_ == "list" and len(parts) == 1:
        return f"{parts[0][1]}[]"
    if type_ == "map" and len(parts) == 2:  # noqa: PLR2004 - key and value
        return f"MAP({parts[0][1]}, {parts[1][1]})"
    if type_ == "struct" and parts:
        return f"STRUCT({', '.join(f'{quote(name)} {part}' for name, part in parts)})"
    return type_.upper() if _DECIMAL.fullmatch(type_) else _TYPES.get(type_, "")


_LOG = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 14  # the smallest: most tables hold a few rows


def freeze(store: Path, copy: Path) -> Watch:
    """Copy a store's catalog into a new DuckDB file, and return what tells when it is out of date.

    Views and macros that do more than read tables are left out, with a warning: a query that names one is told that
    there is no such view.

    Parameters
    ----------
    store : Path
    copy : Path
        The file, to be made.

    Raises
    ------
    UntrustedStore
        If the catalog names files outside the store.
    """
    catalog = place_of(store).address
    before = sqlite_catalog.Signature((), sure=False) if isinstance(catalog, str) else sqlite_catalog.signature(catalog)
    with sqlite_catalog.opened(catalog) as cursor:
        ask = sqlite_catalog.asking(cursor)
        inspection.check(ask, store)
        refused = inspection.refused_definitions(ask)
        for definition in refused:
            _LOG.warning("%s: %s %s: %s; it is left out", store, definition.kind, definition.name, definition.wrong)
        version = sqlite_catalog.version(ask)
        statements = _copying(ask, {(d.table, d.key) for d in refused})
        cursor.execute(f"ATTACH {literal(str(copy))} AS frozen (BLOCK_SIZE {_BLOCK_BYTES})")
        try:
            cursor.execute("; ".join(statements))
            cursor.execute("COMMIT")
        finally:
            with contextlib.suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            cursor.execute("DETACH DATABASE IF EXISTS frozen")
    return Watch(catalog, before, version)


def _copying(ask: Ask, refused: Collection[tuple[str, int]]) -> list[str]:
    """Return statements that copy a catalog's tables, with the types that they have in a catalog of DuckDB."""
    columns: dict[str, list[str]] = {}
    blobs: dict[str, set[str]] = {}
    for table, column, type_ in ask(_COLUMNS[ask.dialect]):
        if _A_TABLE.fullmatch(str(table)):
            columns.setdefault(str(table), []).append(str(column))
            if type_ == "bytea":  # in which DuckLake keeps texts, for PostgreSQL's have no character of code 0
                blobs.setdefault(str(table), set()).add(str(column))
    # The engine looks into every table of rows that stand in the catalog: those without any are not shown to it.
    inlined = [name for name in columns if name.startswith("ducklake_inlined_") and name != _INLINED]
    filled = " UNION ALL ".join(f"SELECT '{n}' AS n WHERE EXISTS (SELECT 1 FROM {quote(n)})" for n in inlined)
    empty = set(inlined) - {str(name) for (name,) in (ask(filled) if filled else [])}
    statements = []
    for name, declared in columns.items():
        if name in empty:
            continue
        true = types_of(ask, name, declared)
        as_text = blobs.get(name, set()) - {c for c, type_ in true.items() if type_ == "BLOB"}
        held = {c: f"decode({quote(c)})" if c in as_text else quote(c) for c in declared}
        cells = ", ".join(f"{held[c]}::{true[c]} AS {quote(c)}" if c in true else quote(c) for c in declared)
        conditions = [f"{name.removeprefix('ducklake_')}_id <> {key}" for table, key in refused if table == name]
        if name == _INLINED and empty:
            conditions.append(f"table_name NOT IN ({', '.join(map(literal, sorted(empty)))})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statements.append(f"CREATE TABLE frozen.main.{quote(name)} AS SELECT {cells} FROM {quote(name)}{where}")
    return statements


_INLINED = "ducklake_inlined_data_tables"
_A_TABLE = re.compile(r"ducklake_[a-z0-9_]+")
_COLUMNS = {
    "sqlite": "SELECT m.name AS t, p.name AS c, '' AS k FROM sqlite_master AS m, pragma_table_info(m.name) AS p "
    "WHERE m.type = 'table' AND m.name LIKE 'ducklake%' ORDER BY m.name, p.cid",
    "postgres": "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND table_name LIKE 'ducklake%' ORDER BY table_name, ordinal_position",
}


@dataclass
class Reader:
    """A connection that queries run in, and what tells whether it still sees the newest of its store.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        Confined, with the store attached as `lake`.
    watch : Watch or None
        On the store's catalog; None where a copy was given: whoever gave it knows better.
    """

    connection: duckdb.DuckDBPyConnection
    watch: Watch | None

    def is_newest(self) -> bool:
        """Tell whether nothing was committed since it was opened."""
        return self.watch is None or self.watch.is_newest()


def connect(
    store: Path,
    *,
    snapshot: int | None = None,
    at: datetime | None = None,
    limits: EngineLimits = UNLIMITED,
    copy: Path | None = None,
) -> Reader:
    """Open a store for queries, in an engine that can do no more than read it.

    Parameters
    ----------
    store : Path
    snapshot, at
        See `lake.connect`.
    limits : EngineLimits
    copy : Path, optional
        What `freeze` made, for a process that must not open the store's own catalog; else one is made, and removed.

    Returns
    -------
    Reader

    Raises
    ------
    StoreNotFound
        If there is no store.
    UnknownName
        If there is no such snapshot.
    UntrustedStore
        If the store names files outside itself.
    QueryError
        If a limit makes no sense.
    """
    location.check_exists(store)
    own = confinement.private_file(".duckdb") if copy is None else None
    connection = engine.start(sqlite=False)
    try:
        watch = freeze(store, own) if own else None
        from catalog.store.lake_files import LakeFiles  # noqa: PLC0415 - brings fsspec, for those who ask alone

        connection.register_filesystem(LakeFiles(place_of(store).data))
        connection.execute("SET TimeZone = 'UTC'")
        location.attach(
            connection, store, f"ducklake:duckdb:{own or copy}", ROOT, read_only=True, snapshot=snapshot, at=at
        )
        confinement.confine(connection, limits)
    except BaseException:
        connection.close()
        raise
    finally:
        if own is not None:
            own.unlink(missing_ok=True)  # the engine has it open; nobody else can
    return Reader(connection, watch)
