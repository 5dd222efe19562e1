"""Approximate search: the index of a space is built, and asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.neighbours.closeness import Metric
from catalog.schema.columns import literal
from catalog.store import vectors

if TYPE_CHECKING:
    from lancedb.table import LanceTable


IndexKind = Literal["IVF_RQ", "IVF_HNSW_SQ"]


def build_index(store: Path, space: str, base: int, kind: IndexKind, metric: Metric) -> int:
    """Index a version, and return the version that has the index: tagged, not yet pinned.

    Parameters
    ----------
    kind : {'IVF_RQ', 'IVF_HNSW_SQ'}
        Quick to build; or quicker to search, minutes per million to build.
    metric : {'cosine', 'l2', 'dot'}
    """
    from lancedb.index import HnswSq, IvfRq  # noqa: PLC0415 - as `_lancedb`

    table = vectors.at_top(store, space, base)
    n_partitions = max(1, round((table.count_rows() / 1000) ** 0.75))
    config: IvfRq | HnswSq
    match kind:
        case "IVF_RQ":
            config = IvfRq(distance_type=metric, num_partitions=n_partitions)
        case "IVF_HNSW_SQ":
            config = HnswSq(distance_type=metric, num_partitions=n_partitions)
        case _:
            assert_never(kind)
    # Lance must not see vectors of zeros in a cosine index; it skips what it cannot place, and so do we (search.py).
    table.create_index("vector", config=config, replace=True)
    return vectors.tagged(table)


def indexed(
    table: LanceTable,
    target: npt.NDArray[np.floating],
    k: int,
    metric: Metric,
    modality: str | None = None,
    effort: int = 10,
) -> pa.Table:
    """Search with the index.

    Parameters
    ----------
    table : LanceTable
        At a version with an index.
    target : ndarray of float, shape (d,)
    k, effort : int
        Rows wanted; so many times k are compared in full precision.
    metric : {'cosine', 'l2', 'dot'}
        The index's own.
    modality : str, optional
        Only rows of this one.

    Returns
    -------
    pyarrow.Table
        id, name, modality, vector; at most k rows.
    """
    columns = ["id", "name", "modality", "vector"]
    search = table.search(np.asarray(target, np.float32), vector_column_name="vector").distance_type(metric)
    search = search.limit(k).nprobes(2 * effort).refine_factor(effort).ef(max(100, 2 * k * effort))
    if modality is not None:
        search = search.where(f"modality = {literal(modality)}", prefilter=True)
    return search.select([*columns, "_distance"]).to_arrow().select(columns)
