"""Runs: one row of analysis.run per question asked of the data, and all that it found, in one commit.

The same question (kind, parameters, seed) of the same data is one run: asked again, it is answered by what is there.
Figures and models lie beside the tables; a run that was killed leaves files that no row names, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from safetensors.numpy import save

from catalog.formats.whole_files import write_whole
from catalog.schema import TABLES
from catalog.schema.columns import quote
from catalog.store import lake
from catalog.store.vectors import weights_file

_LOG = logging.getLogger(__name__)
FOLDER = "analysis"
"""Folder of a store that holds the figures, one folder per run."""

Value = bool | int | float | str | None | Sequence[object] | Mapping[str, object]
Record = Mapping[str, object]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    store : Path
    kind : str
        Which analysis.
    parameters : mapping
        All that changes the answer, as JSON can say it.
    seed : int
    again : bool
        Answer anew even if the answer is there.
    wait : bool
        Wait while another process writes, or fail at once.
    on_wait : callable, optional
        Called with a line that says who holds the lock.
    """

    store: Path
    kind: str
    parameters: Mapping[str, Value]
    seed: int = 0
    again: bool = False
    wait: bool = True
    on_wait: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Evidence:
    """What was read to answer it.

    Attributes
    ----------
    snapshot : int
    sha256 : str
        Hash of it.
    sources : ndarray of str, shape (n,)
        Source of each row.
    """

    snapshot: int
    sha256: str
    sources: npt.NDArray[np.generic]


