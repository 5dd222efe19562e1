"""The command of this study, and what it prints. Heavy imports happen inside it: `--help` needs no science."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from analysis.score_tables import StudySection, StudyTable, interval, rows_of, show
from analysis.study.options import AgainOption, SeedOption, Ways, WhereOption, by_commas, one_of, say, tell
from catalog import Catalog
from catalog.console import StoreOption, WaitOption
from catalog.errors import QueryError


def network(  # noqa: PLR0917 - typer's way to declare options
    store: StoreOption = None,
    spaces: Annotated[
        str, typer.Option("--spaces", help="Spaces, by commas; several are combined. csc.master_source: sources.")
    ] = "aligned",
    threshold: Annotated[str, typer.Option("--threshold", help="Least similarities of an edge.")] = "0.5,0.7,0.9",
    where: WhereOption = "var_prob_b > 0.9",
    combine: Annotated[
        str, typer.Option("--combine", help="mean, max, or both (an edge only where all spaces have it).")
    ] = "mean",
    centre: Annotated[
        bool, typer.Option("--centre/--no-centre", help="Subtract each space's mean over the nodes first.")
    ] = True,
    within_source: Annotated[
        bool,
        typer.Option("--within-source/--between-sources", help="Keep edges between observations of one source."),
    ] = False,
    authority: Annotated[str, typer.Option("--authority", help="Whose object types.")] = "simbad",
    high_share: Annotated[
        float, typer.Option("--high-share", min=0.0, max=1.0, help="Share of the nodes that are of high degree.")
    ] = 0.5,
    as_published: Annotated[
        bool,
        typer.Option(
            "--as-published",
            help="As published: --no-centre --threshold 0.5,0.7,0.9 --high-share 0.787; it overrules these.",
        ),
    ] = False,
    null: Annotated[int, typer.Option("--null", min=0, help="Random graphs of the same degrees.")] = 100,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Make a similarity graph of observations; tell its core, its periphery and its loners from chance.

    Example: python -m analysis network --spaces events,papers --threshold 0.5,0.7,0.9 --where 'var_prob_b > 0.9'
    """
    from analysis.networks.edges import RULES  # noqa: PLC0415 - as above
    from analysis.networks.network_study import NetworkQuestion, run  # noqa: PLC0415

    if as_published:
        from analysis.networks.published import HIGH_SHARE  # noqa: PLC0415 - as above

        threshold, centre, high_share = "0.5,0.7,0.9", False, HIGH_SHARE
    rule = one_of(combine, RULES, "--combine")
    asked = NetworkQuestion(
        by_commas(spaces), _thresholds(threshold), where, rule, centre, within_source, authority, null, high_share
    )
    tell(
        store,
        lambda cat: run(cat, asked, Ways(seed, again, wait, say)),
        _show_network,
        "SELECT * FROM analysis.degree_by_type WHERE run_id = $run ORDER BY threshold, n DESC",
    )


def _thresholds(text: str) -> tuple[float, ...]:
    try:
        values = sorted({float(t) for t in text.split(",")})
    except ValueError as error:
        raise QueryError(f"--threshold: expected numbers as 0.5,0.7,0.9, found {text!r}") from error
    if not values or not -1 <= values[0] <= values[-1] <= 1:
        raise QueryError(f"--threshold: a cosine lies between -1 and 1, found {text!r}")
    return tuple(values)


