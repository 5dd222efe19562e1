"""An engine with every table, view and macro, in memory, and a short way to put rows into it."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from catalog.schema import SCHEMAS, TABLES
from catalog.schema.columns import quote
from sql.objects import OBJECTS


def make_engine():
    connection = duckdb.connect()
    for name in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {name}")
    for table in TABLES.values():
        connection.execute(f"CREATE TABLE {table.full_name} ({', '.join(c.ddl for c in table.columns)})")
    for item in OBJECTS:
        for statement in item.ddl():
            connection.execute(statement)
    return connection


def rows_of(table: str, rows: list[dict]) -> pa.Table:
    """Rows of a table of the registry; columns that are not given are NULL."""
    schema = TABLES[table].schema
    unknown = {key for row in rows for key in row} - set(schema.names)
    assert not unknown, f"{table} has no {unknown}"
    return pa.Table.from_pylist(rows, schema=schema)


def insert(connection, table: str, *rows: dict) -> None:
    batch = rows_of(table, list(rows))
    connection.register("batch_to_insert", batch)
    columns = ", ".join(quote(name) for name in batch.column_names)
    connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM batch_to_insert")
    connection.unregister("batch_to_insert")
