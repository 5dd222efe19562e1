"""What a TAP service tells of its tables: schemas, tables, columns with unit and UCD, keys; as TAP_SCHEMA has them.

Source: TAP 1.1 (IVOA Recommendation 2019), section 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from catalog.catalog import Catalog
from catalog.formats.votable import vounit
from catalog.query.names import VIEWS, columns_of, relations
from catalog.schema import SCHEMAS, TABLES
from catalog.schema.columns import quote
from catalog.serve.obscore import utype
from sql.adql import Kinds
from sql.adql_grammar import delimited
from sql.objects import Described

_OWN = "tap_schema"
_VECTORS = "embedding"
_ALIAS = "__tap_schema_"
_NUMBERS = {
    "TINYINT": "short",
    "UTINYINT": "short",
    "SMALLINT": "short",
    "USMALLINT": "int",
    "INTEGER": "int",
    "UINTEGER": "long",
    "BIGINT": "long",
    "UBIGINT": "long",
    "HUGEINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DECIMAL": "double",
}
_KEYS = {"name": "csc.master_source", "detection_id": "csc.observation_source", "bibcode": "lit.paper"}
_OWN_KEYS = (
    ("tap_schema.tables", "schema_name", "tap_schema.schemas"),
    ("tap_schema.columns", "table_name", "tap_schema.tables"),
    ("tap_schema.keys", "from_table", "tap_schema.tables"),
    ("tap_schema.keys", "target_table", "tap_schema.tables"),
    ("tap_schema.key_columns", "key_id", "tap_schema.keys"),
)
_TARGETS = {"from_table": "table_name", "target_table": "table_name"}
"""Columns that refer to one of another name."""
_SELF: dict[str, tuple[tuple[str, str, str], ...]] = {
    "schemas": (
        ("schema_name", "VARCHAR", "Name of the schema"),
        ("description", "VARCHAR", "What it is"),
        ("utype", "VARCHAR", "Its utype"),
        ("schema_index", "INTEGER", "Place in a list"),
    ),
    "tables": (
        ("schema_name", "VARCHAR", "Schema that the table is in"),
        ("table_name", "VARCHAR", "Name as a query has it"),
        ("table_type", "VARCHAR", "table or view"),
        ("description", "VARCHAR", "What one row is"),
        ("utype", "VARCHAR", "Its utype"),
        ("table_index", "INTEGER", "Place in a list"),
    ),
    "columns": (
        ("table_name", "VARCHAR", "Table that the column is in"),
        ("column_name", "VARCHAR", "Name as a query has it"),
        ("datatype", "VARCHAR", "Type, as VOTable has it"),
        ("arraysize", "VARCHAR", "Size of an array or a text, as VOTable has it"),
        ("xtype", "VARCHAR", "What stands in a text, as DALI has it"),
        ("size", "INTEGER", "Length of an array that is fixed"),
        ("description", "VARCHAR", "What it means"),
        ("utype", "VARCHAR", "Its utype"),
        ("unit", "VARCHAR", "Unit, as VOUnits has it"),
        ("ucd", "VARCHAR", "UCD1+"),
        ("indexed", "INTEGER", "1 where a condition on it skips what does not meet it"),
        ("principal", "INTEGER", "1 where it is one of those that are asked first"),
        ("std", "INTEGER", "1 where a standard defines it"),
        ("column_index", "INTEGER", "Place in its table"),
    ),
    "keys": (
        ("key_id", "VARCHAR", "Name of the key"),
        ("from_table", "VARCHAR", "Table that refers"),
        ("target_table", "VARCHAR", "Table that is referred to"),
        ("description", "VARCHAR", "What it is for"),
        ("utype", "VARCHAR", "Its utype"),
    ),
    "key_columns": (
        ("key_id", "VARCHAR", "Name of the key"),
        ("from_column", "VARCHAR", "Column that refers"),
        ("target_column", "VARCHAR", "Column that is referred to"),
    ),
}


@dataclass(frozen=True)
class TapColumn:
    """A column as VOTable declares it."""

    name: str
    type: str
    description: str = ""
    unit: str = ""
    ucd: str = ""
    indexed: bool = False
    utype: str = ""

    @property
    def votable(self) -> tuple[str, str | None, str | None]:
        """Return datatype, arraysize and xtype of what a query of it gives."""
        return votable_type(self.type)

    @property
    def size(self) -> int | None:
        """The length of an array that is the same in each row."""
        arraysize = self.votable[1]
        return int(arraysize) if arraysize and arraysize.isdigit() else None


@dataclass(frozen=True)
class TapTable:
    """A table or view with its columns."""

    name: str
    kind: str
    description: str
    columns: tuple[TapColumn, ...]

    @property
    def schema(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


def target_column(column: str) -> str:
    """Return the name that a column has in the table that it refers to.

    Examples
    --------
    >>> target_column("from_table"), target_column("name")
    ('table_name', 'name')
    """
    return _TARGETS.get(column, column)


def votable_type(type_: str) -> tuple[str, str | None, str | None]:
    """Return how VOTable declares a DuckDB type: datatype, arraysize, xtype.

    Examples
    --------
    >>> votable_type("FLOAT[]"), votable_type("TIMESTAMP"), votable_type("MAP(VARCHAR, VARCHAR)")
    (('float', '*', None), ('char', '*', 'timestamp'), ('unicodeChar', '*', None))
    """
    plain = re.sub(r"\(.*", "", type_)
    if plain in _NUMBERS:
        return _NUMBERS[plain], None, None
    if plain == "BOOLEAN":
        return "boolean", None, None
    if plain.startswith(("TIMESTAMP", "DATE")):
        return "char", "*", "timestamp"
    if (array := re.fullmatch(r"(\w+)\[(\d*)\]", type_)) and array[1] in _NUMBERS:
        return _NUMBERS[array[1]], array[2] or "*", None
    return "unicodeChar", "*", None


@dataclass(frozen=True)
class TapSchema:
    """All tables that a service has.

    Attributes
    ----------
    tables : tuple of TapTable
        Those of the store, vectors, and TAP_SCHEMA's own.
    """

    tables: tuple[TapTable, ...]

    @cached_property
    def schemas(self) -> dict[str, str]:
        """Schema -> what it is."""
        known = {**SCHEMAS, _VECTORS: "vectors of spectra, photons, papers: one table per space"}
        known[_OWN] = "what this service has: its schemas, tables, columns and keys"
        return {name: known.get(name, "") for name in dict.fromkeys(t.schema for t in self.tables)}

    @cached_property
    def _kinds(self) -> dict[str, Kinds]:
        return {t.name: {c.name.lower(): (c.type, c.unit) for c in t.columns} for t in self.tables}

    def kinds(self, table: str) -> Kinds:
        """Return types and units of a table's columns; nothing for one that there is not."""
        return self._kinds.get(table, {})

    @cached_property
    def keys(self) -> tuple[tuple[str, str, str, str], ...]:
        """Name, table, table referred to, column of each."""
        there = {t.name: t for t in self.tables}
        return tuple(
            (f"{t.name}.{column}", t.name, target, column)
            for t in self.tables
            if t.kind == "table"
            for column, target in _KEYS.items()
            if target in there and t.name != target and column in {c.name for c in t.columns}
        ) + tuple((f"{table}.{column}", table, target, column) for table, column, target in _OWN_KEYS)

    @cached_property
    def relations(self) -> Mapping[str, pa.Table]:
        """The tables of TAP_SCHEMA, by the names that they have in the engine."""
        columns = [
            (
                *(t.name, delimited(c.name), *c.votable, c.size, c.description),
                *(c.utype or None, c.unit or None, c.ucd or None),
                *(int(c.indexed), int(bool(c.ucd)), int(t.schema == _OWN or bool(c.utype)), place),
            )
            for t in self.tables
            for place, c in enumerate(t.columns, 1)
        ]
        rows: dict[str, Sequence[tuple[object, ...]]] = {
            "schemas": [(name, about, None, place) for place, (name, about) in enumerate(self.schemas.items(), 1)],
            "tables": [(t.schema, t.name, t.kind, t.description, None, n) for n, t in enumerate(self.tables, 1)],
            "columns": columns,
            "keys": [(key, table, target, "Rows about the same", None) for key, table, target, _ in self.keys],
            "key_columns": [
                (key, delimited(column), delimited(target_column(column))) for key, _, _, column in self.keys
            ],
        }
        return {f"{_ALIAS}{name}": _table(name, found) for name, found in rows.items()}


