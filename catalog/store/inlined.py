"""Types of the rows that DuckLake keeps in its catalog: SQLite holds most of them as text, DuckDB has them as they are.

Source: DuckLake specification 1.0, data types and ducklake_column; rows of a few lines stand in tables called
ducklake_inlined_data_<table>_<schema version>.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.schema.columns import quote
from catalog.store.sqlite_catalog import Ask

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
