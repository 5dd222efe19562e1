"""A copy of a store in another folder, made while readers and a writer work, and the way back.

Few files of a store change once they are written, so a second backup copies only what is new. The order makes the
copy consistent: first the catalog, which says what there is, then the files, which were all there when it was copied.
If snapshots ended meanwhile, or a file went, it begins again. The copy's own catalog is replaced last, and a file that
did change lies beside its older copy until then: what stands in the folder is the backup before or the one after,
whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from catalog.errors import OutOfSpace, PhotonlakeError, StoreLocked, StoreNotFound, command, is_disk_full
from catalog.store import checksums, fault_points, sqlite_catalog
from catalog.store.backup_files import (
    BACKUP_LOCK,
    CONTENTS,
    DRAFT,
    BackupDamaged,
    File,
    changed,
    copy_file,
    copy_files,
    listed,
    take_places,
)
from catalog.store.location import CATALOG, exists
from catalog.store.place import PlaceWrong, place_of

_NEXT = f".{CONTENTS}.part"
"""What `CONTENTS` will be. It counts as soon as the catalog that it names has taken its place."""
_TRIALS = 3
# In a process of its own: a second SQLite in this one would drop the locks of the first.
_COPY = """
import sqlite3, sys
there, here = sqlite3.connect(sys.argv[1] + "?mode=ro", uri=True, timeout=30), sqlite3.connect(sys.argv[2])
there.backup(here)
"""
_NAMED = """
SELECT DISTINCT s.path || t.path || f.path, f.file_size_bytes
FROM (SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_data_file
  UNION ALL SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_delete_file) AS f
