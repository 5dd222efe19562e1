"""Photons and papers in one space: retrieve, regress, neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.study.options import AgainOption, SeedOption, WhereOption, more, say, say_run
from catalog import Catalog
from catalog.console import StoreOption, WaitOption
from catalog.errors import QueryError, suggestion

if TYPE_CHECKING:
    from embed.inputs.pooling import Pooling

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
    from analysis.papers import paper_tables  # noqa: PLC0415 - `--help` needs no NumPy
    from analysis.papers import retrieval_study as study  # noqa: PLC0415
    from analysis.study.ask_settings import Ways  # noqa: PLC0415

    with Catalog(store) as cat:
        run = study.run(cat, Ways(seed, again, wait, say))
    with Catalog(store) as cat:
        paper_tables.retrieval(cat, run.run_id)
    say_run(run, cat.path)
    more(f"SELECT * FROM analysis.retrieval WHERE run_id = {run.run_id}", cat.path)


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
    from analysis.papers import paper_tables  # noqa: PLC0415
    from analysis.papers import regression_study as study  # noqa: PLC0415 - `--help` needs no scikit-learn
    from analysis.study.ask_settings import Ways  # noqa: PLC0415

    names = (*study.FIVE, *study.FIFTEEN) if columns == "all" else _names(columns)
    asked = study.Asked(names, where, _names(data), _pooling(pooling), masked, splits)
    with Catalog(store) as cat:
        run = study.run(cat, asked, Ways(seed, again, wait, say))
    with Catalog(store) as cat:
        paper_tables.regression(cat, run.run_id)
    say_run(run, cat.path)
    more(f"SELECT * FROM analysis.regression WHERE run_id = {run.run_id} ORDER BY column_name, mae", cat.path)


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
    from analysis.papers import neighbour_study as study  # noqa: PLC0415 - `--help` needs no scikit-learn
    from analysis.papers import paper_tables  # noqa: PLC0415
    from analysis.study.ask_settings import Ways  # noqa: PLC0415

    with Catalog(store) as cat:
        run = study.run(cat, study.Asked(k, resamples, where), Ways(seed, again, wait, say))
    with Catalog(store) as cat:
        paper_tables.neighbours(cat, run.run_id)
    say_run(run, cat.path)
    query = f"FROM analysis.neighbour WHERE run_id = {run.run_id} AND stability > 0.5 ORDER BY stability DESC"
    more(f"SELECT detection_id, space, stability, neighbours {query}", cat.path)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))


def _pooling(text: str) -> Pooling | None:
    from embed.inputs.pooling import POOLINGS  # noqa: PLC0415 - `--help` needs no NumPy

    if not text:
        return None
    for known in POOLINGS:
        if known == text:
            return known
    raise QueryError(f"--pooling {text}: there are {', '.join(POOLINGS)}{suggestion(text, POOLINGS)}")


COMMANDS: tuple[Callable[..., None], ...] = (retrieve, regress, neighbours)
