"""The report as text: sections of figures and tables in, one self-contained HTML page out. Pure."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    caption : str
        What it shows; also what a reader hears who cannot see it.
    content : bytes
        SVG or PNG.
    """

    caption: str
    content: bytes

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        kind = "png" if self.content.startswith(b"\x89PNG") else "svg+xml"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Shown:
    """A table: caption, column names, rows; and how many rows there are beyond these."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    n_more: int = 0


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes
    ----------
    title : str
    about : str
        What was asked, and how to read what follows; a blank line begins a paragraph.
    figures, tables
        In order; figures first.
    commands : sequence of str
        What to type for the same.
    source : str
        Run, snapshot and seed it comes from.
    simulated : str
        '' where all is real, else how much is not: printed as a label at the head of the section.
    """

    title: str
    about: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Shown] = ()
    commands: Sequence[str] = ()
    source: str = ""
    simulated: str = ""
    parts: Sequence[Section] = field(default=())

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


def page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the whole page.

    Parameters
    ----------
    title : str
    lead : sequence of str
        Paragraphs before the sections.
    sections : sequence of Section

    Examples
    --------
    >>> made = page("A & B", ["x < y"], [Section("One", simulated="simulated")])
    >>> "A &amp; B" in made and "x &lt; y" in made and "http" not in made.replace("http-equiv", "")
    True
    """
    style = resources.files("analysis.report").joinpath("page.css").read_text(encoding="utf-8")
    contents = "".join(f'<li><a href="#{s.anchor}">{_text(s.title)}</a></li>' for s in sections)
    body = "".join(_section(s) for s in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f'<link rel="icon" href="data:,"><title>{_text(title)}</title><style>{style}</style></head>\n<body><main>'
        f"<h1>{_text(title)}</h1>{''.join(f'<p>{_text(p)}</p>' for p in lead)}<nav><ul>{contents}</ul></nav>\n"
        f"{body}</main></body></html>\n"
    )


def _section(section: Section, level: int = 2) -> str:
    label = f'<p class="simulated">{_text(section.simulated)}</p>' if section.simulated else ""
    about = "".join(f"<p>{_text(p)}</p>" for p in section.about.split("\n\n") if p)
    figures = "".join(
        f'<figure><img src="{f.source}" alt="{_text(f.caption)}"><figcaption>{_text(f.caption)}</figcaption></figure>'
        for f in section.figures
    )
    tables = "".join(_table(t) for t in section.tables)
    commands = "".join(f"<pre>{_text(c)}</pre>" for c in section.commands)
    again = f'<details class="again"><summary>do it again</summary>{commands}</details>' if commands else ""
    source = f'<p class="source">{_text(section.source)}</p>' if section.source else ""
    parts = "".join(_section(p, level + 1) for p in section.parts)
    tag = "section" if level == 2 else "article"  # noqa: PLR2004 - the level below the title
    return (
        f'<{tag} id="{section.anchor}"><h{level}>{_text(section.title)}</h{level}>{label}{about}'
        f'<div class="figures">{figures}</div>{tables}{parts}{source}{again}</{tag}>\n'
    )


LABELS = frozenset({"year", "obsid", "obi", "region_id", "run_id"})
"""Columns whose whole numbers are names: written without separators."""


def _table(table: Shown) -> str:
    numeric = [
        any(isinstance(r[i], int | float) for r in table.rows)
        and all(r[i] is None or isinstance(r[i], int | float) for r in table.rows)
        for i in range(len(table.columns))
    ]
    head = "".join(
        f"<th{' class=number' if n else ''}>{_text(c)}</th>" for c, n in zip(table.columns, numeric, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=number' if n else ''}>{_text(str(v) if c in LABELS and v is not None else cell(v))}</td>"
            for v, n, c in zip(r, numeric, table.columns, strict=True)
        )
        + "</tr>"
        for r in table.rows
    )
    more = f"<p class=more>and {table.n_more:,} more rows</p>" if table.n_more else ""
    return (
        f'<div class="table"><table><caption>{_text(table.caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}"
    )


def cell(value: Cell) -> str:
    """Spell a value as a table shows it.

    Examples
    --------
    >>> cell(0.123456), cell(None), cell(12345), cell(1e-15)
    ('0.123', '', '12,345', '1e-15')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if value else "0"
    return str(value)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
