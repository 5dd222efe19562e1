"""Train an encoder from the rows of a store, and make it the space's current one; sweep over its settings."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from catalog import lake
from catalog.conditions import checked
from catalog.errors import UnknownName
from catalog.files import write_whole
from embed import encoders
from embed.encoders import Configuration, Family, Fitted, Settings
from embed.input_view import EVERYTHING
from embed.inputs import INPUTS

Options = Mapping[str, int | float | str | bool]


@dataclass(frozen=True)
class Trained:
    """A trained encoder as the store has it.

    Attributes
    ----------
    encoder_id : str
    version : int
        Counts up within the space.
    fitted : Fitted
        What training gave.
    snapshot : int
        What it was trained on.
    current : bool
        Whether the space's vectors are to come from it: `python -m embed run`.
    """

    encoder_id: str
    version: int
    fitted: Fitted
    snapshot: int
    current: bool


@dataclass(frozen=True)
class Training:
    """What is to be trained.

    Attributes
    ----------
    store : Path
    space : str
    model : str or None
        None: the space's usual one.
    where : str
        SQL condition on csc.observation_source (lit.paper in spaces of papers): which rows to train on; '' for all.
    settings : Settings
        Its `scratch` is set here, so that a killed training goes on where it was.
    current : bool
        Make the encoder the space's current one.
    wait : bool
        Wait while another process writes, or fail at once.
    on_wait : callable, optional
        Called with a line that says who holds the lock.
    """

    store: Path
    space: str
    model: str | None = None
    where: str = ""
    settings: Settings = field(default_factory=Settings)
    current: bool = True
    wait: bool = True
    on_wait: Callable[[str], None] | None = None


def train(job: Training) -> Trained:
    """Train an encoder and keep it: weights in models/, provenance in meta.encoder.

    Raises
    ------
    UnknownName
        If there is no such space or model.
    NothingToTrainOn
        If the selection has no rows.
    QueryError
        If `where` is no SQL condition.
    """
    kind = encoders.family(job.space, job.model)
    selected = selection(kind.modality, job.where)
    scratch = job.store / "models" / "training" / _identity(job, kind)
    snapshot = _snapshot(job.store, scratch)
    with contextlib.closing(lake.connect(job.store, snapshot=snapshot)) as connection:
        query = INPUTS[kind.modality].query(selected)

        def stream() -> Iterator[pa.Table]:
            cursor = connection.cursor()
            cursor.execute("USE lake")
            for batch in cursor.execute(query).to_arrow_reader(INPUTS[kind.modality].batch_rows):
                yield pa.Table.from_batches([batch])

        fitted = encoders.fit(job.space, kind.model, stream, replace(job.settings, scratch=scratch))
    provenance: Configuration = {
        "snapshot": snapshot,
        "where": job.where,
        "seed": job.settings.seed,
        "learning_rate": job.settings.learning_rate,
        "batch_rows": job.settings.batch_rows,
        "options": dict(job.settings.options),
        "epochs": fitted.epochs,
        "n_rows": fitted.n_rows,
        "n_sources": fitted.n_sources,
        "n_skipped": len(fitted.skipped),
        "error_name": fitted.error_name,
    }
    weights = encoders.save(fitted.encoder, job.store / "models", provenance)
    encoder_id = encoders.encoder_id(job.space, kind.model, weights.stem)
    version = _register(job, kind, Kept(encoder_id, weights.stem, snapshot, provenance), fitted)
    shutil.rmtree(scratch, ignore_errors=True)
    return Trained(encoder_id, version, fitted, snapshot, job.current)


def selection(modality: str, where: str) -> str:
    """Return the SQL of the ids that a condition selects.

    Raises
    ------
    QueryError, ForbiddenStatement
        If it is no SQL condition, or does more than read.

    Examples
    --------
    >>> selection("papers", "year >= 2020")
    '(SELECT bibcode AS id FROM lit.paper WHERE (year >= 2020))'
    """
    if not where.strip():
        return EVERYTHING[modality]
    id_column = INPUTS[modality].id_column
    table = "lit.paper" if id_column == "bibcode" else "csc.observation_source"
    query = f"SELECT {id_column} AS id FROM {table} WHERE ({checked(where, '--where')})"
    return f"({query})"


@dataclass(frozen=True)
class Kept:
    """Where an encoder is kept, and where it comes from."""

    encoder_id: str
    weights_sha256: str
    snapshot: int
    provenance: Configuration


def _register(job: Training, kind: Family, kept: Kept, fitted: Fitted) -> int:
    """Write the row of meta.encoder, and return the encoder's version within its space."""
    configuration = encoders.described(fitted.encoder) | {"training": kept.provenance}
    with (
        lake.lock(job.store, f"train {job.space}", wait=job.wait, on_wait=job.on_wait),
        contextlib.closing(lake.connect(job.store, read_only=False)) as connection,
        lake.transaction(connection, f"train {kept.encoder_id}"),
    ):
        known = connection.execute(
            "SELECT version, current FROM lake.meta.encoder WHERE encoder_id = ?", [kept.encoder_id]
        ).fetchone()
        newest = connection.execute(
            "SELECT coalesce(max(version), 0) FROM lake.meta.encoder WHERE space = ?", [job.space]
        ).fetchone()
        version = int(known[0] if known else (newest or (0,))[0] + 1)
        current = job.current or bool(known and known[1])
        if job.current:
            connection.execute("UPDATE lake.meta.encoder SET current = false WHERE space = ? AND current", [job.space])
        connection.execute("DELETE FROM lake.meta.encoder WHERE encoder_id = ?", [kept.encoder_id])
        row = {
            "encoder_id": kept.encoder_id,
            "space": job.space,
            "modality": kind.modality,
            "version": version,
            "dim": fitted.encoder.dim,
            "configuration": json.dumps(configuration, sort_keys=True),
            "weights_sha256": kept.weights_sha256,
            "snapshot": kept.snapshot,
            "seed": job.settings.seed,
            "loss_curve": [float(x) for x in fitted.loss_curve],
            "validation_error": fitted.validation_error,
            "current": current,
        }
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(
            f"INSERT INTO lake.meta.encoder ({names}, trained_at) VALUES ({marks}, now()::TIMESTAMP)",
            list(row.values()),
        )
    return version


