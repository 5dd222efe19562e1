"""How rows of a 'merge' table come together: one row per key, made of what the files say of it.

What each file says of a key is its *contribution*. The row of the table follows from the contributions alone, so the
order in which files arrive never matters, and a file that goes takes with it what it said and nothing else. Where one
file alone speaks of a key, the row is its contribution. Where several do, their contributions stand in the table
`<name>_said`, and the row is made from them:

1. The contribution that counts most gives the row its release. A list (a table with few of the catalog's columns)
   counts less than a table; then a newer release more than an older one, and one that is told more than none; then
   the file of the higher standing: the catalog's own files, then those with more of the catalog's columns; of equals
   the one whose path comes last.
2. Contributions of that release give the values: of each column the one that counts most and says anything. Other
   releases give nothing: releases never mix. What is no column of the catalog (`extra`) is of no release: files
   that do not tell theirs add it to any row.

Catalog tables have several hundred columns and a file says a few dozen of them: every statement here names
those alone, because the engine's planning time grows with the expressions it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from catalog.schema import TABLES, Table
from catalog.schema.columns import Column, quote
from catalog.schema.identifiers import OWN_DETECTION_ID
from catalog.store.precedence import HALF_A_UNIT, best, disputed, kinship, order

BUCKET = 200_000
"""Contributions that are merged at once: it bounds the memory, whatever the number of rows."""


_DETECTIONS = "csc.observation_source"
_TOLD_BY_KEY = """REPLACE (
    coalesce(obi, try_cast(split_part(detection_id, '.', 2) AS SMALLINT)) AS obi,
    coalesce(region_id, try_cast(split_part(detection_id, '.', 3) AS INTEGER)) AS region_id)"""
"""Columns that a detection's id tells where none of its contributions does: see `catalog.store.detections`."""


class Merged(NamedTuple):
    """What became of rows.

    Attributes
    ----------
    shared : bool
        Whether others speak of the same keys.
    again : set of int
        Files to be read again: rows of an older store do not tell apart what each of them said.
    """

    shared: bool = False
    again: frozenset[int] = frozenset()


def merge(
    connection: duckdb.DuckDBPyConnection, table: Table, source: str, *, adopt: Callable[[], None] | None = None
) -> Merged:
    """Take arriving rows into a table, inside the caller's transaction.

    Rows of the same files that are there already go first: `take_back`.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`, and the files of the rows in its meta.file.
    table : Table
        A table with writing='merge'.
    source : str
        SQL relation with the table's columns. Of several rows of one file, key and release the last counts.
    adopt : callable, optional
        Makes the rows part of the table as they are; called where no other row speaks of their keys. By default they
        are inserted.
    """
    key, stored = _keys(table), _stored(table)
    execute = connection.execute
    execute(f"CREATE OR REPLACE TEMP TABLE arriving_key AS SELECT {key}, count(*) AS n FROM {source} GROUP BY ALL")
    execute(f"""
        CREATE OR REPLACE TEMP TABLE affected AS
        SELECT {key} FROM arriving_key WHERE n > 1
        UNION SELECT {key} FROM arriving_key SEMI JOIN {stored} USING ({key})""")
    question = "SELECT count(*), coalesce(max(n), 0) > 1, (SELECT count(*) FROM affected) FROM arriving_key"
    n_keys, repeated, n_shared = execute(question).fetchone() or (0, False, 0)
    execute("DROP TABLE arriving_key")
    if not n_shared and adopt:
        adopt()
    elif n_shared < n_keys:
        execute(f"INSERT INTO {stored} BY NAME SELECT * FROM {source} ANTI JOIN affected USING ({key})")
    if not n_shared:
        return Merged()
    apart = _gather(connection, table)
    arrival = ", row_number() OVER () AS arrival" if repeated else ""
    execute(f"INSERT INTO contribution BY NAME SELECT *{arrival} FROM {source} SEMI JOIN affected USING ({key})")
    if repeated:
        _fold_repeated(connection, table)
    return Merged(shared=True, again=_write(connection, table, apart=apart))


