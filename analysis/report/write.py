"""The report of a store: all sections that it has something for, a section per study among them, in one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.anomalies import commands as anomalies
from analysis.networks import commands as networks
from analysis.papers import commands as papers
from analysis.report.objects import portrait, reconstructions
from analysis.report.page import Cell, Figure, Section, Shown, page
from analysis.report.store import holdings, label, maps, simulated
from analysis.score_tables import StudySection, StudyTable
from analysis.spectra import commands as spectra
from catalog import Catalog
from catalog.formats.whole_files import whole


def write(store: Path, output: Path, n_portraits: int = 4) -> int:
    """Write the report.

    Parameters
    ----------
    store : Path
    output : Path
        HTML; replaced whole.
    n_portraits : int
        Anomalies shown with spectrum, light curve and papers.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    StoreNotFound
        If there is no store.
    """
    with Catalog(store) as cat:
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
        lead = [f"Made {made} UTC of snapshot {cat.snapshots()[-1].number} of {cat.path.name}."]
        if label := simulated(cat):
            lead.append(f"Careful: {label}. Sections with simulated sources say so.")
        parts: list[Callable[[], Section | None]] = [
            lambda: holdings(cat),
            lambda: maps(cat),
            lambda: reconstructions(cat),
            *((lambda how=how: study(cat, how)) for how in SECTIONS),
            lambda: portraits(cat, n_portraits),
        ]
        sections = [section for part in parts if (section := part()) is not None]
        content = page(f"photonlake: {cat.path.name}", lead, sections).encode()
    with whole(output) as stream:
        stream.write(content)
    return len(content)


def portraits(cat: Catalog, n: int) -> Section | None:
    """Show the most anomalous sources one by one; None where no run has looked for any."""
    found = cat.sql(
        "SELECT detection_id, name, obsid, otype, score, warnings, extremes, space, run_id FROM analysis.anomaly "
        "WHERE run_id = (SELECT max(run_id) FROM analysis.anomaly) QUALIFY row_number() OVER (PARTITION BY name "
        "ORDER BY rank) = 1 ORDER BY rank LIMIT $n",
        n=n,
    ).arrow()
    if not found.num_rows:
        return None
    parts = []
    for row in found.to_pylist():
        why = ", ".join(row["extremes"] or []) or "nothing in the catalog's columns"
        beware = ", ".join(row["warnings"] or [])
        about = f"Score {row['score']:.3f} in {row['space']}. Extreme in: {why}."
        about += f" May explain it: {beware}." if beware else ""
        title = f"{row['name'] or row['detection_id']}, ObsID {row['obsid']}, {row['otype'] or 'no known type'}"
        parts.append(portrait(cat, row["detection_id"], title, about))
    return Section(
        "The most unusual sources, one by one",
        about="One detection per source, most anomalous first: what it looks like, and who wrote about it.",
        parts=parts,
        commands=(f"python -m analysis anomalies --store {cat.path.name}",),
        source=f"run {found['run_id'][0].as_py()}",
        simulated=simulated(
            cat, "SELECT name FROM analysis.anomaly WHERE run_id = (SELECT max(run_id) FROM analysis.anomaly)"
        ),
    )


def study(cat: Catalog, how: StudySection) -> Section | None:
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


def _shown(cat: Catalog, asked: StudyTable, run_id: int) -> Shown:
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


SECTIONS: tuple[StudySection, ...] = (*spectra.SECTIONS, *papers.SECTIONS, *networks.SECTIONS, *anomalies.SECTIONS)
