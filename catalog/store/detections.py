"""One detection, one id: rows that do not tell their observation interval, or their region, find their detection.

A catalog table without the column `obi` gives '4736.-.79', the products of the same detection '4736.0.79'; a table
without `region_id` gives '4736.-.2CXO J140515.6+542458'. Once the store knows the only interval of the observation, or
the only region that the source has in it, such rows belong to that detection. Where the store knows several, or none,
they keep their own id: nothing is guessed.

What each row says itself stays as it is in csc.observation_source_said: when a second interval turns up, or the
file that told the first is forgotten, the rows go back.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from catalog.schema.identifiers import OWN_DETECTION_ID
from catalog.store import lake
from catalog.store.merging import move

STATE = "detections"
_SETTLED = "current"
TELLING = frozenset({"product.header", "csc.observation_source"})
"""Tables whose rows tell intervals and regions: new ones leave the ids to be worked out."""

_STORED, _SAID = "lake.csc.observation_source", "lake.csc.observation_source_said"
_OWN = f"{OWN_DETECTION_ID} AS own_id, detection_id AS old_id, obsid, obi, region_id, name"
_MOVES = f"""
WITH contribution AS MATERIALIZED (
  SELECT {_OWN} FROM {_SAID}
  UNION ALL
  SELECT {_OWN} FROM {_STORED} ANTI JOIN {_SAID} USING (detection_id)
),
interval AS (
  SELECT obsid, any_value(obi) AS obi FROM (
    SELECT obsid, obi FROM lake.product.header UNION SELECT obsid, obi FROM contribution
  )
  WHERE obsid IS NOT NULL AND obi IS NOT NULL
  GROUP BY obsid HAVING count(DISTINCT obi) = 1
),
told AS MATERIALIZED (
  SELECT c.own_id, c.old_id, c.obsid, coalesce(c.obi, i.obi) AS obi, c.region_id, c.name
  FROM contribution AS c LEFT JOIN interval AS i ON i.obsid = c.obsid
),
region AS (
  SELECT obsid, obi, name, any_value(region_id) AS region_id FROM told
  WHERE region_id IS NOT NULL AND name IS NOT NULL
  GROUP BY obsid, obi, name HAVING count(DISTINCT region_id) = 1
)
SELECT DISTINCT t.own_id, t.old_id,
  concat_ws('.', t.obsid, coalesce(t.obi::VARCHAR, '-'),
    coalesce(t.region_id::VARCHAR, r.region_id::VARCHAR, t.name)) AS new_id
FROM told AS t
LEFT JOIN region AS r ON r.obsid = t.obsid AND r.obi IS NOT DISTINCT FROM t.obi AND r.name = t.name
WHERE t.obsid IS NOT NULL AND coalesce(t.region_id::VARCHAR, t.name) IS NOT NULL AND new_id <> t.old_id
"""


def is_stale(told: Mapping[str, str]) -> bool:
    """Tell whether rows have come or gone that tell intervals or regions since the ids were worked out, if ever."""
    return told.get(STATE) != _SETTLED


def settle(connection: duckdb.DuckDBPyConnection) -> int:
    """Bring every contribution to the detection it means, inside the caller's transaction.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the store attached as `lake`, the writer's lock held.

    Returns
    -------
    int
        How many ids changed.
    """
    moves = connection.execute(_MOVES).to_arrow_table()
    if moves.num_rows:
        move(connection, moves)
    lake.remember(connection, STATE, _SETTLED)
    return int(moves.num_rows)
