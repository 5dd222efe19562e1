"""Taking files out of a store again: their rows go, what other files say stays, older snapshots keep all of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog.errors import UnknownName, command, suggestion
from catalog.store import lake, manifest
from catalog.store.manifest import FORGOTTEN, FileEntry, Known
from ingest.follow_up import take_out
from ingest.planning import archive_of
from ingest.readers import file_id_of
from ingest.refresh import Report, refresh


@dataclass
class Forgotten:
    """What was taken out.

    Attributes
    ----------
    n_files, n_rows : int
        Files, and the rows that were read from them.
    kept_out : list of str
        Those that lie in a folder which the store refreshes: they are passed over from now on.
    sources : list of str
        Places that are not refreshed any more.
    report : Report
        What was read in their place: files that had the same content.
    """

    n_files: int = 0
    n_rows: int = 0
    kept_out: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    report: Report = field(default_factory=Report)


def forget(
    store: Path, paths: Sequence[str], *, wait: bool = True, on_wait: Callable[[str], None] | None = None
) -> Forgotten:
    """Take files, or whole folders, out of a store.

    The files themselves are not touched. Where one lies in a folder that the store refreshes, the ledger notes that it
    is to be passed over, until it changes or the user names it: `python -m ingest files PATH`.

    Parameters
    ----------
    store : Path
    paths : sequence of str
        Files or folders as the ledger has them: absolute. They need not exist any more.
    wait, on_wait
        See `catalog.store.lake.lock`.

    Raises
    ------
    StoreNotFound
        If there is no store.
    UnknownName
        If the ledger knows no such file and no file below such a folder.
    StoreLocked
        If another process writes and `wait` is false.
    """
    done = Forgotten()
    with lake.writer(store, "forget files", wait=wait, on_wait=on_wait) as connection:
        ledger = manifest.read_ledger(connection)
        sources = [s for s in manifest.read_sources(connection) if s.kind == "files"]
        wanted = {path.rstrip("/") for path in paths}
        gone = [s for s in sources if _in(s.specification, wanted)]
        files = [f for f in ledger if _in(f, wanted)]
        known = {_in(path, wanted) for path in (*files, *(s.specification for s in gone))}
        for path in sorted(wanted - known):
            found = suggestion(path, tuple(ledger))
            raise UnknownName(f"{store} knows no file {path}{found}; see them: {command('ingest status', store)}")
        done.sources = [s.specification for s in gone]
        left = {s.specification.rstrip("/") for s in sources if s not in gone}
        done.kept_out = [f for f in files if _in(f, left)]
        done.n_files, done.n_rows = len(files), sum(ledger[f].n_rows for f in files)
        with lake.transaction(connection, f"forget {', '.join(paths)}"):
            for source in gone:
                manifest.forget_source(connection, source)
            take_out(connection, files)
            manifest.write_entries(connection, [_entry(f, ledger[f], store) for f in done.kept_out])
    done.report = refresh(store, only_stale=True, wait=wait, on_wait=on_wait)
    return done


def _entry(path: str, known: Known, store: Path) -> FileEntry:
    """Return the ledger row of a file that is passed over from now on."""
    advice = f"forgotten; to have it back, type: {command(f'ingest files {shlex.quote(path)}', store)}"
    return FileEntry(file_id_of(path), path, known.bytes, known.mtime_ns, FORGOTTEN, error=advice)


def _in(path: str, wanted: Container[str]) -> str | None:
    """Return the one of some files and folders that a path is, or lies in; None where it is in none."""
    return path if path in wanted else archive_of(path, wanted)
