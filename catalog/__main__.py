"""python -m catalog: make a store, ask it SQL, look around in it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.markup import escape

from catalog.catalog import Catalog, open_
from catalog.console import ERR, OUT, StoreOption, WaitOption, hint, program, run, stdout_bytes, table_of
from catalog.errors import QueryError, command
from catalog.formats.export import FORMATS, export, find_format, write
from catalog.formats.whole_files import check_output
from catalog.publish import exports
from catalog.schema import SCHEMAS
from catalog.store import backup as backups
from catalog.store import expiry, lake, location, unreferenced
from catalog.text_tables import print_rows, print_table, show_columns, show_found, show_tables

app = program(
    "Ask a store SQL, look around in it, keep it sound.",
    example="python -m catalog info --store s",
)

SnapshotOption = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        help="Ask the store as it was: a snapshot's number or name, a time (ISO 8601, UTC), or the end of a date.",
    ),
]
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
def init(store: StoreOption = None) -> None:
    """Make an empty store, or bring one up to this version's tables, views and macros.

    Example: python -m catalog init --store s
    """
    path = location.store_path(store)
    made = lake.create(path)
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
        for name, file in _pairs("--with", with_, "mine=targets.csv"):
            cat.register(name, exports.own_table(name, file))
        if samp:
            result = cat.sql(text, snapshot=snapshot, parameters=_parameters(param or []))
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
    if ogip or hats or moc or frozen:
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


@app.command()
def expire(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="End what is older: 36h, 90d, 12w.", show_default=False)
    ],
    keep_last: Annotated[int, typer.Option("--keep-last", min=1, help="So many stay, whatever their age.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    store: StoreOption = None,
    wait: WaitOption = True,
) -> None:
    """End old snapshots, and remove the files and vectors that only they held. Those with a name stay.

    Example: python -m catalog expire --older-than 90d --dry-run --store s
    """
    path = location.store_path(store)
    done = expiry.expire(
        path, expiry.parse_age(older_than), keep_last=keep_last, dry_run=dry_run, wait=wait, on_wait=hint
    )
    n, would = len(done.snapshots), "would end" if dry_run else "ended"
    size = f"they hold {decimal(done.n_bytes)}" if dry_run else f"{decimal(done.n_bytes)} came back"
    OUT.print(f"{n} snapshot{'' if n == 1 else 's'} {would}, {done.n_kept} stay; {size}", soft_wrap=True)


HostOption = Annotated[
    str, typer.Option("--host", help="What to bind to; 127.0.0.1 is reached from this machine alone.")
]
PrefixOption = Annotated[str, typer.Option("--prefix", help="First part of every path, as /chandra.")]
UrlOption = Annotated[
    str, typer.Option("--url", help="Behind a proxy: the address that others type, as https://data.example.org/chandra")
]


@app.command()
def serve(
    store: StoreOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8642,
    host: HostOption = "127.0.0.1",
    prefix: PrefixOption = "",
    url: UrlOption = "",
    snapshot: SnapshotOption = None,
    jobs: Annotated[
        Path | None, typer.Option("--jobs", help="Where jobs of TAP are kept; else ~/.local/state/photonlake.")
    ] = None,
) -> None:
    """Serve the store: its page, and TAP for TOPCAT and pyvo. It only reads; each query runs in a process with limits.

    Example: python -m catalog serve --store s
    """
    _serve(location.store_path(store), port, host=host, prefix=prefix, public=url, snapshot=snapshot, jobs=jobs)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder of the copy; a second time only what is new is copied.")],
    store: StoreOption = None,
) -> None:
    """Copy the store into a folder, while others read and write it.

    Example: python -m catalog backup /mnt/backup/s --store s
    """
    done = backups.backup(location.store_path(store), target)
    OUT.print(
        f"{done.n_files} files, {decimal(done.n_bytes)}, of snapshot {done.snapshot} are in {target}; "
        f"{done.n_new} were new ({decimal(done.n_new_bytes)})",
        soft_wrap=True,
        highlight=False,
    )
    hint(f"Next: {command(f'catalog restore {shlex.quote(str(target))}', 'NEW_STORE')}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `backup` wrote.")], store: StoreOption = None
) -> None:
    """Make a store of a backup; every file is compared with what was written.

    Example: python -m catalog restore /mnt/backup/s --store s2
    """
    path = location.store_path(store)
    done = backups.restore(source.expanduser().resolve(), path)
    OUT.print(
        f"{done.n_files} files, {decimal(done.n_bytes)}, all as they were written, are in {path}",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def browse(
    store: StoreOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser.")] = True,
) -> None:
    """Show the store as a page in the browser: maps of the spaces, spectra, light curves, neighbours, papers, SQL.

    Only this machine can reach it, and it only reads; a query may run 10 s and give 1,000 rows.

    Example: python -m catalog browse --store s
    """
    _serve(location.store_path(store), port, open_browser=open_browser)


def _serve(store: Path, port: int, *, open_browser: bool = False, **options: Any) -> None:  # noqa: ANN401 - the server's
    import webbrowser  # noqa: PLC0415 - for these commands alone

    from catalog.serve.server import BrowseServer  # noqa: PLC0415 - as above

    with BrowseServer(store, port, **options) as server:
        OUT.print(f"{store} is at {server.url} (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        hint(f"TAP, for TOPCAT and pyvo: {server.url}tap")
        if open_browser:
            webbrowser.open(server.url)
        server.serve_forever()


@app.command()
def repair(store: StoreOption = None) -> None:
    """Remove what no snapshot references, and mend the paths of a store that was moved.

    Example: python -m catalog repair --store s
    """
    path = location.store_path(store)
    done = unreferenced.repair_tables(path) + unreferenced.repair_vectors(path)
    for line in done or ["Nothing to repair."]:
        OUT.print(line, soft_wrap=True, highlight=False)


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
    result = cat.sql(query, snapshot=snapshot, parameters=_parameters(param or []))
    if name == "table":
        print_rows(result, output, every=every)
        return
    if output:
        export(result.reader(), output, name)
        ERR.print(f"wrote {output}", highlight=False, soft_wrap=True)
    else:
        write(result.reader(), stdout_bytes(), name)
        sys.stdout.buffer.flush()


def _parameters(given: list[str]) -> dict[str, object]:
    """Parse NAME=VALUE; whole numbers and decimals become numbers, the rest stays text."""
    return {name: _number(value) for name, value in _pairs("--param", given, "radius=5")}


def _pairs(option: str, given: list[str] | None, example: str) -> list[tuple[str, str]]:
    pairs = []
    for item in given or []:
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise QueryError(f"{option} {item}: expected NAME=VALUE, as in {option} {example}")
        pairs.append((name, value))
    return pairs


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    run(app)
