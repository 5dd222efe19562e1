"""What `python -m ingest` shows: progress, the closing table, the ledger. Text only; nothing is decided here."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from catalog.schema.flags import QUIET, meaning, word_of
from catalog.store.manifest import FileEntry
from ingest.forgetting import Forgotten
from ingest.ledger import Disagreement, Status
from ingest.paper_links import Linked
from ingest.refresh import Progress, Report

COLUMNS_SHOWN = 6
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


def counted(n: int, noun: str) -> str:
    """Write how many of something there are.

    Examples
    --------
    >>> counted(1, "file"), counted(2_000, "row")
    ('1 file', '2,000 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def show_report(console: Console, report: Report, store: Path) -> None:
    """Print what a refresh did: a table by kind, then what went wrong, then what to type next."""
    if not report.changed:
        console.print(f"Nothing new: {counted(report.unchanged, 'file')} known and unchanged ({report.seconds:.2f} s).")
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
        console.print(f"Known and unchanged: {counted(report.unchanged, 'file')}.")
    if report.gone:
        advice = command("ingest forget PATH", store)
        console.print(
            f"No longer on disk: {counted(report.gone, 'file')} of the ledger; the rows stay until you type: {advice}",
            soft_wrap=True,
        )
    for place in report.missing_sources:
        console.print(f"[yellow]{escape(place)} is not there now; it is asked again next time.")
    _list(console, "the same content twice, loaded once", report.duplicates, store)
    _list(console, "loaded, with something to know", loud(report.notes), store)
    if any(meaning(word_of(flag)) for e in loud(report.notes) for flag in e.flags):
        console.print(f"  what each word means: {command('ingest status', store)}", soft_wrap=True, highlight=False)
    show_disagreements(console, report.disagreements, store)
    show_without_release(console, report.without_release, store)
    _list(console, "not loaded", report.problems, store)
    if n_left := sum(any(word_of(flag) in QUIET for flag in e.flags) for e in report.notes):
        console.print(
            f"\nWith columns or tables that are not kept: {counted(n_left, 'file')}; see them: "
            f"{command('ingest status', store)}",
            soft_wrap=True,
            highlight=False,
        )


def loud(entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Return the files with a flag that not nearly every file has, with those flags alone."""
    left = (replace(e, flags=tuple(f for f in e.flags if word_of(f) not in QUIET)) for e in entries)
    return [e for e in left if e.flags]


def show_left_out(console: Console, entries: Sequence[FileEntry]) -> None:
    """Print what readers leave out, summed up over the files of a kind."""
    files = Counter((e.kind, flag) for e in entries for flag in e.flags if word_of(flag) in QUIET)
    if not files:
        return
    console.print("\n[bold]left out of what was loaded")
    for (kind, flag), n in sorted(files.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        line = f"  {counted(n, f'{kind} file')}: {flag}"
        console.print(escape(line), soft_wrap=True, highlight=False)


def show_meanings(console: Console, entries: Sequence[FileEntry]) -> None:
    """Print what the flags of some files mean, each once."""
    words = dict.fromkeys(word_of(flag) for e in entries for flag in e.flags)
    explained = [(word, text) for word in words if (text := meaning(word))]
    if explained:
        console.print("\n[bold]what the flags mean")
    for word, text in explained:
        console.print(f"  {escape(word)}: {escape(text)}", soft_wrap=True, highlight=False)


def show_disagreements(console: Console, found: Sequence[Disagreement], store: Path) -> None:
    """Print which tables say something else than better ones."""
    if not found:
        return
    console.print(f"\n[bold]tables that say something else than better ones ({len(found):,})")
    for one in found[:SHOWN]:
        kind = "source" if one.table == "csc.master_source" else "detection"
        said = []
        if one.n_rows:
            columns = ", ".join(f"{column} ({n:,})" for column, n in list(one.columns.items())[:COLUMNS_SHOWN])
            left = len(one.columns) - COLUMNS_SHOWN
            more = f" and {counted(left, 'more column')}" if left > 0 else ""
            said.append(f"other values for {counted(one.n_rows, kind)}: {columns}{more}")
        if one.n_behind:
            said.append(f"nothing used for {counted(one.n_behind, kind)}, which the store has of another release")
        console.print(f"  {escape(one.path)}: {'; '.join(said)}", soft_wrap=True, highlight=False)
    if any(one.n_rows for one in found):
        asked = query_command("SELECT * FROM meta.conflict", store)
        console.print(f"  the better values hold; see both: {escape(asked)}", soft_wrap=True, highlight=False)
    if behind := sorted({one.table for one in found if one.n_behind}):
        asked = query_command(f"SELECT * FROM {behind[0]}_said", store)
        console.print(f"  releases never mix; see all: {escape(asked)}", soft_wrap=True, highlight=False)


def show_without_release(console: Console, found: Mapping[str, int], store: Path) -> None:
    """Print which tables do not state their CSC release, and how to state it."""
    if not found:
        return
    console.print(f"\n[bold]tables that do not state their CSC release ({len(found):,})")
    for path in list(found)[:SHOWN]:
        console.print(f"  {escape(path)}", soft_wrap=True, highlight=False)
    folders = {os.path.dirname(path) for path in found}  # noqa: PTH120 - names may be no text
    whose = next(iter(found)) if len(found) == 1 else folders.pop() if len(folders) == 1 else None
    example = command(f"ingest files {shlex.quote(whose) if whose else 'PATH'} --release 2.1", store)
    why = "their values do not mix with those of a known release"
    console.print(f"  {why}; state it: {escape(example)}", soft_wrap=True, highlight=False)


def show_forgotten(console: Console, done: Forgotten, store: Path) -> None:
    """Print what was taken out of a store, and what was read in its place."""
    console.print(
        f"Forgotten: {counted(done.n_files, 'file')}, from which {counted(done.n_rows, 'row')} had been read."
    )
    for path in done.sources:
        console.print(f"{escape(path)} is not refreshed any more.", soft_wrap=True, highlight=False)
    if done.kept_out:
        console.print(
            f"In folders that are refreshed: {counted(len(done.kept_out), 'file')} of these, passed over until it "
            f"changes or you name it: {command('ingest files PATH', store)}",
            soft_wrap=True,
        )
    if done.report.changed:
        show_report(console, done.report, store)


def show_entries(console: Console, entries: Sequence[FileEntry], title: str) -> None:
    """Print ledger rows, one line each: path, then why."""
    if not entries:
        return
    console.print(f"\n[bold]{title} ({len(entries):,})")
    for entry in entries:
        line = f"{entry.path}: {entry.error or '; '.join(entry.flags)}".replace("\n", " ")  # names may hold line breaks
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)


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
    show_entries(console, loud(status.flagged), "loaded, with something to know")
    show_disagreements(console, status.disagreements, status.store)
    show_without_release(console, status.without_release, status.store)
    show_entries(console, status.problems, "not loaded")
    show_left_out(console, status.flagged)
    show_meanings(console, status.flagged)
    if status.unlinked:
        console.print(
            f"\n[bold]spectra whose files were not found, or are not known to be theirs ({len(status.unlinked):,})"
        )
        for path, names in status.unlinked.items():
            console.print(f"  {escape(path)}: {escape(', '.join(names))}", soft_wrap=True, highlight=False)
        console.print("  ingest those files, too, from the folder of the spectrum: they are linked when they arrive")
    if status.unlinked_regions:
        console.print(f"\n[bold]regions that are of no detection, and not used ({len(status.unlinked_regions):,})")
        for path in status.unlinked_regions:
            console.print(f"  {escape(path)}", soft_wrap=True, highlight=False)
        console.print(
            "  name the file after its detection ('10542.0.17.reg'), or put it beside the event file and ingest the "
            "detection's row of the catalog",
            soft_wrap=True,
            highlight=False,
        )


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
    query = "SELECT * FROM lit.paper_source ANTI JOIN lit.confident_link USING (bibcode, name) ORDER BY confidence DESC"
    for what, shown in (("the links", _links(store)), ("unsure ones", query_command(query, store))):
        console.print(f"{what}: {shown}", highlight=False, soft_wrap=True)


def _links(store: Path) -> str:
    """Return the command that shows which papers are about which sources, surest first."""
    query = (
        "SELECT name, bibcode, methods, confidence FROM lit.confident_link ORDER BY confidence DESC NULLS LAST, name"
    )
    return query_command(query, store)


def _grid(*words: str, numbers: Sequence[str]) -> Grid:
    """Make a table without lines: words to the left, numbers to the right."""
    return Grid(*words, *(Column(header, justify="right") for header in numbers), box=None, pad_edge=False)
