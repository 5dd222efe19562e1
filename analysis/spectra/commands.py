"""The commands of this study, and what they print. Heavy imports happen inside them: `--help` needs no science.

Every score is printed with its control, its interval and its gain beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from analysis.score_tables import Row, StudySection, StudyTable, cell, interval, rows_of, show
from analysis.study.options import AgainOption, SeedOption, Ways, WhereOption, by_commas, one_of, say, tell
from catalog import Catalog
from catalog.console import OUT, StoreOption, WaitOption
from catalog.errors import QueryError

SpacesOption = Annotated[
    str,
    typer.Option(
        "--space", help="Embedding spaces, separated by commas; csc.master_source for columns of sources instead."
    ),
]


def cluster(  # noqa: PLR0917 - typer's way to declare options
    store: StoreOption = None,
    space: SpacesOption = "spectrum",
    algorithms: Annotated[
        str, typer.Option("--algorithms", help="Of kmeans, gmm, agglomerative, hdbscan.")
    ] = "kmeans,gmm,agglomerative,hdbscan",
    k: Annotated[str, typer.Option("--k", help="Numbers of clusters: 4..16, or 6,8,12.")] = "4..16",
    authority: Annotated[
        str, typer.Option("--authority", help="Who says what sources are; of several, the first that has a class.")
    ] = "simbad",
    tasks: Annotated[str, typer.Option("--tasks", help="What to tell apart: eight, nine, agn.")] = "eight,agn",
    grouping: Annotated[
        list[str] | None,
        typer.Option("--grouping", metavar="LABEL=CLASS+CLASS,...", help="A task of your own; repeatable."),
    ] = None,
    probes: Annotated[bool, typer.Option("--probes/--no-probes", help="Train supervised probes too.")] = True,
    predicted: Annotated[
        bool, typer.Option("--predicted", help="Take classes that a model predicted for truth.")
    ] = False,
    candidates: Annotated[bool, typer.Option("--candidates", help="Take candidates for truth.")] = False,
    where: WhereOption = "",
    splits: Annotated[
        int, typer.Option("--splits", min=1, help="Split the sources so often, to fit and to score.")
    ] = 10,
    encoders_of: Annotated[
        Path | None,
        typer.Option("--encoders-of", help="Another store: judge its encoders, frozen, on sources that it lacks."),
    ] = None,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Cluster vectors, and score clusters against classes beside hardness ratios, colours, PCA and shuffled labels.

    Other trainings of an encoder (embed train --repeats) take turns with it, and its interval tells of all.

    Example: python -m analysis cluster --space spectrum --k 4..16 --authority simbad --store s
    Example: python -m analysis cluster --space csc.master_source --authority literature,simbad --store s
    Example: python -m analysis cluster --space spectrum --encoders-of another --store s
    """
    from analysis.spectra.cluster_run import ClusterQuestion, run  # noqa: PLC0415 - `--help` needs no science
    from analysis.spectra.clustering import ALGORITHMS  # noqa: PLC0415 - as above

    asked = ClusterQuestion(
        by_commas(space),
        tuple(one_of(a, ALGORITHMS, "--algorithms") for a in by_commas(algorithms)),
        numbers(k),
        by_commas(authority),
        by_commas(tasks),
        tuple(grouping or ()),
        probes=probes,
        predicted=predicted,
        candidates=candidates,
        where=where,
        splits=splits,
        encoders_of=str(encoders_of or ""),
    )
    tell(
        store,
        lambda cat: run(cat, asked, Ways(seed, again, wait, say)),
        _show_clusters,
        "SELECT * FROM analysis.cluster_score WHERE run_id = $run ORDER BY balanced_accuracy DESC",
        *(f"SELECT * FROM analysis.{view}" for view in ("cluster_class_mix", "cluster_outlier", "current_cluster")),
        *(f"SELECT name, cluster_of(vector) FROM embedding.{s} LIMIT 5" for s in asked.spaces[:1] if "." not in s),
    )