@dataclass(frozen=True)
class Model:
    """A model that a run leaves for SQL: a row of analysis.model.

    Attributes
    ----------
    function : str
        SQL function it serves.
    space, encoder_id : str
        What its vectors are of.
    dim : int
        Their length.
    configuration : mapping
        What JSON can say.
    tensors : mapping of str to ndarray
        The rest; kept as safetensors.
    """

    function: str
    space: str
    encoder_id: str
    dim: int
    configuration: Mapping[str, object]
    tensors: Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes
    ----------
    tables : mapping of str to (pyarrow.Table or list of records)
        Rows of analysis.* tables, without their run_id; columns left out are NULL.
    figures : mapping of str to bytes
        File name, as 'contingency.svg', and content.
    models : sequence of Model
    """

    tables: Mapping[str, pa.Table | Sequence[Record]]
    figures: Mapping[str, bytes] = field(default_factory=dict)
    models: Sequence[Model] = ()


@dataclass(frozen=True)
class Run:
    """A run as the store has it.

    Attributes
    ----------
    run_id : int
    made : bool
        False where it was there already.
    seconds : float
        How long it took when it was made.
    """

    run_id: int
    made: bool
    seconds: float


def once(question: Question, evidence: Evidence, answer: Callable[[], Answer]) -> Run:
    """Answer a question once: find the run that did, or make it and keep all of it in one commit.

    Parameters
    ----------
    question : Question
    evidence : Evidence
    answer : callable
        Makes the answer; called without the writer's lock, only where it is needed.

    Raises
    ------
    StoreLocked
        If another process writes and the question does not wait.
    OutOfSpace
        If the disk is full; nothing is kept.
    """
    # A store made by an earlier version lacks the tables of a new study.
    lake.create(question.store, wait=question.wait, on_wait=question.on_wait)
    if not question.again and (known := find(question, evidence)) is not None:
        _LOG.info("%s: answered by run %d", question.kind, known.run_id)
        return known
    _LOG.info("%s: %d rows of snapshot %d", question.kind, len(evidence.sources), evidence.snapshot)
    start = time.perf_counter()
    found = answer()
    seconds = time.perf_counter() - start
    store = question.store
    purpose = f"analysis {question.kind}"
    with lake.writer(store, purpose, wait=question.wait, on_wait=question.on_wait) as connection:
        (newest,) = connection.execute("SELECT coalesce(max(run_id), 0) FROM lake.analysis.run").fetchone() or (0,)
        run_id = int(newest) + 1
        figures = [_figure(store, run_id, name, content) for name, content in found.figures.items()]
        models = [_model_row(store, model) for model in found.models]
        row = _run_row(connection, question, evidence) | {"seconds": seconds, "figures": figures}
        with lake.transaction(connection, f"analysis {question.kind}, run {run_id}"):
            insert(connection, "analysis.run", run_id, [row])
            insert(connection, "analysis.model", run_id, models)
            for table, rows in found.tables.items():
                insert(connection, table, run_id, rows)
    shutil.rmtree(unfinished(question, evidence), ignore_errors=True)
    return Run(run_id, made=True, seconds=seconds)


def unfinished(question: Question, evidence: Evidence) -> Path:
    """Return the folder where the finished steps of a run lie until the run is kept; see `analysis.study.steps`."""
    asked = [question.kind, question.parameters, question.seed, evidence.sha256, version("photonlake")]
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    return question.store / FOLDER / "unfinished" / key


def find(question: Question, evidence: Evidence) -> Run | None:
    """Return the newest run that answered a question of the same data."""
    with contextlib.closing(lake.connect(question.store)) as connection:
        row = connection.execute(
            "SELECT run_id, seconds FROM lake.analysis.run WHERE kind = ? AND parameters = ? AND seed = ? "
            "AND input_sha256 = ? ORDER BY run_id DESC LIMIT 1",
            [question.kind, _json(question.parameters), question.seed, evidence.sha256],
        ).fetchone()
    return Run(int(row[0]), made=False, seconds=float(row[1])) if row else None


def insert(connection: lake.Connection, table: str, run_id: int, rows: pa.Table | Sequence[Record]) -> None:
    """Insert a run's rows into a table of its study, inside the caller's transaction.

    Raises
    ------
    ValueError
        If a column is none of the table's.
    """
    schema = TABLES[table].schema
    if not isinstance(rows, pa.Table):
        names = {name for record in rows for name in record}
        columns = {
            name: pa.array([r.get(name) for r in rows], schema.field(name).type) for name in names & {*schema.names}
        }
        if unknown := names - {*schema.names}:
            raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        rows = pa.table(columns)
    if not rows.num_rows:
        return
    columns = {"run_id": pa.repeat(pa.scalar(run_id, pa.int64()), rows.num_rows)}
    columns |= {name: rows[name].cast(schema.field(name).type) for name in rows.column_names}
    relation = pa.table({name: _null_for_nan(column) for name, column in columns.items()})
    connection.register("__rows_of_run", relation)
    try:
        names_ = ", ".join(quote(n) for n in relation.column_names)
        connection.execute(f"INSERT INTO lake.{table} ({names_}) SELECT {names_} FROM __rows_of_run")
    finally:
        connection.unregister("__rows_of_run")


def _null_for_nan(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """NULL, never NaN, and no infinities: the store's rule."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def _run_row(connection: lake.Connection, question: Question, evidence: Evidence) -> dict[str, object]:
    sources = sorted({str(s) for s in evidence.sources})
    connection.register("__sources_of_run", pa.table({"name": pa.array(sources, pa.string())}))
    try:
        (n_simulated,) = connection.execute(
            "SELECT count(*) FROM __sources_of_run WHERE name IN (SELECT name FROM lake.simulated.truth)"
        ).fetchone() or (0,)
        (now,) = connection.execute("SELECT now()::TIMESTAMP").fetchone() or (None,)
    finally:
        connection.unregister("__sources_of_run")
    return {
        "kind": question.kind,
        "parameters": _json(question.parameters),
        "seed": question.seed,
        "snapshot": evidence.snapshot,
        "input_sha256": evidence.sha256,
        "n_rows": len(evidence.sources),
        "n_sources": len(sources),
        "n_simulated": n_simulated,
        "version": version("photonlake"),
        "finished_at": now,
    }


def _figure(store: Path, run_id: int, name: str, content: bytes) -> str:
    folder = store / FOLDER / str(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, content)
    return f"{FOLDER}/{run_id}/{name}"


def _model_row(store: Path, model: Model) -> dict[str, object]:
    content = save({name: np.ascontiguousarray(value) for name, value in model.tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    path = weights_file(store, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return {
        "function": model.function,
        "space": model.space,
        "dim": model.dim,
        "encoder_id": model.encoder_id,
        "configuration": _json(model.configuration),
        "weights_sha256": digest,
    }


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True)
