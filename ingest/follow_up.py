"""What follows from rows of several files: ids of detections, links of products, links of papers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from catalog.store import detections, lake, manifest, stored_views
from catalog.store.manifest import STALE
from ingest import paper_links
from ingest.products.linking import link_statements, rules
from ingest.products.region_links import link_regions
from ingest.readers import file_id_of

LINKS = "links"
STATES = {
    LINKS: frozenset(
        {"product.spectrum", "product.response_file", "product.region", "product.header", "csc.observation_source"}
    ),
    paper_links.STATE: paper_links.LINKED,
    detections.STATE: detections.TELLING,
}
"""What follows from rows of several files, and the tables from which it does: new rows leave it to be worked out."""


def _are_linked(told: Mapping[str, str]) -> bool:
    """Tell whether spectra are linked by the rules of this version; a store that never had one is."""
    return told.get(LINKS) in {None, rules()}


def is_settled(connection: lake.Connection) -> bool:
    """Tell whether all that follows from the rows of a store has been worked out."""
    told = lake.recall_all(connection)
    linked = _are_linked(told) and not paper_links.is_stale(told)
    return linked and not detections.is_stale(told) and not stored_views.is_stale(connection, told)


def leave(connection: lake.Connection, tables: Collection[str] | None = None) -> None:
    """Leave to be worked out what follows from tables with new rows, or from all, inside the caller's transaction."""
    changed = [state for state, telling in STATES.items() if tables is None or telling & set(tables)]
    if changed:
        lake.remember_all(connection, dict.fromkeys(changed, STALE))
    if tables is None or stored_views.TELLING & set(tables):
        stored_views.work_out(connection)


def settle(connection: lake.Connection) -> tuple[bool, paper_links.Linked | None]:
    """Work out what follows, each in a commit of its own.

    Returns
    -------
    shared : bool
        Whether rows of several tables came together in one detection.
    linked : Linked or None
        Links of papers with sources, where these were stale.
    """
    shared, told = False, lake.recall_all(connection)
    if detections.is_stale(told):
        with lake.transaction(connection, "one id for each detection"):
            shared = detections.settle(connection) > 0
    if not _are_linked(told):
        with lake.transaction(connection, "link spectra with responses and backgrounds"):
            for statement in link_statements():
                connection.execute(statement)
            stored_views.work_out(connection)  # rules of another version may link other regions
            link_regions(connection)
            lake.remember(connection, LINKS, rules())
    if stored_views.is_stale(connection, lake.recall_all(connection)):
        with lake.transaction(connection, "keep the rows of detections"):
            stored_views.settle(connection)
    return shared, paper_links.relink(connection) if paper_links.is_stale(told) else None


def take_out(connection: lake.Connection, paths: Sequence[str]) -> None:
    """Remove all rows of files and their ledger rows, inside the caller's transaction.

    Files that repeated their content are marked as stale: the refresh that follows reads them.
    """
    if not paths:
        return
    file_ids = [file_id_of(path) for path in paths]
    manifest.mark_stale(connection, manifest.remove_rows(connection, file_ids))
    connection.execute(f"DELETE FROM lake.meta.file WHERE file_id IN ({', '.join(map(str, file_ids))})")
    leave(connection)