def make_untrained(store: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None) -> list[Trained]:
    """Make the encoders that need no training (sentence vectors), in spaces that have rows and no encoder."""
    with contextlib.closing(lake.connect(store)) as connection:
        have = {s for (s,) in connection.execute("SELECT space FROM meta.encoder WHERE current").fetchall()}
        wanted = [
            space
            for space, model in encoders.DEFAULT_MODEL.items()
            if space not in have
            and not (kind := encoders.family(space, model)).trained
            and connection.execute(f"SELECT 1 FROM {EVERYTHING[kind.modality]} LIMIT 1").fetchone()
        ]
    return [train(Training(store, space, wait=wait, on_wait=on_wait)) for space in wanted]


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
    }
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


def _identity(job: Training, kind: Family) -> str:
    """Return a name for this training that another one of the same settings has too."""
    s = job.settings
    parts = [job.space, kind.model, job.where, s.latent, s.seed, s.epochs, s.patience, s.batch_rows]
    parts += [s.learning_rate, s.held_out, sorted(s.options.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _snapshot(store: Path, scratch: Path) -> int:
    """Return the newest snapshot; for a training that was interrupted, the one it began on."""
    begun = scratch / "snapshot"
    if begun.is_file() and begun.read_text(encoding="ascii").isdigit():
        return int(begun.read_text(encoding="ascii"))
    with contextlib.closing(lake.connect(store)) as connection:
        snapshot = lake.snapshots(connection)[-1].number
    scratch.mkdir(parents=True, exist_ok=True)
    write_whole(begun, str(snapshot).encode())
    return snapshot
