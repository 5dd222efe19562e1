"""Questions to the ledger: what is in, what failed, whether it still holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog import lake, manifest
from catalog.columns import quote
from catalog.errors import command
from catalog.manifest import LOADED, FileEntry, Source
from catalog.tables import TABLES
from ingest.loading import HashingStream, open_content
from ingest.products.linking import unlinked_query


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


def sources(store: Path) -> list[Source]:
    """Return the places a store knows; none if there is no store."""
    if not lake.exists(store):
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
        )


def _unlinked(connection: lake.Connection) -> dict[str, list[str]]:
    """Return by path what spectra name (responses, backgrounds) and the store does not have."""
    named = f"SELECT f.path, u.* FROM ({unlinked_query()}) u JOIN lake.meta.file f USING (file_id)"
    query = f"SELECT path, list(name ORDER BY what) FROM ({named}) GROUP BY path ORDER BY path"
    return dict(connection.execute(query).fetchall())


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
        for entry in _entries(connection, f"status = '{LOADED}'"):
            try:
                with open_content(entry.path) as raw:
                    same = HashingStream(raw).finish() == entry.sha256
            except OSError as error:
                wrong.append(f"{entry.path}: {error.strerror or error}; its {entry.n_rows:,} rows stay")
                continue
            if not same:
                wrong.append(f"{entry.path}: changed since it was loaded; type: {command('ingest', store)}")
        for table in TABLES.values():
            key = ", ".join(map(quote, table.key))
            query = f"SELECT count(*) FROM (SELECT 1 FROM lake.{table.full_name} GROUP BY {key} HAVING count(*) > 1)"
            row = connection.execute(query).fetchone()
            if row and row[0]:
                wrong.append(f"{table.full_name}: {row[0]:,} values of its key ({key}) repeat")
    return wrong
