"""What makes a store: an empty lake, and the tables, views and macros of this version that it lacks."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from pathlib import Path

import duckdb

from catalog.schema import SCHEMAS, TABLES, Table
from catalog.schema.columns import literal, quote
from catalog.store import engine
from catalog.store.place import CATALOG, DATA, Place
from sql.objects import OBJECTS

COPIED = frozenset({"product.detection_name", "product.detection_region"})
"""Views that may read a copy of their rows (`catalog.store.stored_views`), which other definitions make out of date."""
COPY = "_stored"
"""What the name of such a copy ends with."""


@functools.cache
def version() -> str:
    """Return the fingerprint of every table, view and macro of this version."""
    statements = [s for table in TABLES.values() for s in table.ddl()]
    return hashlib.sha256("\n".join(statements + [o.fingerprint for o in OBJECTS]).encode()).hexdigest()[:16]


def create_empty(store: Path) -> None:
    """Write an empty lake beside its final name and rename it: a store exists wholly or not at all."""
    (store / DATA).mkdir(exist_ok=True)
    draft = store / f".{CATALOG}.{os.getpid()}"
    with contextlib.closing(engine.start()) as connection:
        data = f"DATA_PATH {literal(f'{store / DATA}{os.sep}')}"
        connection.execute(f"ATTACH {literal(f'ducklake:sqlite:{draft}')} AS lake ({data}, META_JOURNAL_MODE 'WAL')")
        _set_options(connection)
        connection.execute("DETACH lake")
    for leftover in store.glob(f"{draft.name}-*"):
        leftover.unlink()
    draft.rename(store / CATALOG)


def create_in_database(place: Place) -> None:
    """Write an empty lake into the database of a team's store, which has none; its writer's lock is held."""
    place.data.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(engine.start(postgres=True)) as connection:
        connection.execute(f"ATTACH {literal(place.attachment)} AS lake (DATA_PATH {literal(place.data_path)})")
        _set_options(connection)
        connection.execute("DETACH lake")


def _set_options(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CALL lake.set_option('parquet_version', '2')")
    connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")


def missing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the statements that bring a store up to this version: new tables and columns, changed views and macros."""
    columns: dict[str, set[str]] = {}
    for table_name, column_name in connection.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake'"
    ).fetchall():
        columns.setdefault(table_name, set()).add(column_name)
    known = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake'"
    schemas = {name for (name,) in connection.execute(known).fetchall()}
    statements = [f"CREATE SCHEMA {quote(name)}" for name in SCHEMAS if name not in schemas]
    for table in TABLES.values():
        if table.full_name not in columns:
            statements += [*table.ddl(), *_primed(table)]
            if columns and table.first_rows:  # not in a new store, which has no rows to make them from
                statements.append(f"INSERT INTO lake.{table.full_name} BY NAME {table.first_rows}")
        else:
            new = [c for c in table.columns if c.name not in columns[table.full_name]]
            statements += [f"ALTER TABLE lake.{table.full_name} ADD COLUMN {c.ddl}" for c in new]
    stored: dict[str, str] = {}
    if "meta.state" in columns:
        stored = dict(connection.execute("SELECT name, value FROM lake.meta.state").fetchall())
    for item in OBJECTS:
        if item.full_name in COPIED and item.full_name + COPY in columns:
            statements += [*item.ddl(), f"DROP TABLE {item.full_name}{COPY}"]
        elif stored.get(item.full_name) != item.fingerprint:
            statements += item.ddl()
    return statements


def _primed(table: Table) -> list[str]:
    """List statements that leave a new table empty, but with column statistics.

    While a table has none, DuckLake asks SQLite for each column of each query anew: with the 700 columns of
    csc.observation_source a SELECT * then takes seconds.
    """
    name = f"{quote(table.schema_name)}.{quote(table.name)}"
    return [f"INSERT INTO {name} ({quote(table.key[0])}) VALUES (NULL)", f"DELETE FROM {name}"]
