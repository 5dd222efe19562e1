"""Is a store as it was written? Every file against its checksum; rows, pins and models against what the tables tell."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalog.errors import StoreLocked, command
from catalog.store import checksums, lake, lance_files, unreferenced, vectors
from catalog.store.location import CATALOG, DATA, check_exists
from catalog.store.place import VECTORS, PlaceWrong, place_of
from catalog.store.transactions import HOLDER, lock

_ROWS = """
SELECT f.path, f.n_rows, coalesce(e.n, 0) FROM lake.meta.file AS f
LEFT JOIN (SELECT file_id, count(*) AS n FROM lake.product.event_stored GROUP BY file_id) AS e USING (file_id)
WHERE f.kind = 'events' AND coalesce(e.n, 0) <> f.n_rows ORDER BY f.path
"""
_NAMED = """
SELECT s.path || t.path || f.path FROM (
  SELECT table_id, path FROM {m}.ducklake_data_file UNION ALL SELECT table_id, path FROM {m}.ducklake_delete_file) AS f
JOIN {m}.ducklake_table AS t USING (table_id) JOIN {m}.ducklake_schema AS s USING (schema_id)
""".replace("{m}", "__ducklake_metadata_lake")
_MODELS = "SELECT weights_sha256 FROM lake.meta.encoder UNION SELECT weights_sha256 FROM lake.analysis.model"


@dataclass
class Verified:
    """What was found.

    Attributes
    ----------
    damaged : dict of str to str
        File of the store -> what is wrong with it.
    wrong : list of str
        What does not agree, each a sentence.
    unknown : list of str
        Files without a checksum on record.
    notes : list of str
        What could not be compared, and why.
    n_files, n_bytes : int
        What was compared.
    """

    damaged: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_files: int = 0
    n_bytes: int = 0

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong, one line each."""
        return [f"{name}: {what}" for name, what in self.damaged.items()] + self.wrong

    def __str__(self) -> str:
        """Say all of it, in lines."""
        lines = [*self.faults, *self.notes]
        if self.unknown:
            lines.append(
                f"{len(self.unknown)} file(s) have no checksum on record, {min(self.unknown)} for one: "
                "they were written before checksums were kept, or a writer is at work"
            )
        if not self.faults:
            lines.append(f"{self.n_files} file(s) of the store are as they were written")
        return "\n".join(lines)


def verify(store: Path) -> Verified:
    """Compare every file of a store with the checksum that was recorded when it was written, and what refers to them.

    Original files that were fetched are none of these: `ingest verify` compares them too.

    Parameters
    ----------
    store : Path

    Raises
    ------
    StoreNotFound
        If there is no store.
    PlaceWrong
        If it is a team's: its catalog is no file that could be compared.
    """
    check_exists(store)
    if (place := place_of(store)).is_team:
        raise PlaceWrong(
            f"{store}: expected a store of one person, found a team's; PostgreSQL looks after its catalog, and its "
            f"files are compared by: cd {place.root} && sha256sum -c {checksums.SUMS}"
        )
    found = Verified()
    _compare_catalog(store, found)
    known = checksums.recorded(
        store, lambda line: found.wrong.append(f"{checksums.SUMS}: expected a checksum and a file, found {line!r}")
    )
    for name in checksums.listed(store):
        _compare(store, name, known.get(name, ""), found)
    try:
        _compare_rows(store, known, found)
    except Exception as error:  # noqa: BLE001 - a damaged file makes engines fail in any way
        if not found.faults:
            found.wrong.append(f"{store}: it cannot be read: {str(error).splitlines()[0]}")
    return found


def mend(store: Path, found: Verified, source: Path | None) -> list[str]:
    """Take damaged files from a backup, where it has them as they were written.

    Files of a store never change, so the file of any backup is right if it has the checksum that is on record.

    Parameters
    ----------
    store : Path
    found : Verified
        What `verify` found; what is mended leaves it.
    source : Path, optional
        The folder of a backup of this store.

    Returns
    -------
    list of str
        What was mended, one line each.
    """
    done: list[str] = []
    if source is None or not found.damaged:
        return done
    with lock(store, "repair from a backup"):
        known = checksums.recorded(store)
        for name in list(found.damaged):
            wanted = known.get(name) or _told_by_name(name)
            copy = source / name
            if name != CATALOG and wanted and copy.is_file() and checksums.sum_of(copy) == wanted:
                (store / name).parent.mkdir(parents=True, exist_ok=True)
                draft = (store / name).with_name(f".{Path(name).name}.part")
                shutil.copyfile(copy, draft)
                checksums.sum_of(draft, to_disk=True)
                draft.replace(store / name)
                done.append(f"{name}: taken from {source}")
                del found.damaged[name]
    return done


