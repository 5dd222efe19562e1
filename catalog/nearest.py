"""nearest(): the table function that finds the neighbours of a source, a detection, a vector, or words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog import vectors
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.filtering import rows_that_meet
from catalog.functions import TableFunction
from catalog.identifiers import is_source_name, source_name
from catalog.pinned import TEXT_MODALITIES, Pinned
from catalog.search import METRICS, Doubles, Floats, Metric, Neighbours, Rows, distances, first
from catalog.session import Session
from sql.objects import Described
from sql.rewrite import REQUIRED, Argument, Signature

TARGET_GROUP = "photonlake.targets"
"""Entry points that make a vector of what a user gives: 'text' is (weights file, words) -> vector."""

_SIGNATURE = Signature(
    "nearest",
    (
        Argument("space", "text", REQUIRED, "Embedding space"),
        Argument("target", "text or vector", None, "Source name, detection id, bibcode, or a vector"),
        Argument("text", "text", None, "Words instead, in spaces that have a text side"),
        Argument("k", "integer", 10, "So many neighbours"),
        Argument("metric", "text", "cosine", "cosine, l2, or dot"),
        Argument("exact", "boolean", True, "False takes the index, if there is one: `python -m embed index`"),
        Argument("filter", "text", None, "SQL condition that neighbours must meet, applied before the search"),
        Argument("exclude_self", "boolean", False, "Leave out the target's own rows"),
    ),
    2,
)
_COLUMNS = (
    Described("detection_id", "Detection: obsid.obi.region_id; NULL for a paper", ucd="meta.id;src"),
    Described("bibcode", "Paper; in spaces that hold papers", ucd="meta.bib.bibcode"),
    Described("id", "Key within the space: detection_id or bibcode", ucd="meta.id"),
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
        raise QueryError(f"nearest: k is to be at least 1, found {k}")
    targets, own = _targets(session, space, arguments["target"], arguments["text"])
    if metric == "cosine" and not targets.any(axis=1).any():
        raise QueryError(
            "nearest: the target is a vector of zeros, which has no direction to compare; use metric := 'l2'"
        )
    if metric == "cosine":
        targets = targets[targets.any(axis=1)]
    condition = arguments["filter"]
    allowed = None if condition is None else rows_that_meet(session, space, str(condition))
    if arguments["exclude_self"]:
        allowed = np.ones(space.pin.n_vectors, np.bool_) if allowed is None else allowed.copy()
        allowed[own] = False
    if arguments["exact"] or arguments["filter"] is not None:
        # A filter is always searched exactly: the product over what it leaves is cheap, and no row goes missing.
        return _table(space, space.nearest(targets, k, metric, allowed))
    found = approximate(space, targets, k, metric, own if arguments["exclude_self"] else None)
    recall = pa.array(np.full(len(found.rows), space.pin.index_recall))
    return _table(space, found).append_column("recall", recall)


NEAREST = TableFunction(
    _SIGNATURE,
    nearest,
    _COLUMNS,
    "The rows of an embedding space nearest to a source, a detection, a paper, a vector, or words.",
)


def approximate(space: Pinned, targets: Floats | Doubles, k: int, metric: Metric, without: Rows | None) -> Neighbours:
    """Search with the index; distances of what it finds are computed in double precision.

    Raises
    ------
    QueryError
        If the space has no index, or one for another metric.
    """
    pin = space.pin
    command = f"python -m embed index {pin.space} --metric {metric}"
    if pin.index_kind is None:
        raise QueryError(f"space {pin.space} has no index; leave out exact := false, or make one: {command}")
    if pin.index_metric != metric:
        raise QueryError(f"the index of {pin.space} is for {pin.index_metric}, not {metric}; make another: {command}")
    tables, values = [], []
    for target in targets:
        found, its_vectors = vectors.indexed(space.dataset, target, k + (0 if without is None else len(without)))
        tables.append(found)
        values.append(its_vectors)
    ids = pa.concat_tables(tables)["id"].combine_chunks()
    _, once = np.unique(np.asarray(ids.to_pylist(), dtype=object).astype(str), return_index=True)
    stacked = np.concatenate(values)[once]
    exact = np.full(len(once), np.nan)
    for target in targets:
        exact = np.fmin(exact, distances(stacked, target, metric))
    ids = ids.take(pa.array(once))
    rows = _rows_of(space, ids)
    if without is not None:
        keep = np.flatnonzero(~np.isin(rows, without))
        rows, ids, exact = rows[keep], ids.take(pa.array(keep)), exact[keep]
    return first(Neighbours(rows, ids, exact), k)


def _rows_of(space: Pinned, ids: pa.Array) -> Rows:
    here = np.asarray(pc.indices_nonzero(pc.is_in(space.ids, value_set=ids))).astype(np.int64)
    by_id = dict(zip(space.ids.take(pa.array(here)).to_pylist(), here.tolist(), strict=True))
    return np.array([by_id[i] for i in ids.to_pylist()], np.int64)


def _metric(text: str) -> Metric:
    if text not in METRICS:
        raise QueryError(
            f"nearest: there is no metric {text!r}{suggestion(text, METRICS)}; there are {', '.join(METRICS)}"
        )
    return text


def _targets(session: Session, space: Pinned, target: object, text: object) -> tuple[npt.NDArray[np.floating], Rows]:
    """Return the vectors searched for, shape (m, d), and the rows of the space that they are."""
    none = np.empty(0, np.int64)
    if (target is None) == (text is None):
        raise QueryError(f"nearest: give either a target or text := '...': {_SIGNATURE.text}")
    if text is not None:
        return vectors.check_vectors(_text_vector(session, space, str(text)), space.pin)[None], none
    if isinstance(target, str):
        rows = space.rows_where("id", target)
        if not rows.size and is_source_name(target):
            rows = space.rows_where("name", source_name(target))
        if not rows.size:
            raise _why_not(session, space, target)
        return space.vectors_of(rows), rows
    try:
        vector = np.asarray(target, np.float64)
    except (TypeError, ValueError) as error:
        raise QueryError(f"nearest: the target is neither a name nor a vector: {error}") from error
    return vectors.check_vectors(vector, space.pin)[None], none


def _text_vector(session: Session, space: Pinned, text: str) -> Floats:
    published = entry_points(group=TARGET_GROUP, name="text")
    if not published:
        raise QueryError("nearest: text := needs the package that makes vectors of words; pip install photonlake")
    found = session.rows(
        "SELECT weights_sha256 FROM meta.encoder WHERE encoder_id = $id", {"id": space.pin.encoder_id}
    )["weights_sha256"].to_pylist()
    if not found:
        raise QueryError(f"nearest: encoder {space.pin.encoder_id} of {space.pin.space} is not in meta.encoder")
    encode = next(iter(published)).load()
    weights = session.store / "models" / f"{found[0]}.safetensors"
    return np.asarray(encode(weights, text), np.float32)


def _table(space: Pinned, found: Neighbours) -> pa.Table:
    rows = pa.array(found.rows)
    modality = space.keys["modality"].take(rows).combine_chunks()
    is_paper = np.array([m in TEXT_MODALITIES for m in modality.to_pylist()], np.bool_)
    papers = [m for m in space.modalities if m in TEXT_MODALITIES]
    columns: dict[str, pa.Array] = {}
    if len(papers) < len(space.modalities) or not space.modalities:
        columns["detection_id"] = _only(found.ids, ~is_paper)
    if papers:
        columns["bibcode"] = _only(found.ids, is_paper)
    return pa.table(
        columns
        | {
            "id": found.ids,
            "name": space.names.take(rows),
            "distance": pa.array(found.distances, from_pandas=True),
            "rank": pa.array(np.arange(1, len(found.rows) + 1)),
        }
    )


def _only(ids: pa.Array, where: npt.NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(where), ids, pa.scalar(None, pa.string()))


def _why_not(session: Session, space: Pinned, target: str) -> UnknownName:
    """Say why a target has no vector in a space."""
    name = space.pin.space
    canonical = source_name(target) if is_source_name(target) else target
    given = {"space": name, "id": target, "name": canonical}
    met = session.rows(
        "SELECT id, skipped FROM meta.embedded WHERE space = $space AND (id = $id OR name = $name) "
        "AND skipped IS NOT NULL ORDER BY id LIMIT 1",
        given,
    ).to_pylist()
    if met:
        return UnknownName(f"{target} has no vector in {name}: {met[0]['skipped']}")
    stale = session.rows(
        "SELECT reason FROM meta.stale WHERE space = $space AND (id = $id OR name = $name) LIMIT 1", given
    ).to_pylist()
    if stale:
        return UnknownName(
            f"{target} has no vector in {name} yet ({stale[0]['reason']}); make it: "
            f"python -m embed run --store {session.store}"
        )
    if space.holds_papers_only:
        known = session.rows("SELECT count(*) AS n FROM lit.paper WHERE bibcode = $id", {"id": target})
        what, table = "bibcode", "SELECT bibcode AS id FROM lit.paper"
    else:
        known = session.rows(
            "SELECT (SELECT count(*) FROM csc.observation_source WHERE detection_id = $id OR name = $name)"
            " + (SELECT count(*) FROM csc.master_source WHERE name = $name) AS n",
            {"id": target, "name": canonical},
        )
        what = "source name, detection id"
        table = "SELECT unnest([detection_id, name]) AS id FROM csc.observation_source"
    if known["n"][0].as_py():
        return UnknownName(f"the catalog has {target}, but the store holds nothing of it that {name} is made from")
    others = session.rows(
        "SELECT DISTINCT modality FROM meta.embedding_input WHERE id = $id OR name = $name ORDER BY modality",
        {"id": target, "name": canonical},
    )["modality"].to_pylist()
    if others:
        return UnknownName(f"{target} has no vector in {name}: the store has only what {', '.join(others)} is made from")
    close = session.rows(
        f"SELECT DISTINCT id FROM ({table}) WHERE levenshtein(id, $id) <= 3 ORDER BY levenshtein(id, $id), id LIMIT 2",
        {"id": canonical},
    )["id"].to_pylist()
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return UnknownName(f"{target!r} is no {what} or vector of {name} that this store knows{hint}")
