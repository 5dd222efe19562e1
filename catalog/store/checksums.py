"""Checksums of a store's files, recorded as they are written; and how they come to disk before a commit names them.

Files of a store are written once and never changed. Before each commit the new ones are read, while the system still
has them in memory, and brought to disk: a power cut after the commit loses none of them. Their SHA-256 stand in
`checksums.sha256`, one a line, so that `sha256sum -c checksums.sha256` compares them too. The catalog changes with
every commit: its hash is in `catalog.sha256`, written when a writer ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from catalog.store import catalog_image, fault_points
from catalog.store.location import CATALOG, DATA

SUMS = "checksums.sha256"
CATALOG_SUM = "catalog.sha256"
ROOTS = (DATA, "vectors", "models", "runs")
"""Folders whose files have checksums. Original files that were fetched have theirs in meta.file."""
_NO_SUM = "# no sum:"
_LINE = re.compile(rf"([0-9a-f]{{64}}|{_NO_SUM})  (\S.*)\n")
_CHANGES = re.compile(r"runs/.*|models/.*\.json|vectors/[^/]+/(_refs/.*|_versions/latest_version_hint\.json)")
"""Small files that may be written anew under the same name."""
_SCHEMA = 2
"""Parts of lake/csc, whose folders are tables with files alone."""
_UNFINISHED = frozenset({"training", "unfinished"})


def begin(store: Path) -> bool:
    """Look at a store before a writer changes it; the writer's lock is held.

    A store from before there were checksums gets a list of the files that it has: their sums are not known.

    Returns
    -------
    bool
        Whether its catalog is as the last writer left it; true where none is on record.
    """
    if not (store / CATALOG).exists():
        return True
    if not (store / SUMS).exists():
        _replace(store / SUMS, dict.fromkeys(listed(store), ""))
    before = recorded_of_catalog(store)
    return before is None or sum_of_catalog(store) == before


def settle(store: Path, *, old: bool = False) -> int:
    """Bring the new files of a store to disk and record their checksums; the writer's lock is held.

    Parameters
    ----------
    store : Path
    old : bool
        Also those that had none, from before there were checksums.

    Returns
    -------
    int
        How many were new.
    """
    known, since = _known(store), changed_ns(store / SUMS)
    new = {
        name: sum_of(store / name, to_disk=True)
        for name in listed(store, 0 if old else since - _MARGIN_NS)
        if name not in known
        or (old and not known[name])
        or (not never_changes(name) and changed_ns(store / name) >= since)
    }
    new = {name: sha256 for name, sha256 in new.items() if known.get(name) != sha256}
    if not new:
        return 0
    for folder in {parent for name in new for parent in Path(name).parents}:
        _folder_to_disk(store / folder)
    fault_points.reach("sums")
    if known.keys().isdisjoint(new):
        _append(store / SUMS, new)
    else:
        _replace(store / SUMS, known | new)
    _held[store] = _stamp(store), known | new
    return len(new)


_MARGIN_NS = 5_000_000_000
"""A folder that was last changed so long before the sums were written has no new file."""
_held: dict[Path, tuple[tuple[int, int], dict[str, str]]] = {}


def _known(store: Path) -> dict[str, str]:
    """Return what is on record; what this process itself wrote last is not read again."""
    held = _held.get(store)
    return held[1] if held and held[0] == _stamp(store) else recorded(store)


def _stamp(store: Path) -> tuple[int, int]:
    return changed_ns(store / SUMS), (store / SUMS).stat().st_size if (store / SUMS).exists() else 0


def recorded(store: Path, on_damage: Callable[[str], None] | None = None) -> dict[str, str]:
    """Return the SHA-256 of every file on record; nothing where it is not known. Of a name that comes twice, the last.

    Parameters
    ----------
    store : Path
    on_damage : callable, optional
        Called with each line that is none. An unfinished last one is what a killed process left.
    """
    try:
        lines = (store / SUMS).read_text("utf-8", "replace").splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        if (match := _LINE.fullmatch(line)) and _is_inside(match[2]):
            found[match[2]] = match[1].removeprefix(_NO_SUM)
        elif on_damage and line.endswith("\n"):
            on_damage(line.strip())
    return found


def _is_inside(name: str) -> bool:
    """Tell whether a name on record, maybe of somebody else's store, is one of those that have checksums."""
    parts = Path(name).parts
    return parts[0] in ROOTS and ".." not in parts


