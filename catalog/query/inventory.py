"""What there is in a store: tables, views, macros and functions, and their columns with unit, UCD and meaning."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from catalog.errors import NotYet, UnknownName, suggestion
from catalog.query import functions
from catalog.query.names import MACROS, VIEWS, columns_of, relations, unknown
from catalog.query.provenance import described
from catalog.query.questions import Questions
from catalog.schema import TABLES
from catalog.schema.columns import literal, quote
from sql.objects import Described


@dataclass(frozen=True)
class Relation:
    """A table, view or macro of a store, and how much it holds.

    Attributes
    ----------
    name : str
        'schema.table', or a macro with its parameters.
    kind : str
        table, view, scalar macro or table macro.
    description : str
        What one row is.
    n_rows, n_bytes : int or None
        Rows and bytes on disk; None for views and macros, which hold nothing.
    """

    name: str
    kind: str
    description: str
    n_rows: int | None = None
    n_bytes: int | None = None


@dataclass(frozen=True)
class ColumnInfo:
    """A column as `info` shows it: name, type, unit, UCD and meaning."""

    name: str
    type: str
    unit: str
    ucd: str
    description: str


@dataclass(frozen=True)
class Info:
    """What a table, view or macro is, column by column."""

    relation: Relation
    columns: tuple[ColumnInfo, ...]
    parameters: tuple[Described, ...] = ()


class Inventory:
    """What a store that is open for questions holds.

    Parameters
    ----------
    questions : Questions
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    def tables(self) -> list[Relation]:
        """List tables with their rows and bytes on disk, then views, macros and table functions."""
        with self._questions.cursor() as cursor:
            n_bytes = dict(cursor.execute(_BYTES).fetchall())
            counts = " UNION ALL ".join(f"SELECT {literal(n)}, count(*) FROM {_quoted(n)}" for n in n_bytes)
            n_rows = dict(cursor.execute(counts).fetchall()) if counts else {}
        found = [Relation(n, "table", _description(n), n_rows[n], n_bytes[n]) for n in sorted(n_bytes)]
        own = self._questions.own
        found += [Relation(n, "your table", "Registered here", own[n].num_rows, own[n].nbytes) for n in sorted(own)]
        found += [Relation(n, "view", VIEWS[n].purpose) for n in sorted(VIEWS)]
        found += [Relation(m.signature, m.kind, m.purpose) for _, m in sorted(MACROS.items())]
        ours = [functions.table_function(n) for n in sorted(functions.OURS)]
        found += [Relation(f.signature.text, "table function", f.purpose) for f in ours]
        # What a package publishes is loaded when it is named.
        return found + [
            Relation(f"{n}(...)", "function", f"Of a package: info {n}") for n in functions.published_names()
        ]

    def info(self, name: str) -> Info:
        """Tell what a table, view, macro or function is: its columns with type, unit, UCD and meaning."""
        name = name.lower().partition("(")[0].removeprefix("lake.")
        if name in MACROS:
            return _info_of_macro(name)
        if name in functions.table_function_names() or functions.is_scalar(name):
            return _info_of_function(name)
        if name in self._questions.own:
            return _info_of_own(name, self._questions.own[name])
        table, _, column = name.rpartition(".")
        if name.count(".") == 2:  # noqa: PLR2004 - schema.table.column
            about = self.info(table)
            if not (found := tuple(c for c in about.columns if c.name.lower() == column)):
                hint = suggestion(column, [c.name for c in about.columns])
                raise UnknownName(f"there is no column {column} in {table}{hint}")
            return Info(about.relation, found)
        meanings = {c.name: c for c in columns_of(name)}
        nothing = Described("", "")
        columns = tuple(
            ColumnInfo(column, type_, known.unit, known.ucd, known.description)
            for column, type_ in self._types(name)
            for known in [meanings.get(column, nothing)]
        )
        kind = "view" if name in VIEWS else "table" if name in TABLES else "vectors"
        return Info(Relation(name, kind, _description(name)), columns)

    def columns_like(self, text: str) -> list[tuple[str, ColumnInfo]]:
        """Find columns of all tables and views by a part of their name, unit, UCD or meaning."""
        found = []
        for name in _usual_first(relations()):
            with contextlib.suppress(NotYet):  # an older store lacks it
                found += [(name, c) for c in like(self.info(name).columns, text)]
        return found

    def _types(self, name: str) -> list[tuple[str, str]]:
        """Return the columns of a table, view or space with their types."""
        if name.startswith("embedding."):
            rows = self._questions.answer(f"DESCRIBE {_quoted(name)}", {}, None, None).fetchall()
        else:
            with self._questions.cursor() as cursor:
                try:
                    rows = cursor.execute(f"DESCRIBE {_quoted(name)}").fetchall()
                except duckdb.Error as error:
                    raise self._no_relation(name) from error
        return [(str(row[0]), str(row[1])) for row in rows]

    def _no_relation(self, name: str) -> UnknownName:
        """Say that there is no such table; where it is a column of some, which these are."""
        holding = [r for r in _usual_first(relations()) if any(c.name.lower() == name for c in columns_of(r))]
        if not holding:
            found = unknown(name)
            return type(found)(self._questions.with_store(found))
        return UnknownName(f"{name} is no table but a column of {', '.join(holding)}; ask for {holding[0]}.{name}")


