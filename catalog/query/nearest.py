"""nearest(): the table function that finds the neighbours of a source, a detection, a vector, or words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, suggestion
from catalog.neighbours.closeness import METRICS, Doubles, Metric, distances
from catalog.neighbours.search import Neighbours, first
from catalog.query.filtering import rows_that_meet
from catalog.query.functions import TableFunction
from catalog.query.session import Session
from catalog.query.targets import find_target
from catalog.store import approximate_search, vectors
from catalog.store.pinned import TEXT_MODALITIES, Pinned, detections, whole
from sql.objects import Described
from sql.signatures import REQUIRED, Argument, Signature

_SIGNATURE = Signature(
    "nearest",
    (
        Argument("space", "text", REQUIRED, "Embedding space"),
        Argument(
            "target", "text or vector", None, "Source name, detection id, bibcode, file of a spectrum, or a vector"
        ),
        Argument("text", "text", None, "Words instead, in spaces that have a text side"),
        Argument("k", "integer", 10, "So many neighbours"),
        Argument("metric", "text", "cosine", "cosine, l2, or dot"),
        Argument("exact", "boolean", True, "False takes the index, if there is one: `python -m embed index`"),
        Argument("filter", "text", None, "SQL condition that neighbours must meet, applied before the search"),
        Argument("exclude_self", "boolean", False, "Leave out the target's own rows"),
        Argument("modality", "text", None, "Rows of this one only; else the usual: 'both' where an id has several"),
    ),
    2,
)
_COLUMNS = (
    Described(
        "detection_id",
        "Detection: obsid.obi.region_id; NULL for a paper, and for a spectrum of your own",
        ucd="meta.id;src",
    ),
    Described("bibcode", "Paper; in spaces that hold papers", ucd="meta.bib.bibcode"),
    Described("id", "Key within the space: detection_id, bibcode or spectrum_id", ucd="meta.id"),
    Described("name", "Source the detection belongs to", ucd="meta.id;src"),
    Described("distance", "Distance to the target, or the nearest of its vectors; NULL for a vector without direction"),
    Described("rank", "1 for the nearest", ucd="meta.number"),
    Described("recall", "Share of true neighbours that the index found when it was measured; with exact := false"),
)


def nearest(session: Session, arguments: Mapping[str, object]) -> pa.Table:
    """Answer one call of nearest().

    A source's name stands for all its detections: the distance of a row is that to the nearest of them. Its own rows
    are among the answers (with distance 0) unless `exclude_self` is true.

    Parameters
    ----------
    session : Session
        The snapshot.
    arguments : mapping
        See the signature.

    Returns
    -------
    pyarrow.Table
        detection_id and/or bibcode, id, name, distance, rank; recall too where an index was used. Nearest first, ties
        in the order of ids; in cosine, vectors of zeros come last and have no distance.

    Raises
    ------
    UnknownName
        If the space does not exist, or the target has no vector there: the message says why.
    QueryError
        If an argument makes no sense.
    """
    space = session.space(str(arguments["space"]))
    k, metric = cast("int", arguments["k"]), _metric(str(arguments["metric"]))
    if k < 1:
        raise QueryError(f"nearest: k must be at least 1, found {k}")
    condition = arguments["filter"]
    modality = _modality(space, arguments["modality"])
    # A filter is always searched exactly: the product over what it leaves is cheap, and no row goes missing.
    exact = bool(arguments["exact"]) or condition is not None
    if not exact:
        _check_index(space, metric)
    target = find_target(session, space, arguments["target"], arguments["text"], in_memory=exact)
    searched = target.vectors
    if metric == "cosine":
        searched = searched[searched.any(axis=1)]
        if not len(searched):
            raise QueryError("nearest: the target is all zeros, which has no direction to compare; use metric := 'l2'")
    excludes = bool(arguments["exclude_self"]) and len(target.ids) > 0
    if not exact:
        found = approximate(space, searched, k, metric, target.ids if excludes else (), modality)
        return _table(space, found).append_column("recall", pa.array(np.full(len(found.ids), space.pin.index_recall)))
    allowed = space.rows_of(modality)
    if condition is not None:
        meets = rows_that_meet(session, space, str(condition))
        allowed = meets if allowed is None else allowed & meets
    if excludes:
        allowed = np.ones(space.pin.n_vectors, np.bool_) if allowed is None else allowed.copy()
        allowed[target.rows if space.usual_modality is None else space.rows_with(target.ids)] = False
    near = space.nearest(searched, k, metric, allowed)
    keys = space.keys.take(pa.array(near.rows))
    return _table(space, Answer(near.ids, keys["name"], keys["modality"], near.distances))


NEAREST = TableFunction(
    _SIGNATURE,
    nearest,
    _COLUMNS,
    "The rows of an embedding space nearest to a source, a detection, a paper, a vector, or words.",
)


@dataclass(frozen=True)
class Answer:
    """Neighbours in order: ids, source names, modalities, distances; each of length m."""

    ids: pa.Array
    names: pa.Array | pa.ChunkedArray
    modalities: pa.Array | pa.ChunkedArray
    distances: Doubles


def approximate(
    space: Pinned,
    targets: npt.NDArray[np.floating],
    k: int,
    metric: Metric,
    without: Collection[str] = (),
    modality: str | None = None,
) -> Answer:
    """Search with the index, without reading the whole space.

    Parameters
    ----------
    space : Pinned
        It has an index.
    targets : ndarray of float, shape (m, d)
        The distance of a row is that to the nearest of the targets, in double precision.
    k : int
    metric : {'cosine', 'l2', 'dot'}
        The index's own.
    without : collection of str
        Ids to leave out.
    modality : str, optional
        Only rows of this one.

    Returns
    -------
    Answer
        At most k rows.
    """
    tables = [approximate_search.indexed(space.table, target, k + len(without), metric, modality) for target in targets]
    found = pa.concat_tables(tables).combine_chunks()
    ids = found["id"].to_pylist()
    once = [n for n, i in enumerate(ids) if i not in without and ids.index(i) == n]
    found = found.take(pa.array(once, pa.int64()))
    stacked = vectors.matrix(found["vector"])
    least = np.full(len(once), np.nan)
    for target in targets:
        least = np.fmin(least, distances(stacked, target, metric))
    order = first(Neighbours(np.arange(len(once)), whole(found["id"]), least), k)
    keys = found.take(pa.array(order.rows))
    return Answer(order.ids, keys["name"], keys["modality"], order.distances)


def _check_index(space: Pinned, metric: Metric) -> None:
    pin = space.pin
    command = f"python -m embed index {pin.space} --metric {metric}"
    if pin.index_kind is None:
        raise QueryError(f"space {pin.space} has no index; leave out exact := false, or make one: {command}")
    if pin.index_metric != metric:
        raise QueryError(f"the index of {pin.space} is for {pin.index_metric}, not {metric}; make another: {command}")


def _modality(space: Pinned, given: object) -> str | None:
    if given is None:
        return space.usual_modality
    if given not in space.modalities:
        there = ", ".join(space.modalities)
        hint = suggestion(str(given), space.modalities)
        raise QueryError(f"nearest: {space.pin.space} has no rows of modality {given!r}{hint}; there are {there}")
    return str(given)


def _metric(text: str) -> Metric:
    if text not in METRICS:
        raise QueryError(f"nearest: no metric {text!r}{suggestion(text, METRICS)}; there are {', '.join(METRICS)}")
    return text


def _table(space: Pinned, answer: Answer) -> pa.Table:
    is_paper = pc.is_in(answer.modalities, value_set=pa.array(sorted(TEXT_MODALITIES)))
    nothing = pa.scalar(None, pa.string())
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    if not space.holds_papers_only:
        columns["detection_id"] = pc.if_else(is_paper, nothing, detections(answer.ids))
    if space.n_papers:
        columns["bibcode"] = pc.if_else(is_paper, answer.ids, nothing)
    return pa.table(
        columns
        | {
            "id": answer.ids,
            "name": answer.names,
            "distance": pa.array(answer.distances, from_pandas=True),
            "rank": pa.array(np.arange(1, len(answer.ids) + 1)),
        }
    )
