"""python -m analysis: the three studies, on whatever is in the store. Each has its commands in a room of its own."""

from __future__ import annotations

from analysis.alignment import commands as alignment
from analysis.clusters import commands as clusters
from analysis.networks import commands as networks
from analysis.report import commands as report
from catalog.console import program, run

app = program(
    "Clusters and classes, photons and papers, networks: every score with its baseline, control and interval.",
    example="python -m analysis report --store s --output report.html",
)
for command in (*clusters.COMMANDS, *alignment.COMMANDS, *networks.COMMANDS, *report.COMMANDS):
    app.command()(command)


if __name__ == "__main__":
    run(app)
