"""The command that looks for unusual detections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from analysis.study.options import AgainOption, SeedOption, WhereOption, more, say, say_run
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
    from analysis.anomalies import anomaly_study as study  # noqa: PLC0415 - `--help` needs no scikit-learn
    from analysis.anomalies import anomaly_tables  # noqa: PLC0415
    from analysis.study.ask_settings import Ways  # noqa: PLC0415

    with Catalog(store) as cat:
        run = study.run(cat, study.Asked(space, where, draws), Ways(seed, again, wait, say))
    with Catalog(store) as cat:
        anomaly_tables.anomalies(cat, run.run_id, top)
    say_run(run, cat.path)
    more(f"SELECT * FROM analysis.anomaly WHERE run_id = {run.run_id} ORDER BY rank", cat.path)
    if "." not in space:
        score = f"SELECT detection_id, anomaly_score(vector) AS score FROM embedding.{space}"
        more(f"{score} ORDER BY score DESC LIMIT 10", cat.path)


COMMANDS: tuple[Callable[..., None], ...] = (anomalies,)
