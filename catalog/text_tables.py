"""Answers and inventories as tables of text: what `python -m catalog` prints."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from catalog.catalog import Catalog, ColumnInfo, Info, like
from catalog.console import ERR, OUT, table_of, wide
from catalog.errors import UnknownName
from catalog.formats.plain_types import json_text
from catalog.formats.whole_files import whole
from catalog.query.result import Result

_SHOWN_ROWS = 60
_COLUMN_WIDTH = 9  # narrower than this a column cannot be read
_LONG_NAME = 48  # of a macro or function: longer ones are told by `info NAME`
_RULE = 120  # the longest line below a head, where nothing else limits it


def print_rows(result: Result, output: Path | None, *, every: bool = False) -> None:
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
    table = table_of(*heads)
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


def show_tables(cat: Catalog, of_schema: str = "") -> None:
    """Print all tables of a store with rows and bytes, or those of one schema."""
    found = [r for r in cat.tables() if r.name.startswith(of_schema)]
    table = table_of("name", "kind", "rows", "bytes", "what one row is")
    for r in found:
        about = r.description if r.kind == "table" else r.description.partition(". ")[0].rstrip(".")
        n_rows = "" if r.n_rows is None else f"{r.n_rows:,}"
        n_bytes = "" if r.n_bytes is None else decimal(r.n_bytes)
        name = r.name if len(r.name) <= _LONG_NAME else f"{r.name.partition('(')[0]}(...)"
        table.add_row(escape(name), r.kind, n_rows, n_bytes, escape(about))
    table.columns[2].justify = table.columns[3].justify = "right"
    print_table(table)
    held = sum(r.n_bytes or 0 for r in found)
    made = cat.snapshots()
    last = f", the last of {made[-1].time:%Y-%m-%d %H:%M:%S} UTC" if made else ""
    OUT.print(f"{cat.path}: {decimal(held)} in tables, {len(made)} snapshots{last}", highlight=False, soft_wrap=True)
    if not of_schema and (old := cat.held_by_old_snapshots()):
        OUT.print(
            f"{decimal(old)} of files and vectors are there for older snapshots alone: python -m catalog expire --help",
            highlight=False,
            soft_wrap=True,
        )


def show_columns(about: Info, wanted: str | None = None) -> None:
    """Print the columns of a table, view, macro or function."""
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
            table = table_of(title, "type", "unit", "UCD", "meaning")
            for c in rows:
                table.add_row(*map(escape, (c.name, getattr(c, "type", ""), c.unit, c.ucd, c.description)))
            print_table(table)


def show_found(found: list[tuple[str, ColumnInfo]], wanted: str) -> None:
    """Print columns that were looked for."""
    if not found:
        raise UnknownName(f"no column of any table has {wanted!r} in its name, unit, UCD or meaning")
    table = table_of("table", "column", "type", "unit", "meaning")
    for name, c in found:
        table.add_row(*map(escape, (name, c.name, c.type, c.unit, c.description)))
    print_table(table)


def print_table(table: Table) -> None:
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
