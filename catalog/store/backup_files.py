"""Files of a backup: which a store has, and how they are copied so that the backup before stays whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from catalog.errors import Terminal
from catalog.store import checksums, fault_points
from catalog.store.location import CATALOG, INCOMING
from catalog.store.transactions import HOLDER, LOCK

CONTENTS = "backup.json"
"""Names every file of a backup with its size and SHA-256."""

BACKUP_LOCK = "backup.lock"
DRAFT, _CHANGED = ".part", ".changed.part"
LEFT_OUT = frozenset(
    {INCOMING, CATALOG, f"{CATALOG}-wal", f"{CATALOG}-shm", LOCK, HOLDER, CONTENTS, BACKUP_LOCK}
    | {checksums.SUMS, checksums.CATALOG_SUM}  # `restore` makes them anew
)
_MANIFESTS = frozenset({"_versions", "_refs"})
_CHUNK = 1 << 20


class BackupDamaged(Terminal, ValueError):
    """A backup whose files are not as they were written, or that is none."""


class File(NamedTuple):
    """A file as it was copied."""

    n_bytes: int
    sha256: str
    mtime_ns: int


def listed(store: Path) -> list[str]:
    """Return a store's files; Lance's manifests are looked up first and stand last: what they name is copied before."""
    found: dict[bool, list[str]] = {True: [], False: []}
    # A folder of the store may be a link to another disk; what is linked below that is no part of the store.
    roots = [store, *sorted(e for e in store.iterdir() if e.is_symlink() and e.is_dir() and e.name not in LEFT_OUT)]
    for manifests in (True, False):
        for folder, folders, names in (step for root in roots for step in os.walk(root)):
            inside = Path(folder).relative_to(store)
            if not inside.parts:
                folders[:] = [f for f in folders if f not in LEFT_OUT]
                names = [n for n in names if n not in LEFT_OUT]  # noqa: PLW2901
            if bool(_MANIFESTS & set(inside.parts)) is manifests:
                found[manifests] += [str(inside / n) for n in names if not (Path(folder) / n).is_symlink()]
    return [*sorted(found[False]), *sorted(found[True])]


def copy_files(
    store: Path,
    target: Path,
    before: Mapping[str, File],
    known: dict[str, File],
    on_file: Callable[[str], None] | None,
) -> tuple[dict[str, File], list[int]]:
    """Copy what a store has and the backup lacks; return all files, and the sizes of those that were copied."""
    files: dict[str, File] = {}
    new: list[int] = []
    written = checksums.recorded(store)
    for name in listed(store):
        if name.endswith(DRAFT):  # a fetch is at work
            continue
        there = (store / name).stat()
        kept, copied, copy = before.get(name), known.get(name), target / name
        if kept and copied != kept:
            copy = changed(copy)
        same = copied is not None and copied[::2] == (there.st_size, there.st_mtime_ns)
        if copied and same and copy.is_file() and copy.stat().st_size == copied.n_bytes:
            files[name] = copied
            continue
        if on_file:
            on_file(name)
        if kept:  # the backup before names what is there
            copy = changed(target / name)
        wanted = written.get(name, "") if checksums.never_changes(name) else ""
        files[name] = File(there.st_size, copy_file(store / name, copy, wanted), there.st_mtime_ns)
        known[name] = files[name]  # if we begin again, it is there
        new.append(there.st_size)
    return files, new


def changed(copy: Path) -> Path:
    """Return where the new content of a file lies until the catalog that names it has taken its place."""
    return copy.with_name(f".{copy.name}{_CHANGED}")


def take_places(target: Path, files: Mapping[str, File]) -> None:
    """Give new contents the names of the files whose they are, as far as the backup that counts names them."""
    for found in target.rglob(f".*{_CHANGED}"):
        copy = found.with_name(found.name.removeprefix(".").removesuffix(_CHANGED))
        file = files.get(str(copy.relative_to(target)))
        if file and checksums.sum_of(found) == file.sha256:
            found.replace(copy)


def copy_file(source: Path, copy: Path, wanted: str = "") -> str:
    """Copy a file; it has its name once it is whole, on disk and of the SHA-256 that is wanted, which is returned."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.part")
    sha256 = hashlib.sha256()
    with source.open("rb") as stream, draft.open("wb") as written:
        while block := stream.read(_CHUNK):
            sha256.update(block)
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    found = sha256.hexdigest()
    if wanted not in {"", found}:
        draft.unlink()
        raise BackupDamaged(f"{source}: changed since it was written; `catalog check` tells what")
    fault_points.reach("backup-file")
    draft.replace(copy)
    return found
