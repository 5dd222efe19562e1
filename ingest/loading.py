"""Read a batch of files into Parquet parts: what a worker process does.

Only whole files go into a part. A file too large to hold gets a part of its own, so that a file that turns
out to be damaged at its last byte leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from catalog.errors import OutOfSpace, UnreadableFile, is_disk_full
from catalog.store.manifest import FAILED, LOADED, SKIPPED, UNREADABLE, FileEntry
from ingest.archives import members
from ingest.detect import ARCHIVE, ReplayStream, detect
from ingest.gathering import Gatherer, Part, UnwrittenRows
from ingest.planning import Found
from ingest.readers import FileName, reader
from ingest.streams import BUFFER, DAMAGED, open_content


@dataclass(frozen=True)
class Task:
    """One batch of files for one worker."""

    files: tuple[Found, ...]
    folder: str


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

    Where rows cannot be written, each file is read once more into parts of its own: it is whole then, or has a ledger
    row that says why not.

    Raises
    ------
    OutOfSpace
        If the disk is full: that is no fault of a file.
    """
    try:
        return _load_together(task)
    except UnwrittenRows as error:
        loaded = Loaded()
        if len(task.files) > 1:
            for found in task.files:
                loaded.extend(load_batch(replace(task, files=(found,))))
        else:
            found, cause = task.files[0], error.__cause__ or error
            status, why = UNREADABLE, getattr(cause, "strerror", None) or cause
            if not isinstance(cause, OSError):
                status, why = FAILED, f"{type(cause).__name__}: {cause}"
            again = "; it is tried again at the next refresh" if status == UNREADABLE else "; please report this file"
            message = f"its rows cannot be written: {why}{again}"
            loaded.entries = [FileEntry(found.file_id, found.path, found.bytes, found.mtime_ns, status, error=message)]
        return loaded


def _load_together(task: Task) -> Loaded:
    loaded = Loaded()
    gathered = Gatherer(Path(task.folder))
    try:
        for found in task.files:
            start = time.perf_counter()
            for entry in _load(found, gathered):
                loaded.entries.append(entry)
                loaded.seconds[entry.kind or "other"] += time.perf_counter() - start
                start = time.perf_counter()
        loaded.parts = gathered.finish()
    except (OSError, UnwrittenRows) as error:
        gathered.abandon()
        if is_disk_full(error):
            raise OutOfSpace(
                getattr(error, "errno", None) or errno.ENOSPC,
                "the disk is full; free some space and run the same again",
            ) from error
        raise
    return loaded


def _load(found: Found, gathered: Gatherer) -> Iterator[FileEntry]:
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


def _load_file(found: Found, open_: Callable[[], BinaryIO], gathered: Gatherer) -> FileEntry:
    """Read one file; whatever is wrong with it becomes its ledger row."""
    entry = FileEntry(found.file_id, found.path, found.bytes, found.mtime_ns, LOADED)
    if found.problem:
        return replace(entry, status=SKIPPED, kind="other", error=found.problem)
    try:
        return _read(found, open_, entry, gathered)
    except UnwrittenRows:
        raise
    except Exception as error:  # noqa: BLE001 - one bad file never stops a refresh
        gathered.drop_file()
        status, message = _explain(error)
        return replace(entry, status=status, error=message)


def _read(found: Found, open_: Callable[[], BinaryIO], entry: FileEntry, gathered: Gatherer) -> FileEntry:
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
        except UnwrittenRows:
            raise
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
