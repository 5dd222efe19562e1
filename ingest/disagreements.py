"""Where tables disagree about a source or a detection, and which of them do not say their release."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.store import lake

_KEYS = {"csc.master_source": "name", "csc.observation_source": "detection_id"}


@dataclass(frozen=True)
class Disagreement:
    """What one file says of a table's rows, and better files say otherwise.

    Attributes
    ----------
    path : str
        The file whose values do not hold.
    table : str
        'csc.master_source' or 'csc.observation_source'.
    n_rows : int
        Rows in which it differs from the values that hold.
    columns : dict of str to int
        In which columns, and in how many rows.
    n_behind : int
        Rows of it that give nothing, because they are of another release than the row that holds.
    """

    path: str
    table: str
    n_rows: int
    columns: dict[str, int]
    n_behind: int


def disagreements(connection: lake.Connection) -> list[Disagreement]:
    """List the files that say something else than better ones; meta.conflict has the values.

    Source of the order of files: `catalog.store.merging`.
    """
    found: list[Disagreement] = []
    for table, key in _KEYS.items():
        query = f"""
            WITH said AS MATERIALIZED (
              SELECT s.file_ids[1] AS file_id, s.disputed, coalesce(s.release <> m.release, false) AS behind
              FROM lake.{table}_said AS s JOIN lake.{table} AS m USING ({key})
              WHERE len(s.disputed) > 0 OR behind
            ),
            counted AS (
              SELECT file_id, column_name, count(*) AS n
              FROM (SELECT file_id, unnest(disputed) AS column_name FROM said) GROUP BY ALL
            ),
            columns AS (SELECT file_id, map(list(column_name ORDER BY n DESC, column_name),
              list(n ORDER BY n DESC, column_name)) AS columns FROM counted GROUP BY file_id)
            SELECT f.path, '{table}', count(*) FILTER (len(disputed) > 0), any_value(c.columns),
              count(*) FILTER (behind)
            FROM said AS s JOIN lake.meta.file AS f USING (file_id) LEFT JOIN columns AS c USING (file_id)
            GROUP BY f.path ORDER BY f.path"""
        for path, name, n_rows, columns, n_behind in connection.execute(query).fetchall():
            found.append(Disagreement(path, name, n_rows, dict(columns or {}), n_behind))
    return found


def without_release(connection: lake.Connection) -> dict[str, int]:
    """Return the tables that do not state their CSC release, and how many sources and detections they speak of.

    Lists of classes are left out: they name sources of the catalog, and the values that they give are their own.
    """
    rows = " UNION ALL ".join(
        f"SELECT DISTINCT {key}, unnest(file_ids) AS file_id FROM lake.{name} WHERE release IS NULL"
        for table, key in _KEYS.items()
        for name in (table, f"{table}_said")
    )
    query = f"""
        SELECT f.path, count(*) FROM (
          {rows}
        ) ANTI JOIN lake.csc.classification USING (file_id)
        JOIN lake.meta.file AS f USING (file_id) GROUP BY f.path ORDER BY f.path"""
    return dict(connection.execute(query).fetchall())
