"""Models that runs left for SQL, and the functions of one vector that they answer: cluster_of(vector), ...

A query is answered by the newest model of its space in its snapshot.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from safetensors.numpy import load_file

from catalog.errors import QueryError, UnknownName, suggestion
from catalog.query.functions import ScalarFunction
from catalog.query.session import Session
from catalog.store.vectors import weights_file
from sql.objects import Described


@dataclass(frozen=True)
class Stored:
    """A row of analysis.model.

    Attributes
    ----------
    run_id : int
    function, space, encoder_id : str
        What it serves, and the vectors that it was learnt from.
    dim : int
        Their length.
    configuration : mapping
    weights : Path
        The safetensors file.
    """

    run_id: int
    function: str
    space: str
    encoder_id: str
    dim: int
    configuration: Mapping[str, object]
    weights: Path

    def tensors(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Read the weights; they stay in memory while they are used.

        Raises
        ------
        QueryError
            If the file is not there.
        """
        if not self.weights.is_file():
            raise QueryError(f"{self.function}(): the model of run {self.run_id} has lost its weights {self.weights}")
        return _tensors(self.weights)


@functools.lru_cache(maxsize=32)
def _tensors(path: Path) -> Mapping[str, npt.NDArray[np.generic]]:
    return load_file(path)


@dataclass(frozen=True)
class Models:
    """Models of one function that the spaces of a query have, newest first.

    Attributes
    ----------
    function : str
    named : tuple of str
        Spaces that the call is about; none where it is given a vector from elsewhere.
    stored : tuple of Stored
        All of the function in the snapshot, whose encoder is the one that its space has there.
    outdated : tuple of Stored
        The others: learnt from vectors of an encoder that is no longer the space's.
    advice : str
        What to type to have a model, with {space} and {store}.
    store : Path
    """

    function: str
    named: tuple[str, ...]
    stored: tuple[Stored, ...]
    outdated: tuple[Stored, ...]
    advice: str
    store: Path

    def of(self, dim: int) -> Stored:
        """Return the model for vectors of a length: of the space that the query names, else the newest that fits.

        Raises
        ------
        QueryError
            If there is none, or two named spaces could be meant; the message says what to type.
        """
        fitting = [m for m in self.stored if m.dim == dim]
        if not self.named:
            if fitting:
                return max(fitting, key=lambda m: m.run_id)
            there = ", ".join(f"{m.space} ({m.dim})" for m in self._newest_by_space()) or "none"
            raise QueryError(
                f"{self.function}(): no model takes vectors of {dim} dimensions; there are models of {there}; "
                f"{self._next('SPACE')}"
            )
        newest = {m.space: m for m in sorted(fitting, key=lambda m: m.run_id) if m.space in self.named}
        if len(newest) > 1:
            spaces = " and ".join(sorted(newest))
            raise QueryError(
                f"{self.function}(): the query names {spaces}, all of {dim} dimensions; say of which the vector is: "
                f"{self.function}(e.vector), where e is the alias of embedding.{min(newest)}"
            )
        if newest:
            return next(iter(newest.values()))
        raise QueryError(self._why_none(dim))

    def _why_none(self, dim: int) -> str:
        space = self.named[0]
        if old := [m for m in self.outdated if m.space in self.named]:
            m = old[0]
            return (
                f"{self.function}(): its model (run {m.run_id}) was learnt from vectors of {m.encoder_id}, and "
                f"{m.space} now has those of another encoder; {self._next(m.space)}"
            )
        if other := [m for m in self.stored if m.space in self.named]:
            m = other[0]
            return f"{self.function}(): vectors of {m.space} have {m.dim} dimensions, found one of {dim}"
        there = ", ".join(m.space for m in self._newest_by_space())
        spare = f"; there are models of {there}" if there else ""
        return f"{self.function}(): space {space} has no model in this snapshot{spare}; {self._next(space)}"

    def _newest_by_space(self) -> list[Stored]:
        return list({m.space: m for m in sorted(self.stored, key=lambda m: m.run_id)}.values())

    def _next(self, space: str) -> str:
        return "make one: " + self.advice.format(space=space, store=self.store)


