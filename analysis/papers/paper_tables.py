"""What a run found, read back from the store and printed: so a run that was found shows what one that was made does."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.score_tables import Row, interval, listed, rows_of, show
from analysis.study.options import say
from catalog import Catalog

_LEARNERS = {
    "knn": "k nearest neighbours, k = 3",
    "selected": "learner chosen on validation",
    "experts": "predictions of both weighed on validation",
}
_SIDES = ("text", "data", "both")


def regression(cat: Catalog, run_id: int) -> None:
    """Print the tables of a regression run."""
    gains = rows_of(cat.sql("SELECT * FROM analysis.regression_gain WHERE run_id = $id ORDER BY ALL", id=run_id))
    for learner, words in _LEARNERS.items():
        for masked in (False, True):
            chosen = [g for g in gains if g["learner"] == learner and g["masked"] == masked]
            if chosen:
                _talk(f"{'masked texts, ' if masked else ''}{words}: mean absolute error", chosen)
    scores = rows_of(
        cat.sql("SELECT * FROM analysis.regression WHERE run_id = $id AND selected AND NOT masked", id=run_id)
    )
    _representations(scores)


def _talk(title: str, gains: Sequence[Row]) -> None:
    heads = ("variable", "text", "data", "both", "gain", "relative", "")
    rows = [
        (
            f"{g['column_name']}{_unit(g)}",
            *(g[f"mae_{side}"] for side in _SIDES),
            interval(g["gain"], g["gain_low"], g["gain_high"]),
            f"{100 * float(str(g['relative_gain'])):+.0f} %",
            _verdict(g),
        )
        for g in gains
    ]
    show(f"{title}; gain of both over the better single one, 95 % over sources", heads, rows)


def _verdict(gain: Row) -> str:
    if float(str(gain["gain_low"])) > 0:
        return "better together"
    return "worse together" if float(str(gain["gain_high"])) < 0 else "no difference"


def _representations(scores: Sequence[Row]) -> None:
    """Print the error of every representation, its best learner on validation, beside the controls."""
    for column in dict.fromkeys(str(s["column_name"]) for s in scores):
        mine = [s for s in scores if s["column_name"] == column]
        heads = ("representation", "learner", "MAE", "validation", "dim", "")
        rows = [
            (
                s["representation"],
                s["learner"],
                interval(s["mae"], s["mae_low"], s["mae_high"]),
                s["validation_mae"],
                s["dim"],
                _remark(s),
            )
            for s in sorted(mine, key=lambda s: float(str(s["validation_mae"])))
        ]
        first = mine[0]
        counts = f"{first['n_test']} detections of {first['n_test_sources']} unseen sources"
        show(f"{column}{_unit(first)}: {counts}, learned from {first['n_training']}", heads, rows)


def _remark(score: Row) -> str:
    if score["representation"] in {"median", "shuffled"}:
        return "control"
    if score["representation"] == "properties/kin":
        return "ceiling: it holds columns that contain this one"
    return "chosen on validation" if score["best"] else ""


def _unit(row: Row) -> str:
    return f" [{row['unit']}]" if row["unit"] else ""


def retrieval(cat: Catalog, run_id: int) -> None:
    """Print the table of a retrieval run."""
    rows = rows_of(cat.sql("SELECT * FROM analysis.retrieval WHERE run_id = $id ORDER BY direction, answer", id=run_id))
    names = {
        "recall_1": "Recall@1%",
        "recall_5": "Recall@5%",
        "median_rank": "median rank",
        "relative_median_rank": "median rank, share",
        "mrr": "MRR",
    }
    cells = [
        (
            r["direction"],
            r["answer"],
            names[str(r["metric"])],
            interval(r["value"], r["low"], r["high"]),
            interval(r["shuffled"], r["shuffled_low"], r["shuffled_high"]),
            r["chance"],
        )
        for r in sorted(
            rows, key=lambda r: (str(r["direction"]), str(r["answer"]), list(names).index(str(r["metric"])))
        )
    ]
    title = f"{rows[0]['n_queries']} unseen sources, {rows[0]['n_candidates']} candidates; interval over "
    title += f"sources and {n} trainings" if (n := rows[0]["n_trainings"] or 1) != 1 else "sources, of one training"
    show(title, ("direction", "right answer", "metric", "value", "shuffled (control)", "chance"), cells)


def neighbours(cat: Catalog, run_id: int) -> None:
    """Print the tables of a neighbour run."""
    query = "SELECT * FROM analysis.neighbour_spread WHERE run_id = $id ORDER BY quantity, ratio"
    rows = rows_of(cat.sql(query, id=run_id))
    cells: list[tuple[object, ...]] = [
        (
            r["quantity"],
            r["space"],
            r["spread"],
            r["random_spread"],
            interval(r["ratio"], r["ratio_low"], r["ratio_high"]),
            interval(r["difference"], r["difference_low"], r["difference_high"]) if r["difference"] else "",
        )
        for r in rows
    ]
    if rows:
        title = f"spread among {rows[0]['k']} neighbours of each of {rows[0]['n_detections']} detections"
        heads = ("quantity", "space", "spread", "random sets", "ratio", "less that before the alignment")
        show(title, heads, cells)
        say(
            "properties holds these columns, text and aligned/text and /both these papers: their spread is no discovery"
        )
    query = """SELECT space, count(stability) AS n, avg(stability) AS mean,
          quantile_cont(stability, [0.1, 0.5, 0.9]) AS shares, avg(k) / count(*) AS chance
        FROM analysis.neighbour WHERE run_id = $id AND stability IS NOT NULL GROUP BY space ORDER BY space"""
    stable = rows_of(cat.sql(query, id=run_id))
    shares: list[tuple[object, ...]] = [
        (r["space"], r["n"], r["mean"], *listed(r["shares"]), r["chance"]) for r in stable
    ]
    if shares:
        words = ("space", "detections", "mean", "10 %", "median", "90 %", "chance")
        show("share of the neighbours that stay when photons are drawn anew", words, shares)
