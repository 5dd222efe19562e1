"""A section per study: the newest run of each kind, its figures, its tables, and what to type for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report.page import Cell, Figure, Section, Shown
from analysis.report.store import label
from catalog import Catalog


@dataclass(frozen=True)
class Asked:
    """A table of a section: caption, and the SQL of its rows, in which $run is the run."""

    caption: str
    query: str
    n_rows: int = 20


@dataclass(frozen=True)
class Study:
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
    tables : sequence of Asked
    """

    kind: str
    title: str
    about: str
    command: str
    tables: Sequence[Asked]


def study(cat: Catalog, how: Study) -> Section | None:
    """Return the section of the newest run of a kind; None where there is none."""
    runs = cat.sql("SELECT * FROM analysis.run WHERE kind = $kind ORDER BY run_id DESC LIMIT 1", kind=how.kind).arrow()
    if not runs.num_rows:
        return None
    run = runs.to_pylist()[0]
    figures = []
    for path in run["figures"] or []:
        content = (cat.path / path).read_bytes()
        figures.append(
            Figure(str(path).rpartition("/")[2].rpartition(".")[0].replace("_", " ").replace("-", " "), content)
        )
    tables = [_shown(cat, asked, int(run["run_id"])) for asked in how.tables]
    asked_ = ", ".join(f"{k} {v}" for k, v in json.loads(run["parameters"]).items() if v not in (None, "", [], False))
    first = how.tables[0].query.replace("$run", str(run["run_id"])) if how.tables else ""
    return Section(
        how.title,
        about=how.about,
        figures=figures,
        tables=[t for t in tables if t.rows],
        commands=(
            f"{how.command} --store {cat.path.name}",
            *([f'python -m catalog sql --store {cat.path.name} "{first}"'] if first else []),
        ),
        source=f"run {run['run_id']}, snapshot {run['snapshot']}, seed {run['seed']}, {run['n_rows']:,} rows of "
        f"{run['n_sources']:,} sources; {asked_}",
        simulated=label(run["n_simulated"], run["n_sources"]),
    )


def _shown(cat: Catalog, asked: Asked, run_id: int) -> Shown:
    found = cat.sql(asked.query, run=run_id).arrow()
    rows: list[Sequence[Cell]] = [
        tuple(_cell(value) for value in row)
        for row in zip(*(c.to_pylist() for c in found.slice(0, asked.n_rows).columns), strict=True)
    ]
    return Shown(asked.caption, found.column_names, rows, max(found.num_rows - asked.n_rows, 0))


def _cell(value: object) -> Cell:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
