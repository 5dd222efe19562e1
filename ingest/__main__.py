"""python -m ingest: bring data in; run again, it goes on where it was."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from catalog.console import (
    ERR,
    EXIT_FAILED,
    EXIT_INCOMPLETE,
    OUT,
    OnOption,
    StoreOption,
    WaitOption,
    hint,
    program,
    run,
)
from catalog.errors import command
from catalog.store import lake, location, verification
from catalog.store.manifest import Source
from catalog.store.place import place_of
from ingest import ledger, screen
from ingest.refresh import refresh
from ingest.remote.commands import ads, csc
from ingest.streams import spelled

app = program(
    "Bring data into a store. Without a command: refresh every source the store knows.",
    example="python -m ingest --store s",
    without_command=True,
)

WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that read; default: one per processor.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Try failed and skipped files again though unchanged.")]


def _refresh(
    store: Path | None, sources: list[Source], workers: int | None, on: str, *, again: bool, wait: bool
) -> None:
    path = location.store_path(store)
    with screen.progress(ERR) as move:
        report = refresh(
            path, sources, workers=workers, on=on, again=again, wait=wait, on_progress=move, on_wait=ERR.print
        )
    screen.show_report(OUT, report, path)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    store: StoreOption = None,
    workers: WorkersOption = None,
    on: OnOption = "local",
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Refresh every source the store knows; `python -m ingest files PATH` adds one.

    Example: python -m ingest --store s
    """
    if context.invoked_subcommand is not None:
        return
    path = location.store_path(store)
    if not location.exists(path):
        OUT.print(f"There is no store at {path} yet.\n", soft_wrap=True, highlight=False)
        OUT.print(context.get_help(), soft_wrap=True, highlight=False, markup=False)
        return
    known = ledger.sources(path)
    if not known:
        OUT.print(f"{path} knows no source yet.", soft_wrap=True, highlight=False)
        hint(f"Next: {command('ingest files FOLDER', path)}")
        return
    complete = True
    if any(s.kind != "files" for s in known):
        from ingest.remote.jobs import ask_again  # noqa: PLC0415 - a store of local files needs no network

        complete = ask_again(path, wait=wait)
    _refresh(store, [], workers, on, again=again, wait=wait)
    if not complete:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def files(
    paths: Annotated[list[Path], typer.Argument(help="Folders or files; everything in them is tried.")],
    store: StoreOption = None,
    release: Annotated[
        str | None, typer.Option(help="CSC release ('2.1') of tables and products that do not say theirs.")
    ] = None,
    workers: WorkersOption = None,
    on: OnOption = "local",
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Ingest files, whatever they are, and remember where they came from.

    Example: python -m ingest files ~/chandra --store s
    """
    sources = [Source("files", spelled(str(p.expanduser().resolve())), release) for p in paths]
    _refresh(store, sources, workers, on, again=again, wait=wait)


@app.command()
def simulate(
    output: Annotated[Path, typer.Option(help="Folder to write the survey to.")],
    sources: Annotated[int, typer.Option(min=1, help="Number of sources.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    workers: WorkersOption = None,
    rich_papers: Annotated[
        bool,
        typer.Option("--rich-papers", help="Abstracts state fluxes, exposures, ... far more often than real ones do."),
    ] = False,
    on: OnOption = "local",
) -> None:
    """Write a mini survey of simulated sources in the real file formats.

    Abstracts state figures as often as published ones do, which is seldom.

    Example: python -m ingest simulate --output survey --sources 300 --seed 1
    """
    from ingest.simulate import simulate as write_survey  # noqa: PLC0415 - only this command needs it

    summary = write_survey(output, sources=sources, seed=seed, workers=workers, on=on, rich_papers=rich_papers)
    OUT.print(str(summary), soft_wrap=True, highlight=False)
    hint(f"Next: python -m ingest files {output} --store s")


@app.command()
def link(store: StoreOption = None, wait: WaitOption = True) -> None:
    """Link papers with sources by the names, positions and observations in their titles and abstracts.

    A refresh does so by itself where papers or sources have changed.

    Example: python -m ingest link --store s
    """
    from ingest import paper_links  # noqa: PLC0415 - only this command needs it

    path = location.store_path(store)
    screen.show_links(OUT, paper_links.link(path, wait=wait, on_wait=ERR.print), path)


@app.command()
def forget(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders as `ingest status` shows them; they may be gone.")
    ],
    store: StoreOption = None,
    wait: WaitOption = True,
) -> None:
    """Take files out of the store again: what only they say goes, what others say of the same sources stays.

    The files themselves are not touched; older snapshots keep their rows.

    Example: python -m ingest forget ~/chandra/my_list.csv --store s
    """
    from ingest.forgetting import forget as take_out  # noqa: PLC0415 - only this command needs it

    path = location.store_path(store)
    named = [str(p if p.is_absolute() else p.expanduser().absolute()) for p in paths]
    screen.show_forgotten(OUT, take_out(path, named, wait=wait, on_wait=ERR.print), path)


@app.command()
def status(store: StoreOption = None) -> None:
    """Show what is in, what failed and why.

    Example: python -m ingest status --store s
    """
    path = location.store_path(store)
    screen.show_status(OUT, ledger.status(path))


@app.command()
def verify(store: StoreOption = None) -> None:
    """Read every loaded file and every file of the store again, compare their hashes; check that keys are unique.

    Example: python -m ingest verify --store s
    """
    path = location.store_path(store)
    inside = verification.Verified() if place_of(path).is_team else verification.verify(path)
    wrong = inside.faults or ledger.verify(path)  # a damaged store may not be readable
    for line in wrong:
        OUT.print(line, soft_wrap=True, highlight=False)
    if wrong:
        raise typer.Exit(EXIT_FAILED)
    for line in str(inside).splitlines()[:-1]:
        OUT.print(line, soft_wrap=True, highlight=False, markup=False)
    with contextlib.closing(lake.connect(path)):
        OUT.print("Every file is as it was loaded, every key is unique.")


app.command()(csc)
app.command()(ads)


if __name__ == "__main__":
    run(app)
