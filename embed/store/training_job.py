"""Train an encoder from the rows of a store, and make it the space's current one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from catalog.catalog import open_
from catalog.errors import Terminal, UnknownName
from catalog.formats.whole_files import write_whole
from catalog.query.filtering import checked
from catalog.store import lake
from catalog.store.place import place_of
from embed import registry
from embed.inputs.modalities import EVERYTHING, INPUTS
from embed.registry import Configuration, Family, Fitted, Settings
from embed.store import known_trainings
from embed.store.known_trainings import Kept
from embed.store.space_relations import register
from embed.training.split import APART, set_apart

_SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Trained:
    """A trained encoder as the store has it.

    Attributes
    ----------
    encoder_id : str
    version : int
        Counts up within the space.
    snapshot : int or None
        What it was trained on; None of one that came with the program.
    current : bool
        Whether the space's vectors are to come from it: `python -m embed run`.
    n_rows, n_sources, epochs : int
        Rows and sources it was trained on, and for how long.
    loss_curve : list of float
        Loss on the held-out sources per epoch.
    validation_error : float or None
        Its error on the held-out sources; `error_name` says of what kind.
    error_name : str
    n_skipped : int
        Rows that could not be used.
    skipped_because : str or None
        The reason of the first of them; not known of an encoder that was trained before.
    trained_before : datetime or None
        When, UTC, where the same training had been done already and nothing was trained now.
    ready_made : bool
        Whether it came with the program.
    """

    encoder_id: str
    version: int
    snapshot: int | None
    current: bool
    n_rows: int
    n_sources: int
    epochs: int
    loss_curve: list[float]
    validation_error: float | None
    error_name: str
    n_skipped: int
    skipped_because: str | None = None
    trained_before: datetime | None = None
    ready_made: bool = False


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
    again : bool
        Train though the same settings on the same inputs have given an encoder already.
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
    again: bool = False
    wait: bool = True
    on_wait: Callable[[str], None] | None = None


def train(job: Training) -> Trained:
    """Train an encoder and keep it: weights in models/, provenance in meta.encoder.

    The same settings on the same inputs are not trained again; the encoder they gave becomes the current one, if it
    is not.

    Raises
    ------
    UnknownName
        If there is no such space or model.
    NothingToTrainOn
        If the selection has no rows.
    QueryError
        If `where` is no SQL condition, or the model cannot be made with these settings.
    """
    kind = registry.family(job.space, job.model)
    selected = selection(kind.modality, job.where)
    options = dict(job.settings.options)
    # An alignment leaves them out by itself, to be judged on.
    apart = "papers" not in kind.modality and bool(options.pop(APART, False))
    lake.bring_up_to_date(job.store, wait=job.wait, on_wait=job.on_wait)
    check(job.store, selected)
    key = known_trainings.settings_key(job.space, kind, job.where, job.settings)
    scratch = place_of(job.store).models / "training" / key
    begun = _begun(job.store, scratch)
    snapshot = _newest(job.store) if begun is None else begun
    with contextlib.closing(lake.connect(job.store, snapshot=snapshot)) as connection:
        rows = known_trainings.learned_rows(connection, kind, selected)
        name = known_trainings.identity(key, rows)
        before = None if job.again else known_trainings.find(job.store, job.space, name)
        if before is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            # It was killed when all was done but for the scratch; the rows may be others since.
            return train(job) if begun is not None else _known(job, before)
        scratch.mkdir(parents=True, exist_ok=True)
        write_whole(scratch / _SNAPSHOT, str(snapshot).encode())
        query = INPUTS[kind.modality].query(selected)

        def stream() -> Iterator[pa.Table]:
            cursor = connection.cursor()
            cursor.execute("USE lake")
            register(cursor, job.store, INPUTS[kind.modality].spaces)
            for batch in cursor.execute(query).to_arrow_reader(INPUTS[kind.modality].batch_rows):
                yield _not_apart(pa.Table.from_batches([batch]), job.settings.seed, apart=apart)

        try:
            settings = replace(job.settings, scratch=scratch, options=options)
            fitted = registry.fit(job.space, kind.model, stream, settings)
        except Terminal:
            # It was refused, not killed: what is missing may be there next time, in a newer snapshot.
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    provenance: Configuration = {
        known_trainings.IDENTITY: name,
        known_trainings.ROWS: hashlib.sha256(rows.encode()).hexdigest()[:40],
        known_trainings.SETTINGS: known_trainings.settings_key(
            job.space, kind, job.where, replace(job.settings, seed=0)
        ),
        "snapshot": snapshot,
        # 0: it learned from no rows, and reads those of any version.
        "input_version": INPUTS[kind.modality].version if kind.trained else 0,
        "where": job.where,
        "seed": job.settings.seed,
        "learning_rate": job.settings.learning_rate,
        "batch_rows": job.settings.batch_rows,
        "held_out": job.settings.held_out,
        "options": dict(job.settings.options),
        "epochs": fitted.epochs,
        "n_rows": fitted.n_rows,
        "n_sources": fitted.n_sources,
        "n_skipped": len(fitted.skipped),
        "error_name": fitted.error_name,
    }
    weights = registry.save(fitted.encoder, place_of(job.store).models, provenance)
    encoder_id = registry.encoder_id(job.space, kind.model, weights.stem)
    version = register_encoder(job, kind, Saved(encoder_id, weights.stem, snapshot, provenance), fitted)
    shutil.rmtree(scratch, ignore_errors=True)
    return Trained(
        encoder_id,
        version,
        snapshot,
        job.current,
        fitted.n_rows,
        fitted.n_sources,
        fitted.epochs,
        fitted.loss_curve,
        fitted.validation_error,
        fitted.error_name,
        len(fitted.skipped),
        next(iter(fitted.skipped.values()), None),
    )


def _not_apart(rows: pa.Table, seed: int, *, apart: bool) -> pa.Table:
    """Leave out the rows of sources that an alignment of this seed is judged on."""
    if not apart:
        return rows
    names = zip(rows["name"].to_pylist(), rows["id"].to_pylist(), strict=True)
    return rows.filter(pa.array([not set_apart(name or id_, seed) for name, id_ in names], pa.bool_()))


def _known(job: Training, before: Kept) -> Trained:
    """Return an encoder that was trained before, as the current one if that is wanted."""
    if job.current and not before.current:
        message = f"{job.space}: {before.encoder_id} is current again"
        purpose = f"choose {before.encoder_id}"
        with lake.writer(job.store, purpose, commit=message, wait=job.wait, on_wait=job.on_wait) as connection:
            connection.execute(
                "UPDATE lake.meta.encoder SET current = (encoder_id = ?) WHERE space = ?",
                [before.encoder_id, job.space],
            )
    n_rows, n_sources, epochs, n_skipped = (
        int(value) if isinstance(value := before.training.get(k), int) else 0
        for k in ("n_rows", "n_sources", "epochs", "n_skipped")
    )
    return Trained(
        before.encoder_id,
        before.version,
        before.snapshot,
        job.current or before.current,
        n_rows,
        n_sources,
        epochs,
        before.loss_curve,
        before.validation_error,
        str(before.training.get("error_name", "")),
        n_skipped,
        trained_before=before.trained_at,
    )


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


def check(store: Path, selected: str) -> None:
    """Ask for none of the selected rows, so that a misspelt column is told as in any query.

    Raises
    ------
    UnknownName
        If the condition names a column that does not exist; the message names the nearest that does.
    QueryError
        If it makes no sense to the engine.
    """
    with open_(store) as cat:
        cat.sql(f"SELECT * FROM {selected} LIMIT 0")


@dataclass(frozen=True)
class Saved:
    """Where an encoder is kept, and where it comes from."""

    encoder_id: str
    weights_sha256: str
    snapshot: int | None
    provenance: Configuration


def register_encoder(job: Training, kind: Family, saved: Saved, fitted: Fitted) -> int:
    """Write the row of meta.encoder, and return the encoder's version within its space."""
    configuration = registry.described(fitted.encoder) | {"training": saved.provenance}
    purpose, message = f"train {job.space}", f"train {saved.encoder_id}"
    with lake.writer(job.store, purpose, commit=message, wait=job.wait, on_wait=job.on_wait) as connection:
        known = connection.execute(
            "SELECT version, current FROM lake.meta.encoder WHERE encoder_id = ?", [saved.encoder_id]
        ).fetchone()
        newest = connection.execute(
            "SELECT coalesce(max(version), 0) FROM lake.meta.encoder WHERE space = ?", [job.space]
        ).fetchone()
        version = int(known[0] if known else (newest or (0,))[0] + 1)
        current = job.current or bool(known and known[1])
        if job.current:
            connection.execute("UPDATE lake.meta.encoder SET current = false WHERE space = ? AND current", [job.space])
        connection.execute("DELETE FROM lake.meta.encoder WHERE encoder_id = ?", [saved.encoder_id])
        row = {
            "encoder_id": saved.encoder_id,
            "space": job.space,
            "modality": kind.modality,
            "version": version,
            "dim": fitted.encoder.dim,
            "configuration": json.dumps(configuration, sort_keys=True),
            "weights_sha256": saved.weights_sha256,
            "snapshot": saved.snapshot,
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


def _begun(store: Path, scratch: Path) -> int | None:
    """Return the snapshot on which a training that was interrupted began; None where there is none to go on with."""
    file = scratch / _SNAPSHOT
    if not file.is_file() or not (text := file.read_text(encoding="ascii")).isdigit():
        return None
    try:
        with contextlib.closing(lake.connect(store, snapshot=int(text))) as connection:
            if lake.is_current(connection):
                return int(text)
    except UnknownName:
        pass
    shutil.rmtree(scratch, ignore_errors=True)  # of a version of this program that read otherwise
    return None


def _newest(store: Path) -> int:
    with contextlib.closing(lake.connect(store)) as connection:
        return lake.snapshots(connection)[-1].number