JOIN ducklake_table AS t ON t.table_id = f.table_id JOIN ducklake_schema AS s ON s.schema_id = t.schema_id
WHERE f.path_is_relative AND t.path_is_relative AND s.path_is_relative
"""


@dataclass(frozen=True)
class _Contents:
    snapshot: int
    files: dict[str, File]


@dataclass(frozen=True)
class Copied:
    """What a backup or its way back did.

    Attributes
    ----------
    snapshot : int
        The newest one in it.
    n_files, n_bytes : int
        What it consists of.
    n_new, n_new_bytes : int
        What of it was copied now.
    """

    snapshot: int
    n_files: int
    n_bytes: int
    n_new: int
    n_new_bytes: int


def backup(store: Path, target: Path, on_file: Callable[[str], None] | None = None) -> Copied:
    """Copy a store into a folder, or bring the copy that is there up to date.

    Nobody waits for it: readers read and a writer writes. What is committed while it runs may be in it or not.

    Parameters
    ----------
    store : Path
    target : Path
        A folder that is new, empty, or holds an earlier backup. It can be opened as a store too.
    on_file : callable, optional
        Called with the name of each file that is copied.

    Raises
    ------
    StoreNotFound
    BackupDamaged
        If the folder holds something else, or lies in the store; or if a file of the store is damaged.
    StoreLocked
        If another backup writes there, or the store's files go faster than they can be copied.
    OutOfSpace
        If the disk is full; the backup before is as it was.
    """
    if not exists(store):
        raise StoreNotFound(f"there is no store at {store}; type: {command('ingest files FOLDER', store)}")
    if place_of(store).is_team:
        raise PlaceWrong(f"{store}: a team's store is copied by pg_dump and its disk's own means: docs/how-to/team.md")
    store, target = store.expanduser().resolve(), target.expanduser().resolve()
    before = _prepared(store, target)
    known = dict(before)
    with _alone(target), _room(target):
        take_places(target, before)
        for _ in range(_TRIALS):
            draft = target / f".{CATALOG}.part"
            _copy_catalog(store / CATALOG, draft)
            with contextlib.suppress(FileNotFoundError):  # a file went while we copied: begin again
                files, new = copy_files(store, target, before, known, on_file)
                known = files
                if _is_whole(draft, target) and _same_snapshots(draft, store / CATALOG):
                    return _finish(store, target, draft, files, new, before)
        raise StoreLocked(
            f"{store}: files went or snapshots ended while it was copied, {_TRIALS} times; "
            "run it again when no expire and no repair is under way"
        )


def restore(source: Path, store: Path) -> Copied:
    """Make a store of a backup; every file is compared with what was written.

    Parameters
    ----------
    source : Path
        The folder of the backup.
    store : Path
        A folder that is not there yet, or is empty.

    Raises
    ------
    BackupDamaged
        If it is no backup, a file is missing or changed, or there is something at `store`.
    OutOfSpace
        If the disk is full.
    """
    contents = _contents(source)
    if contents is None:
        raise BackupDamaged(f"{source}: expected {CONTENTS}, which a backup has; found none")
    if store.exists() and (not store.is_dir() or any(store.iterdir())):
        raise BackupDamaged(f"{store}: expected a new folder for the store, found something; take another name")
    files = contents.files
    draft = store.with_name(f".{store.name}.{os.getpid()}.part")
    store.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _room(store):
            for name, file in files.items():
                if not _is_inside(name):
                    raise BackupDamaged(f"{source / CONTENTS}: expected names of files in the backup, found {name!r}")
                try:
                    found = copy_file(source / name, draft / name)
                except FileNotFoundError:
                    raise BackupDamaged(f"{source / name}: the backup names it, and it is missing") from None
                if found != file.sha256 and (other := changed(source / name)).is_file():
                    found = copy_file(other, draft / name)
                if found != file.sha256:
                    raise BackupDamaged(
                        f"{source / name}: expected the {file.n_bytes} bytes that were written, found others"
                    )
            draft.mkdir(exist_ok=True)
            checksums.record(draft, {name: file.sha256 for name, file in files.items()})
            draft.replace(store)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    n, total = len(files), sum(f.n_bytes for f in files.values())
    return Copied(contents.snapshot, n, total, n, total)


def _prepared(store: Path, target: Path) -> dict[str, File]:
    """Return the files that the backup before has; complain of a folder that is something else."""
    if target == store or store in target.parents:
        raise BackupDamaged(f"{target}: expected a folder outside the store {store}; take one on another disk")
    contents = _contents(target) if target.exists() else None
    if contents is None and target.exists():
        if not target.is_dir():
            raise BackupDamaged(f"{target}: expected a folder, found a file; take another name")
        left = {p.name for p in target.iterdir()} - {BACKUP_LOCK}
        # With the lock it is a first backup that was cut short.
        if left and BACKUP_LOCK not in {p.name for p in target.iterdir()}:
            raise BackupDamaged(f"{target}: expected a new folder or an earlier backup, found {min(left)}")
    target.mkdir(parents=True, exist_ok=True)
    return contents.files if contents else {}


def _contents(folder: Path) -> _Contents | None:
    """Read what a backup consists of: its catalog decides, where the last backup was cut short between two renames."""
    with contextlib.suppress(BackupDamaged, FileNotFoundError):  # a draft need not be whole
        coming = _read(folder / _NEXT)
        if coming and CATALOG in coming.files and coming.files[CATALOG].sha256 == checksums.sum_of(folder / CATALOG):
            return coming
    return _read(folder / CONTENTS)


def _read(file: Path) -> _Contents | None:
    try:
        read = json.loads(file.read_text("utf-8"))
        files = {str(n): File(int(f[0]), str(f[1]), int(f[2])) for n, f in read["files"].items()}
        return _Contents(int(read["snapshot"]), files)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BackupDamaged(f"{file}: expected the names of a backup's files, found: {error}") from error


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    try:
        with filelock.FileLock(target / BACKUP_LOCK, timeout=0):
            yield
    except filelock.Timeout:
        raise StoreLocked(f"another backup is being written to {target}; try again when it has ended") from None


@contextlib.contextmanager
def _room(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not isinstance(error, PhotonlakeError) and is_disk_full(error):
            raise OutOfSpace(
                error.errno or 28, f"the disk of {target} is full; free some space and run it again"
            ) from error
        raise


def _copy_catalog(catalog: Path, draft: Path) -> None:
    draft.unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-I", "-c", _COPY, catalog.as_uri(), str(draft)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise StoreLocked(f"{catalog} cannot be copied now: {reason[0]}")


def _is_whole(draft: Path, target: Path) -> bool:
    """Tell whether every Parquet file that a catalog names is there, in its length."""
    with sqlite_catalog.opened(draft) as cursor:
        named = sqlite_catalog.asking(cursor)(_NAMED)
    for name, n_bytes in named:
        path = target / "lake" / str(name)
        if not path.is_file() or path.stat().st_size != int(str(n_bytes)):  # SQLite answers in text
            return False
    return True


def _same_snapshots(draft: Path, catalog: Path) -> bool:
    """Tell whether every snapshot of the copied catalog is there still: what it pins cannot have gone then."""
    copied, now = (_snapshots(file) for file in (draft, catalog))
    return copied <= now


def _snapshots(file: Path) -> set[object]:
    with sqlite_catalog.opened(file) as cursor:
        return {n for (n,) in sqlite_catalog.asking(cursor)("SELECT snapshot_id FROM ducklake_snapshot")}


def _finish(
    store: Path,
    target: Path,
    draft: Path,
    files: dict[str, File],
    new: list[int],
    before: Mapping[str, File],
) -> Copied:
    snapshot = max(int(str(n)) for n in _snapshots(draft))
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    files = {**files, CATALOG: File(draft.stat().st_size, checksums.sum_of(draft), 0)}
    text = {"store": str(store), "snapshot": snapshot, "made": datetime.now(UTC).isoformat(), "files": files}
    contents = target / _NEXT
    with contents.open("w", encoding="utf-8") as stream:
        json.dump(text, stream, indent=0)
        stream.flush()
        os.fsync(stream.fileno())
    fault_points.reach("backup-catalog")
    draft.replace(target / CATALOG)
    fault_points.reach("backup-contents")
    take_places(target, files)
    contents.replace(target / CONTENTS)
    fault_points.reach("backup-old")
    for name in listed(target):  # what the store no longer has; nothing that others put there
        if name not in files and (name in before or name.endswith(DRAFT)):
            (target / name).unlink(missing_ok=True)
    return Copied(snapshot, len(files), sum(f.n_bytes for f in files.values()), len(new), sum(new))


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts
