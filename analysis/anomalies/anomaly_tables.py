"""What a search for anomalies found, read back from the store and printed."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.score_tables import Row, interval, listed, rows_of, show
from catalog import Catalog


def anomalies(cat: Catalog, run_id: int, top: int) -> None:
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
            interval(r["spearman"], r["spearman_low"], r["spearman_high"]),
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
            interval(r["precision"], r["precision_low"], r["precision_high"]),
            interval(r["difference"], r["difference_low"], r["difference_high"]),
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
