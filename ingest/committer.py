"""The one process that commits: batches are read in parallel, judged, and written whole with their ledger rows."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from catalog.parallel import WorkerDied, cpu_count, map_ordered
from catalog.schema import TABLES, Table
from catalog.schema.columns import literal
from catalog.store import lake, manifest
from catalog.store.manifest import DUPLICATE, FAILED, FORGOTTEN, LOADED, SKIPPED, STALE, UNREADABLE, FileEntry, Known
from catalog.store.merging import merge
from catalog.store.parts import add_parts, incoming
from ingest.contents import Contents, content_of, members_of
from ingest.detect import ARCHIVE
from ingest.follow_up import leave, settle, take_out
from ingest.gathering import Part
from ingest.ledger import disagreements, without_release
from ingest.loading import Loaded, Task, load_batch
from ingest.places import Job, plan_of, releases_of
from ingest.planning import BATCH_BYTES, FolderNotFound, Found, Plan, archive_of, batches, find_files
from ingest.readers import file_id_of
from ingest.refresh_report import Progress, Report
from ingest.streams import on_disk
from ingest.superseded import given_way

_LOG = logging.getLogger(__name__)

MERGED = frozenset({"csc.master_source", "csc.observation_source"})
"""Tables in whose rows files may disagree."""
COMMIT_SECONDS = 1.0
"""Batches that finish within this time share a commit, or within four times as long as the last commit took."""
SERIAL_BYTES = 16 << 20
"""Below this, starting worker processes takes longer than reading."""


class Committer:
    """The one process that commits, for the length of one refresh."""

    def __init__(
        self,
        connection: lake.Connection,
        store: Path,
        report: Report,
        workers: int | None,
        on_progress: Callable[[Progress], None] | None,
        on: str = "local",
    ) -> None:
        self._connection = connection
        self._store, self._report, self._workers, self._on = store, report, workers, on
        self._on_progress = on_progress or (lambda _: None)
        self._done = [0, 0]
        self._older: dict[str, list[str]] = {}
        self._shared = self._tables_read = False

    def run(self, job: Job) -> None:
        """Read and commit until the plan is empty; then work out what follows."""
        self._folder, connection = str(incoming(self._store).resolve()), self._connection
        self._release = job.release
        if job.new:
            self._remember(job)
        # The ledger may have changed while we waited for the lock: plan again under it.
        _, plan = plan_of(connection, self._store, job)
        if plan.forget:
            with lake.transaction(connection, f"{len(plan.forget)} file(s) that gave nothing are gone"):
                manifest.forget_entries(connection, plan.forget)
        if self._remove_left(plan):
            _, plan = plan_of(connection, self._store, job)
        while plan.read:
            self._read(plan)
            # What is still stale is read now: files of an older store's rows that cannot be told apart, and archives
            # with copies of a content that is gone from its file.
            _, plan = plan_of(connection, self._store, replace(job, only_stale=True))
        if plan.older:
            for path in given_way(plan.older, manifest.read_ledger(connection)):
                Path(on_disk(path)).unlink(missing_ok=True)
        shared, linked = settle(connection)
        self._shared |= shared
        self._report.linked = linked or self._report.linked
        if self._shared:
            self._report.disagreements = disagreements(connection)
        if self._tables_read:
            self._report.without_release = without_release(connection)
        if self._report.kinds or job.new:
            with lake.transaction(connection, "refreshed"):
                manifest.mark_refreshed(connection, job.sources)

    def _remember(self, job: Job) -> None:
        """Add places; files that are known under another release are to be read again, and forgotten ones named now."""
        connection = self._connection
        known = {s.specification: s for s in manifest.read_sources(connection) if s.kind == "files"}
        before = releases_of(known)
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

    def _remove_left(self, plan: Plan) -> bool:
        """Remove rows of superseded files that an interrupt, or a refresh of the newer file alone, left behind."""
        ledger = manifest.read_ledger(self._connection) if plan.older else {}
        if left := [path for path in given_way(plan.older, ledger) if path in ledger]:
            with lake.transaction(self._connection, f"{len(left)} superseded file(s)"):
                take_out(self._connection, left)
        return bool(left)

    def _read(self, plan: Plan) -> None:
        self._ledger = manifest.read_ledger(self._connection)
        self._members = members_of(self._ledger)
        self._older.clear()
        for older, newest in plan.older.items():
            self._older.setdefault(newest, []).append(older)
        self._contents = Contents(self._ledger)
        total = plan.bytes
        few = total < SERIAL_BYTES and self._workers is None and self._on == "local"
        workers = 1 if few else self._workers
        # Several batches a worker, so that none waits for the last; large enough to make good Parquet files.
        size = min(BATCH_BYTES, max(total // (4 * (workers or cpu_count())), SERIAL_BYTES // 4))
        tasks = (Task(tuple(batch), self._folder) for batch in batches(plan.read, size))
        waiting, since, patience = Loaded(), time.perf_counter(), COMMIT_SECONDS
        for task, result in map_ordered(load_batch, tasks, workers, on=self._on):
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

    def _one_by_one(self, task: Task) -> Loaded:
        """Read the files of a batch that killed its process each in a process of its own: one is to blame."""
        loaded = Loaded()
        singles = [Task((found,), task.folder) for found in task.files]
        for single in singles:
            for _, result in map_ordered(load_batch, [single], workers=2, on=self._on):
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
        if copies := self._left_alone({entry.path for entry in loaded.entries}):
            more = load_batch(Task(tuple(copies), self._folder))
            loaded.extend(more)
            judged, left_out_too = self._judge(more.entries)
            entries, left_out = entries + judged, left_out | left_out_too
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
            leave(connection, None if replaced else tables)
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

    def _left_alone(self, arriving: Container[str]) -> list[Found]:
        """Return the copies of contents that no file holds any more: they are read in the commit that takes these."""
        found: list[Found] = []
        for path in self._contents.left_alone():
            known = self._ledger.get(path)
            if path in arriving or known is None or known.status != DUPLICATE or archive_of(path, self._members):
                continue
            with contextlib.suppress(FolderNotFound):
                found += [f._replace(release=self._release(path)) for f in find_files(Path(path))]
        return found

    def _vanished(self, entries: Sequence[FileEntry]) -> list[str]:
        """Take leave of files that are superseded, and of those that an archive had in it before it changed."""
        arrived = [e.path for e in entries if e.status == LOADED]
        changed = {p for p in arrived if p in self._ledger and self._ledger[p].kind == ARCHIVE}
        present = {e.path for e in entries} if changed else set()
        vanished = [path for archive in changed for path in self._members[archive] if path not in present]
        vanished += [older for path in arrived for older in self._older.get(path, ()) if older in self._ledger]
        for path in vanished:
            self._contents.give_up(path, self._ledger.pop(path))
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
                self._contents.give_up(entry.path, known)
                judged.append(entry)
                continue
            if entry.status != LOADED or entry.sha256 is None:
                if known is not None and known.n_rows:
                    kept = f"{entry.error}; the {known.n_rows:,} rows of its earlier content are kept"
                    entry = replace(entry, n_rows=known.n_rows, error=kept)  # noqa: PLW2901 - the same file, judged
                judged.append(entry)
                continue
            content = content_of(entry.path, entry)
            holder = self._contents.holder(content)
            if holder == entry.path and known is not None and known.status == LOADED:
                left_out.add(entry.file_id)  # touched, not changed
                judged.append(replace(entry, n_rows=known.n_rows))
            elif holder is not None and holder != entry.path:
                self._contents.give_up(entry.path, known)
                left_out.add(entry.file_id)
                judged.append(replace(entry, status=DUPLICATE, n_rows=0, error=f"same content as {holder}"))
            else:
                self._contents.give_up(entry.path, known)
                self._contents.hold(content, entry.path)
                judged.append(entry)
        return self._settled(judged, {entry.path: entry for entry in entries}, left_out), left_out

    def _settled(
        self, judged: Sequence[FileEntry], arrived: Mapping[str, FileEntry], left_out: set[int]
    ) -> list[FileEntry]:
        """Let a copy of what its holder held until this very commit hold it: its rows are here."""
        settled = []
        for entry in judged:
            holder = ""
            if entry.status == DUPLICATE:
                holder = self._contents.hold(content_of(entry.path, entry), entry.path)
            if holder == entry.path:
                left_out.discard(entry.file_id)
                settled.append(arrived[entry.path])
            else:
                settled.append(replace(entry, error=f"same content as {holder}") if holder else entry)
        return settled

    def _is_forgotten(self, entry: FileEntry, known: Known) -> bool:
        """Tell whether a file in an archive, which is read as a whole, is to be passed over."""
        archive = archive_of(entry.path, self._ledger)
        same = known.status == FORGOTTEN and (known.bytes, known.mtime_ns) == (entry.bytes, entry.mtime_ns)
        return same and archive is not None and self._ledger[archive].status != FORGOTTEN

    def _insert(self, table: Table, parts: Sequence[Part], left_out: set[int]) -> frozenset[int]:
        """Make the parts rows of their table, but for the files to leave out; return files to be read again."""
        drop = sorted(left_out & {file_id for part in parts for file_id in part.file_ids})
        whole = [Path(part.path) for part in parts if not left_out & set(part.file_ids)]
        if table.writing == "file":
            add_parts(self._connection, self._store, table.full_name, whole)
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
            add_parts(self._connection, self._store, table.full_name, [path] if self._write(new, path) else [])
            path.unlink(missing_ok=True)
        else:
            kept = f"(SELECT * FROM {source} WHERE file_ids[1] NOT IN (SELECT unnest({ids})))" if drop else source
            adopt = functools.partial(add_parts, self._connection, self._store, table.full_name, whole)
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