RENAMED = {f"{_OWN}.{name}": f"{_ALIAS}{name}" for name in _SELF}
"""Tables of TAP_SCHEMA -> their names in the engine."""


def tap_schema(catalog: Catalog, snapshot: int | None = None) -> TapSchema:
    """Read what a store has.

    Parameters
    ----------
    catalog : Catalog
    snapshot : int, optional
        The store as it was.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in catalog.sql(_COLUMNS, snapshot=snapshot).fetchall():
        found.setdefault(str(table), []).append((str(column), str(type_)))
    made = [_described(name, found[name]) for name in relations() if name in found and not name.endswith("_said")]
    for (space,) in catalog.sql("SELECT space FROM meta.space ORDER BY 1", snapshot=snapshot).fetchall():
        name = f"{_VECTORS}.{space}"
        shown = catalog.sql(f"DESCRIBE {_VECTORS}.{quote(str(space))}", snapshot=snapshot).fetchall()
        made.append(_described(name, [(str(row[0]), str(row[1])) for row in shown]))
    made += [
        TapTable(f"{_OWN}.{name}", "table", f"The {name} of this service", tuple(TapColumn(*c) for c in columns))
        for name, columns in _SELF.items()
    ]
    order = list(SCHEMAS)
    made.sort(key=lambda t: order.index(t.schema) if t.schema in order else len(order))
    return TapSchema(tuple(made))


def _described(name: str, columns: list[tuple[str, str]]) -> TapTable:
    table = TABLES.get(name)
    meanings = {c.name: c for c in columns_of(name)}
    nothing = Described("", "")
    sorted_by = {*table.order[:1], *table.key[:1]} if table else set()
    made = tuple(
        TapColumn(
            column, type_, known.description, vounit(known.unit), known.ucd, column in sorted_by, utype(name, column)
        )
        for column, type_ in columns
        for known in [meanings.get(column, nothing)]
    )
    if name in VIEWS:
        return TapTable(name, "view", VIEWS[name].purpose, made)
    about = table.description if table else f"One row per vector of the space {name.partition('.')[2]}"
    return TapTable(name, "table", about, made)


_COLUMNS = (
    "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = 'lake' ORDER BY table_name, column_index"
)


def _table(name: str, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    types = {"VARCHAR": pa.string(), "INTEGER": pa.int32()}
    columns = list(zip(*rows, strict=True)) or [()] * len(_SELF[name])
    fields = [pa.field(c, types[t], metadata={"description": about}) for c, t, about in _SELF[name]]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)], schema=pa.schema(fields))
