"""Stale rows -> batches -> vectors -> pin.

Each batch is one commit: its vectors become visible together with the rows of meta.embedded that tell of them, or not
at all. So a job may be killed at any moment; run again, it finds in meta.stale what is left to do. While the vectors
of a newer encoder are being made, readers keep those of the older one, whole; the last commit changes over.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import Transient, UnknownName, command, suggestion
from catalog.store import lake, vectors
from catalog.store.vectors import Compaction, Pin
from embed import registry
from embed.inputs.modalities import INPUTS, outgrown
from embed.registry import Encoder
from embed.store.encoded_batches import Batch
from embed.store.shared_encoding import Part, encoded
from embed.store.status import next_step

_LOG = logging.getLogger(__name__)
COMMIT_ROWS = 1 << 18
_STALE = """
SELECT space, id, name, reason, input_sha256, encoder_id FROM meta.stale
ORDER BY space, TRY_CAST(split_part(id, '.', 1) AS BIGINT), id
"""


class Superseded(Transient):
    """Another job made another encoder the current one meanwhile."""


@dataclass(frozen=True)
class Current:
    """The encoder that a space's vectors are to come from: a row of meta.encoder."""

    space: str
    encoder_id: str
    modality: str
    weights_sha256: str
    input_version: int
    """Of the input that it learned from (`embed.inputs.prepared.Input.version`); 0 where it reads any."""

    def load(self, store: Path) -> Encoder:
        """Restore it from the store's models."""
        return registry.load(vectors.weights_file(store, self.weights_sha256))


@dataclass
class Outcome:
    """What a run did in one space.

    Attributes
    ----------
    space, encoder_id : str
    reasons : Counter of str
        Stale rows by reason, when it began.
    n_encoded, n_skipped, n_removed : int
        Rows that got a vector, rows that have no input to make one from, vectors whose row is gone.
    skipped : Counter of str
        Reasons of the skipped ones.
    changed_over : bool
        Whether readers now see the vectors of a newer encoder.
    blocked : str
        Why nothing was done though rows are stale; the vectors stay what they were.
    compaction : Compaction or None
    seconds : float
    """

    space: str
    encoder_id: str
    reasons: Counter[str] = field(default_factory=Counter)
    n_encoded: int = 0
    n_skipped: int = 0
    n_removed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    changed_over: bool = False
    blocked: str = ""
    compaction: Compaction | None = None
    seconds: float = 0.0


Report = Callable[[Outcome, int], None]
"""Called after each commit: what was done so far in a space, and how many rows it is in all."""


@dataclass(frozen=True)
class Job:
    """How a run writes.

    Attributes
    ----------
    store : Path
    wait : bool
        Wait while another process writes, or fail at once.
    on_wait : callable, optional
        Called with a line that says who holds the lock.
    report : callable
        See `Report`.
    commit_rows : int
        A commit has about so many vectors, or those of `encoded_batches.COMMIT_SECONDS`.
    workers : int, optional
        Processes that encode; default: this one, or all of a cluster.
    on : str
        Where they are; see `catalog.parallel.workers_on`.
    """

    store: Path
    wait: bool = True
    on_wait: Callable[[str], None] | None = None
    report: Report = lambda _outcome, _n_rows: None
    commit_rows: int = COMMIT_ROWS
    workers: int | None = None
    on: str = "local"


def run(job: Job, spaces: Sequence[str] = ()) -> list[Outcome]:
    """Bring the vectors of every space, or some, up to date.

    Parameters
    ----------
    job : Job
    spaces : sequence of str, optional
        Only these.

    Returns
    -------
    list of Outcome
        One per space that has a current encoder, in alphabetical order.

    Raises
    ------
    UnknownName
        If a space has no encoder.
    StoreLocked
        If another process writes and the job does not wait.
    """
    with contextlib.closing(lake.connect(job.store)) as connection:
        if connection.execute(_ABANDONED).fetchall():
            _forget_abandoned(job)
        plan = _plan(job, spaces, connection)
    outcomes = [_run_space(job, plan, space) for space in plan.spaces if not plan.reads_spaces(space)]
    if derived := [space for space in plan.spaces if plan.reads_spaces(space)]:
        # They read the vectors that have just been made: what is stale in them is known only now.
        with contextlib.closing(lake.connect(job.store)) as connection:
            plan = _plan(job, derived, connection)
        outcomes += [_run_space(job, plan, space) for space in plan.spaces]
    return sorted(outcomes, key=lambda outcome: outcome.space)


@dataclass(frozen=True)
class _Plan:
    """What is to be done, as one snapshot tells it."""

    snapshot: int
    spaces: list[str]
    current: dict[str, Current]
    pins: dict[str, Pin]
    stale: pa.Table

    def reads_spaces(self, space: str) -> bool:
        """Tell whether a space's vectors are made of those of other spaces."""
        return bool(INPUTS[self.current[space].modality].spaces)


