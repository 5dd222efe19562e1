"""The refresh: plan, read in parallel, commit batch by batch in the plan's order, link, report.

One writer commits; a batch of files becomes visible wholly or not at all, ledger rows in the same commit. So
an interrupt at any moment loses at most the batches under way, and running the same again goes on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from catalog.store import lake, location, manifest
from catalog.store.manifest import Source
from catalog.store.place import place_of
from ingest.committer import Committer
from ingest.follow_up import is_settled
from ingest.places import Job, find_in_archives, plan_of, releases_of
from ingest.planning import find_files
from ingest.refresh_report import Progress, Report, Total

__all__ = ["Progress", "Report", "Total", "refresh"]


def refresh(
    store: Path,
    add: Sequence[Source] = (),
    *,
    workers: int | None = None,
    on: str = "local",
    again: bool = False,
    only_stale: bool = False,
    wait: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Report:
    """Bring a store up to date with the places its data come from.

    Parameters
    ----------
    store : Path
        The store; made if it is not there.
    add : sequence of Source
        Places to add and refresh; with none, every place the store knows. A release that is given for a place that is
        known holds from now on, and its files are read again; where none is given the one that is known stays.
    workers : int, optional
        Processes that read; default: one per processor, none for a few small files; all of a cluster.
    on : str
        Where files are read: 'local', 'dask', 'ray', 'slurm' or one's own; see `catalog.parallel.workers_on`. Workers
        on other machines see the files and the store under the same paths.
    again : bool
        Read failed and skipped files again though they did not change.
    only_stale : bool
        Read what is marked as stale, and nothing that is new or changed.
    wait : bool
        Wait for another writer; without it raise `StoreLocked`.
    on_progress, on_wait : callable, optional
        Called after each batch; called with a line that says for whom we wait.

    Returns
    -------
    Report

    Raises
    ------
    FolderNotFound
        If a place to add does not exist.
    StoreLocked
        If another process writes and `wait` is false.
    OutOfSpace
        If the disk is full; what was committed stays.
    ClusterLost
        If the cluster that reads is gone; what was committed stays.
    """
    start = time.perf_counter()
    for source in add:
        next(find_files(Path(source.specification)), None)
    with contextlib.closing(_open(store)) as connection:
        find_in_archives(add, manifest.read_ledger(connection))
        known = {s.specification: s for s in manifest.read_sources(connection) if s.kind == "files"}
        add = [s if s.release else known.get(s.specification, s) for s in add]
        new = [s for s in add if s != known.get(s.specification)]
        release = releases_of(known | {s.specification: s for s in new})
        job = Job(add or list(known.values()), new, release, again=again, only_stale=only_stale)
        report, plan = plan_of(connection, store, job)
        idle = is_settled(connection) and not (plan.read or plan.forget or plan.older or new)
    if not idle:
        folder = place_of(store).incoming
        with lake.writer(store, "refresh", wait=wait, on_wait=on_wait, spill=folder) as connection:
            Committer(connection, store, report, workers, on_progress, on).run(job)
    report.seconds = time.perf_counter() - start
    return report


def _open(store: Path) -> lake.Connection:
    """Open a store to read, made or brought up to date first where that is needed."""
    if location.exists(store):
        connection = lake.connect(store)
        if lake.is_current(connection):
            return connection
        connection.close()
    lake.create(store)
    return lake.connect(store)
