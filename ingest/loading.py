"""Read a batch of files into Parquet parts: what a worker process does.

Only whole files go into a part. A file too large to hold gets a part of its own, so that a file that turns
out to be damaged at its last byte leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from catalog.errors import OutOfSpace, UnreadableFile, is_disk_full
from catalog.schema import TABLES
from catalog.store.manifest import FAILED, LOADED, SKIPPED, UNREADABLE, FileEntry
from catalog.store.parts import PartWriter
from ingest.archives import members
from ingest.detect import ARCHIVE, ReplayStream, detect
from ingest.planning import Found
from ingest.readers import CHUNK_ROWS, FileName, Flag, Rows, reader
from ingest.streams import BUFFER, DAMAGED, open_content

ASIDE = frozenset(
    {"product.header", "product.good_time", "product.response_file", "product.event_list", "product.region"}
)
"""Tables whose rows are not counted as rows of a file: they say something of it."""

HELD_BYTES = 128 << 20
"""Bytes of rows held at once: a catalog table has 700 columns, and a million of its rows are gigabytes."""


_FEW_BYTES = 1 << 20  # not worth a closer look


@dataclass(frozen=True)
class Task:
    """One batch of files for one worker."""

    files: tuple[Found, ...]
    folder: str


@dataclass(frozen=True)
class Part:
    """A finished Parquet file with rows of one table, of these files."""

    table: str
    path: str
    file_ids: tuple[int, ...]
    n_rows: int
    sorted: bool = True


@dataclass
class Loaded:
    """What came of a batch."""

    entries: list[FileEntry] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def extend(self, other: Loaded) -> None:
        """Take what came of another batch too."""
        self.entries += other.entries
        self.parts += other.parts
        for kind, spent in other.seconds.items():
            self.seconds[kind] += spent


class HashingStream(io.RawIOBase):
    """A stream that hashes what passes through."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read and hash."""
        n: int = self._inner.readinto(buffer)  # type: ignore[attr-defined]
        self._hash.update(memoryview(buffer)[:n])
        return n

    def finish(self) -> str:
        """Read to the end (which also checks a gzip file's checksum) and return the hash of everything."""
        buffer = memoryview(bytearray(BUFFER))
        while self.readinto(buffer):
            pass
        return self._hash.hexdigest()


def load_batch(task: Task) -> Loaded:
    """Read every file of a batch; write its rows into parts; never raise for a bad file.

    Raises
    ------
    OutOfSpace
        If the disk is full: that is no fault of a file.
    """
    loaded = Loaded()
    gathered = _Gatherer(Path(task.folder))
    try:
        for found in task.files:
            start = time.perf_counter()
            for entry in _load(found, gathered):
                loaded.entries.append(entry)
                loaded.seconds[entry.kind or "other"] += time.perf_counter() - start
                start = time.perf_counter()
        loaded.parts = gathered.finish()
    except OSError as error:
        gathered.abandon()
        if is_disk_full(error):
            raise OutOfSpace(error.errno or 28, "the disk is full; free some space and run the same again") from error
        raise
    return loaded


def _load(found: Found, gathered: _Gatherer) -> Iterator[FileEntry]:
    """Read one file, and where it is an archive, the files in it."""
    entry = _load_file(found, lambda: open_content(found.path), gathered)
    if entry.kind == ARCHIVE:
        try:
            for path, n_bytes, open_, problem in members(found.path):
                inner = _load_file(found.member(path, n_bytes, problem), open_, gathered)
                if inner.kind == ARCHIVE:
                    why = "an archive within an archive: unpack the outer one, and ingest what comes out"
                    inner = replace(inner, status=SKIPPED, kind="other", error=why)
                yield inner
        except (UnreadableFile, OSError, *DAMAGED) as error:  # it is cut: what stands before the cut is in
            status, message = _explain(error)
            entry = replace(entry, status=status, error=message)
    yield entry


def _load_file(found: Found, open_: Callable[[], BinaryIO], gathered: _Gatherer) -> FileEntry:
    """Read one file; whatever is wrong with it becomes its ledger row."""
    entry = FileEntry(found.file_id, found.path, found.bytes, found.mtime_ns, LOADED)
    if found.problem:
        return replace(entry, status=SKIPPED, kind="other", error=found.problem)
    try:
        return _read(found, open_, entry, gathered)
    except Exception as error:  # noqa: BLE001 - one bad file never stops a refresh
        gathered.drop_file()
        status, message = _explain(error)
        return replace(entry, status=status, error=message)


def _read(found: Found, open_: Callable[[], BinaryIO], entry: FileEntry, gathered: _Gatherer) -> FileEntry:
    file = FileName.of(found.path, found.release)
    with open_() as raw:
        hashing = HashingStream(raw)
        stream = ReplayStream(hashing)
        kind = detect(stream, file)
        if kind.name == ARCHIVE:
            return replace(entry, kind=ARCHIVE)
        if not kind.readable:
            return replace(entry, status=SKIPPED, kind=kind.name, sha256=hashing.finish(), error=kind.reason)
        try:
            flags = gathered.take(reader(kind.name)(io.BufferedReader(stream, BUFFER), file), found.file_id)
            sha256 = hashing.finish()
        except Exception as error:
            status, message = _explain(error)
            if isinstance(error, OSError) and status != FAILED:
                raise
            gathered.drop_file()
            return replace(entry, status=status, kind=kind.name, error=message)
        return replace(entry, kind=kind.name, sha256=sha256, flags=tuple(flags), n_rows=gathered.keep_file())


