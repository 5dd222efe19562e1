"""Photons and papers in one space: retrieve, regress, neighbours, and what they print.

A run is read back from the store and printed: so a run that was found shows what one that was made does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.study.options import AgainOption, SeedOption, Ways, WhereOption, by_commas, one_of, say, tell
from catalog import Catalog
from catalog.console import StoreOption, WaitOption

if TYPE_CHECKING:
    from embed.inputs.pooling import Pooling
from collections.abc import Sequence

from analysis.score_tables import Row, StudySection, StudyTable, interval, listed, rows_of, show

PoolingOption = Annotated[
    str, typer.Option("--pooling", help="How a source's papers become one vector: mean, recency, citation, attention.")
]


def retrieve(
    store: StoreOption = None,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Rank the papers for the photons of unseen sources, and the other way round, in the aligned space.

    Example: python -m analysis retrieve --store s
    """
    from analysis.papers.retrieval_study import run  # noqa: PLC0415 - `--help` needs no NumPy

    tell(
        store,
        lambda cat: run(cat, Ways(seed, again, wait, say)),
        _show_retrieval,
        "SELECT * FROM analysis.retrieval WHERE run_id = $run",
    )


def regress(
    columns: Annotated[
        str, typer.Option("--columns", help="Columns of csc.observation_source, by commas; 'all' for twenty.")
    ] = "hard_hs,hard_ms,hard_hm,var_prob_b,flux_significance_b",
    store: StoreOption = None,
    data: Annotated[str, typer.Option("--data", help="Spaces of the data side, by commas; else what is there.")] = "",
    pooling: PoolingOption = "",
    masked: Annotated[
        bool, typer.Option("--masked", help="Score texts without numbers, classes and telling words, too.")
    ] = False,
    where: WhereOption = "",
    splits: Annotated[
        int, typer.Option("--splits", min=1, help="Split the sources so often, to learn and to judge.")
    ] = 3,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Predict catalog columns of unseen sources from text, data, both, the aligned space, and other columns.

    Example: python -m analysis regress --columns hard_hs,hard_ms,hard_hm,var_prob_b,flux_significance_b --store s
    """
    from analysis.papers import regression_study as study  # noqa: PLC0415 - `--help` needs no scikit-learn

    names = (*study.FIVE, *study.FIFTEEN) if columns == "all" else by_commas(columns)
    asked = study.RegressionQuestion(names, where, by_commas(data), _pooling(pooling), masked, splits)
    tell(
        store,
        lambda cat: study.run(cat, asked, Ways(seed, again, wait, say)),
        _show_regression,
        "SELECT * FROM analysis.regression WHERE run_id = $run ORDER BY column_name, mae",
    )


def neighbours(
    store: StoreOption = None,
    k: Annotated[int, typer.Option("--k", min=2, help="Neighbours of each detection.")] = 10,
    resamples: Annotated[
        int, typer.Option("--resamples", min=0, help="Draw each detection's photons anew so many times; 0 for not.")
    ] = 5,
    where: WhereOption = "",
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Tell whether neighbours are more alike after the alignment, and whether they stay when photons are drawn anew.

    Example: python -m analysis neighbours --store s
    """
    from analysis.papers.neighbour_study import NeighbourQuestion, run  # noqa: PLC0415 - `--help` needs no NumPy

    tell(
        store,
        lambda cat: run(cat, NeighbourQuestion(k, resamples, where), Ways(seed, again, wait, say)),
        _show_neighbours,
        "SELECT detection_id, space, stability, neighbours FROM analysis.neighbour WHERE run_id = $run "
        "AND stability > 0.5 ORDER BY stability DESC",
    )


def _pooling(text: str) -> Pooling | None:
    from embed.inputs.pooling import POOLINGS  # noqa: PLC0415 - `--help` needs no NumPy

    return one_of(text, POOLINGS, "--pooling") if text else None


_LEARNERS = {
    "knn": "k nearest neighbours, k = 3",
    "selected": "learner chosen on validation",
    "experts": "predictions of both weighed on validation",
}
_SIDES = ("text", "data", "both")


def _show_regression(cat: Catalog, run_id: int) -> None:
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
            interval(g, "gain"),
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
                interval(s, "mae"),
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


def _show_retrieval(cat: Catalog, run_id: int) -> None:
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
            interval(r, "value"),
            interval(r, "lookup") if r["lookup"] is not None else "",
            interval(r, "shuffled"),
            r["chance"],
        )
        for r in sorted(
            rows, key=lambda r: (str(r["direction"]), str(r["answer"]), list(names).index(str(r["metric"])))
        )
    ]
    title = f"{rows[0]['n_queries']} unseen sources, {rows[0]['n_candidates']} candidates; interval over "
    title += f"sources and {n} trainings" if (n := rows[0]["n_trainings"] or 1) != 1 else "sources, of one training"
    heads = ("direction", "right answer", "metric", "value", "exposure looked up", "shuffled (control)", "chance")
    show(title, heads, cells)


def _show_neighbours(cat: Catalog, run_id: int) -> None:
    """Print the tables of a neighbour run."""
    query = "SELECT * FROM analysis.neighbour_spread WHERE run_id = $id ORDER BY quantity, ratio"
    rows = rows_of(cat.sql(query, id=run_id))
    cells: list[tuple[object, ...]] = [
        (
            r["quantity"],
            r["space"],
            r["spread"],
            r["random_spread"],
            interval(r, "ratio"),
            interval(r, "difference") if r["difference"] else "",
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


COMMANDS: tuple[Callable[..., None], ...] = (retrieve, regress, neighbours)
SECTIONS: tuple[StudySection, ...] = (
    StudySection(
        "retrieve",
        "Finding papers by photons, and photons by papers",
        "Sources that took no part in the alignment, one candidate each: where in the list does the right one stand? "
        "Looked up: by the exposure that papers state, and nothing learned. Shuffled: with the texts of other sources.",
        "python -m analysis retrieve",
        (
            StudyTable(
                "Retrieval",
                "SELECT direction, answer, metric, value, low, high, lookup, shuffled, chance, n_queries, n_candidates "
                "FROM analysis.retrieval WHERE run_id = $run ORDER BY answer, direction, metric",
            ),
        ),
    ),
    StudySection(
        "regress",
        "What photons and papers tell of a source",
        "Mean absolute errors on unseen sources, predicting a column of the catalog from the papers about a source, "
        "from its photons, or from both. Gain: error of the better single one less that of both; an interval that "
        "holds zero says that both are no better than one.",
        "python -m analysis regress",
        (
            StudyTable(
                "Text, data, both: the learner is the best on validation sources",
                "SELECT column_name AS variable, unit, masked AS masked_texts, mae_text AS text, mae_data AS data, "
                "mae_both AS both, gain, gain_low, gain_high, round(100 * relative_gain, 1) AS percent "
                "FROM analysis.regression_gain WHERE run_id = $run AND learner = 'selected' ORDER BY masked, variable",
            ),
            StudyTable(
                "Every representation, beside the controls",
                "SELECT column_name AS variable, representation, learner, mae, mae_low, mae_high, dim, n_test "
                "FROM analysis.regression WHERE run_id = $run AND selected AND NOT masked ORDER BY variable, mae",
                60,
            ),
        ),
    ),
)
"""Of the report."""
