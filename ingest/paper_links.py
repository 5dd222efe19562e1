"""Links between papers and sources that texts give, worked out from what is in the store.

They are worked out afresh whenever papers or sources have changed, and only what differs is written: linking twice is
linking once. Links that files brought (class references, answers of ADS) are left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from catalog.schema import TABLES
from catalog.schema.columns import literal
from catalog.store import lake
from catalog.store.manifest import STALE
from ingest.literature.links import ACTIVE, EXTENDED, METHODS, Alias, Known, Link, links

STATE = "links of papers"
LINKED = frozenset({"lit.paper", "csc.master_source", "csc.observation_source", "csc.classification"})
"""Tables whose rows papers are linked by: new ones leave the links to be worked out."""

_PAPERS = """
SELECT bibcode, coalesce(title, ''), coalesce(abstract, '') FROM lake.lit.paper
WHERE title IS NOT NULL OR abstract IS NOT NULL ORDER BY bibcode
"""
_POSITIONS = """
SELECT name, any_value(ra) AS ra, any_value(dec) AS dec FROM lake.csc.master_source
WHERE ra IS NOT NULL AND dec IS NOT NULL GROUP BY name
"""
_ALIASES = """
SELECT name, main_id, bool_or(list_contains($extended, coalesce(otype, ''))) AS extended,
  bool_or(list_contains($active, coalesce(otype, '')) OR coalesce(class = 'AGN', false)) AS active
FROM lake.csc.classification
WHERE name IS NOT NULL AND main_id IS NOT NULL AND NOT coalesce(predicted, false)
GROUP BY name, main_id ORDER BY name, main_id
"""
_DETECTIONS = """
SELECT DISTINCT obsid, name FROM lake.csc.observation_source
WHERE obsid IS NOT NULL AND name IS NOT NULL ORDER BY obsid, name
"""


@dataclass
class Linked:
    """What linking found.

    Attributes
    ----------
    n_papers, n_sources : int
        Read.
    used, unused : Counter
        Links per method that are sure enough to be used, and that are not.
    added, removed : int
        Rows that were written and taken away.
    """

    n_papers: int = 0
    n_sources: int = 0
    used: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    added: int = 0
    removed: int = 0


def link(store: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> Linked:
    """Work out the links of a store's papers now.

    Raises
    ------
    StoreNotFound
        If there is no store.
    StoreLocked
        If another process writes and `wait` is false.
    """
    with lake.writer(store, "link papers", wait=wait, on_wait=on_wait) as connection:
        return relink(connection)


def is_stale(told: Mapping[str, str]) -> bool:
    """Tell whether papers or sources have changed since they were linked."""
    return told.get(STATE) == STALE


def relink(connection: lake.Connection) -> Linked:
    """Work out the links anew and write what differs, in one commit; the writer's lock is held.

    Nothing is committed where nothing differs.
    """
    report, found = _found(connection)
    rows = [vars(one) | {"file_ids": []} for one in found]
    schema = TABLES["lit.paper_source"].schema
    connection.register("__links", pa.Table.from_pylist(rows, schema))
    mine = f"method IN ({', '.join(map(literal, sorted(METHODS)))})"
    same = "t.bibcode = s.bibcode AND t.name = s.name AND t.method = s.method"
    unchanged = f"{same} AND t.confidence = s.confidence AND t.evidence = s.evidence"
    old = f"SELECT count(*) FROM lake.lit.paper_source AS t WHERE {mine}"
    try:
        report.removed = _count(connection, f"{old} AND NOT EXISTS (FROM __links AS s WHERE {unchanged})")
        kept = f"EXISTS (SELECT 1 FROM lake.lit.paper_source AS t WHERE {unchanged})"
        report.added = _count(connection, f"SELECT count(*) FROM __links AS s WHERE NOT {kept}")
        if report.added or report.removed or is_stale(lake.recall_all(connection)):
            with lake.transaction(connection, "link papers with sources by what they say"):
                connection.execute(
                    f"DELETE FROM lake.lit.paper_source AS t WHERE {mine} "
                    f"AND NOT EXISTS (SELECT 1 FROM __links AS s WHERE {unchanged})"
                )
                connection.execute(
                    f"INSERT INTO lake.lit.paper_source BY NAME SELECT s.* FROM __links AS s WHERE NOT {kept}"
                )
                lake.remember(connection, STATE, "current")
    finally:
        connection.unregister("__links")
    used = (
        "SELECT method, count(*) FROM (SELECT unnest(methods) AS method FROM lake.lit.confident_link) GROUP BY method"
    )
    report.used = Counter({method: n for method, n in connection.execute(used).fetchall() if method in METHODS})
    report.unused = Counter(one.method for one in found) - report.used
    return report


def _found(connection: lake.Connection) -> tuple[Linked, list[Link]]:
    positions = connection.execute(_POSITIONS).fetchall()
    types = {"extended": sorted(EXTENDED), "active": sorted(ACTIVE)}
    aliases = [Alias(*row) for row in connection.execute(_ALIASES, types).fetchall()]
    known = Known.of(positions, aliases, connection.execute(_DETECTIONS).fetchall())
    papers = connection.execute(_PAPERS).fetchall()
    found = list(links(papers, known))
    report = Linked(len(papers), len(positions))
    return report, found


def _count(connection: lake.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
