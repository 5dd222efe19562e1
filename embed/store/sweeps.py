"""Trainings of one encoder beside one another: with settings drawn at random, or with other seeds.

One training is one draw: with another seed the network, and the sources that it is stopped by, are others, and so is
every score of its vectors. A study that has several trainings of an encoder lets its interval say so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.errors import UnknownName
from catalog.store import lake
from catalog.store.vectors import weights_file
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.inputs.pairs import DATA_SPACES
from embed.registry import Configuration, Encoder, Vectors
from embed.store.known_trainings import ROWS, SETTINGS
from embed.store.space_relations import register
from embed.store.training_job import Trained, Training, train

Options = Mapping[str, int | float | str | bool]
Grid = Mapping[str, Sequence[int | float]]


@dataclass(frozen=True)
class Run:
    """One training of a sweep: what was set, and what came out."""

    latent: int
    learning_rate: float
    options: Options
    trained: Trained


_RATES = (3e-4, 1e-3, 3e-3)
_PATCHES: Grid = {
    "latent": (4, 8, 16),
    "layers": (1, 2, 4),
    "heads": (2, 4),
    "patch": (10, 20, 40),
    "learning_rate": _RATES,
}
_ALIGNED: Grid = {
    "latent": (64,),
    "gamma": (0.0, 0.1, 1.0, 10.0),
    "dropout": (0.3, 0.5),
    "learning_rate": (1e-3, 2e-3),
}
GRID: dict[tuple[str, str], Grid] = {
    ("spectrum", "vae"): {
        "latent": (4, 6, 8),
        "hidden": (128, 256, 512),
        "divergence": (0.1, 0.3, 1.0),
        "thinnest": (4, 8, 16),
        "learning_rate": _RATES,
    },
    ("spectrum", "transformer"): _PATCHES,
    ("spectrum", "transformer-poisson"): _PATCHES,
    ("spectrum", "rnn"): {k: v for k, v in _PATCHES.items() if k != "heads"},
    **{("aligned", model): _ALIGNED for model in DATA_SPACES},
}
"""What a sweep tries, per space and model: its latent, learning rate, and options of the model."""


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
        If nothing is known to try for the model.
    """
    model = registry.family(base.space, base.model).model
    if (base.space, model) not in GRID:
        known = ", ".join(" --model ".join(pair) for pair in GRID)
        raise UnknownName(f"no sweep is known for {base.space} --model {model}; there are {known}")
    grid = GRID[base.space, model]
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


_SAME = (SETTINGS, ROWS, "input_version")
_OF_THE_SEED = {"training", "held_out_sources"}


@dataclass(frozen=True)
class Twin:
    """An encoder that was trained as another one, but for the seed.

    Attributes
    ----------
    encoder_id, weights_sha256 : str
    """

    encoder_id: str
    weights_sha256: str

    def load(self, store: Path) -> Encoder:
        """Restore it from the store's models."""
        return registry.load(weights_file(store, self.weights_sha256))


def twins(store: Path, encoder_id: str, snapshot: int | None = None) -> list[Twin]:
    """Return the other trainings of an encoder: the same model, settings and rows, another seed; by age.

    Parameters
    ----------
    store : Path
    encoder_id : str
    snapshot : int, optional
        Else the newest. Encoders of before versions of this program that note their rows have none.
    """
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        rows = connection.execute(
            "SELECT encoder_id, weights_sha256, configuration FROM meta.encoder "
            "WHERE space = (SELECT space FROM meta.encoder WHERE encoder_id = ?) ORDER BY version",
            [encoder_id],
        ).fetchall()
    told = {id_: json.loads(configuration or "{}") for id_, _, configuration in rows}
    own = _but_for_the_seed(told.get(encoder_id, {}))
    if own is None:
        return []
    return [
        Twin(id_, weights)
        for id_, weights, _ in rows
        if id_ != encoder_id and _but_for_the_seed(told[id_]) == own and weights_file(store, str(weights)).is_file()
    ]


def vectors_of(store: Path, encoder: Encoder, ids: Sequence[str], snapshot: int | None = None) -> dict[str, Vectors]:
    """Encode rows of a store.

    Parameters
    ----------
    store : Path
    encoder : Encoder
    ids : sequence of str, length n
    snapshot : int, optional
        Else the newest.

    Returns
    -------
    dict of str to ndarray of float32, shape (n, dim)
        By side: data, text, both of an aligned encoder, else its modality. NaN where a row has no vector.
    """
    kind = INPUTS[encoder.modality]
    place = {id_: i for i, id_ in enumerate(ids)}
    out: dict[str, Vectors] = {}
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        register(connection, store, kind.spaces)
        connection.register("__wanted", pa.table({"id": pa.array(list(ids), pa.string())}))
        for batch in connection.execute(kind.query("__wanted")).to_arrow_reader(kind.batch_rows):
            encoded = registry.encode_rows(encoder, pa.Table.from_batches([batch]))
            for id_, side, vector in zip(encoded.ids, encoded.modalities, encoded.vectors, strict=True):
                if side not in out:
                    out[side] = np.full((len(ids), encoder.dim), np.nan, np.float32)
                out[side][place[id_]] = vector
    return out


def _but_for_the_seed(configuration: Configuration) -> str | None:
    """Return what makes an encoder, its seed and what follows from that left out; None where that is not known."""
    training = configuration.get("training")
    if not isinstance(training, dict) or ROWS not in training:
        return None
    same = {k: training.get(k) for k in _SAME}
    rest = {k: v for k, v in configuration.items() if k not in _OF_THE_SEED}
    return json.dumps([same, rest], sort_keys=True)
