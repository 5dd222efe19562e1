"""The command that looks for unusual detections, and what it prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from analysis.score_tables import Row, StudySection, StudyTable, interval, listed, rows_of, show
from analysis.study.options import AgainOption, SeedOption, Ways, WhereOption, say, tell
from catalog import Catalog
from catalog.console import StoreOption, WaitOption


def anomalies(
    space: Annotated[
        str,
        typer.Option(
            "--space",
            help="Embedding space: aligned, events, spectrum, properties; csc.master_source for columns of sources, "
            "of which --where then speaks.",
        ),
    ],
    store: StoreOption = None,
    where: WhereOption = "",
    top: Annotated[int, typer.Option("--top", min=1, help="Show so many.")] = 15,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="Hide rare classes among common ones so many times; 0 for not.")
    ] = 20,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Find the most unusual detections of a space by three detectors, and say what may explain each.

    Example: python -m analysis anomalies --space aligned --store s
    """
    from analysis.anomalies.anomaly_study import AnomalyQuestion, run  # noqa: PLC0415 - `--help` needs no scikit-learn

    queries = ["SELECT * FROM analysis.anomaly WHERE run_id = $run ORDER BY rank"]
    if "." not in space:
        score = f"SELECT detection_id, anomaly_score(vector) AS score FROM embedding.{space}"
        queries.append(f"{score} ORDER BY score DESC LIMIT 10")
    tell(
        store,
        lambda cat: run(cat, AnomalyQuestion(space, where, draws), Ways(seed, again, wait, say)),
        lambda cat, run_id: _show_anomalies(cat, run_id, top),
        *queries,
    )


def _show_anomalies(cat: Catalog, run_id: int, top: int) -> None:
    """Print the most anomalous detections of a run, whether detectors agree, and what they find of hidden ones."""
    chosen = "WHERE run_id = $id"
    rows = rows_of(cat.sql(f"SELECT * FROM analysis.anomaly {chosen} ORDER BY rank LIMIT $top", id=run_id, top=top))
    near = sorted({str(n) for r in rows for n in listed(r["neighbours"])[:3]})
    named = cat.sql(
        f"SELECT detection_id, name || coalesce(' ' || otype, '') FROM analysis.anomaly {chosen} "
        "AND detection_id IN (SELECT unnest($near))",
        id=run_id,
        near=near,
    ).fetchall()
    types = {str(i): str(n) for i, n in named}
    heads = ("name", "ObsID", "hard_hs", "type", "score", "may explain it", "extreme in", "near", "papers")
    cells: list[tuple[object, ...]] = [
        (
            r["name"],
            r["obsid"],
            r["hard_hs"],
            _type(r),
            r["score"],
            ", ".join(map(str, listed(r["warnings"]))),
            ", ".join(map(str, listed(r["extremes"]))),
            "; ".join(str(types.get(str(n), n)) for n in listed(r["neighbours"])[:3]),
            ", ".join(map(str, listed(r["bibcodes"]))),
        )
        for r in rows
    ]
    show("most anomalous first; score: mean share of detections that three detectors find less so", heads, cells)
    _agreement(rows_of(cat.sql(f"SELECT * FROM analysis.anomaly_agreement {chosen} ORDER BY ALL", id=run_id)))
    found = rows_of(cat.sql(f"SELECT * FROM analysis.anomaly_injection {chosen} ORDER BY ALL", id=run_id))
    if found:
        _injection(found)


def _agreement(pairs: Sequence[Row]) -> None:
    cells = [
        (
            f"{r['detector']}, {r['other_detector']}",
            interval(r, "spearman"),
            r["kendall"],
            r["shuffled_spearman"],
        )
        for r in pairs
    ]
    show("do the detectors agree?", ("detectors", "Spearman", "Kendall", "shuffled (control)"), cells)


def _injection(found: Sequence[Row]) -> None:
    cells = [
        (
            r["hidden_class"],
            r["detector"],
            r["space"],
            interval(r, "precision"),
            interval(r, "difference"),
            r["chance"],
        )
        for r in sorted(found, key=lambda r: (str(r["hidden_class"]), str(r["detector"]), str(r["space"])))
    ]
    f = found[0]
    title = (
        f"{f['k']} sources of a rare class hidden among {f['n_background']} common ones; 95 % of {f['n_draws']} draws"
    )
    show(title, ("hidden", "detector", "space", "precision@k", "less properties", "chance"), cells)


def _type(row: Row) -> str:
    if row["otype"] is None:
        return ""
    return f"{row['otype']} ({row['authority']}{', predicted' if row['predicted'] else ''})"


COMMANDS: tuple[Callable[..., None], ...] = (anomalies,)
SECTIONS: tuple[StudySection, ...] = (
    StudySection(
        "anomalies",
        "Anomalies",
        "Detections unlike the rest, by three detectors; beside each what may explain it, and in which columns of the "
        "catalog it is extreme.",
        "python -m analysis anomalies",
        (
            StudyTable(
                "Most anomalous first",
                "SELECT name, obsid, hard_hs, otype AS type, score, warnings AS may_explain_it, extremes "
                "FROM analysis.anomaly WHERE run_id = $run ORDER BY rank",
                15,
            ),
            StudyTable(
                "Do the detectors agree? Rank correlations, with shuffled scores as control",
                "SELECT detector, other_detector, spearman, spearman_low, spearman_high, shuffled_spearman AS control "
                "FROM analysis.anomaly_agreement WHERE run_id = $run ORDER BY ALL",
            ),
            StudyTable(
                "Rare simulated types hidden among common ones: share found among as many as there are",
                "SELECT hidden_class, detector, precision, precision_low, precision_high, difference, difference_low, "
                "difference_high, chance FROM analysis.anomaly_injection WHERE run_id = $run ORDER BY ALL",
            ),
        ),
    ),
)
"""Of the report."""