def symbolic(
    store: StoreOption = None,
    space: Annotated[str, typer.Option("--space", help="Embedding space.")] = "spectrum",
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Columns of csc.observation_source; else fluxes, colours, fits, variability."),
    ] = None,
    lengths: Annotated[
        str, typer.Option("--lengths", help="Greatest lengths of formulas, a search for each.")
    ] = "5,9,15,25",
    reverse: Annotated[bool, typer.Option("--reverse/--no-reverse", help="Columns from latents too.")] = True,
    where: WhereOption = "",
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Explain latent dimensions by formulas of physical columns, and columns by latents, beside a linear model.

    Example: python -m analysis symbolic --space spectrum --store s
    Example: python -m analysis symbolic --space spectrum --columns hard_hs,hard_ms,powlaw_gamma --store s
    """
    from analysis.spectra.explained_columns import PHYSICAL  # noqa: PLC0415 - as above
    from analysis.spectra.formula_run import FormulaQuestion, run  # noqa: PLC0415

    chosen = by_commas(columns) if columns else PHYSICAL
    asked = FormulaQuestion(space, chosen, where, numbers(lengths, "--lengths"), reverse)
    tell(
        store,
        lambda cat: run(cat, asked, Ways(seed, again, wait, say)),
        _show_formulas,
        "SELECT * FROM analysis.formula WHERE run_id = $run AND found ORDER BY r2 DESC",
        "SELECT * FROM analysis.association WHERE run_id = $run ORDER BY mutual_information DESC",
    )


def numbers(text: str, option: str = "--k") -> tuple[int, ...]:
    """Read whole numbers from 2: '4..16', '6,8,12', or both mixed.

    Raises
    ------
    QueryError
        If it is neither, or one is less than 2.

    Examples
    --------
    >>> numbers("4..6,10")
    (4, 5, 6, 10)
    """
    found: set[int] = set()
    for part in by_commas(text):
        first, dots, last = part.partition("..")
        try:
            found |= set(range(int(first), int(last) + 1)) if dots else {int(first)}
        except ValueError as error:
            raise QueryError(f"{option} {text!r}: expected numbers as 4..16 or 6,8,12, found {part!r}") from error
    if not found or min(found) < 2:  # noqa: PLR2004 - one cluster is none, one node no formula
        raise QueryError(f"{option} {text!r}: the least is 2")
    return tuple(sorted(found))


# Of the baselines, that which is hardest to beat.
_HARDEST = """
WITH hardest AS (
  SELECT rows_are, task, features, method AS by, mapping AS of_mapping,
    arg_min({'baseline': baseline, 'gain': gain, 'low': gain_low, 'high': gain_high}, gain) AS least
  FROM analysis.baseline_gain WHERE run_id = $run GROUP BY ALL
)
"""
_LEAST = "least.baseline AS hardest, least.gain AS least, least.low AS least_low, least.high AS least_high"
_SCORES = f"""
{_HARDEST}
SELECT rows_are, task, features, is_baseline, algorithm || ' ' || setting AS method, mapping, chosen,
  balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high, control_mean, control_high,
  gain, gain_low, gain_high, n_classes, n_sources, left_out, n_splits, n_trainings, {_LEAST}
FROM analysis.cluster_score AS s LEFT JOIN hardest AS h USING (rows_are, task, features)
WHERE run_id = $run AND chosen IS NOT NULL AND mapping = 'many-to-one' AND (h.by IS NULL OR (h.of_mapping = s.mapping
  AND h.by = 'clusters, ' || CASE chosen WHEN 'without labels' THEN chosen ELSE 'with labels' END))
ORDER BY rows_are, task DESC, is_baseline, features, balanced_accuracy DESC
"""
_PROBES = f"""
{_HARDEST}
SELECT rows_are, task, features, is_baseline, probe AS method, '' AS mapping, 'trained' AS chosen,
  balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high, control_mean, control_high,
  gain, gain_low, gain_high, n_classes, n_sources, NULL AS left_out, n_splits, n_trainings, {_LEAST}
