"""What a column is, and what a table is: name, type, unit, UCD, meaning; key, and how a refresh writes rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import pyarrow as pa

INT8, INT16, INT32, INT64 = pa.int8(), pa.int16(), pa.int32(), pa.int64()
FLOAT32, FLOAT64 = pa.float32(), pa.float64()
TEXT, BOOL = pa.string(), pa.bool_()
TIME = pa.timestamp("us")  # UTC without a zone: DuckDB's TIMESTAMP, VOTable's ISO-8601
TEXTS, INTS, FLOATS, DOUBLES = (pa.list_(t) for t in (TEXT, INT32, FLOAT32, FLOAT64))
LONGS = pa.list_(INT64)
EXTRA = pa.map_(TEXT, TEXT)

_DUCKDB_NAMES = {
    INT8: "TINYINT",
    INT16: "SMALLINT",
    INT32: "INTEGER",
    INT64: "BIGINT",
    FLOAT32: "FLOAT",
    FLOAT64: "DOUBLE",
    TEXT: "VARCHAR",
    BOOL: "BOOLEAN",
    TIME: "TIMESTAMP",
}


@dataclass(frozen=True)
class Column:
    """One column of one table.

    Parameters
    ----------
    name : str
        CSC's name where CSC has one, else plain English with the unit as suffix.
    type : pyarrow.DataType
        The Arrow type; the DuckDB type follows from it.
    description : str
        What the number means, in one sentence without a full stop.
    unit : str
        In the VOUnits 1.0 spelling ('erg s**-1 cm**-2' style of CSC headers is normalised on export).
    ucd : str
        Unified Content Descriptor, UCD1+ (IVOA 1.5), for VOTable.
    fetch : {'usual', 'first', 'all'}
        When a service is asked for it: usually; where the service does not list its columns, too; only with
        `--columns all`.

    Examples
    --------
    >>> Column("theta", FLOAT64, "Off-axis angle", "arcmin", "pos.angDistance").ddl
    '"theta" DOUBLE'
    """

    name: str
    type: pa.DataType
    description: str
    unit: str = ""
    ucd: str = ""
    fetch: Literal["usual", "first", "all"] = "usual"

    @property
    def duckdb_type(self) -> str:
        """The type as DuckDB spells it."""
        return duckdb_type(self.type)

    @property
    def ddl(self) -> str:
        """The column as it stands in CREATE TABLE."""
        return f"{quote(self.name)} {self.duckdb_type}"

    @property
    def field(self) -> pa.Field:
        """The column as an Arrow field; unit, UCD and description travel as metadata."""
        metadata = {"unit": self.unit, "ucd": self.ucd, "description": self.description}
        return pa.field(self.name, self.type, metadata={k: v for k, v in metadata.items() if v})

    @property
    def comment(self) -> str:
        """The text of COMMENT ON COLUMN: 'description [unit] {ucd}'."""
        unit = f" [{self.unit}]" if self.unit else ""
        ucd = f" {{{self.ucd}}}" if self.ucd else ""
        return f"{self.description}{unit}{ucd}"


def duckdb_type(type_: pa.DataType) -> str:
    """Spell an Arrow type as DuckDB does.

    Parameters
    ----------
    type_ : pyarrow.DataType
        A scalar type of the registry, a list of one, or a map.

    Raises
    ------
    KeyError
        If the registry has no such type: add it to the table above on purpose.

    Examples
    --------
    >>> duckdb_type(pa.list_(pa.float32()))
    'FLOAT[]'
    """
    if pa.types.is_list(type_):
        return f"{duckdb_type(type_.value_type)}[]"
    if pa.types.is_map(type_):
        return f"MAP({duckdb_type(type_.key_type)}, {duckdb_type(type_.item_type)})"
    return _DUCKDB_NAMES[type_]


def quote(name: str) -> str:
    """Quote an identifier for SQL.

    Examples
    --------
    >>> quote('dec')
    '"dec"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string literal for SQL, for the few statements that take no parameters (ATTACH, COMMENT).

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


Writing = Literal["file", "merge", "content", "internal"]


_DISPUTED = Column("disputed", TEXTS, "Columns in which a file that counts more says something else", ucd="meta.note")


def seldom(columns: Iterable[Column], but: str = "") -> Iterator[Column]:
    """Declare columns that services are asked for with `--columns all` alone.

    Parameters
    ----------
    columns : iterable of Column
    but : str
        Regular expression of whole names: these stay as they are.

    Examples
    --------
    >>> [c.fetch for c in seldom((Column("ra", FLOAT64, "..."), Column("roll", FLOAT64, "...")), but="ra|dec")]
    ['usual', 'all']
    """
    yield from (c if re.fullmatch(but, c.name) else replace(c, fetch="all") for c in columns)


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Parameters
    ----------
    full_name : str
        'schema.table'.
    description : str
        What one row is.
    key : tuple of str
        Columns whose values never repeat.
    columns : tuple of Column
        In order.
    writing : {'file', 'merge', 'content', 'internal'}
        How a refresh writes. file: rows belong to one file and go when it changes. merge: one row per key,
        whatever files it comes from. content: the key is a hash of the content, so a row is written once.
        internal: photonlake's own bookkeeping.
    order : tuple of str
        Sort order on disk, so that scans prune.
    first_rows : str
        SQL of the rows that the table begins with in a store made before there was such a table.
    merged_into : str
        Of a table of contributions, the full name of the 'merge' table that follows from it.
    """

    full_name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    writing: Writing = "file"
    order: tuple[str, ...] = ()
    first_rows: str = ""
    merged_into: str = ""

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names) or not {*self.key, *self.order} <= set(names):
            msg = f"{self.full_name}: repeated columns, or a key that is none of them"
            raise ValueError(msg)

    @property
    def schema_name(self) -> str:
        """The part before the dot."""
        return self.full_name.partition(".")[0]

    @property
    def name(self) -> str:
        """The part after the dot."""
        return self.full_name.partition(".")[2]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema; units, UCDs and descriptions are field metadata."""
        return pa.schema([c.field for c in self.columns])

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def said(self) -> Table:
        """The contributions to a 'merge' table: what each file says of a key that several files speak of."""
        return Table(
            f"{self.full_name}_said",
            f"One row per file, for each row of {self.full_name} that several files speak of: what each of them says",
            (*self.key, "file_ids", *(c for c in ("release", "obi", "region_id") if c in self.column_names)),
            (*self.columns, _DISPUTED),
            writing="internal",
            merged_into=self.full_name,
        )

    def column(self, name: str) -> Column:
        """Return a column by name."""
        return next(c for c in self.columns if c.name == name)

    def ddl(self) -> list[str]:
        """Return the statements that make the table and comment on it and on each column."""
        columns = ", ".join(c.ddl for c in self.columns)
        name = f"{quote(self.schema_name)}.{quote(self.name)}"
        statements = [f"CREATE TABLE {name} ({columns})", f"COMMENT ON TABLE {name} IS {literal(self.description)}"]
        # Contributions have the columns of their table: 700 comments more would only make a store slower to open.
        described = (_DISPUTED,) if self.merged_into else self.columns
        statements += [f"COMMENT ON COLUMN {name}.{quote(c.name)} IS {literal(c.comment)}" for c in described]
        if self.order:
            statements.append(f"ALTER TABLE {name} SET SORTED BY ({', '.join(quote(c) for c in self.order)})")
        return statements