def advice(store: Path, found: Verified) -> Iterator[str]:
    """Say of what is damaged that it cannot be mended from within the store, and what can be done."""
    if not found.damaged:
        return
    spaces = sorted({Path(n).parts[1].removesuffix(".lance") for n in found.damaged if n.startswith("vectors/")})
    yield f"A damaged file cannot be mended from within: type: {command('catalog repair --from BACKUP', store)}"
    if CATALOG in found.damaged:
        yield f"The catalog comes back as a whole only: type: {command('catalog restore BACKUP', 'NEW_STORE')}"
        yield f"If another program wrote to it on purpose, type: {command('catalog repair --accept', store)}"
    if spaces:
        yield f"Or make vectors again, from an empty folder {VECTORS}/SPACE.lance: {', '.join(spaces)}"
    if any(name.startswith(f"{DATA}/") for name in found.damaged):
        yield f"Without a backup: make a new store of the original files: {command('ingest files FOLDER', 'NEW_STORE')}"


def accept_catalog(store: Path) -> None:
    """Record the catalog as it is, after another program wrote to it."""
    with lock(store, "accept the catalog"):
        checksums.record_catalog(store)


def _compare_catalog(store: Path, found: Verified) -> None:
    cut_short = (store / HOLDER).exists()
    try:
        with lock(store, "verify", wait=False) if os.access(store, os.W_OK) else contextlib.nullcontext():
            recorded = checksums.recorded_of_catalog(store)
            same = recorded == checksums.sum_of_catalog(store)
    except StoreLocked as error:
        found.notes.append(f"{CATALOG}: not compared, for a writer is at work ({str(error).partition(';')[0]})")
        return
    found.n_files += 1
    found.n_bytes += (store / CATALOG).stat().st_size
    if recorded is None:
        found.unknown.append(CATALOG)
    elif cut_short:
        found.notes.append(f"{CATALOG}: not compared, for the last writer was cut short")
    elif not same:
        found.damaged[CATALOG] = "changed since its last writer ended: it is damaged, or another program wrote to it"


def _compare(store: Path, name: str, known: str, found: Verified) -> None:
    wanted = known or _told_by_name(name)
    if not wanted:
        found.unknown.append(name)
        return
    try:
        size, is_ = (store / name).stat().st_size, checksums.sum_of(store / name)
    except FileNotFoundError:  # a writer removed it just now; whether it is needed is asked below
        return
    except OSError as error:
        found.damaged[name] = f"it cannot be read: {error.strerror}"
        return
    found.n_files += 1
    found.n_bytes += size
    if is_ != wanted and not checksums.never_changes(name):
        since = checksums.changed_ns(store / checksums.SUMS)
        if checksums.changed_ns(store / name) >= since:  # written anew after the last commit; the next one records it
            found.unknown.append(name)
            return
    if is_ != wanted:
        found.damaged[name] = f"changed since it was written ({size:,} bytes)"


def _compare_rows(store: Path, known: Mapping[str, str], found: Verified) -> None:
    """Compare what the tables tell with what is there."""
    there = set(checksums.listed(store))
    with contextlib.closing(lake.connect(store)) as connection:
        ask: Callable[[str], list[tuple[str, ...]]] = lambda query: connection.execute(query).fetchall()  # noqa: E731
        needed = {f"{DATA}/{name}": "a snapshot" for (name,) in ask(_NAMED)}
        needed |= {str(vectors.weights_file(Path(), sha)): "an encoder" for (sha,) in ask(_MODELS) if sha}
        needed |= {name: "a run" for name in known if name.startswith("runs/")}
        pinned = unreferenced.pinned_versions(connection)
        for space, versions in pinned.items():
            folder = vectors.path(store, space)
            if not any(name.startswith(f"{VECTORS}/{folder.name}/") for name in found.damaged):
                needed |= _needed_vectors(folder, versions, known, found)
        for name in sorted(needed.keys() - there):
            found.damaged[name] = f"missing, and {needed[name]} needs it"
        if not any(name.startswith(DATA) for name in found.damaged):
            found.wrong += [
                f"{path}: the ledger tells of {n:,} photons, and {is_:,} are there" for path, n, is_ in ask(_ROWS)
            ]


def _needed_vectors(folder: Path, versions: set[int], known: Mapping[str, str], found: Verified) -> dict[str, str]:
    inside = f"{VECTORS}/{folder.name}"
    needed: dict[str, str] = {}
    for version in sorted(versions):
        try:
            names = lance_files.files(folder, version)
        except Exception as error:  # noqa: BLE001 - Lance raises what it likes
            what = f"version {version} of {folder.stem} is pinned and cannot be opened: {str(error).splitlines()[0]}"
            found.damaged[inside] = what
            continue
        indices = tuple(f"{inside}/{name}/" for name in names if name.startswith("_indices/"))
        names = {f"{inside}/{name}" for name in names if not name.startswith("_indices/")}
        names |= {name for name in known if name.startswith(indices)}
        needed |= dict.fromkeys(names, f"version {version} of {folder.stem}")
    return needed


def _told_by_name(name: str) -> str:
    """Return the checksum that a file's own name tells: weights are named by their content."""
    path = Path(name)
    return path.stem if path.parts[0] == "models" and path.suffix == ".safetensors" else ""