def take_back(connection: duckdb.DuckDBPyConnection, table: Table, file_ids: Sequence[int]) -> frozenset[int]:
    """Remove what files said, inside the caller's transaction; what the others say stays, exactly.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`.
    table : Table
        A table with writing='merge'.
    file_ids : sequence of int
        Keys of meta.file.

    Returns
    -------
    frozenset of int
        Files to be read again, as from `merge`.
    """
    key = _keys(table)
    # Joins, not functions of lists: those compare each row with each file.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE gone AS SELECT unnest({_listed(file_ids)}) AS file_id")
    from_gone = f"(SELECT {key}, unnest(file_ids) AS file_id FROM {{}}) SEMI JOIN gone USING (file_id)"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE affected AS
        SELECT {key} FROM {from_gone.format(_stored(table))}
        UNION SELECT {key} FROM {from_gone.format(_stored(table.said))}""")
    if not _holds(connection, "SELECT EXISTS (FROM affected)"):
        return frozenset()
    # What only these files say needs no more than to go.
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE alone AS
        SELECT {key}
        FROM (SELECT {key}, unnest(file_ids) AS file_id FROM {_stored(table)} SEMI JOIN affected USING ({key}))
        LEFT JOIN (SELECT file_id, true AS is_gone FROM gone) USING (file_id)
        GROUP BY {key} HAVING count(*) = count(is_gone) EXCEPT SELECT {key} FROM {_stored(table.said)}""")
    _delete(connection, table, _stored(table), "alone")
    _delete(connection, table, "affected", "alone")
    connection.execute("DROP TABLE alone")
    if not _holds(connection, "SELECT EXISTS (FROM affected)"):
        return frozenset()
    apart = _gather(connection, table)
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE remaining AS
        SELECT id, list(file_id ORDER BY file_id) FILTER (is_gone IS NULL) AS file_ids
        FROM (SELECT rowid AS id, unnest(file_ids) AS file_id FROM contribution)
        LEFT JOIN (SELECT file_id, true AS is_gone FROM gone) USING (file_id)
        GROUP BY id HAVING count(is_gone) > 0""")
    connection.execute("DELETE FROM contribution WHERE rowid IN (SELECT id FROM remaining WHERE file_ids IS NULL)")
    connection.execute(
        "UPDATE contribution SET file_ids = r.file_ids FROM remaining AS r WHERE r.id = contribution.rowid"
    )
    return _write(connection, table, apart=apart)


def move(connection: duckdb.DuckDBPyConnection, moves: pa.Table) -> None:
    """Give contributions to csc.observation_source other keys, inside the caller's transaction.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`.
    moves : pyarrow.Table
        Columns own_id, old_id, new_id: what the contribution itself says, where it stands, where it belongs.
    """
    table = TABLES[_DETECTIONS]
    connection.register("moves", moves)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE affected AS "
        "SELECT old_id AS detection_id FROM moves UNION SELECT new_id FROM moves"
    )
    apart = _gather(connection, table)
    connection.execute(f"""
        UPDATE contribution SET detection_id = m.new_id FROM moves AS m
        WHERE m.own_id = {OWN_DETECTION_ID} AND m.old_id = contribution.detection_id""")
    _write(connection, table, apart=apart)
    connection.unregister("moves")


def _gather(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Bring together what is known of the affected keys; tell whether any of it is a contribution of several."""
    key = _keys(table)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE contribution AS
        WITH said AS (SELECT * EXCLUDE (disputed) FROM {_stored(table.said)} SEMI JOIN affected USING ({key}))
        SELECT *, NULL::BIGINT AS arrival, true AS stood_apart FROM said
        UNION ALL BY NAME
        SELECT * FROM {_stored(table)} SEMI JOIN affected USING ({key}) ANTI JOIN said USING ({key})""")
    return _holds(connection, "SELECT EXISTS (FROM contribution WHERE stood_apart)")


def _fold_repeated(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make one contribution of the arriving rows of one file, key and release; only what repeats is aggregated."""
    whose = ", ".join(quote(k) for k in table.said.key)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT * FROM contribution WHERE arrival IS NOT NULL QUALIFY count(*) OVER (PARTITION BY {whose}) > 1""")
    folded = [c for c in _speaking(connection, table, "repeated") if c.name not in table.said.key]
    connection.execute("DELETE FROM contribution WHERE arrival IN (SELECT arrival FROM repeated)")
    connection.execute(f"""
        INSERT INTO contribution BY NAME
        SELECT {", ".join([whose, *(best(c, "-arrival") for c in folded)])} FROM repeated GROUP BY {whose}""")
    connection.execute("DROP TABLE repeated")


def _write(connection: duckdb.DuckDBPyConnection, table: Table, *, apart: bool) -> frozenset[int]:
    """Write the rows that follow from the gathered contributions, and these where there are several.

    A row of an older store may stand for several files at once, or not say how much its file counts. It holds as it
    is; its files are returned, to be read again.
    """
    execute, key = connection.execute, _keys(table)
    for stored in (_stored(table), _stored(table.said)) if apart else (_stored(table),):
        _delete(connection, table, stored, "affected")
    moved = f" OR detection_id <> {OWN_DETECTION_ID}" if table.full_name == _DETECTIONS else ""
    execute(f"""
        CREATE OR REPLACE TEMP TABLE place AS
        SELECT c.rowid AS id, {key}, row_number() OVER counting AS place,
            count(*) OVER (PARTITION BY {key}) = 1 AND NOT (false{moved}) AS alone, {kinship(table)}
        FROM contribution AS c LEFT JOIN lake.meta.file AS f ON f.file_id = c.file_ids[1]
        WINDOW counting AS (PARTITION BY {key} ORDER BY {order(table)})""")
    if _holds(connection, "SELECT EXISTS (FROM place WHERE alone)"):
        execute(f"""
            INSERT INTO {_stored(table)} BY NAME
            SELECT c.* EXCLUDE (arrival, stood_apart)
            FROM contribution AS c JOIN place AS p ON p.id = c.rowid WHERE p.alone ORDER BY {key}""")
    columns = _speaking(connection, table, "contribution")
    execute(HALF_A_UNIT)
    for bucket in _buckets(connection, table):
        _merge_bucket(connection, table, columns, bucket)
    older = "len(file_ids) > 1" + (" OR standing IS NULL" if "standing" in table.column_names else "")
    again = execute(f"SELECT DISTINCT unnest(file_ids) FROM contribution WHERE {older}").fetchall()
    for name in ("contribution", "place", "affected"):
        execute(f"DROP TABLE {name}")
    return frozenset(int(file_id) for (file_id,) in again)


def _buckets(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Cut the keys of several contributions into conditions that each hold for so many of them."""
    row = connection.execute("SELECT count(*) FROM place WHERE NOT alone").fetchone()
    n = int(row[0]) if row else 0
    n_buckets = -(-n // BUCKET)
    key = _keys(table, "p.")
    yield from (f"NOT p.alone AND hash({key}) % {n_buckets} = {i}" for i in range(n_buckets))


def _merge_bucket(connection: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[Column], bucket: str) -> None:
    execute, key = connection.execute, _keys(table, "p.")
    values = [c for c in columns if c.name not in table.key]
    places = ("p.kin_place", "p.extra_place") if "extra" in table.column_names else ("p.kin_place",)
    whole = f"contribution AS c JOIN place AS p ON p.id = c.rowid WHERE {bucket}"
    execute(f"""
        CREATE OR REPLACE TEMP TABLE merged AS
        SELECT {key}, {", ".join(best(c, *places) for c in values)} FROM {whole} GROUP BY {key}""")
    told = _TOLD_BY_KEY if table.full_name == _DETECTIONS else ""
    execute(f"INSERT INTO {_stored(table)} BY NAME SELECT * {told} FROM merged ORDER BY {_keys(table)}")
    same = " AND ".join(f"m.{quote(k)} = p.{quote(k)}" for k in table.key)
    execute(f"""
        INSERT INTO {_stored(table.said)} BY NAME
        SELECT c.* EXCLUDE (arrival, stood_apart), {disputed(table, values)} AS disputed
        FROM contribution AS c JOIN place AS p ON p.id = c.rowid JOIN merged AS m ON {same} WHERE {bucket}
        ORDER BY {key}, p.place""")
    execute("DROP TABLE merged")


def _speaking(connection: duckdb.DuckDBPyConnection, table: Table, relation: str) -> list[Column]:
    """Return the columns of which the rows say anything, and those that every row carries."""
    counts = ", ".join(f"count({quote(c.name)})" for c in table.columns)
    row = connection.execute(f"SELECT {counts} FROM {relation}").fetchone() or ()
    always = {*table.said.key, "standing"}
    return [c for c, n in zip(table.columns, row, strict=True) if n or c.name in always]


def _delete(connection: duckdb.DuckDBPyConnection, table: Table, stored: str, keys: str) -> None:
    same = " AND ".join(f"s.{quote(k)} = t.{quote(k)}" for k in table.key)
    connection.execute(f"DELETE FROM {stored} AS t USING {keys} AS s WHERE {same}")


def _holds(connection: duckdb.DuckDBPyConnection, question: str) -> bool:
    return connection.execute(question).fetchone() == (True,)


def _stored(table: Table) -> str:
    return f"lake.{quote(table.schema_name)}.{quote(table.name)}"


def _keys(table: Table, alias: str = "") -> str:
    return ", ".join(f"{alias}{quote(k)}" for k in table.key)


def _listed(file_ids: Sequence[int]) -> str:
    return f"[{', '.join(str(int(n)) for n in sorted(file_ids))}]::BIGINT[]"
