"""python -m catalog: make a store, ask it SQL, look around in it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from catalog.catalog import Catalog, ColumnInfo, Info, like, open_
from catalog.console import ERR, OUT, StoreOption, hint, program, run, stdout_bytes, wide
from catalog.errors import QueryError, UnknownName, command
from catalog.formats.export import FORMATS, export, find_format, write
from catalog.formats.plain_types import json_text
from catalog.formats.whole_files import check_output, whole
from catalog.query.result import Result
from catalog.schema import SCHEMAS
from catalog.store import lake, location, vectors

app = program(
    "Ask a store SQL, look around in it, keep it sound.",
    example="python -m catalog info --store s",
)

_SHOWN_ROWS = 60
_COLUMN_WIDTH = 9  # narrower than this a column cannot be read
_LONG_NAME = 48  # of a macro or function: longer ones are told by `info NAME`
_RULE = 120  # the longest line below a head, where nothing else limits it
SnapshotOption = Annotated[
    str | None,
    typer.Option(
        "--snapshot", help="Ask the store as it was: a snapshot's number, a time (ISO 8601, UTC), or the end of a date."
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
        help="A table of your own, and its name in the query: csv, parquet, fits, vot, ecsv.",
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
            cat.register(name, Path(file).expanduser())
        _answer(cat, text, format_, output, snapshot, param, every=every)


@app.command("export")
def export_(
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
) -> None:
    """Write a whole table or view to a file; or the graph of a network run, as graphml, gexf or parquet.

    Example: python -m catalog export csc.master_source sources.vot --store s

    Example: python -m catalog export --graph 3 --format graphml --output network.graphml --store s
    """
    output = output or file
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
            _show_tables(cat, f"{name.lower()}.")
        elif name:
            _show_columns(cat.info(name), like_)
        elif like_:
            _show_found(cat.columns_like(like_), like_)
        else:
            _show_tables(cat)


@app.command()
def snapshots(store: StoreOption = None) -> None:
    """List the store's snapshots: every one can be asked again with --snapshot.

    Example: python -m catalog snapshots --store s
    """
    with open_(store) as cat:
        table = _table("snapshot", "time (UTC)", "message", "changes")
        for s in cat.snapshots():
            table.add_row(str(s.number), f"{s.time:%Y-%m-%d %H:%M:%S}", escape(s.message), escape(s.changes))
    _print_table(table)


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
    import webbrowser  # noqa: PLC0415 - for this command alone

    from catalog.serve.server import BrowseServer  # noqa: PLC0415 - as above

    path = location.store_path(store)
    with BrowseServer(path, port) as server:
        OUT.print(f"{path} is at {server.url} (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        if open_browser:
            webbrowser.open(server.url)
        server.serve_forever()


@app.command()
def repair(store: StoreOption = None) -> None:
    """Remove what no snapshot references, and mend the paths of a store that was moved.

    Example: python -m catalog repair --store s
    """
    path = location.store_path(store)
    done = lake.repair(path) + vectors.repair(path)
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
        _print_rows(result, output, every=every)
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


def _print_rows(result: Result, output: Path | None, *, every: bool = False) -> None:
    """Print rows for people to read: a plan as it is, else a table of the first rows."""
    if output:
        held = io.StringIO()
        wide(held).print(_rows(result, result.arrow(), len(result.columns)))
        held.writelines(f"{key}: {text}\n" for key, text in result.origin.notes.items())
        with whole(output) as stream:
            stream.write(held.getvalue().encode())
        return
    if result.columns == ("explain_key", "explain_value"):
        for _, plan in result:
            OUT.out(str(plan), highlight=False)
        return
    head = result.head(_SHOWN_ROWS, every=every)
    n_columns = head.rows.num_columns
    fitting = max(1, OUT.width // _COLUMN_WIDTH) if OUT.is_terminal else n_columns
    wide().print(_rows(result, head.rows, fitting))
    for remark in result.remarks:
        ERR.print(remark, highlight=False, soft_wrap=True, markup=False)
    n_rows = head.n_counted
    shown = [f"{'' if head.all_counted else 'more than '}{n_rows:,} row{'' if n_rows == 1 else 's'}"]
    if n_rows > _SHOWN_ROWS:
        shown.append(f"the first {_SHOWN_ROWS} shown")
    if n_columns > fitting:
        shown.append(f"{fitting} of {n_columns} columns shown")
    if head.n_empty:
        shown.append(f"{head.n_empty} empty columns left out (--all shows them)")
    ERR.print(
        ", ".join(shown) + ("; --format csv gives all" if len(shown) > 1 else ""), highlight=False, soft_wrap=True
    )


def _rows(result: Result, shown: pa.Table, n_columns: int) -> Table:
    names = shown.column_names[:n_columns]
    units = {n: c.unit for n, c in zip(result.columns, result.described, strict=True) if c and c.unit and n in names}
    heads = [f"{escape(n)}\n[dim]{escape(units.get(n, ''))}[/dim]" if units else escape(n) for n in names]
    table = _table(*heads)
    rows = shown.select(range(len(names)))
    for drawn, column in zip(table.columns, rows.columns, strict=True):
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            drawn.justify = "right"
    cells = [[_cell(v, c.type) for v in c.to_pylist()] for c in rows.columns]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    return table


def _cell(value: object, type_: pa.DataType) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and pa.types.is_float32(type_):
        return str(np.float32(value))  # as many digits as it has, not as a double would show
    if isinstance(value, list | dict):
        return escape(json_text(value))
    return escape(str(value))


def _table(*heads: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _show_tables(cat: Catalog, of_schema: str = "") -> None:
    found = [r for r in cat.tables() if r.name.startswith(of_schema)]
    table = _table("name", "kind", "rows", "bytes", "what one row is")
    for r in found:
        about = r.description if r.kind == "table" else r.description.partition(". ")[0].rstrip(".")
        n_rows = "" if r.n_rows is None else f"{r.n_rows:,}"
        n_bytes = "" if r.n_bytes is None else decimal(r.n_bytes)
        name = r.name if len(r.name) <= _LONG_NAME else f"{r.name.partition('(')[0]}(...)"
        table.add_row(escape(name), r.kind, n_rows, n_bytes, escape(about))
    table.columns[2].justify = table.columns[3].justify = "right"
    _print_table(table)
    held = sum(r.n_bytes or 0 for r in found)
    made = cat.snapshots()
    last = f", the last of {made[-1].time:%Y-%m-%d %H:%M:%S} UTC" if made else ""
    OUT.print(f"{cat.path}: {decimal(held)} in tables, {len(made)} snapshots{last}", highlight=False, soft_wrap=True)


def _show_columns(about: Info, wanted: str | None = None) -> None:
    OUT.print(
        escape(f"{about.relation.name}: {about.relation.kind}. {about.relation.description}"),
        highlight=False,
        soft_wrap=not OUT.is_terminal,
    )
    columns = like(about.columns, wanted) if wanted else about.columns
    if wanted and not columns:
        raise UnknownName(f"no column of {about.relation.name} has {wanted!r} in its name, unit, UCD or meaning")
    for title, rows in (("parameter", () if wanted else about.parameters), ("column", columns)):
        if rows:
            table = _table(title, "type", "unit", "UCD", "meaning")
            for c in rows:
                table.add_row(*map(escape, (c.name, getattr(c, "type", ""), c.unit, c.ucd, c.description)))
            _print_table(table)


def _show_found(found: list[tuple[str, ColumnInfo]], wanted: str) -> None:
    if not found:
        raise UnknownName(f"no column of any table has {wanted!r} in its name, unit, UCD or meaning")
    table = _table("table", "column", "type", "unit", "meaning")
    for name, c in found:
        table.add_row(*map(escape, (name, c.name, c.type, c.unit, c.description)))
    _print_table(table)


def _print_table(table: Table) -> None:
    """Print a table: as wide as the terminal; into a pipe one line a row, without blanks at its end."""
    if OUT.is_terminal:
        OUT.print(table)
        return
    text = io.StringIO()
    wide(text).print(table)
    lines = [line.strip() if set(line.strip()) == {"─"} else line.rstrip() for line in text.getvalue().splitlines()]
    widest = max((len(line) for line in lines if line and set(line) != {"─"}), default=0)
    for line in filter(None, lines):
        OUT.out(line[: min(widest, _RULE)] if set(line) == {"─"} else line, highlight=False)


if __name__ == "__main__":
    run(app)
