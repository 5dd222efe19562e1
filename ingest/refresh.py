"""The refresh: plan, read in parallel, commit batch by batch in the plan's order, link, report.

One writer commits; a batch of files becomes visible wholly or not at all, ledger rows in the same commit. So
an interrupt at any moment loses at most the batches under way, and running the same again goes on.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from catalog.parallel import WorkerDied, cpu_count, map_ordered
from catalog.schema import TABLES, Table
from catalog.schema.columns import literal
from catalog.store import detections, lake, location, manifest
from catalog.store.manifest import (
    DUPLICATE,
    FAILED,
    FORGOTTEN,
    LOADED,
    SKIPPED,
    STALE,
    UNREADABLE,
    FileEntry,
    Known,
    Source,
)
from catalog.store.merging import merge
from ingest import paper_links
from ingest.detect import ARCHIVE
from ingest.ledger import Disagreement, disagreements, without_release
from ingest.loading import Loaded, Part, Task, load_batch
from ingest.planning import BATCH_BYTES, FolderNotFound, Found, Plan, archive_of, batches, find_files, make_plan
from ingest.products.linking import link_statements, rules
from ingest.products.region_links import link_regions
from ingest.readers import file_id_of
from ingest.streams import on_disk

_LOG = logging.getLogger(__name__)

LINKS = "links"
STATES = {
    LINKS: frozenset(
        {"product.spectrum", "product.response_file", "product.region", "product.header", "csc.observation_source"}
    ),
    paper_links.STATE: paper_links.LINKED,
    detections.STATE: detections.TELLING,
}
"""What follows from rows of several files, and the tables from which it does: new rows leave it to be worked out."""

REGION = "region"
"""Kind of region files."""

MERGED = frozenset({"csc.master_source", "csc.observation_source"})
"""Tables in whose rows files may disagree."""

COMMIT_SECONDS = 1.0
"""Batches that finish within this time share a commit, or within four times as long as the last commit took."""

SERIAL_BYTES = 16 << 20
"""Below this, starting worker processes takes longer than reading."""


@dataclass
class Total:
    """What was read of one kind."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """What a refresh did.

    Attributes
    ----------
    kinds : dict of str to Total
        Loaded files by kind; seconds are summed over workers.
    unchanged : int
        Files the ledger knew already.
    gone : int
        Files of the ledger that are no longer on disk; their rows stay.
    problems : list of FileEntry
        Failed, unreadable and skipped files.
    duplicates : list of FileEntry
        Files whose content was already there.
    notes : list of FileEntry
        Loaded files with flags.
    missing_sources : list of str
        Places that are not there now.
    disagreements : list of Disagreement
        Tables that say something else than better ones, where a table was read.
    without_release : dict of str to int
        Tables that do not state their CSC release -> rows of theirs, where a table was read.
    linked : Linked or None
        Links of papers with sources, where papers or sources had changed.
    seconds : float
        Wall-clock time.
    """

    kinds: dict[str, Total] = field(default_factory=lambda: defaultdict(Total))
    unchanged: int = 0
    gone: int = 0
    problems: list[FileEntry] = field(default_factory=list)
    duplicates: list[FileEntry] = field(default_factory=list)
    notes: list[FileEntry] = field(default_factory=list)
    missing_sources: list[str] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    without_release: dict[str, int] = field(default_factory=dict)
    linked: paper_links.Linked | None = None
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was read at all."""
        return bool(self.kinds or self.problems or self.duplicates)


