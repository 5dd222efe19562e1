"""What `python -m ingest` shows: progress, the closing table, the ledger. Text only; nothing is decided here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column
from rich.table import Table as Grid

from catalog.console import shows_bars
from catalog.errors import command, query_command
from catalog.manifest import FileEntry
from ingest.ledger import Status
from ingest.literature.links import CONFIDENT
from ingest.paper_links import Linked
from ingest.refresh import Progress, Report

SHOWN = 20
"""Lines shown of a list before the rest is only counted; `status` shows all."""


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with rate and time left on a terminal, and a plain line per tenth elsewhere."""
    if not shows_bars(console):
        last = -1

        def line(p: Progress) -> None:
            nonlocal last
            tenth = 10 * p.bytes // max(p.of_bytes, 1)
            if tenth > last and p.files < p.of_files:
                last = tenth
                console.print(f"{p.files:,} of {p.of_files:,} files, {megabytes(p.bytes)} of {megabytes(p.of_bytes)}")

        yield line
        return
    columns = (
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def move(p: Progress) -> None:
            bar.update(task, completed=p.bytes, total=p.of_bytes)

        yield move


def megabytes(n: float) -> str:
    """Write bytes for people.

    Examples
    --------
    >>> megabytes(1_234_567), megabytes(512)
    ('1.2 MB', '0.5 kB')
    """
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"  # noqa: PLR2004


def show_report(console: Console, report: Report, store: Path) -> None:
    """Print what a refresh did: a table by kind, then what went wrong, then what to type next."""
    if not report.changed:
        console.print(f"Nothing new: {report.unchanged:,} files known and unchanged ({report.seconds:.2f} s).")
    if report.kinds:
        grid = Grid(
            "kind",
            *(Column(c, justify="right") for c in ("files", "rows", "bytes", "seconds")),
            box=None,
            pad_edge=False,
        )
        for kind, total in sorted(report.kinds.items()):
            grid.add_row(kind, f"{total.files:,}", f"{total.rows:,}", megabytes(total.bytes), f"{total.seconds:.2f}")
        files, rows = (sum(getattr(t, what) for t in report.kinds.values()) for what in ("files", "rows"))
        size = megabytes(sum(t.bytes for t in report.kinds.values()))
        grid.add_row("[bold]all", f"{files:,}", f"{rows:,}", size, f"{report.seconds:.2f} elapsed", style="bold")
        console.print(grid)
    if report.linked is not None and (report.linked.added or report.linked.removed):
        n = report.linked.used.total()
        console.print(
            f"Papers linked with sources by what they say: {n:,}; see them: {_links(store)}",
            highlight=False,
            soft_wrap=True,
        )
    if report.changed and report.unchanged:
        console.print(f"{report.unchanged:,} files were known and unchanged.")
    if report.gone:
        console.print(f"{report.gone:,} files in the ledger are no longer on disk; their rows stay.")
    for place in report.missing_sources:
        console.print(f"[yellow]{escape(place)} is not there now; it is asked again next time.")
    _list(console, "the same content twice, loaded once", report.duplicates, store)
    _list(console, "loaded, with something to know", report.notes, store)
    _list(console, "not loaded", report.problems, store)


def show_entries(console: Console, entries: Sequence[FileEntry], title: str) -> None:
    """Print ledger rows, one line each: path, then why."""
    if not entries:
        return
    console.print(f"\n[bold]{title} ({len(entries):,})")
    for entry in entries:
        why = entry.error or ", ".join(entry.flags)
        console.print(f"  {escape(entry.path)}: {escape(why)}", soft_wrap=True, highlight=False)


def _list(console: Console, title: str, entries: Sequence[FileEntry], store: Path) -> None:
    show_entries(console, entries[:SHOWN], title)
    if len(entries) > SHOWN:
        console.print(f"  and {len(entries) - SHOWN:,} more: {command('ingest status', store)}", soft_wrap=True)


def show_status(console: Console, status: Status) -> None:
    """Print what a store has met: sources, a table by kind and status, then every file with something to say."""
    for source in status.sources:
        release = f" (release {source.release})" if source.release else ""
        console.print(f"source: {source.kind} {escape(source.specification)}{release}", soft_wrap=True, highlight=False)
    grid = Grid(
        "kind", "status", *(Column(c, justify="right") for c in ("files", "rows", "bytes")), box=None, pad_edge=False
    )
    for k in status.kinds:
        grid.add_row(k.kind, k.status, f"{k.n_files:,}", f"{k.n_rows:,}", megabytes(k.bytes))
    console.print(grid)
    show_entries(console, status.duplicates, "the same content twice, loaded once")
    show_entries(console, status.flagged, "loaded, with something to know")
    show_entries(console, status.problems, "not loaded")
    if status.unlinked:
        console.print(f"\n[bold]spectra that name files the store does not have ({len(status.unlinked):,})")
        for path, names in status.unlinked.items():
            console.print(f"  {escape(path)}: {escape(', '.join(names))}", soft_wrap=True, highlight=False)
        console.print("  ingest those files, too: they are linked when they arrive")


def show_links(console: Console, linked: Linked, store: Path) -> None:
    """Print which links texts gave, and which of them are not sure enough to be used."""
    grid = _grid("how", numbers=("used", "not sure enough"))
    for method in sorted({*linked.used, *linked.unused}):
        grid.add_row(method, f"{linked.used[method]:,}", f"{linked.unused[method]:,}")
    console.print(grid)
    n_links, changed = linked.used.total() + linked.unused.total(), f"{linked.added:,} new, {linked.removed:,} gone"
    console.print(
        f"{n_links:,} links of {linked.n_papers:,} papers with {linked.n_sources:,} sources: {changed}", highlight=False
    )
    query = f"SELECT * FROM lit.paper_source WHERE confidence < {CONFIDENT} ORDER BY confidence DESC"
    for what, shown in (("the links", _links(store)), ("unsure ones", query_command(query, store))):
        console.print(f"{what}: {shown}", highlight=False, soft_wrap=True)


def _links(store: Path) -> str:
    """Return the command that shows which papers are about which sources, surest first."""
    query = "SELECT name, bibcode, method, confidence FROM lit.paper_source ORDER BY confidence DESC NULLS LAST, name"
    return query_command(query, store)


def _grid(*words: str, numbers: Sequence[str]) -> Grid:
    """Make a table without lines: words to the left, numbers to the right."""
    return Grid(*words, *(Column(header, justify="right") for header in numbers), box=None, pad_edge=False)
