"""The graph of a network run as a networkx.Graph: the entry point behind `Catalog.graph`."""

from __future__ import annotations

import json
from datetime import date

import networkx as nx

from analysis.networks.edges import TooManyEdges
from catalog import Catalog
from catalog.errors import UnknownName, command

MOST_EDGES = 2_000_000
"""A graph of networkx holds an edge in about half a kilobyte."""
_LIST = "list them: SELECT * FROM analysis.run WHERE kind = 'network'"


def network_graph(
    cat: Catalog,
    run: int | None = None,
    threshold: float | None = None,
    snapshot: int | str | date | None = None,
    most: int = MOST_EDGES,
) -> nx.Graph:
    """Return the graph of a network run.

    Parameters
    ----------
    cat : Catalog
    run : int, optional
        A network run: analysis.run. Else the newest.
    threshold : float, optional
        One of the run's thresholds: the edges are at least so similar, and the nodes' measures are those at it. Else
        the lowest.
    snapshot : int, str, date or datetime, optional
        The store as it was.
    most : int
        A graph of more edges is refused.

    Returns
    -------
    networkx.Graph
        Nodes are ids, with the columns of analysis.node (name, otype, degree, coreness, ...); what is NULL is left out.
        Edges have `similarity`, and the same number as `weight`, which algorithms of networkx look for. The graph has
        `run_id`, `threshold`, and the question that the run was asked: `graph.graph["where"]`.

    Raises
    ------
    UnknownName
        If there is no such run, or it has no such threshold.
    TooManyEdges
        If there are more edges than networkx can well hold.

    Examples
    --------
    >>> graph = network_graph(cat)  # doctest: +SKIP
    >>> nx.write_graphml(graph, "network.graphml")  # doctest: +SKIP
    """
    found = cat.sql(
        "SELECT g.run_id, g.threshold, r.parameters FROM analysis.graph AS g JOIN analysis.run AS r USING (run_id) "
        "WHERE g.run_id = coalesce($run::BIGINT, (SELECT max(run_id) FROM analysis.graph)) "
        "ORDER BY g.threshold",
        snapshot=snapshot,
        run=run,
    ).fetchall()
    if not found:
        make = command("analysis network --spaces SPACE", cat.path)
        raise UnknownName(
            f"there is no network run yet; make one: {make}"
            if run is None
            else f"there is no network run {run}; {_LIST}"
        )
    number, thresholds = int(str(found[0][0])), [float(str(t)) for _, t, _ in found]
    chosen = thresholds[0] if threshold is None else float(threshold)
    if chosen not in thresholds:
        known = ", ".join(f"{t:g}" for t in thresholds)
        raise UnknownName(f"run {number} has no threshold {chosen:g}; it has {known}")
    edges = "FROM analysis.edge WHERE run_id = $run AND similarity >= $threshold"
    ((n_edges,),) = cat.sql(f"SELECT count(*) {edges}", snapshot=snapshot, run=number, threshold=chosen).fetchall()
    if int(str(n_edges)) > most:
        export = command(f"catalog export --graph {number} --format parquet", cat.path)
        raise TooManyEdges(
            f"expected at most {most:,} edges for networkx, found {n_edges:,} in run {number} at {chosen:g}; take a "
            f"higher threshold, or write them to files: {export}"
        )
    parameters = json.loads(str(found[0][2]))
    graph = nx.Graph(run_id=number, threshold=chosen)
    graph.graph |= {k: _plain(v) for k, v in parameters.items() if k != "thresholds"}
    nodes = cat.sql(
        "SELECT * EXCLUDE (run_id, threshold) FROM analysis.node "
        "WHERE run_id = $run AND threshold = $threshold ORDER BY id",
        snapshot=snapshot,
        run=number,
        threshold=chosen,
    )
    for row in nodes.arrow().to_pylist():
        graph.add_node(row.pop("id"), **{k: v for k, v in row.items() if v is not None})
    pairs = cat.sql(
        f"SELECT id_1, id_2, similarity {edges} ORDER BY ALL", snapshot=snapshot, run=number, threshold=chosen
    )
    for batch in pairs.reader():
        one, two, similarity = (column.to_pylist() for column in batch.columns)
        graph.add_edges_from(
            (a, b, {"similarity": s, "weight": s}) for a, b, s in zip(one, two, similarity, strict=True)
        )
    return graph


def _plain(value: object) -> str | float | int | bool:
    """Return what GraphML and GEXF can hold of a parameter."""
    return value if isinstance(value, str | float | int | bool) else json.dumps(value)
