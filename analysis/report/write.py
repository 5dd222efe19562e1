"""The report of a store: all sections that it has something for, in one file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from analysis.report.objects import portrait, reconstructions
from analysis.report.page import Section, page
from analysis.report.store import holdings, maps, simulated
from analysis.report.studies import STUDIES, study
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
            *((lambda how=how: study(cat, how)) for how in STUDIES),
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
        parts.append(portrait(cat.path, row["detection_id"], title, about))
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
