"""The commands of this study. Heavy imports happen inside them: `--help` needs no science."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from analysis.study.options import AgainOption, SeedOption, WhereOption, say, say_run
from catalog import Catalog
from catalog.console import OUT, StoreOption, WaitOption
from catalog.errors import QueryError, UnknownName, suggestion

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
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Cluster vectors, and score clusters against classes beside hardness ratios, colours, PCA and shuffled labels.

    Other trainings of an encoder (embed train --repeats) take turns with it, and its interval tells of all.

    Example: python -m analysis cluster --space spectrum --k 4..16 --authority simbad --store s
    Example: python -m analysis cluster --space csc.master_source --authority literature,simbad --store s
    """
    from analysis.spectra.cluster_questions import ClusterQuestion, ask_clusters  # noqa: PLC0415 - `--help` needs no science
    from analysis.spectra.cluster_tables import show_clusters  # noqa: PLC0415 - as above

    with Catalog(store) as cat:
        question = ClusterQuestion(
            _listed(space),
            tuple(_one_of(a, _ALGORITHMS, "--algorithms") for a in _listed(algorithms)),
            numbers(k),
            _listed(authority),
            _listed(tasks),
            tuple(grouping or ()),
            probes=probes,
            predicted=predicted,
            candidates=candidates,
            where=where,
            seed=seed,
            splits=splits,
        )
        run = ask_clusters(cat, question, again=again, wait=wait, say=say)
    with Catalog(store) as cat:
        show_clusters(cat, run.run_id)
        say_run(run, cat.path)
        lines = [
            f"more: SELECT * FROM analysis.cluster_score WHERE run_id = {run.run_id} ORDER BY balanced_accuracy DESC",
            "      SELECT * FROM analysis.cluster_class_mix; the same of analysis.cluster_outlier, .current_cluster",
        ]
        served = cat.sql("SELECT space FROM analysis.model WHERE run_id = $run ORDER BY ALL", run=run.run_id).fetchall()
        lines += [f"      SELECT name, cluster_of(vector) FROM embedding.{served[0][0]} LIMIT 5"] if served else []
        OUT.print("\n".join(lines), highlight=False, soft_wrap=True)


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
    from analysis.spectra.cluster_tables import show_formulas  # noqa: PLC0415 - as above
    from analysis.spectra.explained_columns import PHYSICAL  # noqa: PLC0415 - `--help` needs no science
    from analysis.spectra.formula_questions import FormulaQuestion, ask_formulas  # noqa: PLC0415 - as above

    with Catalog(store) as cat:
        chosen = _listed(columns) if columns else PHYSICAL
        question = FormulaQuestion(space, chosen, where, numbers(lengths, "--lengths"), reverse, seed)
        run = ask_formulas(cat, question, again=again, wait=wait, say=say)
    with Catalog(store) as cat:
        show_formulas(cat, run.run_id)
        say_run(run, cat.path)
        OUT.print(
            f"more: SELECT * FROM analysis.formula WHERE run_id = {run.run_id} AND found ORDER BY r2 DESC\n"
            f"      SELECT * FROM analysis.association WHERE run_id = {run.run_id} ORDER BY mutual_information DESC",
            highlight=False,
            soft_wrap=True,
        )


_ALGORITHMS = ("kmeans", "gmm", "agglomerative", "hdbscan")


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
    for part in _listed(text):
        first, dots, last = part.partition("..")
        try:
            found |= set(range(int(first), int(last) + 1)) if dots else {int(first)}
        except ValueError as error:
            raise QueryError(f"{option} {text!r}: expected numbers as 4..16 or 6,8,12, found {part!r}") from error
    if not found or min(found) < 2:  # noqa: PLR2004 - one cluster is none, one node no formula
        raise QueryError(f"{option} {text!r}: the least is 2")
    return tuple(sorted(found))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _one_of(name: str, known: tuple[str, ...], option: str) -> str:
    if name not in known:
        raise UnknownName(f"{option}: no {name!r}{suggestion(name, known)}; there are {', '.join(known)}")
    return name


COMMANDS: tuple[Callable[..., None], ...] = (cluster, symbolic)
