"""Queries that a store remembers: added when first asked, asked again by every bare refresh."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from catalog.store import lake, location, manifest
from catalog.store.manifest import Source
from ingest.remote.ads import KIND as ADS_KIND
from ingest.remote.ads import Target
from ingest.remote.selection import KIND as CSC_KIND
from ingest.remote.services import FLOOR

REMOTE_KINDS = frozenset({CSC_KIND, ADS_KIND})

_TARGETS = """
SELECT m.name, coalesce(list(DISTINCT c.main_id ORDER BY c.main_id) FILTER (c.main_id IS NOT NULL), [])
FROM lake.csc.master_source m
LEFT JOIN lake.csc.classification c ON c.name = m.name AND c.authority = 'simbad'
GROUP BY m.name ORDER BY m.name
"""


def remember(store: Path, query: Source, folder: Path, *, wait: bool = True) -> None:
    """Add a query to the store's sources, and the folder its answers go to; makes the store if there is none.

    Both at once: after a crash, a bare refresh fetches the rest and ingests all of it.

    Raises
    ------
    StoreLocked
        If another process writes and `wait` is false.
    """
    sources = [query, files_source(store, folder)]
    if location.exists(store):
        with contextlib.closing(lake.connect(store)) as connection:
            known = manifest.read_sources(connection)
        sources = [s for s in sources if s not in known]
    else:
        lake.create(store)
    if not sources:
        return
    message = f"source: {query.kind} {query.specification}"
    with lake.writer(store, "remember a query", commit=message, wait=wait) as connection:
        for source in sources:
            manifest.remember_source(connection, source)


def mark_refreshed(store: Path, sources: Sequence[Source], *, wait: bool = True) -> None:
    """Note that queries were asked to the end, and brought something new."""
    with lake.writer(store, "note a refresh", commit="refreshed", wait=wait) as connection:
        manifest.mark_refreshed(connection, sources)


def remembered(store: Path) -> list[Source]:
    """Return the queries that a store knows, oldest first; none if there is no store."""
    if not location.exists(store):
        return []
    with contextlib.closing(lake.connect(store)) as connection:
        return [s for s in manifest.read_sources(connection) if s.kind in REMOTE_KINDS]


def query_source(query: str) -> Source:
    """Return the row of meta.source for a search of papers.

    Examples
    --------
    >>> query_source("bibgroup:Chandra").specification
    '{"query": "bibgroup:Chandra"}'
    """
    return Source(ADS_KIND, json.dumps({"query": query}))


OBJECTS = Source(ADS_KIND, json.dumps({"objects": True}))
"""The row of meta.source for the papers of every source in the store."""


def files_source(store: Path, folder: Path) -> Source:
    """Return the row of meta.source for a folder of fetched files: they go in as local files do."""
    release = FLOOR if folder == store / "files" else folder.name.rpartition("-")[2]
    return Source("files", str(folder), release)


def targets(store: Path) -> list[Target]:
    """Return every source in the store with the names it has: its CSC name, SIMBAD's main identifier."""
    if not location.exists(store):
        return []
    with contextlib.closing(lake.connect(store)) as connection:
        return [Target(name, tuple(others)) for name, others in connection.execute(_TARGETS).fetchall()]