def models(session: Session, function: str, advice: str) -> Models:
    """Return the models of a SQL function that a query can be answered with.

    Parameters
    ----------
    session : Session
        Of the query; `session.spaces` are those that the call is about.
    function : str
        'cluster_of', 'predict_hard_hs'.
    advice : str
        The command that makes one, with {space} and {store}: 'python -m analysis cluster --space {space} --store
        {store}'.

    Raises
    ------
    UnknownName
        If the snapshot has no model of the function, with the nearest that it has.
    """
    rows = session.rows("SELECT * FROM analysis.model ORDER BY run_id DESC").to_pylist()
    found = [
        Stored(
            row["run_id"],
            row["function"],
            row["space"],
            row["encoder_id"],
            row["dim"],
            json.loads(row["configuration"] or "{}"),
            weights_file(session.store, str(row["weights_sha256"])),
        )
        for row in rows
    ]
    mine = [m for m in found if m.function == function]
    if not mine:
        hint = suggestion(function, {m.function for m in found})
        command = advice.format(space=session.spaces[0] if session.spaces else "SPACE", store=session.store)
        raise UnknownName(f"{function}() has no model in this snapshot{hint or f'; make one: {command}'}")
    current = {space: pin.encoder_id for space, pin in session.pins.items()}
    stored = tuple(m for m in mine if current.get(m.space) == m.encoder_id)
    outdated = tuple(m for m in mine if m not in stored)
    return Models(function, session.spaces, stored, outdated, advice, session.store)


Floats = npt.NDArray[np.float32]
Answer = Callable[[Stored, Floats], pa.Array]
"""(model, vectors of shape (n, d)) -> Arrow array of n values; NULL where there is no answer."""


def of_vector(name: str, returns: str, answer: Answer, advice: str, described: Described) -> ScalarFunction:
    """Make the SQL function `name(vector)`.

    Publish it as an entry point of the group photonlake.functions, or a callable name -> this under a name that ends
    in an underscore.

    Parameters
    ----------
    name : str
        As it is called, and as `analysis.study.runs.Model.function` says.
    returns : str
        DuckDB type: 'INTEGER', 'DOUBLE'.
    answer : callable
        What a model answers of vectors.
    advice : str
        The command that makes a model, with {space} and {store}.
    described : Described
        What the value is.

    Returns
    -------
    ScalarFunction
        NULL for a NULL vector. A query that names embedding.<space> is answered with the newest model of that space,
        a vector from elsewhere with the newest model of its length; both of the query's snapshot.
    """

    def make(session: Session) -> Callable[[pa.Array], pa.Array]:
        known = models(session, name, advice)

        def call(column: pa.Array) -> pa.Array:
            flat, lengths = _numbers(column, name), pc.list_value_length(column).to_numpy(zero_copy_only=False)
            dims = np.unique(lengths)
            if len(dims) <= 1:
                return answer(known.of(int(dims[0])), flat.reshape(len(column), -1)) if len(dims) else _nothing(returns)
            starts = np.cumsum(lengths) - lengths
            parts, rows = [], []
            for dim in dims.tolist():
                chosen = np.flatnonzero(lengths == dim)
                parts.append(answer(known.of(dim), flat[starts[chosen][:, None] + np.arange(dim)]))
                rows.append(chosen)
            return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(rows))))

        return call

    return ScalarFunction(name, ("FLOAT[]",), returns, make, (described,), described.description)


def _numbers(column: pa.Array, name: str) -> Floats:
    flat = column.flatten()
    if flat.null_count:
        raise QueryError(f"{name}(): a vector holds NULL; every one of its numbers is needed")
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float32)


def _nothing(returns: str) -> pa.Array:
    return pa.array([], {"INTEGER": pa.int32(), "DOUBLE": pa.float64(), "VARCHAR": pa.string()}[returns])
