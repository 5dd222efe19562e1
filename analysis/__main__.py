"""python -m analysis: the three studies, on whatever is in the store. Each has its commands in a room of its own."""

from __future__ import annotations

import typer

from analysis.alignment import commands as alignment
from analysis.clusters import commands as clusters
from analysis.networks import commands as networks
from analysis.report import commands as report
from catalog.console import run

app = typer.Typer(
    help="Clusters and classes, photons and papers, networks: every score with its baseline, control and interval.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (*clusters.COMMANDS, *alignment.COMMANDS, *networks.COMMANDS, *report.COMMANDS):
    app.command()(command)


if __name__ == "__main__":
    run(app)
