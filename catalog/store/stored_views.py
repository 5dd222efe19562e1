"""Views of all detections, whose rows a large store keeps for as long as nothing changes that they follow from.

product.detection_name and product.detection_region follow from many tables, and for all detections at once: a
condition on the name of one source cannot reach those tables. So the refresh of a large store ends with a copy of
their rows, sorted by name, and with views that read the copy. The commit that brings or removes a row which tells of
detections lets the views work out their rows again. A reader of any snapshot is told the same rows either way.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from catalog.store import definitions, lake
from catalog.store.manifest import STALE
from sql.objects import OBJECTS

STATE = "stored views"
TELLING = frozenset(
    {"product.header", "product.region", "product.event_list", "csc.observation_source", "csc.master_source"}
)
"""Tables that the views follow from."""
LARGE = 500
"""From so many product files and lists of photons on, rows are kept: in fewer, a copy would save less than it takes."""

_SIZE = "SELECT (SELECT count(*) FROM lake.product.header) + (SELECT count(*) FROM lake.product.event_list)"


def is_stale(connection: duckdb.DuckDBPyConnection, told: Mapping[str, str]) -> bool:
    """Tell whether rows are to be kept, and those of this version's views are not."""
    if told.get(STATE) == definitions.version():
        return False
    row = connection.execute(_SIZE).fetchone()
    return row is not None and row[0] >= LARGE


def settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep the rows of the views as they are now, inside the caller's transaction; the writer's lock is held.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake` and in use.

    Examples
    --------
    >>> settle(connection)  # doctest: +SKIP
    """
    work_out(connection)
    for view in _VIEWS:
        copy = f"{view.full_name}{definitions.COPY}"
        connection.execute(f"CREATE TABLE {copy} AS SELECT * FROM {view.full_name} ORDER BY name, detection_id")
        said = view.purpose.replace("'", "''")
        connection.execute(f"COMMENT ON TABLE {copy} IS 'The rows of {view.full_name}, kept. {said}'")
    for view in _VIEWS:  # only now: one follows from the other's tables
        connection.execute(
            f"CREATE OR REPLACE VIEW {view.full_name} AS SELECT * FROM {view.full_name}{definitions.COPY}"
        )
        connection.execute(view.ddl()[1])
    lake.remember(connection, STATE, definitions.version())


def work_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the views work out their rows again, inside the transaction that changes what they follow from."""
    if lake.recall(connection, STATE) in {None, STALE}:
        return
    for view in _VIEWS:
        for statement in (*view.ddl(), f"DROP TABLE IF EXISTS {view.full_name}{definitions.COPY}"):
            connection.execute(statement)
    lake.remember(connection, STATE, STALE)


_VIEWS = tuple(view for view in OBJECTS if view.full_name in definitions.COPIED)