@dataclass(frozen=True)
class Progress:
    """How far a refresh has come."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int


def refresh(
    store: Path,
    add: Sequence[Source] = (),
    *,
    workers: int | None = None,
    again: bool = False,
    only_stale: bool = False,
    wait: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Report:
    """Bring a store up to date with the places its data come from.

    Parameters
    ----------
    store : Path
        The store; made if it is not there.
    add : sequence of Source
        Places to add and refresh; with none, every place the store knows. A release that is given for a place that is
        known holds from now on, and its files are read again; where none is given the one that is known stays.
    workers : int, optional
        Processes that read; default: one per processor, none for a few small files.
    again : bool
        Read failed and skipped files again though they did not change.
    only_stale : bool
        Read what is marked as stale, and nothing that is new or changed.
    wait : bool
        Wait for another writer; without it raise `StoreLocked`.
    on_progress, on_wait : callable, optional
        Called after each batch; called with a line that says for whom we wait.

    Returns
    -------
    Report

    Raises
    ------
    FolderNotFound
        If a place to add does not exist.
    StoreLocked
        If another process writes and `wait` is false.
    OutOfSpace
        If the disk is full; what was committed stays.
    """
    start = time.perf_counter()
    for source in add:
        next(find_files(Path(source.specification)), None)
    with contextlib.closing(_open(store)) as connection:
        _find_in_archives(add, manifest.read_ledger(connection))
        known = {s.specification: s for s in manifest.read_sources(connection) if s.kind == "files"}
        add = [s if s.release else known.get(s.specification, s) for s in add]
        new = [s for s in add if s != known.get(s.specification)]
        release = _releases(known | {s.specification: s for s in new})
        job = _Job(add or list(known.values()), new, release, again=again, only_stale=only_stale)
        report, plan = _plan(connection, store, job)
        linked = _is_linked(connection) and not paper_links.is_stale(connection)
        idle = linked and not detections.is_stale(connection) and not (plan.read or plan.forget or new)
    if not idle:
        folder = store / location.INCOMING
        with lake.writer(store, "refresh", wait=wait, on_wait=on_wait, spill=folder) as connection:
            _Writer(connection, store, report, workers, on_progress).run(job)
    report.seconds = time.perf_counter() - start
    return report


def _find_in_archives(add: Sequence[Source], ledger: Mapping[str, Known]) -> None:
    """Check that places below a file are files in an archive that was read, or folders of these.

    Raises
    ------
    FolderNotFound
        If one is not.
    """
    for path in (s.specification for s in add):
        if not os.path.lexists(on_disk(path)) and not any(f"{known}/".startswith(f"{path}/") for known in ledger):
            raise FolderNotFound(
                f"{path} does not exist; name a folder or file of Chandra data, or a file in an archive as "
                "`python -m ingest status` shows it"
            )


def _is_linked(connection: lake.Connection) -> bool:
    """Tell whether spectra are linked by the rules of this version; a store that never had one is."""
    return lake.recall(connection, LINKS) in {None, rules()}


@dataclass(frozen=True)
class _Job:
    """What a refresh is to do."""

    sources: list[Source]
    new: list[Source]
    release: Callable[[str], str | None]
    again: bool = False
    only_stale: bool = False


def _open(store: Path) -> lake.Connection:
    """Open a store to read, made or brought up to date first where that is needed."""
    if location.exists(store):
        connection = lake.connect(store)
        if lake.is_current(connection):
            return connection
        connection.close()
    lake.create(store)
    return lake.connect(store)


def _plan(connection: lake.Connection, store: Path, job: _Job) -> tuple[Report, Plan]:
    report = Report()
    ledger = manifest.read_ledger(connection)
    found: dict[str, Found] = {}
    roots: list[str] = []
    for source in job.sources:
        try:
            found |= {f.path: f for f in find_files(Path(source.specification), leave_out=store) if f.path not in found}
            roots.append(source.specification)
        except FolderNotFound:
            report.missing_sources.append(source.specification)
    inside: dict[str, dict[str, str]] = defaultdict(dict)
    for source in (*manifest.read_sources(connection), *job.new):
        if source.release and (archive := archive_of(source.specification, found)):
            inside[archive][source.specification] = source.release
    told = (
        f._replace(release=job.release(f.path), inside=tuple(inside[f.path].items()) if f.path in inside else ())
        for f in found.values()
    )
    plan = make_plan(told, ledger, again=job.again)
    if job.only_stale:
        stale = {archive_of(path, found) or path for path, known in ledger.items() if known.status == STALE}
        plan.read = [file for file in plan.read if file.path in stale]
    report.unchanged = plan.unchanged
    if len(found) < len(ledger) + len(plan.read):
        walked = tuple(root.rstrip("/") + "/" for root in roots)
        for path, known in ledger.items():
            if path not in found and f"{path}/".startswith(walked) and archive_of(path, found) is None:
                if known.n_rows or known.status in {LOADED, DUPLICATE}:
                    report.gone += 1
                else:
                    plan.forget.append(path)
    return report, plan


def _releases(sources: Mapping[str, Source]) -> Callable[[str], str | None]:
    """Return how to tell the release that the user gave for a file: for itself, else for the nearest folder above."""
    given = {path: s.release for path, s in sources.items() if s.release}

    @functools.cache
    def of(path: str) -> str | None:
        above = os.path.dirname(path)  # noqa: PTH120 - a hundred thousand times
        return given.get(path) or (of(above) if above != path else None)

    return of if given else lambda _: None


def _content(path: str, file: FileEntry | Known) -> tuple[str | None, str]:
    """Return what makes two files one: their content; a region's text means another source in another folder."""
    return file.sha256, os.path.dirname(path) if file.kind == REGION else ""  # noqa: PTH120 - a hundred thousand times


