"""The command of this study. Heavy imports happen inside it: `--help` needs no science."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from analysis.study.options import AgainOption, SeedOption, WhereOption, say, say_run
from catalog import Catalog
from catalog.console import StoreOption, WaitOption
from catalog.errors import QueryError
from catalog.store import location


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
    null: Annotated[int, typer.Option("--null", min=0, help="Random graphs of the same degrees.")] = 100,
    seed: SeedOption = 0,
    again: AgainOption = False,
    wait: WaitOption = True,
) -> None:
    """Make a similarity graph of observations; tell its core, its periphery and its loners from chance.

    Example: python -m analysis network --spaces events,papers --threshold 0.5,0.7,0.9 --where 'var_prob_b > 0.9'
    """
    from analysis.networks import network_tables  # noqa: PLC0415 - as above
    from analysis.networks.edges import RULES  # noqa: PLC0415
    from analysis.networks.network_run import run  # noqa: PLC0415
    from analysis.networks.network_study import Asked  # noqa: PLC0415
    from analysis.networks.node_samples import read  # noqa: PLC0415

    if combine not in RULES:
        raise QueryError(f"--combine is to be one of {', '.join(RULES)}, found {combine!r}")
    path = location.store_path(store)
    chosen = [s.strip() for s in spaces.split(",") if s.strip()]
    asked = Asked(_thresholds(threshold), combine, centre, within_source, null, seed, say)
    with Catalog(path) as cat:
        nodes = read(cat, chosen, where, authority)
        made = run(path, cat, nodes, asked, where, authority, again=again, wait=wait, on_wait=say)
    with Catalog(path) as cat:
        network_tables.network(cat, made.run_id)
    say_run(made, path)


def _thresholds(text: str) -> tuple[float, ...]:
    try:
        values = sorted({float(t) for t in text.split(",")})
    except ValueError as error:
        raise QueryError(f"--threshold: expected numbers as 0.5,0.7,0.9, found {text!r}") from error
    if not values or not -1 <= values[0] <= values[-1] <= 1:
        raise QueryError(f"--threshold: a cosine lies between -1 and 1, found {text!r}")
    return tuple(values)


COMMANDS: tuple[Callable[..., None], ...] = (network,)
