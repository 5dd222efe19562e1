"""similar_pairs(): the table function that finds all pairs of rows of a space that are similar enough.

It stands beside `nearest`, not among the studies: it needs numpy and a pinned space alone, and whoever has the base
package has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, suggestion
from catalog.neighbours.closeness import METRICS, Floats, Mask, Metric, Rows, is_distance
from catalog.neighbours.join import Pairs, join, nearest_of_each, operands
from catalog.query.filtering import rows_that_meet
from catalog.query.functions import TableFunction
from catalog.query.session import Session
from catalog.store.pinned import Pinned
from sql.objects import Described
from sql.signatures import REQUIRED, Argument, Signature

_SIGNATURE = Signature(
    "similar_pairs",
    (
        Argument("space", "text", REQUIRED, "Embedding space"),
        Argument("threshold", "number", None, "Least similarity; with metric := 'l2' the greatest distance"),
        Argument("where", "text", None, "SQL condition that rows of the space must meet, applied before the join"),
        Argument("metric", "text", "cosine", "cosine, l2, or dot"),
        Argument("k", "integer", None, "Only the so many most similar of each row; pairs then have a direction"),
        Argument("other", "text", None, "Another space, of as many dimensions, for the second row of each pair"),
        Argument("other_where", "text", None, "SQL condition on the rows of the other space"),
        Argument("modality", "text", None, "Rows of this one only; else the usual: 'both' where an id has several"),
        Argument("other_modality", "text", None, "The same for the other space"),
    ),
    2,
)
_COLUMNS = (
    Described("id_1", "Key of the first row: detection_id or bibcode", ucd="meta.id"),
    Described("name_1", "Source it belongs to", ucd="meta.id;src"),
    Described("id_2", "Key of the second row; after id_1 in the alphabet, unless k or another space is asked for"),
    Described("name_2", "Source it belongs to", ucd="meta.id;src"),
    Described("similarity", "Cosine of the angle, or the inner product; not in l2"),
    Described("distance", "Euclidean distance; in l2"),
    Described("rank", "1 for the most similar to the first row; with k", ucd="meta.number"),
)
_BATCH_ROWS = 1 << 19


def similar_pairs(session: Session, arguments: Mapping[str, object]) -> pa.RecordBatchReader:
    """Answer one call of similar_pairs().

    Parameters
    ----------
    session : Session
        The snapshot.
    arguments : mapping
        See the signature.

    Returns
    -------
    pyarrow.RecordBatchReader
        id_1, name_1, id_2, name_2, similarity (in l2: distance), and rank with k. Exact: what comparing all pairs in
        double precision gives. Batches come as they are found; no more is held than the vectors and a few blocks.

    Raises
    ------
    UnknownName
        If a space does not exist.
    QueryError
        If an argument makes no sense.
    """
    space = session.space(str(arguments["space"]))
    metric, threshold, k = _metric(str(arguments["metric"])), arguments["threshold"], cast("int | None", arguments["k"])
    if threshold is None and k is None:
        raise QueryError("similar_pairs: say which pairs: threshold := 0.9, or k := 10 for the nearest of each row")
    if threshold is not None and not np.isfinite(cast("float", threshold)):
        raise QueryError(f"similar_pairs: threshold must be a finite number, found {threshold}")
    if k is not None and k < 1:
        raise QueryError(f"similar_pairs: k must be at least 1, found {k}")
    left = _side(session, space, arguments["where"], arguments["modality"], "where")
    if arguments["other"] is None:
        if arguments["other_where"] is not None or arguments["other_modality"] is not None:
            raise QueryError("similar_pairs: other_where and other_modality go with other := 'another space'")
        right = left
        sets = operands(left.vectors, None, metric)
    else:
        other = session.space(str(arguments["other"]))
        if other.pin.dim != space.pin.dim:
            raise QueryError(
                f"similar_pairs: {space.pin.space} has {space.pin.dim} dimensions, {other.pin.space} has "
                f"{other.pin.dim}: such vectors have no angle"
            )
        right = _side(session, other, arguments["other_where"], arguments["other_modality"], "other_where")
        sets = operands(left.vectors, right.vectors, metric)
    limit = None if threshold is None else float(cast("float", threshold))
    found = join(sets, cast("float", limit)) if k is None else nearest_of_each(sets, k, limit)
    schema = _schema(metric, ranked=k is not None)
    return pa.RecordBatchReader.from_batches(schema, _batches(found, left, right, schema))


SIMILAR_PAIRS = TableFunction(
    _SIGNATURE,
    similar_pairs,
    _COLUMNS,
    "All pairs of rows of an embedding space, or of two, that are similar enough; or the most similar of each row.",
)


@dataclass(frozen=True)
class Side:
    """The rows that stand on one side of pairs, in the order of their ids.

    Attributes
    ----------
    ids, names : pyarrow.DictionaryArray, length n
    vectors : ndarray of float32, shape (n, d)
    """

    ids: pa.DictionaryArray
    names: pa.DictionaryArray
    vectors: Floats


def _side(session: Session, space: Pinned, condition: object, modality: object, argument: str) -> Side:
    """Take the rows of a space that are asked for, in the order of their ids: so id_1 comes before id_2."""
    mask = _of_modality(space, modality)
    if condition is not None:
        meets = rows_that_meet(session, space, str(condition), f"similar_pairs: {argument}")
        mask = meets if mask is None else mask & meets
    chosen = np.arange(space.pin.n_vectors) if mask is None else np.flatnonzero(mask)
    rows = chosen[pc.sort_indices(space.ids.take(pa.array(chosen))).to_numpy()]
    keys = space.keys.take(pa.array(rows))
    ids, names = (keys[name].combine_chunks().dictionary_encode() for name in ("id", "name"))
    return Side(ids, names, space.vectors_of(rows))


def _of_modality(space: Pinned, given: object) -> Mask | None:
    if given is None:
        return space.usual
    if given not in space.modalities:
        hint = suggestion(str(given), space.modalities)
        there = ", ".join(space.modalities)
        raise QueryError(f"similar_pairs: {space.pin.space} has no rows of modality {given!r}{hint}; there are {there}")
    return space.rows_of(str(given))


def _metric(text: str) -> Metric:
    if text not in METRICS:
        hint = suggestion(text, METRICS)
        raise QueryError(f"similar_pairs: no metric {text!r}{hint}; there are {', '.join(METRICS)}")
    return text


def _schema(metric: Metric, *, ranked: bool) -> pa.Schema:
    key = pa.dictionary(pa.int32(), pa.string())
    fields = [(name, key) for name in ("id_1", "name_1", "id_2", "name_2")]
    fields += [("distance" if is_distance(metric) else "similarity", pa.float64())]
    return pa.schema([*fields, *([("rank", pa.int64())] if ranked else [])])


def _batches(found: Iterator[Pairs], left: Side, right: Side, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield pairs as Arrow, many at a time; texts stand once, in the dictionaries."""
    held: list[Pairs] = []
    n_held = 0
    for pairs in found:
        held.append(pairs)
        n_held += len(pairs.left)
        if n_held >= _BATCH_ROWS:
            yield _batch(held, left, right, schema)
            held, n_held = [], 0
    if held:
        yield _batch(held, left, right, schema)


def _batch(held: list[Pairs], left: Side, right: Side, schema: pa.Schema) -> pa.RecordBatch:
    first, second = np.concatenate([p.left for p in held]), np.concatenate([p.right for p in held])
    columns: list[pa.Array] = []
    for side, rows in ((left, first), (right, second)):
        for keys in (side.ids, side.names):
            codes = keys.indices.take(pa.array(rows))
            columns.append(pa.DictionaryArray.from_arrays(codes, keys.dictionary))
    columns.append(pa.array(np.concatenate([p.values for p in held])))
    if "rank" in schema.names:
        columns.append(pa.array(np.concatenate([_ranks(p.left) for p in held])))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _ranks(left: Rows) -> Rows:
    """Return 1, 2, ... within each run of one row."""
    begins = np.flatnonzero(np.diff(left, prepend=-1))
    return np.arange(1, len(left) + 1) - np.repeat(begins, np.diff(begins, append=len(left)))