FROM analysis.probe_score AS s LEFT JOIN hardest AS h USING (rows_are, task, features)
WHERE run_id = $run AND (h.by IS NULL OR h.by = s.probe) ORDER BY rows_are, task DESC, is_baseline, features, probe
"""


def _show_clusters(cat: Catalog, run_id: int) -> None:
    """Print the chosen clusterings and the probes of a run, task by task."""
    for title, query in (("clusters, many-to-one", _SCORES), ("supervised probes", _PROBES)):
        rows = rows_of(cat.sql(query, run=run_id))
        for key in dict.fromkeys((r["rows_are"], r["task"]) for r in rows):
            own = [r for r in rows if (r["rows_are"], r["task"]) == key]
            heading = f"{key[1]}: {title}; {own[0]['n_classes']} classes, {own[0]['n_sources']:,} sources; mean of "
            heading += f"{own[0]['n_splits'] or 1} splits, intervals of one split"
            show(
                heading,
                (
                    *("features", "method", "chosen", "balanced accuracy", "shuffled", "gain over hardness ratios"),
                    "least gain over a baseline",
                ),
                [
                    (
                        f"{r['features']}{_remark(r)}",
                        r["method"],
                        r["chosen"],
                        interval(r, "balanced_accuracy"),
                        _control(r),
                        interval(r, "gain", signed=True),
                        f"{interval(r, 'least', signed=True)} {r['hardest']}" if r["hardest"] else "",
                    )
                    for r in own
                ],
            )
            if own[0]["left_out"]:
                say(f"  left out, too few sources: {own[0]['left_out']}")
    _simulated(cat, run_id)


_FORMULAS = """
SELECT * FROM analysis.formula WHERE run_id = $run AND chosen
ORDER BY direction DESC, found DESC, r2 DESC, target
"""


def _show_formulas(cat: Catalog, run_id: int) -> None:
    """Print the chosen formula of each target of a run."""
    rows = rows_of(cat.sql(_FORMULAS, run=run_id))
    for direction in dict.fromkeys(str(r["direction"]) for r in rows):
        own = [r for r in rows if r["direction"] == direction]
        show(
            f"{direction}; R2 on sources that were not fitted, {own[0]['n_sources']:,} sources in all",
            ("target", "found", "R2", "linear model", "gain over linear", "shuffled", "formula", "units"),
            [
                (
                    r["target"],
                    "yes" if r["found"] else "no",
                    interval(r, "r2"),
                    interval(r, "linear_r2"),
                    interval(r, "gain", signed=True),
                    _control(r),
                    r["formula"],
                    r["units"],
                )
                for r in own
            ],
        )
    _simulated(cat, run_id)


def _simulated(cat: Catalog, run_id: int) -> None:
    """Say that results are of simulated sources, where they are."""
    ((n, n_simulated),) = cat.sql(
        "SELECT n_sources, n_simulated FROM analysis.run WHERE run_id = $run", run=run_id
    ).fetchall()
    if n_simulated:
        OUT.print(f"{n_simulated:,} of {n:,} sources are SIMULATED", highlight=False)


def _control(row: Row) -> str:
    return f"{cell(row['control_mean'])} (< {cell(row['control_high'])})"


def _remark(row: Row) -> str:
    if row["is_baseline"]:
        return " (baseline)"
    n = row["n_trainings"]
    return f" ({n} trainings)" if isinstance(n, int) and n > 1 else ""


COMMANDS: tuple[Callable[..., None], ...] = (cluster, symbolic)
SECTIONS: tuple[StudySection, ...] = (
    StudySection(
        "cluster",
        "Clusters and classes",
        "Clusters of vectors against what sources are known to be: assigned on one half of the sources, scored on the "
        "other, in several splits. Balanced accuracy beside shuffled labels (control) and the gain over three hardness "
        "ratios on the same rows, chosen as freely; an interval that holds zero says that the vectors know no more. "
        "Intervals are of one split: sources, splits and seeds drawn anew.",
        "python -m analysis cluster --space spectrum",
        (
            StudyTable(
                "The chosen clustering of each space and task",
                "SELECT rows_are AS rows, task, features, algorithm, setting, mapping, balanced_accuracy, "
                "balanced_accuracy_low AS low, balanced_accuracy_high AS high, control_mean AS control, gain, "
                "gain_low, gain_high, n_sources FROM analysis.cluster_score WHERE run_id = $run AND chosen IS NOT NULL "
                "AND mapping = 'many-to-one' ORDER BY task, is_baseline, balanced_accuracy DESC",
            ),
            StudyTable(
                "Supervised probes on the same rows",
                "SELECT task, features, probe, balanced_accuracy, balanced_accuracy_low AS low, "
                "balanced_accuracy_high AS high, control_mean AS control, gain, gain_low, gain_high, n_sources "
                "FROM analysis.probe_score WHERE run_id = $run ORDER BY task, is_baseline, balanced_accuracy DESC",
            ),
            StudyTable(
                "Gains over every baseline",
                "SELECT task, features, method, baseline, gain, gain_low, gain_high FROM analysis.baseline_gain "
                "WHERE run_id = $run AND mapping IS DISTINCT FROM 'one-to-one' ORDER BY task, features, method, gain",
            ),
        ),
    ),
    StudySection(
        "symbolic",
        "Latents as formulas",
        "Each latent dimension as a formula of the catalog's columns, and columns as formulas of latents. R2 on "
        "sources that the search has not seen, beside a linear model and a shuffled target; 'found' says that the "
        "formula beats the shuffled one.",
        "python -m analysis symbolic --space spectrum",
        (
            StudyTable(
                "The chosen formula of each target",
                "SELECT direction, target, formula, complexity, r2, r2_low, r2_high, linear_r2, control_high AS "
                "control, found FROM analysis.formula WHERE run_id = $run AND chosen ORDER BY direction, r2 DESC",
            ),
        ),
    ),
)
"""Of the report."""
