"""python -m catalog: make a store, ask it SQL, look around in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from catalog.catalog import Catalog, open_
from catalog.console import (
    ERR,
    OUT,
    SnapshotOption,
    StoreOption,
    WaitOption,
    hint,
    number,
    pairs,
    program,
    run,
    stdout_bytes,
    table_of,
)
from catalog.errors import QueryError, command
from catalog.formats.export import FORMATS, export, find_format, write
from catalog.formats.whole_files import check_output
from catalog.publish import exports
from catalog.schema import SCHEMAS
from catalog.serve.commands import browse, serve
from catalog.store import expiry, lake, location, team_store
from catalog.store.commands import backup, check, copy, expire, repair, restore
from catalog.text_tables import print_rows, print_table, show_columns, show_found, show_tables

app = program(
    "Ask a store SQL, look around in it, keep it sound.",
    example="python -m catalog info --store s",
)

ParamOption = Annotated[
    list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="Value of a $name in the query; repeatable.")
]
MemoryOption = Annotated[
    str | None,
    typer.Option("--memory", metavar="AMOUNT", help="What the query may use, as 8GB; else 4/5 of the machine's."),
]
SpillOption = Annotated[
    str | None,
    typer.Option(
        "--spill", metavar="AMOUNT", help="On disk, for what does not fit in memory; else 9/10 of what is free."
    ),
]
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=FILE",
        help="A table of your own, and its name in the query: csv, parquet, fits, vot, ecsv; NAME=samp waits for one "
        "that TOPCAT sends.",
    ),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", "-f", help=f"table, {', '.join(FORMATS)}; else what --output's name says.")
]


@app.command()
def init(
    store: StoreOption = None,
    catalog: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a team's store: postgresql://HOST/DATABASE.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Of a team's store: for its files; all machines see it.")
    ] = None,
    wait: WaitOption = True,
) -> None:
    """Make an empty store, or bring one up to this version's tables, views and macros.

    Example: python -m catalog init --store s

    Example: python -m catalog init --store team --catalog postgresql://db.example.org/photonlake --data /shared/chandra
    """
    path = location.store_path(store)
    if catalog is not None and data is not None:
        made = team_store.init(path, catalog, data, wait=wait, on_wait=hint)
    elif catalog is not None or data is not None:
        raise QueryError("a team's store needs both, --catalog postgresql://HOST/DATABASE and --data FOLDER")
    else:
        made = lake.create(path, wait=wait, on_wait=hint)
    state = "ready" if made else "up to date"
    OUT.print(f"{path} is {state}.", soft_wrap=True, highlight=False)
    hint(f"Next: {command('ingest files FOLDER', path)}")


@app.command(context_settings={"allow_extra_args": True})
def sql(  # noqa: PLR0917 - typer names each
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="One read-only query; - reads it from standard input.")],
    store: StoreOption = None,
    format_: FormatOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead.")] = None,
    snapshot: SnapshotOption = None,
    param: ParamOption = None,
    with_: WithOption = None,
    memory: MemoryOption = None,
    spill: SpillOption = None,
    samp: Annotated[
        str | None, typer.Option("--samp", metavar="PROGRAM", help="Send the answer to topcat, aladin, ...; or to all.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="On screen, show columns of SELECT * too that are empty in the answer.")
    ] = False,
) -> None:
    """Ask one SQL query.

    Example: python -m catalog sql --store s 'SELECT * FROM cone(148.97, 69.68, $r)' --param r=60 --output m82.vot

    Example: python -m catalog sql --store s 'FROM mine, cone(mine.ra, mine.dec, 2)' --with mine=targets.csv
    """
    if context.args:
        context.fail(f"the query is one argument, put it in quotes; after {query!r} came {' '.join(context.args)!r}")
    text = sys.stdin.read() if query == "-" else query
    with open_(store, memory=memory, spill=spill) as cat:
        for name, file in pairs("--with", with_, "mine=targets.csv"):
            cat.register(name, exports.own_table(name, file))
        if samp and (output or format_):
            raise QueryError("--samp sends the answer to a program; leave out --output and --format")
        if samp:
            result = cat.sql(text, snapshot=snapshot, parameters=_parameters(param))
            OUT.print(exports.sent(result, samp), highlight=False, soft_wrap=True)
            return
        _answer(cat, text, format_, output, snapshot, param, every=every)


@app.command("export")
def export_(  # noqa: PLR0917 - typer names each
    relation: Annotated[str | None, typer.Argument(help="Table or view, as 'schema.name'.")] = None,
    file: Annotated[Path | None, typer.Argument(help="File to write; its name tells the format.")] = None,
    store: StoreOption = None,
    format_: FormatOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The same as FILE.")] = None,
    snapshot: SnapshotOption = None,
    graph: Annotated[
        int | None, typer.Option("--graph", metavar="RUN", help="Instead of a table: the graph of a network run.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="With --graph: least similarity; else the run's lowest.")
    ] = None,
    ogip: exports.OgipOption = None,
    where: exports.WhereOption = None,
    zipped: exports.GzipOption = False,
    hats: exports.HatsOption = None,
    moc: exports.MocOption = None,
    table: exports.TableOption = "csc.master_source",
    with_: exports.SpaceOption = None,
    frozen: exports.FrozenOption = None,
    url: exports.UrlOption = None,
) -> None:
    """Write a table or view to a file; or a network's graph, spectra for fitting, a HATS catalog, a MOC.

    Example: python -m catalog export csc.master_source sources.vot --store s

    Example: python -m catalog export --graph 3 --format graphml --output network.graphml --store s

    Example: python -m catalog export --ogip spectra --where "src_cnts_aper_b > 500" --store s

    Example: python -m catalog export --hats out/chandra --table csc.observation_source --with spectrum --store s
    """
    output = output or file
    if (where or zipped) and not ogip:
        raise QueryError(
            "--where and --gzip go with --ogip DIR; for some rows of a table: "
            + command("catalog sql 'SELECT * FROM csc.master_source WHERE ...' -o FILE", location.store_path(store))
        )
    if url and not frozen:
        raise QueryError("--url goes with --frozen DIR")
    if ogip or hats or moc or frozen:
        if relation or output or graph is not None:
            raise QueryError("--ogip, --hats, --moc and --frozen name what they write; leave out other names")
        published = exports.publish(
            location.store_path(store),
            ogip=(ogip, where, zipped) if ogip else None,
            hats=(hats, table, with_ or []) if hats else None,
            moc=(moc, table) if moc else None,
            frozen=(frozen, url) if frozen else None,
            snapshot=snapshot,
        )
        for line in published:
            OUT.print(line, highlight=False, soft_wrap=True)
        return
    if graph is not None:
        from catalog.serve.graphs import write_graph  # noqa: PLC0415 - for this option alone

        target = output or (Path(relation) if relation else None)
        with open_(store) as cat:
            written = write_graph(cat, graph, format_, target, threshold)
        OUT.print("\n".join(str(p) for p in written), highlight=False, soft_wrap=True)
        return
    if relation is None or output is None:
        example = command("catalog export csc.master_source sources.vot", location.store_path(store))
        raise QueryError(f"export needs a table and a file: {example}")
    with open_(store) as cat:
        cat.info(relation)  # a name that does not exist is told as such
        _answer(cat, f"SELECT * FROM {relation}", format_ or find_format(None, output), output, snapshot, None)


@app.command()
def info(
    name: Annotated[
        str | None, typer.Argument(help="A table, view, column, macro or function; without it, all of them.")
    ] = None,
    store: StoreOption = None,
    like_: Annotated[
        str | None, typer.Option("--like", metavar="TEXT", help="Only columns with this in name, unit, UCD or meaning.")
    ] = None,
) -> None:
    """Show tables with rows and bytes, or the columns of one with unit, UCD and meaning.

    Example: python -m catalog info csc.observation_source --store s
    Example: python -m catalog info csc.observation_source --like hard --store s
    """
    with open_(store) as cat:
        if name and name.lower() in SCHEMAS:
            show_tables(cat, f"{name.lower()}.")
        elif name:
            show_columns(cat.info(name), like_)
        elif like_:
            show_found(cat.columns_like(like_), like_)
        else:
            show_tables(cat)


@app.command()
def snapshots(
    number: Annotated[int | None, typer.Argument(help="The snapshot to name; without it, the newest.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name it: it never expires, and can be cited.")] = None,
    unname: Annotated[str | None, typer.Option("--unname", help="Take a name away.")] = None,
    store: StoreOption = None,
) -> None:
    """List the store's snapshots, or name one: every one can be asked again with --snapshot.

    Example: python -m catalog snapshots --store s
    Example: python -m catalog snapshots --name paper-2026 12 --store s
    """
    if unname:
        expiry.unname(location.store_path(store), unname)
    if name:
        with open_(store) as cat:
            number = cat.snapshot if number is None else number
        expiry.name_snapshot(location.store_path(store), name, number)
        hint(f"Next: {command(f'catalog sql --snapshot {name} QUERY', location.store_path(store))}")
    if name or unname:
        return
    if number is not None:
        raise QueryError(f"what is to be done with snapshot {number}? Give it a name: --name NAME {number}")
    with open_(store) as cat:
        called: dict[int, list[str]] = {}
        for known, of in cat.snapshot_names().items():
            called.setdefault(of, []).append(known)
        table = table_of("snapshot", "name", "time (UTC)", "message", "changes")
        for s in cat.snapshots():
            names = escape(", ".join(called.get(s.number, ())))
            table.add_row(str(s.number), names, f"{s.time:%Y-%m-%d %H:%M:%S}", escape(s.message), escape(s.changes))
    print_table(table)


for _command in (expire, serve, backup, restore, copy, browse, check, repair):
    app.command()(_command)


def _answer(
    cat: Catalog,
    query: str,
    format_: str | None,
    output: Path | None,
    snapshot: str | None,
    param: list[str] | None,
    *,
    every: bool = False,
) -> None:
    """Ask, and print or write the answer."""
    name = format_ or (find_format(None, output) if output else "table")
    if name != "table" and FORMATS[find_format(name)].binary and output is None and sys.stdout.isatty():
        raise QueryError(f"{name} is not for a terminal; add --output FILE, or send it through a pipe")
    if output:
        check_output(output)
    result = cat.sql(
        query,
        snapshot=snapshot,
        parameters=_parameters(param),
    )
    if name == "table":
        print_rows(result, output, every=every)
        return
    if output:
        export(result.reader(), output, name)
        ERR.print(f"wrote {output}", highlight=False, soft_wrap=True)
    else:
        write(result.reader(), stdout_bytes(), name)
        sys.stdout.buffer.flush()


def _parameters(given: list[str] | None) -> dict[str, object]:
    return {name: number(value) for name, value in pairs("--param", given, "radius=5")}


if __name__ == "__main__":
    run(app)
