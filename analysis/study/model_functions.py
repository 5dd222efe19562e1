"""SQL functions of one vector, answered by the model that a run left: cluster_of(), predict_...(), anomaly_score()."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analysis.study.stored_models import Stored, models
from catalog.errors import QueryError
from catalog.query.functions import ScalarFunction
from catalog.query.session import Session
from sql.objects import Described

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
