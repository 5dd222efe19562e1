"""Places that data come from -> what is to be read of them: walked, compared with the ledger, told their releases."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.store import lake, manifest
from catalog.store.manifest import DUPLICATE, FAILED, LOADED, SKIPPED, STALE, UNREADABLE, Known, Source
from ingest.planning import FolderNotFound, Found, Plan, archive_of, find_files, make_plan
from ingest.refresh_report import Report
from ingest.streams import on_disk
from ingest.superseded import older_versions


@dataclass(frozen=True)
class Job:
    """What a refresh is to do."""

    sources: list[Source]
    new: list[Source]
    release: Callable[[str], str | None]
    again: bool = False
    only_stale: bool = False


def plan_of(connection: lake.Connection, store: Path, job: Job) -> tuple[Report, Plan]:
    """Walk the places of a job; return what is to be read, and what the walk itself tells."""
    report = Report()
    ledger = manifest.read_ledger(connection)
    found: dict[str, Found] = {}
    roots: list[str] = []
    for source in job.sources:
        try:
            found |= {f.path: f for f in find_files(Path(source.specification), leave_out=store) if f.path not in found}
            roots.append(source.specification)
        except FolderNotFound:
            report.missing_sources.append(source.specification)
    inside: dict[str, dict[str, str]] = defaultdict(dict)
    for source in (*manifest.read_sources(connection), *job.new):
        if source.release and (archive := archive_of(source.specification, found)):
            inside[archive][source.specification] = source.release
    told = (
        f._replace(release=job.release(f.path), inside=tuple(inside[f.path].items()) if f.path in inside else ())
        for f in found.values()
    )
    # An older one gives way to a newer one that can be read, and to one that nobody has tried yet as it is now.
    broken = {
        path
        for path, known in ledger.items()
        if known.status in {FAILED, SKIPPED, UNREADABLE}
        and path in found
        and (known.bytes, known.mtime_ns) == (found[path].bytes, found[path].mtime_ns)
    }
    versions = older_versions(found, store)
    older = {old: new for old, new in versions.items() if new not in broken}
    plan = make_plan((f for f in told if f.path not in older), ledger, again=job.again)
    plan.older = older
    if job.only_stale:
        stale = {archive_of(path, found) or path for path, known in ledger.items() if known.status == STALE}
        stale |= {old for old, new in versions.items() if new in broken and old not in ledger}
        plan.read = [file for file in plan.read if file.path in stale]
    report.unchanged = plan.unchanged
    if len(found) < len(ledger) + len(plan.read):
        walked = tuple(root.rstrip("/") + "/" for root in roots)
        for path, known in ledger.items():
            if path not in found and f"{path}/".startswith(walked) and archive_of(path, found) is None:
                if known.n_rows or known.status in {LOADED, DUPLICATE}:
                    report.gone += 1
                else:
                    plan.forget.append(path)
    return report, plan


def releases_of(sources: Mapping[str, Source]) -> Callable[[str], str | None]:
    """Return how to tell the release that the user gave for a file: for itself, else for the nearest folder above."""
    given = {path: s.release for path, s in sources.items() if s.release}

    @functools.cache
    def of(path: str) -> str | None:
        above = os.path.dirname(path)  # noqa: PTH120 - a hundred thousand times
        return given.get(path) or (of(above) if above != path else None)

    return of if given else lambda _: None


def find_in_archives(add: Sequence[Source], ledger: Mapping[str, Known]) -> None:
    """Check that places below a file are files in an archive that was read, or folders of these.

    Raises
    ------
    FolderNotFound
        If one is not.
    """
    for path in (s.specification for s in add):
        if not os.path.lexists(on_disk(path)) and not any(f"{known}/".startswith(f"{path}/") for known in ledger):
            raise FolderNotFound(
                f"{path} does not exist; name a folder or file of Chandra data, or a file in an archive as "
                "`python -m ingest status` shows it"
            )
