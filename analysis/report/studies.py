"""Which studies the report shows: the newest run of each, its figures, its tables, and what to type for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report.page import Cell, Figure, Section, Shown
from analysis.report.store import label
from catalog import Catalog


@dataclass(frozen=True)
class Asked:
    """A table of a section: caption, and the SQL of its rows, in which $run is the run."""

    caption: str
    query: str
    n_rows: int = 20


@dataclass(frozen=True)
class Study:
    """How runs of a kind are shown.

    Attributes
    ----------
    kind : str
        analysis.run.kind.
    title : str
    about : str
        What was asked, and how to read the answer.
    command : str
        What to type for such a run, without the store.
    tables : sequence of Asked
    """

    kind: str
    title: str
    about: str
    command: str
    tables: Sequence[Asked]


def study(cat: Catalog, how: Study) -> Section | None:
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


def _shown(cat: Catalog, asked: Asked, run_id: int) -> Shown:
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


STUDIES: tuple[Study, ...] = (
    Study(
        "cluster",
        "Clusters and classes",
        "Clusters of vectors against what sources are known to be: assigned on one half of the sources, scored on the "
        "other, in several splits. Balanced accuracy beside shuffled labels (control) and the gain over three hardness "
        "ratios on the same rows, chosen as freely; an interval that holds zero says that the vectors know no more. "
        "Intervals are of one split: sources, splits and seeds drawn anew.",
        "python -m analysis cluster --space spectrum",
        (
            Asked(
                "The chosen clustering of each space and task",
                "SELECT rows_are AS rows, task, features, algorithm, setting, mapping, balanced_accuracy, "
                "balanced_accuracy_low AS low, balanced_accuracy_high AS high, control_mean AS control, gain, "
                "gain_low, gain_high, n_sources FROM analysis.cluster_score WHERE run_id = $run AND chosen IS NOT NULL "
                "AND mapping = 'many-to-one' ORDER BY task, is_baseline, balanced_accuracy DESC",
            ),
            Asked(
                "Supervised probes on the same rows",
                "SELECT task, features, probe, balanced_accuracy, balanced_accuracy_low AS low, "
                "balanced_accuracy_high AS high, control_mean AS control, gain, gain_low, gain_high, n_sources "
                "FROM analysis.probe_score WHERE run_id = $run ORDER BY task, is_baseline, balanced_accuracy DESC",
            ),
            Asked(
                "Gains over every baseline",
                "SELECT task, features, method, baseline, gain, gain_low, gain_high FROM analysis.baseline_gain "
                "WHERE run_id = $run AND mapping IS DISTINCT FROM 'one-to-one' ORDER BY task, features, method, gain",
            ),
        ),
    ),
    Study(
        "symbolic",
        "Latents as formulas",
        "Each latent dimension as a formula of the catalog's columns, and columns as formulas of latents. R2 on "
        "sources that the search has not seen, beside a linear model and a shuffled target; 'found' says that the "
        "formula beats the shuffled one.",
        "python -m analysis symbolic --space spectrum",
        (
            Asked(
                "The chosen formula of each target",
                "SELECT direction, target, formula, complexity, r2, r2_low, r2_high, linear_r2, control_high AS "
                "control, found FROM analysis.formula WHERE run_id = $run AND chosen ORDER BY direction, r2 DESC",
            ),
        ),
    ),
    Study(
        "retrieve",
        "Finding papers by photons, and photons by papers",
        "Sources that took no part in the alignment, one candidate each: where in the list does the right one stand? "
        "Shuffled: the same with the texts of other sources.",
        "python -m analysis retrieve",
        (
            Asked(
                "Retrieval",
                "SELECT direction, answer, metric, value, low, high, shuffled, chance, n_queries, n_candidates "
                "FROM analysis.retrieval WHERE run_id = $run ORDER BY answer, direction, metric",
            ),
        ),
    ),
    Study(
        "regress",
        "What photons and papers tell of a source",
        "Mean absolute errors on unseen sources, predicting a column of the catalog from the papers about a source, "
        "from its photons, or from both. Gain: error of the better single one less that of both; an interval that "
        "holds zero says that both are no better than one.",
        "python -m analysis regress",
        (
            Asked(
                "Text, data, both: the learner is the best on validation sources",
                "SELECT column_name AS variable, unit, masked AS masked_texts, mae_text AS text, mae_data AS data, "
                "mae_both AS both, gain, gain_low, gain_high, round(100 * relative_gain, 1) AS percent "
                "FROM analysis.regression_gain WHERE run_id = $run AND learner = 'selected' ORDER BY masked, variable",
            ),
            Asked(
                "Every representation, beside the controls",
                "SELECT column_name AS variable, representation, learner, mae, mae_low, mae_high, dim, n_test "
                "FROM analysis.regression WHERE run_id = $run AND selected AND NOT masked ORDER BY variable, mae",
                60,
            ),
        ),
    ),
    Study(
        "network",
        "Variable sources as a network",
        "Observations that vary, joined where their vectors are alike. z and p are against random graphs of the same "
        "degrees. High degree: the median or more; balanced odds take class size out; q is corrected for the number of "
        "all odds (Benjamini & Hochberg).",
        "python -m analysis network",
        (
            Asked(
                "Object types by degree",
                "SELECT threshold, otype, low, high, round(100 * share_high, 1) AS percent_high, odds_ratio, "
                "odds_ratio_low, odds_ratio_high, odds_ratio_q AS q, balanced_odds_ratio, balanced_odds_ratio_low, "
                "balanced_odds_ratio_high, balanced_odds_ratio_q AS balanced_q, shuffled_odds_ratio AS control "
                "FROM analysis.degree_by_type "
                "WHERE run_id = $run AND n >= 5 ORDER BY threshold, n DESC",
                30,
            ),
            Asked(
                "Graphs",
                "SELECT threshold, n_nodes, n_edges, density, n_isolated, giant_share, core_periphery, "
                "core_periphery_null, core_periphery_z, assortativity, assortativity_null, assortativity_z "
                "FROM analysis.graph WHERE run_id = $run ORDER BY threshold",
            ),
        ),
    ),
    Study(
        "anomalies",
        "Anomalies",
        "Detections unlike the rest, by three detectors; beside each what may explain it, and in which columns of the "
        "catalog it is extreme.",
        "python -m analysis anomalies",
        (
            Asked(
                "Most anomalous first",
                "SELECT name, obsid, hard_hs, otype AS type, score, warnings AS may_explain_it, extremes "
                "FROM analysis.anomaly WHERE run_id = $run ORDER BY rank",
                15,
            ),
            Asked(
                "Do the detectors agree? Rank correlations, with shuffled scores as control",
                "SELECT detector, other_detector, spearman, spearman_low, spearman_high, shuffled_spearman AS control "
                "FROM analysis.anomaly_agreement WHERE run_id = $run ORDER BY ALL",
            ),
            Asked(
                "Rare simulated types hidden among common ones: share found among as many as there are",
                "SELECT hidden_class, detector, precision, precision_low, precision_high, difference, difference_low, "
                "difference_high, chance FROM analysis.anomaly_injection WHERE run_id = $run ORDER BY ALL",
            ),
        ),
    ),
)
