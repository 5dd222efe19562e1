"""Train with many settings, drawn at random, to see how much it matters what one chooses."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog.errors import UnknownName
from embed.store.training_job import Trained, Training, train

Options = Mapping[str, int | float | str | bool]


@dataclass(frozen=True)
class Run:
    """One training of a sweep: what was set, and what came out."""

    latent: int
    learning_rate: float
    options: Options
    trained: Trained


GRID: dict[str, dict[str, Sequence[int | float]]] = {
    "spectrum": {
        "latent": (4, 8, 16),
        "layers": (1, 2, 4),
        "heads": (2, 4),
        "patch": (10, 20, 40),
        "learning_rate": (3e-4, 1e-3, 3e-3),
    },
    "aligned": {
        "latent": (64,),
        "gamma": (0.0, 0.1, 1.0, 10.0),
        "dropout": (0.3, 0.5),
        "learning_rate": (1e-3, 2e-3),
    },
}
"""What a sweep tries, per space."""


def sweep(base: Training, n_runs: int, report: Callable[[Run], None]) -> list[Run]:
    """Train encoders with settings drawn at random from `GRID`; none becomes current, each is a row of meta.encoder.

    Parameters
    ----------
    base : Training
        Space, model, rows, and the settings that the grid does not set; its seed draws the runs.
    n_runs : int
        At most so many different ones.
    report : callable
        Called after each run.

    Raises
    ------
    UnknownName
        If nothing is known to try for the space.
    """
    if base.space not in GRID:
        raise UnknownName(f"no sweep is known for space {base.space}; there are {', '.join(GRID)}")
    grid = GRID[base.space]
    points = list(itertools.product(*grid.values()))
    drawn = random.Random(base.settings.seed).sample(points, min(n_runs, len(points)))  # noqa: S311 - no secret
    runs = []
    for point in drawn:
        values = dict(zip(grid, point, strict=True))
        latent, rate = int(values.pop("latent")), float(values.pop("learning_rate"))
        options = {**base.settings.options, **values}
        settings = replace(base.settings, latent=latent, learning_rate=rate, options=options)
        run = Run(latent, rate, options, train(replace(base, settings=settings, current=False)))
        report(run)
        runs.append(run)
    return runs