def _plan(job: Job, spaces: Sequence[str], connection: lake.Connection) -> _Plan:
    current = current_encoders(connection)
    if unknown := [s for s in spaces if s not in current]:
        if hint := suggestion(unknown[0], current):
            raise UnknownName(f"space {unknown[0]} has no encoder{hint}")
        raise UnknownName(next_step(lambda query: connection.execute(query).fetchall(), job.store, unknown[0]))
    connection.execute("BEGIN TRANSACTION READ ONLY")  # what is stale, and at which snapshot: one view of both
    stale = lake.arrow(connection, _STALE)
    return _Plan(
        lake.snapshots(connection)[-1].number, sorted(spaces or current), current, vectors.pins(connection), stale
    )


def current_encoders(connection: lake.Connection) -> dict[str, Current]:
    """Return the current encoders that a connection's snapshot sees, by space."""
    query = """
        SELECT space, encoder_id, modality, weights_sha256,
          coalesce(TRY_CAST(configuration ->> '$.training.input_version' AS INTEGER), 1)
        FROM meta.encoder WHERE current ORDER BY space"""
    return {row[0]: Current(*row) for row in connection.execute(query).fetchall()}


def _run_space(job: Job, plan: _Plan, space: str) -> Outcome:
    start = time.monotonic()
    current, pin = plan.current[space], plan.pins.get(space)
    stale = plan.stale.filter(pc.equal(plan.stale["space"], space))
    gone = stale.filter(pc.equal(stale["reason"], "row is gone"))["id"].to_pylist()
    wanted = stale.filter(pc.not_equal(stale["reason"], "row is gone"))
    outcome = Outcome(space, current.encoder_id, Counter(stale["reason"].to_pylist()), n_removed=len(gone))
    _LOG.info("%s: %d rows to encode by %s, %d to remove", space, wanted.num_rows, current.encoder_id, len(gone))
    if wanted.num_rows and (
        others := outgrown(current.modality, current.input_version) or _others(current.load(job.store), plan)
    ):
        again = command(f"embed train {space} --model {current.load(job.store).model}", job.store)
        outcome.blocked = f"{space} learned from {others}; train it again: {again}"
        outcome.n_removed = 0
        return outcome
    if gone:
        _commit(job, current, Batch(gone=gone))
    if wanted.num_rows:
        encoder = current.load(job.store)
        # Rows are read at the snapshot that told their hashes, whatever is ingested meanwhile.
        part = Part(job.store, plan.snapshot, vectors.weights_file(job.store, current.weights_sha256), wanted)
        for batch in encoded(part, encoder, job.commit_rows, job.workers, job.on):
            _commit(job, current, batch, encoder)
            outcome.n_encoded += len(batch.met)
            outcome.n_skipped += len(batch.skipped)
            outcome.skipped.update(batch.skipped.values())
            job.report(outcome, wanted.num_rows)
    if stale.num_rows or (pin is not None and (pin.next_version or vectors.is_scattered(job.store, pin))):
        _finish(job, current, outcome)
    outcome.seconds = time.monotonic() - start
    return outcome


def _others(encoder: Encoder, plan: _Plan) -> str:
    """Name the encoders that one learned from, where the spaces now have the vectors of others."""
    learned: dict[str, str] = getattr(encoder, "learned_from", {})
    return ", ".join(
        f"{learned[s]} (now {plan.pins[s].encoder_id})"
        for s in sorted(learned)
        if s in plan.pins and plan.pins[s].encoder_id != learned[s]
    )


def _commit(job: Job, current: Current, batch: Batch, encoder: Encoder | None = None) -> None:
    """Write a batch to Lance, then pin it and tell of its rows in one DuckLake transaction."""
    space, encoder_id = current.space, current.encoder_id
    with lake.writer(job.store, f"embed {space}", wait=job.wait, on_wait=job.on_wait) as connection:
        pin = _still_current(connection, current)
        present = _present(connection, current, [*batch.gone, *batch.skipped])
        is_next = pin is not None and pin.encoder_id != encoder_id
        base = None if pin is None else pin.lance_version
        if pin is not None and is_next:
            base = pin.next_version if pin.next_encoder_id == encoder_id else None
        dim = encoder.dim if encoder is not None else pin.dim if pin is not None else 0
        new = batch.rows(encoder_id, dim, wide=isinstance(encoder, registry.WideEncoder))
        written = vectors.write(job.store, space, new, base, present)
        if pin is None:
            pin = Pin(space, written.version, encoder_id, written.n_vectors, dim)
        elif is_next:
            pin = replace(
                pin, next_version=written.version, next_encoder_id=encoder_id, next_n_vectors=written.n_vectors
            )
        else:
            pin = replace(pin, lance_version=written.version, n_vectors=written.n_vectors)
        with lake.transaction(connection, f"embed {space}: {len(batch.ids)} vectors"):
            _tell(connection, current, batch)
            vectors.publish(connection, pin)


