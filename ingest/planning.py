"""What is there to do? Files on disk against the ledger, then batches of work."""

from __future__ import annotations

import errno
import heapq
import os
import shlex
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from catalog.errors import Terminal
from catalog.schema.identifiers import parse_product_name
from catalog.store.manifest import SETTLED, Known
from ingest.readers import file_id_of
from ingest.streams import on_disk, spelled

BATCH_BYTES = 64 << 20
BATCH_FILES = 256


class FolderNotFound(Terminal, FileNotFoundError):
    """A path to ingest from does not exist."""


class Found(NamedTuple):
    """A file on disk, as stat() sees it, or what is there and is none.

    Attributes
    ----------
    path : str
        As the ledger spells it: `ingest.streams.spelled`.
    bytes, mtime_ns : int
    release : str or None
        CSC release that the user vouches for.
    problem : str
        Why it cannot be read at all; empty for a file.
    inside : tuple of (str, str)
        Of an archive: paths in it, and the release that the user vouches for each.
    """

    path: str
    bytes: int
    mtime_ns: int
    release: str | None = None
    problem: str = ""
    inside: tuple[tuple[str, str], ...] = ()

    def member(self, path: str, n_bytes: int, problem: str) -> Found:
        """Return a file in this archive; the nearest release that is told counts."""
        near = [(len(p), release) for p, release in self.inside if f"{path}/".startswith(f"{p}/")]
        return Found(path, n_bytes, self.mtime_ns, max(near)[1] if near else self.release, problem)

    @property
    def file_id(self) -> int:
        """Key in meta.file."""
        return file_id_of(self.path)


@dataclass
class Plan:
    """What a refresh will do.

    Attributes
    ----------
    read : list of Found
        New, changed, or to be tried again; in the order in which they will be committed.
    unchanged : int
        Files the ledger knows as they are.
    forget : list of str
        Paths in the ledger that gave nothing and are no longer there.
    older : dict of str to str
        Fetched file -> the one that supersedes it: it gives way, and is not read.
    """

    read: list[Found] = field(default_factory=list)
    unchanged: int = 0
    forget: list[str] = field(default_factory=list)
    older: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes on disk to be read."""
        return sum(f.bytes for f in self.read)


def find_files(root: Path, *, leave_out: Path | None = None) -> Iterator[Found]:
    """Walk a folder (or take one file) and stat what is in it, without opening anything.

    Hidden files, '.part' files and the store itself are passed over. A link to a folder is followed where that folder
    lies inside the root, and walked once; what cannot be walked or is no file comes with its reason.

    Parameters
    ----------
    root : Path
        Folder or file, as the ledger spells it. A path below a file names what is in an archive: the archive is found.
    leave_out : Path, optional
        The store's directory, which may lie inside.

    Raises
    ------
    FolderNotFound
        If there is no such path.
    """
    top = on_disk(str(root))
    try:
        mode = os.stat(top).st_mode  # noqa: PTH116 - names may be no text
    except NotADirectoryError:
        yield _found(next(str(p) for p in Path(top).parents if p.is_file()))
        return
    except FileNotFoundError:
        raise FolderNotFound(f"{root} does not exist; name a folder or file of Chandra data") from None
    except OSError as error:
        yield _not_walked(top, error)
        return
    if not stat.S_ISDIR(mode):
        yield _found(top)
        return
    yield from _Walk(str(root), top, str(leave_out) if leave_out else None)


class _Walk:
    """One way through the folders below a root."""

    def __init__(self, root: str, top: str, leave_out: str | None) -> None:
        self._root, self._top, self._leave_out = root, top, leave_out
        self._waiting = [top]
        self._walked: set[tuple[int, int]] = set()
        self._links: list[str] = []  # a heap: the first by name comes first

    def __iter__(self) -> Iterator[Found]:
        while self._waiting:
            folder = self._waiting.pop()
            try:
                self._walked.add(_identity(folder))
                yield from self._look_into(folder)
            except OSError as error:
                yield _not_walked(folder, error)
            # Links come last, and in order: what lies inside the root may have been walked by its own name by now.
            while self._links and not self._waiting:
                yield from self._follow(heapq.heappop(self._links))

    def _look_into(self, folder: str) -> Iterator[Found]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(".part") or entry.path == self._leave_out:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    self._waiting.append(entry.path)
                elif entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 - names may be no text
                    heapq.heappush(self._links, entry.path)
                else:
                    yield _found(entry.path)

    def _follow(self, link: str) -> Iterator[Found]:
        """Walk the folder that a link leads to where it lies inside the root and was not walked; else say so."""
        target, out = os.path.realpath(link), self._leave_out
        if out is not None and _is_below(target, out) and not _is_below(self._top, out):
            return
        if not _is_below(target, os.path.realpath(self._top)):
            command = f"python -m ingest files {shlex.quote(spelled(target))}"
            yield _passed_over(link, f"a link to a folder outside of {self._root}, not followed; type: {command}")
        elif _identity(target) not in self._walked:
            self._waiting.append(link)


def _found(path: str) -> Found:
    """Stat what is no folder."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - names may be no text
    except OSError as error:
        if os.path.islink(path):  # noqa: PTH114 - as above
            target = spelled(os.readlink(path))  # noqa: PTH115 - as above
            said = (
                "which leads in a circle"
                if error.errno == errno.ELOOP
                else f"where nothing can be read ({error.strerror})"
            )
            return _passed_over(path, f"a link to {target}, {said}")
        return _not_walked(path, error)
    if not stat.S_ISREG(seen.st_mode):
        return _passed_over(path, "a pipe, a socket or a device: no file to read")
    return Found(spelled(path), seen.st_size, seen.st_mtime_ns)