_BYTES = """
SELECT s.schema_name || '.' || t.table_name, coalesce(t.file_size_bytes, 0)::BIGINT
FROM ducklake_table_info('lake') AS t
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""


def like(columns: Iterable[ColumnInfo], text: str) -> tuple[ColumnInfo, ...]:
    """Return the columns whose name, then those whose unit, UCD or meaning has a text in it, small or capital.

    Examples
    --------
    >>> theta = ColumnInfo("theta", "DOUBLE", "arcmin", "pos.angDistance", "Off-axis angle")
    >>> like([theta], "off-AXIS") == like([theta], "arcmin") == (theta,), like([theta], "phi")
    (True, ())
    """
    wanted = text.lower()
    found = [c for c in columns if any(wanted in t.lower() for t in (c.name, c.unit, c.ucd, c.description))]
    return tuple(sorted(found, key=lambda c: wanted not in c.name.lower()))


def _usual_first(names: Iterable[str]) -> list[str]:
    """Sort tables and views: those that a question begins with, then the others."""
    return sorted(names, key=lambda n: (not n.startswith("csc."), not n.startswith("product."), n))


def _info_of_function(name: str) -> Info:
    """Tell what a function of ours, or of a package, takes and gives."""
    if name in functions.table_function_names():
        table = functions.table_function(name)
        parameters = tuple(Described(a.name, a.description) for a in table.signature.arguments)
        relation, given = Relation(table.signature.text, "table function", table.purpose), table.columns
    else:
        scalar = functions.scalar_function(name)
        parameters = tuple(Described(f"argument {n}", kind) for n, kind in enumerate(scalar.parameters, 1))
        relation = Relation(f"{name}({', '.join(scalar.parameters)})", "scalar function", scalar.purpose)
        given = scalar.columns
    return Info(relation, tuple(ColumnInfo(c.name, "", c.unit, c.ucd, c.description) for c in given), parameters)


def _info_of_macro(name: str) -> Info:
    """Tell what a macro takes and gives."""
    macro = MACROS[name]
    columns = tuple(ColumnInfo(c.name, "", c.unit, c.ucd, c.description) for c in macro.columns)
    return Info(Relation(macro.signature, macro.kind, macro.purpose), columns, macro.parameters)


def _info_of_own(name: str, table: pa.Table) -> Info:
    """Tell what a table is that the user registered."""
    columns = tuple(
        ColumnInfo(c.name, str(type_), c.unit, c.ucd, c.description)
        for c, type_ in zip(described(table), table.schema.types, strict=True)
    )
    return Info(Relation(name, "your table", "Registered here", table.num_rows, table.nbytes), columns)


def _description(name: str) -> str:
    return TABLES[name].description if name in TABLES else VIEWS[name].purpose if name in VIEWS else ""


def _quoted(name: str) -> str:
    return ".".join(quote(part) for part in name.split("."))
