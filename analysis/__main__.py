"""python -m analysis: the three studies, on whatever is in the store. Each has its commands in a room of its own."""

from __future__ import annotations

from analysis.anomalies import commands as anomalies
from analysis.networks import commands as networks
from analysis.papers import commands as papers
from analysis.report import commands as report
from analysis.spectra import commands as spectra
from catalog.console import program, run

app = program(
    "Clusters and classes, photons and papers, networks: every score with its baseline, control and interval.",
    example="python -m analysis report --store s --output report.html",
)
for room in (spectra, papers, anomalies, networks, report):
    for command in room.COMMANDS:
        app.command()(command)


if __name__ == "__main__":
    run(app)