def _tell(connection: lake.Connection, current: Current, batch: Batch) -> None:
    """Write the rows of meta.embedded of a batch."""
    known = pa.table({"id": pa.array([*batch.ids, *batch.skipped, *batch.gone], pa.string())})
    connection.register("__known", known)
    connection.register("__met", batch.told(current.space, current.encoder_id))
    connection.execute(
        "DELETE FROM lake.meta.embedded WHERE space = ? AND encoder_id = ? AND id IN (SELECT id FROM __known)",
        [current.space, current.encoder_id],
    )
    connection.execute("INSERT INTO lake.meta.embedded BY NAME SELECT * FROM __met")


def _finish(job: Job, current: Current, outcome: Outcome) -> None:
    """Change over to a newer encoder whose vectors are all there, forget abandoned ones, compact."""
    space = current.space
    with contextlib.closing(lake.connect(job.store)) as reader:
        pin = vectors.pins(reader).get(space)
    if pin is None or (pin.next_version is None and not vectors.is_scattered(job.store, pin)):
        return
    with lake.writer(job.store, f"embed {space}: finish", wait=job.wait, on_wait=job.on_wait) as connection:
        outcome.changed_over = _change_over(connection, current)
        pin = _still_current(connection, current)
        if pin is None or pin.next_version is not None or not vectors.is_scattered(job.store, pin):
            return
        outcome.compaction = vectors.compact(job.store, space, pin.lance_version)
        if outcome.compaction:
            with lake.transaction(connection, f"compact {space}"):
                vectors.publish(connection, replace(pin, lance_version=outcome.compaction.version))


def _change_over(connection: lake.Connection, current: Current) -> bool:
    """Pin the vectors of the current encoder, if others are pinned; forget what is told of other encoders' vectors."""
    pin = _still_current(connection, current)
    if pin is None or pin.next_version is None or pin.next_encoder_id is None:
        return False
    changes = pin.next_encoder_id == current.encoder_id
    kept = replace(pin, next_version=None, next_encoder_id=None, next_n_vectors=None)
    if changes:
        query = "SELECT dim FROM lake.meta.encoder WHERE encoder_id = ?"
        (dim,) = connection.execute(query, [current.encoder_id]).fetchone() or (pin.dim,)
        kept = Pin(pin.space, pin.next_version, current.encoder_id, pin.next_n_vectors or 0, dim)
    with lake.transaction(connection, f"{current.space}: vectors of {kept.encoder_id}"):
        connection.execute(
            "DELETE FROM lake.meta.embedded WHERE space = ? AND encoder_id <> ?", [pin.space, kept.encoder_id]
        )
        vectors.publish(connection, kept)
    return changes


_ABANDONED = """
SELECT DISTINCT m.space, m.encoder_id FROM meta.embedded AS m JOIN meta.space AS s ON s.space = m.space
WHERE m.encoder_id <> s.encoder_id AND m.encoder_id IS DISTINCT FROM s.next_encoder_id
"""


def _forget_abandoned(job: Job) -> None:
    """Forget what is told of encoders whose vectors are neither pinned nor being made: others took their place."""
    with lake.writer(job.store, "embed: forget abandoned vectors", wait=job.wait, on_wait=job.on_wait) as connection:
        abandoned = connection.execute(_ABANDONED).fetchall()
        with lake.transaction(connection, "forget abandoned vectors"):
            for space, encoder_id in abandoned:
                query = "DELETE FROM lake.meta.embedded WHERE space = ? AND encoder_id = ?"
                connection.execute(query, [space, encoder_id])


def _still_current(connection: lake.Connection, current: Current) -> Pin | None:
    """Return the pin of a space, if its encoder is still the current one."""
    now = current_encoders(connection).get(current.space)
    if now is None or now.encoder_id != current.encoder_id:
        raise Superseded(f"{current.space} has got another encoder meanwhile; run the same again")
    return vectors.pins(connection).get(current.space)


def _present(connection: lake.Connection, current: Current, ids: list[str]) -> list[str]:
    """Return those of some ids that have a vector of the current encoder."""
    if not ids:
        return []
    connection.register("__asked", pa.table({"id": pa.array(ids, pa.string())}))
    query = (
        "SELECT id FROM lake.meta.embedded WHERE space = ? AND encoder_id = ? AND skipped IS NULL "
        "AND id IN (SELECT id FROM __asked)"
    )
    return [i for (i,) in connection.execute(query, [current.space, current.encoder_id]).fetchall()]