def _identity(folder: str) -> tuple[int, int]:
    """Return what two names of one folder have in common."""
    seen = os.stat(folder)  # noqa: PTH116 - as above
    return seen.st_dev, seen.st_ino


def _not_walked(path: str, error: OSError) -> Found:
    return _passed_over(
        path, f"it cannot be looked into ({error.strerror or error}); make it readable, and type the same again"
    )


def _passed_over(path: str, why: str) -> Found:
    """Note what is there and cannot be read, so that the ledger has it and says it once."""
    try:
        seen = os.lstat(path)
    except OSError:  # gone in the meantime
        return Found(spelled(path), 0, 0, None, why)
    return Found(spelled(path), 0, seen.st_mtime_ns, None, why)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def make_plan(found: Iterable[Found], ledger: Mapping[str, Known], *, again: bool = False) -> Plan:
    """Compare files with the ledger.

    Parameters
    ----------
    found : iterable of Found
        Files on disk.
    ledger : mapping of str to Known
        meta.file by path.
    again : bool
        Read failed and skipped files again though they did not change.

    Examples
    --------
    >>> known = {"/a": Known(3, 7, "loaded", None, 1)}
    >>> plan = make_plan([Found("/a", 3, 7), Found("/b", 1, 1)], known)
    >>> [f.path for f in plan.read], plan.unchanged
    (['/b'], 1)
    """
    plan = Plan()
    files = {file.path: file for file in found}
    settled = SETTLED - {"failed", "skipped"} if again else SETTLED
    # A file in an archive that is to be read once more: its archive is, and all in it.
    opened = {archive_of(path, files) for path, k in ledger.items() if k.status not in settled and path not in files}
    for path, file in files.items():
        known = ledger.get(path)
        same = known is not None and (known.bytes, known.mtime_ns) == (file.bytes, file.mtime_ns)
        if same and known is not None and known.status in settled and path not in opened:
            plan.unchanged += 1
        else:
            plan.read.append(file)
    plan.read.sort(key=_order)
    return plan


def archive_of(path: str, files: Container[str]) -> str | None:
    """Return the one of some files that is an archive with a path in it; None where none is.

    Examples
    --------
    >>> archive_of("/a/package.tar/primary/evt2.fits", {"/a/package.tar"}), archive_of("/a/b", {"/a/b"})
    ('/a/package.tar', None)
    """
    end = path.rfind("/")
    while end > 0 and path[:end] not in files:
        end = path.rfind("/", 0, end)
    return path[:end] if end > 0 else None


def _order(file: Found) -> tuple[int, int, str]:
    """Order of the commits: by observation and region, so that photons of a region lie together on disk."""
    product = parse_product_name(os.path.basename(file.path))  # noqa: PTH119 - a hundred thousand times
    if product is None:
        return (1 << 40, 0, file.path)
    return (product.obsid, product.region_id or 0, file.path)


def batches(files: Sequence[Found], of_bytes: int = BATCH_BYTES) -> Iterator[list[Found]]:
    """Group files into work items: large enough to fill a Parquet part, small enough to be lost.

    Examples
    --------
    >>> [len(b) for b in batches([Found("/a", 1, 0), Found("/b", 1 << 30, 0), Found("/c", 1, 0)])]
    [1, 1, 1]
    """
    batch: list[Found] = []
    size = 0
    for file in files:
        if batch and (size + file.bytes > of_bytes or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.bytes
    if batch:
        yield batch
