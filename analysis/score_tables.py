"""Tables of what the studies found: as their commands print them, and as the report is to show them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from catalog.console import wide
from catalog.query.result import Result

Row = Mapping[str, object]


def rows_of(result: Result) -> list[dict[str, object]]:
    """Return a result as dictionaries."""
    rows: list[dict[str, object]] = result.arrow().to_pylist()
    return rows


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; whole lines where the output is no terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=escape(title), title_justify="left", title_style="")
    for i, head in enumerate(heads):
        numeric = bool(rows) and all(isinstance(r[i], int | float) or r[i] is None for r in rows)
        table.add_column(head, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row))
    wide().print(table)


def cell(value: object, digits: int = 3, *, signed: bool = False) -> str:
    """Spell a value.

    Examples
    --------
    >>> cell(0.12345), cell(None), cell(7), cell("a"), cell(0.5, signed=True)
    ('0.123', '', '7', 'a', '+0.500')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{value:{'+' * signed}.{digits}{'g' if abs(value) >= 1 else 'f'}}"
    return str(value)


def interval(row: Row, name: str, *, signed: bool = False) -> str:
    """Spell a number of a row with its interval; see `analysis.study.run_tables.interval_columns`.

    Examples
    --------
    >>> interval({"gain": 0.25, "gain_low": 0.2, "gain_high": 0.31}, "gain")
    '0.250 [0.200, 0.310]'
    """
    if row[name] is None:
        return ""
    stem = "" if name == "value" else f"{name}_"
    value, low, high = (cell(row[key], signed=signed) for key in (name, f"{stem}low", f"{stem}high"))
    return f"{value} [{low}, {high}]"


def listed(value: object) -> list[object]:
    """Return a cell that holds a list; NULL is an empty one.

    Examples
    --------
    >>> listed(None), listed([1])
    ([], [1])
    """
    return list(value) if isinstance(value, list) else []


@dataclass(frozen=True)
class StudyTable:
    """A table of a section: caption, and the SQL of its rows, in which $run is the run."""

    caption: str
    query: str
    n_rows: int = 20


@dataclass(frozen=True)
class StudySection:
    """How runs of a kind are shown.

    Attributes
    ----------
    kind : str
        analysis.run.kind.
    title : str
    about : str
        What was asked, and how to read the answer.
    command : str
        What to type for such a run, without the store.
    tables : sequence of StudyTable
    """

    kind: str
    title: str
    about: str
    command: str
    tables: Sequence[StudyTable]