def listed(store: Path, since_ns: int = 0) -> Iterator[str]:
    """Name the files of a store that have checksums, or should have.

    Parameters
    ----------
    store : Path
    since_ns : int
        Leave out the files of tables that got none since: a table of the whole catalog has a hundred thousand.
    """
    for root in ROOTS:
        for folder, folders, names in os.walk(store / root):
            inside = Path(folder).relative_to(store)
            if root == DATA and since_ns and len(inside.parts) == _SCHEMA:
                folders[:] = [f for f in folders if changed_ns(Path(folder, f)) >= since_ns]
            folders[:] = [f for f in folders if not (len(inside.parts) == 1 and f in _UNFINISHED)]
            yield from (str(inside / name) for name in names if not name.startswith("."))


def prune(store: Path) -> None:
    """Forget the checksums of files that are gone, after what removes them; the writer's lock is held."""
    there = set(listed(store))
    _keep(store, lambda name: name in there)


def forget(store: Path, folder: str) -> None:
    """Forget the checksums of a folder that is about to be removed; the writer's lock is held."""
    _keep(store, lambda name: not name.startswith(f"{folder}/"))


def sum_of(file: Path, *, to_disk: bool = False) -> str:
    """Return the SHA-256 of a file, as 64 hex digits."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        if to_disk:
            os.fsync(stream.fileno())
    return found


def sum_of_catalog(store: Path) -> str:
    """Return the hash of a store's catalog; nobody writes to it meanwhile."""
    return catalog_image.digest(store / CATALOG)


def record_catalog(store: Path) -> None:
    """Record the hash of the catalog, as a writer leaves it; the writer's lock is held."""
    try:
        _replace(store / CATALOG_SUM, {CATALOG: sum_of_catalog(store)})
    except OSError:  # a full disk: better none than that of an earlier commit
        with contextlib.suppress(OSError):
            (store / CATALOG_SUM).unlink(missing_ok=True)


def recorded_of_catalog(store: Path) -> str | None:
    """Return the hash on record of the catalog; None for none."""
    try:
        match = _LINE.fullmatch((store / CATALOG_SUM).read_text("utf-8", "replace"))
    except FileNotFoundError:
        return None
    return match[1] if match and match[2] == CATALOG else ""


def record(store: Path, sums: dict[str, str]) -> None:
    """Record checksums of a store that was made of a backup, and of its catalog."""
    _replace(store / SUMS, {name: sha256 for name, sha256 in sums.items() if name.partition("/")[0] in ROOTS})
    record_catalog(store)


def never_changes(name: str) -> bool:
    """Tell whether a file has the same content as long as it is there."""
    return not _CHANGES.fullmatch(name)


def _keep(store: Path, wanted: Callable[[str], bool]) -> None:
    known = recorded(store)
    kept = {name: sha256 for name, sha256 in known.items() if wanted(name)}
    if len(kept) < len(known):
        _replace(store / SUMS, kept)


def _append(file: Path, new: dict[str, str]) -> None:
    with file.open("ab+") as stream:
        stream.seek(0)
        whole = stream.read().rfind(b"\n") + 1  # behind it: what a killed process left
        stream.truncate(whole)
        stream.write(_text(new.items()))
        stream.flush()
        os.fsync(stream.fileno())


def _replace(file: Path, sums: dict[str, str]) -> None:
    draft = file.with_name(f".{file.name}.part")
    with draft.open("wb") as stream:
        stream.write(_text(sums.items()))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _text(sums: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{sha256 or _NO_SUM}  {name}\n" for name, sha256 in sums).encode()


def changed_ns(file: Path) -> int:
    """Return when a file was last written; 0 for none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _folder_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
