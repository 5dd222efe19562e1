"""What the commands do and show: remember a query, ask it, ingest what came; ask all remembered queries again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from catalog.console import ERR, OUT, complain, shows_bars
from catalog.errors import PhotonlakeError, Terminal
from catalog.store.manifest import Source
from ingest import screen
from ingest.refresh import refresh
from ingest.remote import ads, ads_objects, csc, tap
from ingest.remote.ads import AdsReport
from ingest.remote.answers import Answer
from ingest.remote.csc import CscReport, Estimate
from ingest.remote.downloads import Moved
from ingest.remote.http import Client
from ingest.remote.manners import Manners
from ingest.remote.selection import KIND as CSC_KIND
from ingest.remote.selection import (
    OBJECTS,
    Selection,
    files_source,
    mark_refreshed,
    query_source,
    remember,
    remembered,
    targets,
)
from ingest.remote.services import FLOOR, Request, release_named
from ingest.remote.shelf import Shelf
from ingest.screen import SHOWN, megabytes


@contextlib.contextmanager
def fetching(console: Console) -> Iterator[Callable[[Moved], None]]:
    """Show a bar over bytes and files on a terminal, and a line per tenth of the files elsewhere."""
    if not shows_bars(console):
        last = 0

        def line(m: Moved) -> None:
            nonlocal last
            tenth = 10 * m.files // max(m.of_files, 1)
            if tenth > last:
                last = tenth
                console.print(f"{m.files:,} of {m.of_files:,} files, {megabytes(m.bytes)}")

        yield line
        return
    columns = (
        TextColumn("fetching {task.fields[files]}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("fetching", total=None, files="")

        def move(m: Moved) -> None:
            bar.update(task, completed=m.bytes, total=m.of_bytes, files=f"{m.files:,} of {m.of_files:,} files")

        yield move


def show_requests(console: Console, requests: Iterable[Request]) -> None:
    """Print requests as they would go over the wire."""
    for request in requests:
        console.print(request.shown(), soft_wrap=True, highlight=False, markup=False)
        console.print()


def show_estimate(console: Console, found: Estimate, selection: Selection) -> None:
    """Print how much a fetch would bring."""
    console.print(f"{found.sources:,} sources, {found.detections:,} detections")
    if selection.products:
        left = found.files - found.here
        here = f" ({found.here:,} more are here)" if found.here else ""
        console.print(f"{left:,} files to fetch, about {megabytes(found.bytes)}{here}")
    else:
        console.print("no files: name some with --products regevt,pha,arf,rmf,lc")


def show_found(console: Console, answer: Answer) -> None:
    """Print what the tables say."""
    console.print(f"{len(answer.names):,} sources, {len(answer.detections):,} detections")


def show_fetched(console: Console, report: CscReport) -> None:
    """Print what came, and what did not."""
    came = report.fetched
    parts = [f"{len(came.files):,} files fetched ({megabytes(came.bytes)})"] if came.files else []
    parts += [f"{report.here:,} were here"] if report.here else []
    parts += [f"{report.absent:,} do not exist"] if report.absent else []
    parts += [f"{report.superseded:,} of an older version gave way"] if report.superseded else []
    if parts:
        console.print(", ".join(parts))
    for name, error in list(came.failed.items())[:SHOWN]:
        console.print(f"  {escape(name)}: {escape(str(error))}", soft_wrap=True, highlight=False)
    left = len(came.failed) + came.left
    if left:
        console.print(f"{left:,} files are still to come: type the same again, it goes on where it was")


def show_papers(console: Console, report: AdsReport) -> None:
    """Print what ADS answered."""
    if report.asked or report.recent:
        parts = [f"{report.asked:,} sources asked for, {report.with_papers:,} have papers"]
        parts += [f"{report.recent:,} were asked not long ago"] if report.recent else []
        parts += [f"{len(report.unknown):,} ADS does not know"] if report.unknown else []
        console.print(", ".join(parts))
    console.print(f"{report.papers:,} papers came in {report.requests:,} requests")
    if report.left:
        console.print(f"{report.left:,} sources are still to be asked for")
    if report.quota:
        console.print(str(report.quota), soft_wrap=True, highlight=False)


DAYS = 30.0
"""Sources asked for within so many days are not asked for again."""

FILES = release_named(FLOOR).folder
_BYTES_PER_PAPER = 3_000
_SHOWN = 10


def newest_release() -> str:
    """Ask the service for the newest release, once: who asks for data next is patient enough."""
    with Client(replace(Manners.from_environment(), attempts=1)) as client:
        return tap.newest_release(client)


def show_csc_requests(selection: Selection, *, newest: bool = False) -> None:
    """Print what would be sent for a selection; nothing is.

    Parameters
    ----------
    selection : Selection
    newest : bool
        No release was named: the service would be asked for the newest.
    """
    if newest:
        OUT.print(
            f"# which release is the newest is asked of TAP first; {selection.release} stands for it here",
            highlight=False,
        )
    if selection.object:
        OUT.print(
            f"# where {selection.object} lies is asked of Sesame (CDS) first; 0, 0 stands for it here", highlight=False
        )
    show_requests(OUT, csc.requests_of(selection))


def show_csc_estimate(store: Path, selection: Selection) -> None:
    """Ask how much a selection would bring, and print it."""
    with Client() as client:
        show_estimate(OUT, csc.estimate(client, store, selection), selection)


def run_csc(store: Path, selection: Selection, *, parallel: int, workers: int | None, wait: bool) -> bool:
    """Fetch a selection and ingest it; tell whether everything came."""
    with Client() as client:
        complete = _fetch_csc(client, store, selection, parallel=parallel, wait=wait)
    _ingest(store, csc.files_folder(store, selection.release), workers, wait=wait)
    return complete


def show_ads_requests(store: Path, query: str | None) -> None:
    """Print what would be sent to ADS; nothing is."""
    known = [] if query else targets(store)
    asked: Iterable[Request] = [
        ads.search_request(q) for q in ([query] if query else [t.query for t in known[:_SHOWN]])
    ]
    show_requests(OUT, asked)
    if len(known) > _SHOWN:
        OUT.print(
            f"# and {len(known) - _SHOWN:,} more sources; where few have papers, several are counted in one request"
        )


def show_ads_estimate(store: Path, query: str | None) -> None:
    """Ask ADS how many papers there are, and print it."""
    if query:
        with Client(token=ads.find_token()) as client:
            n = ads.Searcher(client, ads.AdsReport()).count(query)
        OUT.print(f"{n:,} papers, {-(-n // ads.ROWS):,} requests, about {screen.megabytes(_BYTES_PER_PAPER * n)}")
        return
    n = len(targets(store))
    OUT.print(f"{n:,} sources to ask for, at most {2 * n:,} requests of the day's quota")


def run_ads(store: Path, query: str | None, *, older_than: timedelta, workers: int | None, wait: bool) -> bool:
    """Fetch papers and ingest them; tell whether everything came."""
    with Client(token=ads.find_token()) as client:
        complete = _fetch_ads(client, store, query_source(query) if query else OBJECTS, older_than, wait=wait)
    _ingest(store, store / FILES, workers, wait=wait)
    return complete


def ask_again(store: Path, *, parallel: int = 4, wait: bool = True) -> bool:
    """Ask every query that the store remembers again, and fetch what is new or re-processed.

    To be called before a bare refresh ingests what lies in the store's folders. A service that fails is
    reported on stderr, and keeps nothing else from being refreshed.

    Returns
    -------
    bool
        Whether everything came.
    """
    complete = True
    for source in remembered(store):
        OUT.print(f"asking again: {source.kind} {source.specification}", soft_wrap=True, highlight=False, markup=False)
        try:
            if source.kind == CSC_KIND:
                with Client() as client:
                    selection = Selection.from_source(source)
                    complete &= _fetch_csc(client, store, selection, parallel=parallel, wait=wait)
            else:
                with Client(token=ads.find_token()) as client:
                    complete &= _fetch_ads(client, store, source, timedelta(days=DAYS), wait=wait)
        except PhotonlakeError as error:
            complete = False
            complain(error)
    return complete


def _fetch_csc(client: Client, store: Path, selection: Selection, *, parallel: int, wait: bool) -> bool:
    """Remember, fetch, show; tell whether everything came."""
    source = selection.to_source()

    def note(answer: Answer) -> None:
        # Not before: a query that the service refuses is not asked again by every refresh.
        remember(store, source, csc.files_folder(store, selection.release), wait=wait)
        show_found(OUT, answer)

    with fetching(ERR) as move:
        report = csc.fetch(
            client,
            store,
            selection,
            parallel=parallel,
            on_progress=move,
            on_tables=note,
        )
    show_fetched(OUT, report)
    if report.error is not None:
        complain(report.error)
    if report.complete and report.fetched.files:
        mark_refreshed(store, [source], wait=wait)
    return report.complete


def _fetch_ads(client: Client, store: Path, source: Source, older_than: timedelta, *, wait: bool) -> bool:
    """Remember, fetch, show; tell whether everything came."""
    shelf, report = Shelf(store / FILES / "papers"), ads.AdsReport()
    query = json.loads(source.specification).get("query")
    failure: PhotonlakeError | None = None
    try:
        if query:
            ads.fetch_query(client, query, shelf, report)
        else:
            ads_objects.fetch_objects(client, targets(store), shelf, report, older_than=older_than)
    except PhotonlakeError as error:
        failure = error  # what came before is ingested first
    if not isinstance(failure, Terminal):
        remember(store, source, store / FILES, wait=wait)
    elif not report.papers:
        raise failure
    show_papers(OUT, report)
    if failure is not None:
        complain(failure)
    complete = failure is None and report.quota is None
    if complete and report.files:
        mark_refreshed(store, [source], wait=wait)
    return complete


def _ingest(store: Path, folder: Path, workers: int | None, *, wait: bool) -> None:
    """Take what came in by the road that all files take."""
    if not folder.is_dir():
        return
    source = files_source(store, folder)
    with screen.progress(ERR) as move:
        report = refresh(store, [source], workers=workers, wait=wait, on_progress=move, on_wait=ERR.print)
    screen.show_report(OUT, report, store)
