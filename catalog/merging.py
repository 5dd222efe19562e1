"""How rows of a 'merge' table come together: one row per key, whatever files they come from.

Rows that arrive are partial: NULL means 'not said'. What a later file says overrides; what it does not say
stays. In csc.* only rows of one release may mix: a newer release replaces a row whole, an older one is left
out, and a row without a release gives way to one that has it. Order is the order of the plan, so that an
interrupted refresh ends where an undisturbed one does.

Catalog tables have several hundred columns and a file says a few dozen of them: every statement here names
those alone, because the engine's planning time grows with the expressions it is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from catalog.columns import EXTRA, Column, quote
from catalog.tables import Table

_ORDER, _RANK = "_order", "_rank"


def rank(alias: str, table: Table) -> str:
    """Return SQL for the release of a row as a number: unknown -1, '2.0' 2000, '2.1' 2001."""
    if "release" not in table.column_names:
        return "0"
    parts = f"string_split({alias}.release, '.')"
    return f"coalesce(try_cast({parts}[1] AS INTEGER) * 1000 + coalesce(try_cast({parts}[2] AS INTEGER), 0), -1)"


def merge(connection: duckdb.DuckDBPyConnection, table: Table, source: str) -> None:
    """Merge rows into a table, inside the caller's transaction; afterwards it has one row per key.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`.
    table : Table
        A table with writing='merge'.
    source : str
        SQL relation with the table's columns, rows in the order in which they count: later ones override.
    """
    said = _said(connection, table, source)
    names = [quote(c.name) for c in said]
    key = ", ".join(quote(k) for k in table.key)
    others = [c for c in said if c.name not in table.key]
    target = f"lake.{quote(table.schema_name)}.{quote(table.name)}"
    same_key = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in table.key)
    execute = connection.execute
    execute(f"""
        CREATE OR REPLACE TEMP TABLE arriving AS
        SELECT {", ".join(names)}, {rank("s", table)} AS {_RANK}, row_number() OVER () AS {_ORDER} FROM {source} AS s
        QUALIFY {_RANK} = max({_RANK}) OVER (PARTITION BY {key})""")
    _fold_repeated(connection, key, others)
    execute(f"""
        CREATE OR REPLACE TEMP TABLE stored AS
        SELECT t.*, {rank("t", table)} AS {_RANK} FROM {target} AS t SEMI JOIN arriving AS s ON {same_key}""")
    execute(f"DELETE FROM arriving AS s USING stored AS t WHERE {same_key} AND s.{_RANK} < t.{_RANK}")
    execute(f"DELETE FROM stored AS t USING arriving AS s WHERE {same_key} AND s.{_RANK} > t.{_RANK}")
    execute(f"DELETE FROM {target} AS t USING arriving AS s WHERE {same_key}")
    united = ", ".join(_unite(c) for c in others)
    execute(f"""
        INSERT INTO {target} BY NAME
        SELECT t.* EXCLUDE ({_RANK}) REPLACE ({united}) FROM stored AS t JOIN arriving AS s ON {same_key}
        ORDER BY s.{_ORDER}""")
    execute(f"""
        INSERT INTO {target} BY NAME
        SELECT * EXCLUDE ({_RANK}, {_ORDER})
        FROM arriving AS s ANTI JOIN stored AS t ON {same_key} ORDER BY {_ORDER}""")
    execute("DROP TABLE arriving")
    execute("DROP TABLE stored")


def _said(connection: duckdb.DuckDBPyConnection, table: Table, source: str) -> Sequence[Column]:
    """Return the columns of which the rows say anything, and those that every row carries."""
    counts = ", ".join(f"count({quote(c.name)})" for c in table.columns)
    row = connection.execute(f"SELECT {counts} FROM {source}").fetchone() or ()
    always = {*table.key, "release", "file_ids"}
    return [c for c, n in zip(table.columns, row, strict=True) if n or c.name in always]


def _fold_repeated(connection: duckdb.DuckDBPyConnection, key: str, others: Sequence[Column]) -> None:
    """Make one row of the arriving rows of one key; only keys that repeat need the costly aggregation."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT * FROM arriving QUALIFY count(*) OVER (PARTITION BY {key}) > 1""")
    if connection.execute("SELECT EXISTS (FROM repeated)").fetchone() == (True,):
        connection.execute(f"DELETE FROM arriving WHERE {_ORDER} IN (SELECT {_ORDER} FROM repeated)")
        connection.execute(f"""
            INSERT INTO arriving BY NAME
            SELECT {key}, {", ".join(_fold(c) for c in others)},
                any_value({_RANK}) AS {_RANK}, max({_ORDER}) AS {_ORDER}
            FROM repeated GROUP BY {key}""")
    connection.execute("DROP TABLE repeated")


def _fold(column: Column) -> str:
    """One column over rows of one key: the last value said; maps and file lists are united."""
    name = quote(column.name)
    if column.name == "file_ids":
        return f"list_sort(list_distinct(flatten(list({name})))) AS {name}"
    if column.type == EXTRA:
        maps = f"list(coalesce({name}, MAP {{}}) ORDER BY {_ORDER})"
        return f"list_reduce({maps}, lambda earlier, later: map_concat(earlier, later)) AS {name}"
    return f"arg_max({name}, {_ORDER}) AS {name}"  # arg_max passes over NULL


def _unite(column: Column) -> str:
    """One column of an arriving row of the same release with the stored one."""
    name = quote(column.name)
    if column.name == "file_ids":
        return f"list_sort(list_distinct(list_concat(t.{name}, s.{name}))) AS {name}"
    if column.type == EXTRA:
        return f"map_concat(t.{name}, s.{name}) AS {name}"
    return f"coalesce(s.{name}, t.{name}) AS {name}"
