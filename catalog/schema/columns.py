"""A column: name, type, unit, UCD, description; and what follows from them.

One declaration serves the Arrow schema, the DDL, COMMENT ON, the VOTable FIELD and the reference page, so
that none of them can drift from the others.
"""

from __future__ import annotations

from dataclasses import dataclass

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
