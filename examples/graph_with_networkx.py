"""The graph of a network run in networkx: its communities and its bridges, and a file for Gephi or Cytoscape.

Needs a store with a network run; `make demo` leaves one. Type

    .venv/bin/python examples/graph_with_networkx.py demo/store
    .venv/bin/python examples/graph_with_networkx.py demo/store network.graphml
"""

from __future__ import annotations

import sys
from collections import Counter

import networkx as nx

import catalog
from catalog.errors import PhotonlakeError


def main(store: str, output: str = "") -> None:
    """Say what the newest network run looks like to networkx; with a file name, write the graph there."""
    with catalog.open(store) as cat:
        graph = cat.graph()  # or cat.graph(run, threshold): SELECT * FROM analysis.graph lists both
    about = graph.graph
    print(f"Run {about['run_id']} of {store}, edges from {about['threshold']:g} on: {graph}")

    # Nodes know what they are; edges know how alike the two are (similarity, and the same as weight).
    types = Counter(nx.get_node_attributes(graph, "otype").values())
    print("Types:", ", ".join(f"{n} {otype}" for otype, n in types.most_common(5)))

    groups = nx.community.louvain_communities(graph, seed=0)
    print("\nThe largest groups that networkx finds, and what is in them:")
    for group in sorted(groups, key=len, reverse=True)[:3]:
        inside = Counter(graph.nodes[n]["otype"] for n in group)
        print(f"  {len(group)} nodes: {', '.join(f'{n} {otype}' for otype, n in inside.most_common(3))}")

    # The same measure twice: as the run stored it, and as networkx computes it.
    cores = nx.core_number(graph)
    same = sum(cores[n] == graph.nodes[n]["core_number"] for n in graph)
    print(f"\nCore numbers of networkx and of the run agree for {same} of {len(graph)} nodes.")

    if output:
        nx.write_graphml(graph, output)
        print(f"{output}: for Gephi, Cytoscape, or nx.read_graphml")


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except PhotonlakeError as error:
        sys.exit(f"error: {error}")
