"""Command-line options that the studies share, and how a run is reported."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.study.runs import Run
from catalog.console import ERR, hint
from catalog.errors import query_command

SeedOption = Annotated[int, typer.Option("--seed", help="Of splits, resamples, and whatever else is drawn.")]
AgainOption = Annotated[bool, typer.Option("--again", help="Do it anew, even if the same was done on the same data.")]
WhereOption = Annotated[str, typer.Option("--where", help="SQL condition on csc.observation_source: which rows.")]


def say(line: str) -> None:
    """Write a line for the user's eyes, apart from results."""
    ERR.print(line, highlight=False, soft_wrap=True)


def say_run(run: Run, store: object) -> None:
    """Tell whether a run was made or found, and how to look at it."""
    if not run.made:
        say(f"already done: run {run.run_id}, on the same data with the same seed; --again does it anew")
    query = f"SELECT * FROM analysis.run WHERE run_id = {run.run_id}"
    hint(f"run {run.run_id}: {query_command(query, store)}")


def more(query: str, store: object) -> None:
    """Print the query that shows more."""
    hint(f"more: {query_command(query, store)}")
