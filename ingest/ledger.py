"""Questions to the ledger: what is in, what failed, whether it still holds, and where tables disagree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from catalog.errors import UnreadableFile, command
from catalog.schema import TABLES
from catalog.schema.columns import quote
from catalog.store import lake, location, manifest
from catalog.store.manifest import LOADED, FileEntry, Source
from ingest.archives import members
from ingest.detect import ARCHIVE
from ingest.loading import HashingStream
from ingest.planning import archive_of
from ingest.products.linking import unlinked_query
from ingest.streams import DAMAGED, open_content

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


@dataclass(frozen=True)
class KindStatus:
    """Files of one kind and status, added up."""

    kind: str
    status: str
    n_files: int
    n_rows: int
    bytes: int


@dataclass(frozen=True)
class Status:
    """What a store has met."""

    store: Path
    sources: list[Source]
    kinds: list[KindStatus]
    flagged: list[FileEntry]
    duplicates: list[FileEntry]
    problems: list[FileEntry]
    unlinked: dict[str, list[str]]
    disagreements: list[Disagreement]
    without_release: dict[str, int]
    unlinked_regions: list[str] = field(default_factory=list)


def sources(store: Path) -> list[Source]:
    """Return the places a store knows; none if there is no store."""
    if not location.exists(store):
        return []
    with contextlib.closing(lake.connect(store)) as connection:
        return manifest.read_sources(connection)


def status(store: Path) -> Status:
    """Summarise the ledger.

    Raises
    ------
    StoreNotFound
        If there is no store.
    """
    with contextlib.closing(lake.connect(store)) as connection:
        rows = connection.execute(
            "SELECT coalesce(kind, 'other'), status, count(*), sum(n_rows)::BIGINT, sum(bytes)::BIGINT "
            "FROM lake.meta.file GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return Status(
            store,
            manifest.read_sources(connection),
            [KindStatus(*row) for row in rows],
            list(_entries(connection, "status = 'loaded' AND len(flags) > 0")),
            list(_entries(connection, "status = 'duplicate'")),
            list(_entries(connection, "status NOT IN ('loaded', 'duplicate')")),
            _unlinked(connection),
            disagreements(connection),
            without_release(connection),
            _unlinked_regions(connection),
        )


def _unlinked(connection: lake.Connection) -> dict[str, list[str]]:
    """Return by path what spectra name (responses, backgrounds) and the store does not have."""
    named = f"SELECT f.path, u.* FROM ({unlinked_query()}) u JOIN lake.meta.file f USING (file_id)"
    query = f"SELECT path, list(name ORDER BY what) FROM ({named}) GROUP BY path ORDER BY path"
    return dict(connection.execute(query).fetchall())


def _unlinked_regions(connection: lake.Connection) -> list[str]:
    """Return the paths of files with source regions that are of no detection."""
    query = (
        "SELECT DISTINCT f.path FROM lake.product.region AS r JOIN lake.meta.file AS f USING (file_id) "
        "WHERE r.role = 'source' AND r.detection_id IS NULL AND r.told_by <> 'spectrum' ORDER BY f.path"
    )
    return [path for (path,) in connection.execute(query).fetchall()]


def _entries(connection: lake.Connection, where: str) -> Iterator[FileEntry]:
    columns = TABLES["meta.file"].column_names
    query = f"SELECT {', '.join(map(quote, columns))} FROM lake.meta.file WHERE {where} ORDER BY status, path"
    for row in connection.execute(query).fetchall():
        values = dict(zip(columns, row, strict=True))
        yield FileEntry(**{**values, "flags": tuple(values["flags"] or ())})


def verify(store: Path) -> list[str]:
    """Compare every loaded file with its hash, every table with its key.

    Returns
    -------
    list of str
        One line per thing that is wrong.
    """
    wrong: list[str] = []
    with contextlib.closing(lake.connect(store)) as connection:
        entries = {e.path: e for e in _entries(connection, f"status = '{LOADED}'")}
        archives = [path for path, e in entries.items() if e.kind == ARCHIVE]
        for path, entry in entries.items():
            if entry.kind != ARCHIVE and archive_of(path, archives) is None:
                wrong += _compare(entry, lambda path=path: open_content(path), store)  # type: ignore[misc]
        for archive in archives:
            wrong += _compare_members(archive, entries, store)
        for table in TABLES.values():
            key = ", ".join(map(quote, table.key))
            query = f"SELECT count(*) FROM (SELECT 1 FROM lake.{table.full_name} GROUP BY {key} HAVING count(*) > 1)"
            row = connection.execute(query).fetchone()
            if row and row[0]:
                wrong.append(f"{table.full_name}: {row[0]:,} values of its key ({key}) repeat")
    return wrong


def _compare(entry: FileEntry, open_: Callable[[], BinaryIO], store: Path) -> list[str]:
    """Compare a file with its hash."""
    try:
        with open_() as raw:
            same = HashingStream(raw).finish() == entry.sha256
    except (OSError, UnreadableFile, *DAMAGED) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        return [f"{entry.path}: {said}; its {entry.n_rows:,} rows stay"]
    changed = f"{entry.path}: changed since it was loaded; type: {command('ingest', store)}"
    return [] if same else [changed]


def _compare_members(archive: str, entries: Mapping[str, FileEntry], store: Path) -> list[str]:
    """Compare the files of an archive with their hashes."""
    left = {path: e for path, e in entries.items() if path.startswith(f"{archive}/")}
    wrong: list[str] = []
    try:
        for member in members(archive):
            if entry := left.pop(member.path, None):
                wrong += _compare(entry, member.open, store)
    except (OSError, UnreadableFile, *DAMAGED) as error:
        wrong.append(f"{archive}: {error}")
    return wrong + [f"{path}: no longer in its archive; its {e.n_rows:,} rows stay" for path, e in left.items()]