def _explain(error: Exception) -> tuple[str, str]:
    """Turn whatever a file did to its reader into a status and one line for the ledger.

    Raises
    ------
    OSError
        If the disk is full, which is no fault of the file.
    """
    if isinstance(error, OSError) and is_disk_full(error):
        raise error
    if isinstance(error, UnreadableFile):
        return FAILED, str(error)
    if isinstance(error, DAMAGED):
        return FAILED, f"expected a whole packed file, found {error}; it is truncated or damaged: fetch it again"
    if isinstance(error, MemoryError):
        return FAILED, "reading it takes more memory than there is"
    if isinstance(error, OSError):
        return UNREADABLE, f"it cannot be read: {error.strerror or error}; it is tried again at the next refresh"
    # One bad file never stops a refresh, also where it finds a fault in a reader.
    return FAILED, f"the reader failed on it ({type(error).__name__}: {error}); please report this file"


def _bytes_of(rows: pa.RecordBatch | pa.Table) -> int:
    """Return the memory that rows take: columns without a value share one buffer; a slice is less than its buffer."""
    n_bytes = int(rows.get_total_buffer_size())  # forty times as fast as `nbytes`
    return min(n_bytes, int(rows.nbytes)) if n_bytes > _FEW_BYTES else n_bytes


class _Small:
    """Rows of small files that wait to be written together."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self._n_rows, self._n_bytes = 0, 0

    def add(self, rows: pa.Table) -> bool:
        """Hold the rows of one more file; tell whether these are now enough for a write."""
        self.tables.append(rows)
        self._n_rows += rows.num_rows
        self._n_bytes += _bytes_of(rows)
        return self._n_rows >= CHUNK_ROWS or self._n_bytes >= HELD_BYTES


class _Gatherer:
    """Collect rows of whole files into one part per table; spill a large file into a part of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file_id = 0
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_rows, self._held_bytes = 0, 0
        self._spilled: dict[str, PartWriter] = {}
        self._writers: dict[str, PartWriter] = {}
        self._members: dict[str, list[int]] = defaultdict(list)
        self._small: dict[str, _Small] = defaultdict(_Small)
        self._parts: list[Part] = []
        self._unsorted = False

    def take(self, rows: Iterator[Rows | Flag], file_id: int) -> list[str]:
        """Take all rows of one file; return its flags."""
        flags: list[str] = []
        self._file_id, self._held, self._unsorted = file_id, defaultdict(list), False
        self._held_rows, self._held_bytes = 0, 0
        for item in rows:
            if isinstance(item, Flag):
                flags.append(item.text)
                continue
            if item.batch.num_rows:
                self._held[item.table].append(item.batch)
                self._held_rows += item.batch.num_rows
                self._held_bytes += _bytes_of(item.batch)
            if self._held_rows >= CHUNK_ROWS or self._held_bytes >= HELD_BYTES:
                self._spill()
        self._unsorted = "unsorted_time" in flags
        return flags

    def _spill(self) -> None:
        """Write what is held of a large file into parts of its own."""
        for table, batches in self._held.items():
            if table not in self._spilled:
                self._spilled[table] = PartWriter(table, self._new_path())
            self._spilled[table].write(pa.Table.from_batches(batches))
        self._held.clear()
        self._held_rows, self._held_bytes = 0, 0

    def keep_file(self) -> int:
        """Make the rows of the file just taken part of the batch; return how many there are."""
        counts: dict[str, int] = {}
        for table, writer in self._spilled.items():
            if batches := self._held.pop(table, []):
                writer.write(pa.Table.from_batches(batches))
            writer.close()
            counts[table] = writer.n_rows
            self._close(table)  # rows of earlier files come first: where rows merge, later ones override
            self._parts.append(Part(table, str(writer.path), (self._file_id,), writer.n_rows, not self._unsorted))
        self._spilled = {}
        for table, batches in self._held.items():
            if not batches:
                continue
            rows = pa.Table.from_batches(batches)
            counts[table] = rows.num_rows
            if self._unsorted and TABLES[table].order:
                rows = rows.sort_by([(name, "ascending") for name in TABLES[table].order])
            self._members[table].append(self._file_id)
            if self._small[table].add(rows):
                self._flush(table)
        self._held = {}
        # A spectrum's region says something of it; a region file has nothing else.
        return sum(n for table, n in counts.items() if table not in ASIDE) or counts.get("product.region", 0)

    def drop_file(self) -> None:
        """Forget the rows of the file just taken."""
        for writer in self._spilled.values():
            writer.close()
            writer.path.unlink(missing_ok=True)
        self._spilled, self._held = {}, {}

    def _flush(self, table: str) -> None:
        if table not in self._writers:
            self._writers[table] = PartWriter(table, self._new_path())
        self._writers[table].write(pa.concat_tables(self._small.pop(table).tables))

    def _close(self, table: str) -> None:
        """Make a part of the small files' rows of a table, if there are any."""
        if table in self._small:
            self._flush(table)
        if writer := self._writers.pop(table, None):
            writer.close()
            self._parts.append(Part(table, str(writer.path), tuple(self._members.pop(table)), writer.n_rows))

    def finish(self) -> list[Part]:
        """Close all parts and return them."""
        for table in list(dict.fromkeys((*self._writers, *self._small))):
            self._close(table)
        return self._parts

    def abandon(self) -> None:
        """Remove everything written so far."""
        for writer in (*self._spilled.values(), *self._writers.values()):
            writer.path.unlink(missing_ok=True)
        for part in self._parts:
            Path(part.path).unlink(missing_ok=True)

    def _new_path(self) -> Path:
        return self._folder / f"{uuid.uuid4().hex}.parquet"
