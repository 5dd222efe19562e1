"""Build a space's index, and measure on its own vectors what it finds and what it saves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catalog.errors import QueryError, UnknownName, suggestion
from catalog.neighbours.closeness import METRICS, Metric
from catalog.query.nearest import approximate
from catalog.store import approximate_search, lake, vectors
from catalog.store.approximate_search import IndexKind
from catalog.store.pinned import Pinned, pinned
from embed.store.status import next_step

KINDS: dict[str, IndexKind] = {"rq": "IVF_RQ", "hnsw": "IVF_HNSW_SQ"}
_K = 10
_N_TARGETS = 100
_FEWEST = 256
_RQ_DIM = 8


@dataclass(frozen=True)
class Indexed:
    """What an index is worth.

    Attributes
    ----------
    kind, metric : str
    n_vectors, dim : int
    recall : float
        Mean share of the true ten nearest that it finds, over `n_targets` vectors of the space itself.
    recall_lowest : float
        Of the worst of these targets.
    exact_ms, index_ms : float
        Medians of one search, warm.
    build_s : float
    n_targets : int
    """

    kind: str
    metric: str
    n_vectors: int
    dim: int
    recall: float
    recall_lowest: float
    exact_ms: float
    index_ms: float
    build_s: float
    n_targets: int


def index(
    store: Path,
    space: str,
    *,
    kind: str | None = None,
    metric: Metric = "cosine",
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Indexed:
    """Index a space at its pinned version, measure the index, and pin the version that has it.

    Parameters
    ----------
    store : Path
    space : str
    kind : {'rq', 'hnsw'}, optional
        IVF_RQ, quick to build, for dimensions that are multiples of 8; IVF_HNSW_SQ, minutes per million vectors.
        Default: the first that the dimension allows.
    metric : {'cosine', 'l2', 'dot'}
        The metric it is to serve.
    wait : bool
        Wait while another process writes, or fail at once.
    on_wait : callable, optional
        Called with a line that says who holds the lock.

    Raises
    ------
    UnknownName
        If there is no such space, or kind of index.
    QueryError
        If it has too few vectors for an index.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownName(f"no index {kind!r}{suggestion(kind, KINDS)}; there are {', '.join(KINDS)}")
    if metric not in METRICS:
        raise UnknownName(f"no metric {metric!r}{suggestion(metric, METRICS)}; there are {', '.join(METRICS)}")
    with lake.writer(store, f"index {space}", wait=wait, on_wait=on_wait) as connection:
        pins = vectors.pins(connection)
        if space not in pins:
            raise UnknownName(next_step(lambda query: connection.execute(query).fetchall(), store, space))
        pin = pins[space]
        if pin.n_vectors < _FEWEST:
            raise QueryError(f"{space} has {pin.n_vectors} vectors; below {_FEWEST} an index serves nothing")
        chosen = KINDS[kind or ("rq" if pin.dim % _RQ_DIM == 0 else "hnsw")]
        if chosen == KINDS["rq"] and pin.dim % _RQ_DIM:
            raise QueryError(f"an index of kind rq needs a dimension that is a multiple of 8, {space} has {pin.dim}")
        start = time.monotonic()
        version = approximate_search.build_index(store, space, pin.lance_version, chosen, metric)
        build_s = time.monotonic() - start
        pin = replace(pin, lance_version=version, index_kind=chosen, index_metric=metric)
        measured = measure(pinned(store, pin), metric, build_s)
        with lake.transaction(connection, f"index {space}"):
            vectors.publish(connection, replace(pin, index_recall=measured.recall))
    return measured


def measure(space: Pinned, metric: Metric, build_s: float = 0.0) -> Indexed:
    """Search for the neighbours of vectors drawn from a space, exactly and with its index, and compare."""
    pin = space.pin
    rows = np.random.default_rng(0).choice(pin.n_vectors, min(_N_TARGETS, pin.n_vectors), replace=False)
    targets = space.vectors_of(np.sort(rows))
    targets = targets[targets.any(axis=1)]
    recalls, exact_s, index_s = [], [], []
    for target in targets:
        start = time.perf_counter()
        exact = space.nearest(target[None], _K, metric)
        middle = time.perf_counter()
        found = approximate(space, target[None], _K, metric)
        index_s.append(time.perf_counter() - middle)
        exact_s.append(middle - start)
        # A row as near as the tenth is a true neighbour too, whatever its id.
        recalls.append(float(np.mean(found.distances <= exact.distances[-1])) if len(found.distances) else 0.0)
    return Indexed(
        kind=str(pin.index_kind),
        metric=metric,
        n_vectors=pin.n_vectors,
        dim=pin.dim,
        recall=statistics.fmean(recalls),
        recall_lowest=min(recalls),
        exact_ms=1e3 * statistics.median(exact_s),
        index_ms=1e3 * statistics.median(index_s),
        build_s=build_s,
        n_targets=len(targets),
    )
