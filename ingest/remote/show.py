"""What `python -m ingest csc` and `ads` show: progress over bytes and files, and what came. Nothing is decided here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from catalog.console import shows_bars
from ingest.remote.ads import AdsReport
from ingest.remote.answers import Answer
from ingest.remote.csc import CscReport, Estimate
from ingest.remote.downloads import Moved
from ingest.remote.request import Request
from ingest.remote.selection import Selection
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