def _members(ledger: Mapping[str, Known]) -> dict[str, list[str]]:
    """Return the files in each archive that a ledger knows."""
    members: dict[str, list[str]] = {path: [] for path, known in ledger.items() if known.kind == ARCHIVE}
    for path in ledger if members else ():
        if archive := archive_of(path, members):
            members[archive].append(path)
    return members


class _Writer:
    """The one process that commits, for the length of one refresh."""

    def __init__(
        self,
        connection: lake.Connection,
        store: Path,
        report: Report,
        workers: int | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._connection = connection
        self._store, self._report, self._workers = store, report, workers
        self._on_progress = on_progress or (lambda _: None)
        self._done = [0, 0]
        self._shared = self._tables_read = False

    def run(self, job: _Job) -> None:
        """Read and commit until the plan is empty; then work out what follows."""
        folder, connection = lake.incoming(self._store), self._connection
        if job.new:
            self._remember(job)
        # The ledger may have changed while we waited for the lock: plan again under it.
        _, plan = _plan(connection, self._store, job)
        if plan.forget:
            with lake.transaction(connection, f"{len(plan.forget)} file(s) that gave nothing are gone"):
                manifest.forget_entries(connection, plan.forget)
        while plan.read:
            self._read(plan, folder)
            # Copies of a content that is gone from its file are read now, and so are the files of an older store's
            # rows that cannot be told apart.
            _, plan = _plan(connection, self._store, replace(job, only_stale=True))
        self._follow_up()
        if self._shared:
            self._report.disagreements = disagreements(connection)
        if self._tables_read:
            self._report.without_release = without_release(connection)
        if self._report.kinds or job.new:
            with lake.transaction(connection, "refreshed"):
                manifest.mark_refreshed(connection, job.sources)

    def _follow_up(self) -> None:
        """Work out what follows from rows of several files: ids of detections, links of products and of papers."""
        connection = self._connection
        if detections.is_stale(connection):
            with lake.transaction(connection, "one id for each detection"):
                self._shared |= detections.settle(connection) > 0
        if not _is_linked(connection):
            with lake.transaction(connection, "link spectra with responses and backgrounds"):
                for statement in link_statements():
                    connection.execute(statement)
                link_regions(connection)
                lake.remember(connection, LINKS, rules())
        if paper_links.is_stale(connection):
            self._report.linked = paper_links.relink(connection)

    def _remember(self, job: _Job) -> None:
        """Add places; files that are known under another release are to be read again, and forgotten ones named now."""
        connection = self._connection
        known = {s.specification: s for s in manifest.read_sources(connection) if s.kind == "files"}
        before = _releases(known)
        with lake.transaction(connection, f"sources: {', '.join(s.specification for s in job.new)}"):
            for source in job.new:
                manifest.remember_source(connection, source)
            named = {s.specification for s in job.new}
            again = [
                path
                for path, entry in manifest.read_ledger(connection).items()
                if (path in named if entry.status == FORGOTTEN else before(path) != job.release(path))
            ]
            manifest.mark_stale(connection, map(file_id_of, again))

    def _read(self, plan: Plan, folder: Path) -> None:
        self._ledger = manifest.read_ledger(self._connection)
        self._members = _members(self._ledger)
        held = {path: k for path, k in self._ledger.items() if k.status == LOADED and k.sha256}
        self._holders = {_content(path, k): path for path, k in held.items()}
        total = plan.bytes
        workers = 1 if total < SERIAL_BYTES and self._workers is None else self._workers
        workers = workers or cpu_count()
        # Several batches a worker, so that none waits for the last; large enough to make good Parquet files.
        size = min(BATCH_BYTES, max(total // (4 * workers), SERIAL_BYTES // 4))
        tasks = (Task(tuple(batch), str(folder)) for batch in batches(plan.read, size))
        waiting, since, patience = Loaded(), time.perf_counter(), COMMIT_SECONDS
        for task, result in map_ordered(load_batch, tasks, workers):
            waiting.extend(self._one_by_one(task) if isinstance(result, WorkerDied) else result)
            self._done[0] += len(task.files)
            self._done[1] += sum(f.bytes for f in task.files)
            if time.perf_counter() - since > patience:
                start = time.perf_counter()
                self._commit(waiting)
                waiting, since = Loaded(), time.perf_counter()
                patience = max(COMMIT_SECONDS, 4 * (since - start))
            self._on_progress(Progress(self._done[0], len(plan.read), self._done[1], total))
        self._commit(waiting)

    @staticmethod
    def _one_by_one(task: Task) -> Loaded:
        """Read the files of a batch that killed its process each in a process of its own: one is to blame."""
        loaded = Loaded()
        singles = [Task((found,), task.folder) for found in task.files]
        for single in singles:
            for _, result in map_ordered(load_batch, [single], workers=2):
                if isinstance(result, WorkerDied):
                    found = single.files[0]
                    loaded.entries.append(
                        FileEntry(found.file_id, found.path, found.bytes, found.mtime_ns, FAILED, error=str(result))
                    )
                else:
                    loaded.extend(result)
        return loaded

    def _commit(self, loaded: Loaded) -> None:
        """Write finished batches: ledger rows, new rows, and the removal of what they replace, in one commit."""
        if not loaded.entries:
            return
        vanished = self._vanished(loaded.entries)
        entries, left_out = self._judge(loaded.entries)
        replaced = [*(e.file_id for e in entries if self._replaces(e, left_out)), *map(file_id_of, vanished)]
        parts = [self._sorted(part) for part in loaded.parts]
        connection = self._connection
        tables = list(dict.fromkeys(part.table for part in parts))
        with lake.transaction(connection, f"{len(entries)} file(s)"):
            again = set(manifest.remove_rows(connection, replaced)) if replaced else set()
            if vanished:
                manifest.forget_entries(connection, vanished)
            manifest.write_entries(connection, entries)
            for table in tables:
                again |= self._insert(TABLES[table], [part for part in parts if part.table == table], left_out)
            manifest.mark_stale(connection, again)
            changed = [state for state, telling in STATES.items() if replaced or telling & set(tables)]
            if changed:
                lake.remember_all(connection, dict.fromkeys(changed, STALE))
        self._tables_read |= bool(MERGED & set(tables))
        for part in parts:
            Path(part.path).unlink(missing_ok=True)
        self._note(entries, loaded.seconds)

    def _replaces(self, entry: FileEntry, left_out: set[int]) -> bool:
        """Whether rows of the file's earlier content must go: it has other content now, here or in its copy."""
        if entry.kind == ARCHIVE and not (entry.path in self._ledger and self._ledger[entry.path].n_rows):
            return False
        other = entry.status in {DUPLICATE, STALE} or (entry.status == LOADED and entry.file_id not in left_out)
        return other and entry.path in self._ledger

    def _vanished(self, entries: Sequence[FileEntry]) -> list[str]:
        """Take leave of files that an archive had in it before it changed, or before it became another file."""
        changed = {e.path for e in entries if e.status == LOADED and e.path in self._ledger}
        changed = {path for path in changed if self._ledger[path].kind == ARCHIVE}
        if not changed:
            return []
        present = {e.path for e in entries}
        vanished = [path for archive in changed for path in self._members[archive] if path not in present]
        for path in vanished:
            self._give_up(path, self._ledger.pop(path))
        return vanished

    def _judge(self, entries: Sequence[FileEntry]) -> tuple[list[FileEntry], set[int]]:
        """Tell new content from content that is already there; return ledger rows and the files to leave out."""
        judged: list[FileEntry] = []
        left_out: set[int] = set()
        for entry in entries:
            known = self._ledger.get(entry.path)
            if known is not None and self._is_forgotten(entry, known):
                left_out.add(entry.file_id)
                continue
            if entry.kind == ARCHIVE and entry.status == LOADED:
                self._give_up(entry.path, known)
                judged.append(entry)
                continue
            if entry.status != LOADED or entry.sha256 is None:
                if known is not None and known.n_rows:
                    kept = f"{entry.error}; the {known.n_rows:,} rows of its earlier content are kept"
                    entry = replace(entry, n_rows=known.n_rows, error=kept)  # noqa: PLW2901 - the same file, judged
                judged.append(entry)
                continue
            content = _content(entry.path, entry)
            holder = self._holders.get(content)
            if holder == entry.path and known is not None and known.status == LOADED:
                left_out.add(entry.file_id)  # touched, not changed
                judged.append(replace(entry, n_rows=known.n_rows))
            elif holder is not None and holder != entry.path:
                self._give_up(entry.path, known)
                left_out.add(entry.file_id)
                judged.append(replace(entry, status=DUPLICATE, n_rows=0, error=f"same content as {holder}"))
            else:
                self._give_up(entry.path, known)
                self._holders[content] = entry.path
                judged.append(entry)
        # A file may repeat what its holder held until this very commit: then it is read again.
        orphans = {e.path for e in judged if e.status == DUPLICATE and _content(e.path, e) not in self._holders}
        return [replace(e, status=STALE) if e.path in orphans else e for e in judged], left_out

    def _is_forgotten(self, entry: FileEntry, known: Known) -> bool:
        """Tell whether a file in an archive, which is read as a whole, is to be passed over."""
        archive = archive_of(entry.path, self._ledger)
        same = known.status == FORGOTTEN and (known.bytes, known.mtime_ns) == (entry.bytes, entry.mtime_ns)
        return same and archive is not None and self._ledger[archive].status != FORGOTTEN

    def _give_up(self, path: str, known: Known | None) -> None:
        """Note that a file no longer holds the content it had."""
        if known is not None and known.sha256 and self._holders.get(content := _content(path, known)) == path:
            del self._holders[content]

    def _insert(self, table: Table, parts: Sequence[Part], left_out: set[int]) -> frozenset[int]:
        """Make the parts rows of their table, but for the files to leave out; return files to be read again."""
        drop = sorted(left_out & {file_id for part in parts for file_id in part.file_ids})
        whole = [Path(part.path) for part in parts if not left_out & set(part.file_ids)]
        if table.writing == "file":
            lake.add_parts(self._connection, self._store, table.full_name, whole)
            parts = [part for part in parts if Path(part.path) not in whole]
        if not parts:
            return frozenset()
        source = f"read_parquet([{', '.join(literal(part.path) for part in parts)}])"
        ids = f"[{', '.join(map(str, drop))}]::BIGINT[]"
        if table.writing == "file":
            kept = f"SELECT * FROM {source} WHERE file_id NOT IN (SELECT unnest({ids}))"
            self._connection.execute(f"INSERT INTO lake.{table.full_name} BY NAME {kept}")
        elif table.writing == "content":
            key = table.key[0]
            known = f"SELECT {key} FROM lake.{table.full_name}"
            new = f"SELECT DISTINCT ON ({key}) * FROM {source} WHERE {key} NOT IN ({known})"
            # A part, no INSERT: DuckLake keeps a few rows as text in its catalog, and a matrix has millions of cells.
            path = Path(parts[0].path).with_suffix(".new.parquet")
            lake.add_parts(self._connection, self._store, table.full_name, [path] if self._write(new, path) else [])
            path.unlink(missing_ok=True)
        else:
            kept = f"(SELECT * FROM {source} WHERE file_ids[1] NOT IN (SELECT unnest({ids})))" if drop else source
            adopt = functools.partial(lake.add_parts, self._connection, self._store, table.full_name, whole)
            merged = merge(self._connection, table, kept, adopt=None if drop else adopt)
            self._shared |= merged.shared
            return merged.again
        return frozenset()

    def _sorted(self, part: Part) -> Part:
        """Sort a part that was too large for its reader to sort: DuckDB does so on disk."""
        table = TABLES[part.table]
        if part.sorted or not table.order:
            return part
        path = Path(part.path).with_suffix(".sorted.parquet")
        self._write(f"SELECT * FROM read_parquet({literal(part.path)}) ORDER BY {', '.join(table.order)}", path)
        Path(part.path).unlink()
        return replace(part, path=str(path), sorted=True)

    def _write(self, query: str, path: Path) -> int:
        """Write the rows of a query into a part; return how many there are."""
        to = f"TO {literal(str(path))} (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd)"
        row = self._connection.execute(f"COPY ({query}) {to}").fetchone()
        return int(row[0]) if row else 0

    def _note(self, entries: Sequence[FileEntry], seconds: dict[str, float]) -> None:
        for entry in entries:
            _LOG.info(
                "%s: %s, %d rows%s", entry.path, entry.status, entry.n_rows, f", {entry.error}" if entry.error else ""
            )
            self._ledger[entry.path] = Known(
                entry.bytes, entry.mtime_ns, entry.status, entry.sha256, entry.n_rows, entry.kind
            )
            if entry.kind == ARCHIVE and entry.status == LOADED:
                continue  # what is in it is counted
            if entry.status == LOADED:
                total = self._report.kinds[entry.kind or "other"]
                total.files += 1
                total.rows += entry.n_rows
                total.bytes += entry.bytes
                if entry.flags:
                    self._report.notes.append(entry)
            elif entry.status == DUPLICATE:
                self._report.duplicates.append(entry)
            elif entry.status in {FAILED, SKIPPED, UNREADABLE}:
                self._report.problems.append(entry)
        for kind, spent in seconds.items():
            if kind in self._report.kinds:
                self._report.kinds[kind].seconds += spent
