"""What is there to do? Files on disk against the ledger, then batches of work."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from catalog.errors import Terminal
from catalog.identifiers import parse_product_name
from catalog.manifest import FORGOTTEN, SETTLED, Known
from ingest.content import file_id_of

BATCH_BYTES = 64 << 20
BATCH_FILES = 256


class FolderNotFound(Terminal, FileNotFoundError):
    """A path to ingest from does not exist."""


class Found(NamedTuple):
    """A file on disk, as stat() sees it."""

    path: str
    bytes: int
    mtime_ns: int
    release: str | None = None

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
    """

    read: list[Found] = field(default_factory=list)
    unchanged: int = 0

    @property
    def bytes(self) -> int:
        """Bytes on disk to be read."""
        return sum(f.bytes for f in self.read)


def find_files(root: Path, *, leave_out: Path | None = None) -> Iterator[Found]:
    """Walk a folder (or take one file) and stat what is in it, without opening anything.

    Hidden files, '.part' files and the store itself are passed over; links to folders are not followed.

    Parameters
    ----------
    root : Path
        Folder or file.
    leave_out : Path, optional
        The store's directory, which may lie inside.

    Raises
    ------
    FolderNotFound
        If there is no such path.
    """
    if not root.exists():
        raise FolderNotFound(f"{root} does not exist; name a folder or file of Chandra data")
    if root.is_file():
        stat = root.stat()
        yield Found(str(root), stat.st_size, stat.st_mtime_ns)
        return
    out = str(leave_out) if leave_out else None
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(".part") or entry.path == out:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file():
                    stat = entry.stat()
                    yield Found(entry.path, stat.st_size, stat.st_mtime_ns)


def make_plan(
    found: Iterable[Found], ledger: Mapping[str, Known], *, again: bool = False, named: Collection[str] = ()
) -> Plan:
    """Compare files with the ledger.

    Parameters
    ----------
    found : iterable of Found
        Files on disk.
    ledger : mapping of str to Known
        meta.file by path.
    again : bool
        Read failed and skipped files again though they did not change.
    named : collection of str
        Files that the user named, one by one: they are read again though the store was told to forget them.

    Examples
    --------
    >>> known = {"/a": Known(3, 7, "loaded", None, 1)}
    >>> plan = make_plan([Found("/a", 3, 7), Found("/b", 1, 1)], known)
    >>> [f.path for f in plan.read], plan.unchanged
    (['/b'], 1)
    """
    plan = Plan()
    retry = {"failed", "skipped"} if again else frozenset()
    for file in found:
        known = ledger.get(file.path)
        same = known is not None and (known.bytes, known.mtime_ns) == (file.bytes, file.mtime_ns)
        recalled = known is not None and known.status == FORGOTTEN and file.path in named
        if same and known is not None and known.status in SETTLED and known.status not in retry and not recalled:
            plan.unchanged += 1
        else:
            plan.read.append(file)
    plan.read.sort(key=_order)
    return plan


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
