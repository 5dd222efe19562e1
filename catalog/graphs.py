"""The graph of a network run as a file: for Gephi, Cytoscape, or another program's own measures."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.files import write_whole

GRAPH_FORMATS = ("graphml", "gexf", "parquet")


def write_graph(
    cat: Catalog, run_id: int, format_: str, output: Path | None = None, threshold: float | None = None
) -> list[Path]:
    """Write nodes with their measures, and edges with their similarity.

    Parameters
    ----------
    cat : Catalog
    run_id : int
        Of a network run: analysis.run.
    format_ : {'graphml', 'gexf', 'parquet'}
        parquet writes two files, of nodes and of edges.
    output : Path, optional
        Else `network_<run>.<format>` in the current folder.
    threshold : float, optional
        One of the run's thresholds: the nodes' measures are those at it, and the edges those above it. Else the lowest.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UnknownName
        If there is no such run, or it has no such threshold.
    QueryError
        If the format is none of these.
    """
    if format_ not in GRAPH_FORMATS:
        known = ", ".join(GRAPH_FORMATS)
        raise QueryError(f"no graph format {format_!r}{suggestion(format_, GRAPH_FORMATS)}; there are {known}")
    thresholds = [
        float(str(t))
        for (t,) in cat.sql("SELECT threshold FROM analysis.graph WHERE run_id = $id ORDER BY 1", id=run_id).fetchall()
    ]
    if not thresholds:
        raise UnknownName(
            f"there is no network run {run_id}; list them: SELECT * FROM analysis.run WHERE kind = 'network'"
        )
    chosen = thresholds[0] if threshold is None else threshold
    if chosen not in thresholds:
        raise UnknownName(f"run {run_id} has no threshold {chosen:g}; it has {', '.join(f'{t:g}' for t in thresholds)}")
    query = "SELECT * EXCLUDE (run_id, threshold) FROM analysis.node WHERE run_id = $id AND threshold = $t ORDER BY id"
    nodes = cat.sql(query, id=run_id, t=chosen).arrow()
    query = "SELECT id_1, id_2, similarity FROM analysis.edge WHERE run_id = $id AND similarity >= $t ORDER BY ALL"
    edges = cat.sql(query, id=run_id, t=chosen).arrow()
    target = output or Path(f"network_{run_id}.{format_}")
    if format_ == "parquet":
        written = [target.with_name(f"{target.stem}_{part}.parquet") for part in ("nodes", "edges")]
        for path, table in zip(written, (nodes, edges), strict=True):
            pq.write_table(table, path)
        return written
    write_whole(target, _text(nodes, edges, format_))
    return [target]


def _text(nodes: pa.Table, edges: pa.Table, format_: str) -> bytes:
    import networkx as nx  # noqa: PLC0415 - half a second, for this alone

    graph = nx.Graph()
    for row in nodes.to_pylist():
        graph.add_node(row["id"], **{k: v for k, v in row.items() if k != "id" and v is not None})
    graph.add_weighted_edges_from(zip(*(edges[c].to_pylist() for c in edges.column_names), strict=True), "weight")
    lines = nx.generate_graphml(graph) if format_ == "graphml" else nx.generate_gexf(graph)
    return "\n".join(lines).encode()