def _show_network(cat: Catalog, run_id: int) -> None:
    """Print graph, types and loners of a run."""
    from analysis.networks.sweep import ANY_RARE  # noqa: PLC0415 - as above

    graphs = rows_of(cat.sql("SELECT * FROM analysis.graph WHERE run_id = $id ORDER BY threshold", id=run_id))
    heads = (
        "threshold",
        "nodes",
        "edges",
        "density",
        "isolated",
        "giant",
        "core-periphery (null, z, p)",
        "weighted (null, z, p)",
        "assortativity (null, z, p)",
        "p, sources shuffled",
        "edges that share papers",
        "assortativity without",
    )
    show(
        "graphs; null: random graphs of the same degrees",
        heads,
        [
            (
                *(g[c] for c in ("threshold", "n_nodes", "n_edges", "density", "n_isolated", "giant_share")),
                *(_against(g, name) for name in ("core_periphery", "weighted_core_periphery", "assortativity")),
                *(g[c] for c in ("assortativity_shuffled_p", "n_sharing_papers", "assortativity_not_sharing")),
            )
            for g in graphs
        ],
    )
    for g in graphs:
        query = "SELECT * FROM analysis.degree_by_type WHERE run_id = $id AND threshold = $t AND n >= 5 ORDER BY n DESC"
        rows = rows_of(cat.sql(query, id=run_id, t=g["threshold"]))
        show(
            f"threshold {g['threshold']:g}: high degree from {g['high_degree']:g} on; balanced: class size taken out; "
            "q: corrected for the number of all odds of the run (Benjamini & Hochberg)",
            (
                "type", "n", "low", "high", "share", "odds ratio", "q", "balanced odds ratio", "q",
                "shuffled (control)", "mean degree", "expected of its size",
            ),
            [
                (
                    r["otype"], r["n"], r["low"], r["high"], r["share_high"],
                    interval(r, "odds_ratio"), r["odds_ratio_q"],
                    interval(r, "balanced_odds_ratio"),
                    r["balanced_odds_ratio_q"],
                    *(r[c] for c in ("shuffled_odds_ratio", "mean_degree", "expected_degree")),
                )
                for r in rows
            ],
        )  # fmt: skip
        query = (
            "SELECT method, k, n, precision, precision_low, precision_high, chance, chance_low, chance_high "
            "FROM analysis.rare_precision WHERE run_id = $id AND threshold = $t AND otype = $any ORDER BY k, method"
        )
        found = rows_of(cat.sql(query, id=run_id, t=g["threshold"], any=ANY_RARE))
        if not found:
            continue
        show(
            f"threshold {g['threshold']:g}: share of rare types among the first k, and among any k",
            ("method", "k", "rare nodes", "precision", "chance"),
            [
                (
                    r["method"], r["k"], r["n"],
                    interval(r, "precision"),
                    interval(r, "chance"),
                )
                for r in found
            ],
        )  # fmt: skip
    _show_published(cat, run_id)
    loners = cat.sql(
        "SELECT id, name, otype, degree, greatest_similarity, array_to_string(neighbour_types, ', '), "
        "array_to_string(flags, ', '), len(bibcodes) "
        "FROM analysis.loner WHERE run_id = $id ORDER BY rank LIMIT 10",
        id=run_id,
    ).fetchall()
    show(
        "loneliest first",
        ("id", "name", "type", "degree", "greatest similarity", "types of the nearest", "flags", "papers"),
        loners,
    )


def _show_published(cat: Catalog, run_id: int) -> None:
    """Print the published table beside the run's own odds."""
    query = (
        "SELECT * FROM analysis.degree_by_type WHERE run_id = $id AND published_low IS NOT NULL "
        "ORDER BY published_low + published_high DESC, otype, threshold"
    )
    rows = rows_of(cat.sql(query, id=run_id))
    if rows:
        show(
            "beside the published table; q: corrected for the number of all odds of the run",
            (
                "type", "published low", "high", "odds ratio", "threshold", "low", "high", "odds ratio", "q",
                "balanced", "q",
            ),
            [
                (
                    *(r[c] for c in ("otype", "published_low", "published_high")),
                    interval(r, "published_odds_ratio"),
                    *(r[c] for c in ("threshold", "low", "high")),
                    interval(r, "odds_ratio"), r["odds_ratio_q"],
                    interval(r, "balanced_odds_ratio"), r["balanced_odds_ratio_q"],
                )
                for r in rows
            ],
        )  # fmt: skip


def _against(graph: dict[str, object], name: str) -> str:
    value, null, z, p = (graph[f"{name}{s}"] for s in ("", "_null", "_z", "_p"))
    if value is None:
        return ""
    if null is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({null:.3f}, {'' if z is None else f'{z:.0f}'}, {p:.3f})"


COMMANDS: tuple[Callable[..., None], ...] = (network,)
SECTIONS: tuple[StudySection, ...] = (
    StudySection(
        "network",
        "Variable sources as a network",
        "Observations that vary, joined where their vectors are alike. z and p are against random graphs of the same "
        "degrees. High degree: the median or more, where no other share was asked for; balanced odds take class size "
        "out; q is corrected for the number of "
        "all odds (Benjamini & Hochberg).",
        "python -m analysis network",
        (
            StudyTable(
                "Object types by degree",
                "SELECT threshold, otype, low, high, round(100 * share_high, 1) AS percent_high, odds_ratio, "
                "odds_ratio_low, odds_ratio_high, odds_ratio_q AS q, balanced_odds_ratio, balanced_odds_ratio_low, "
                "balanced_odds_ratio_high, balanced_odds_ratio_q AS balanced_q, shuffled_odds_ratio AS control "
                "FROM analysis.degree_by_type "
                "WHERE run_id = $run AND n >= 5 ORDER BY threshold, n DESC",
                30,
            ),
            StudyTable(
                "Graphs",
                "SELECT threshold, n_nodes, n_edges, density, n_isolated, giant_share, core_periphery, "
                "core_periphery_null, core_periphery_z, assortativity, assortativity_null, assortativity_z "
                "FROM analysis.graph WHERE run_id = $run ORDER BY threshold",
            ),
        ),
    ),
)
"""Of the report."""
