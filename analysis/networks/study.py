"""The study of networks from nodes to tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.stats import rankdata

from analysis.networks import measures
from analysis.networks.edges import Edges, Rule, centred, edges
from analysis.networks.figures import degrees, layout
from analysis.networks.null import null_graphs
from analysis.networks.reading import Nodes
from analysis.networks.sweep import STEPS, rare_precision, sweep
from analysis.networks.types import balanced_degree, degree_by_type
from analysis.runs import Answer, Record
from analysis.statistics import permutation_p

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NULL_EDGES = 3_000_000
"""Above this many edges no null graphs are made: each would take minutes. The run then says so (n_null = 0)."""
N_LONERS = 25
_N_NEIGHBOURS = 5


@dataclass(frozen=True)
class Asked:
    """What a network is asked.

    Attributes
    ----------
    thresholds : tuple of float
        In increasing order.
    rule : {'mean', 'max', 'both'}
        How several spaces are combined.
    centre : bool
        Subtract each space's mean over the nodes first.
    within_source : bool
        Keep edges between observations of one source. These share their papers, and much else: they say nothing of how
        alike different sources are.
    n_null : int
        Graphs of the same degrees.
    seed : int
    report : callable
        Told in words how far it is.
    """

    thresholds: tuple[float, ...]
    rule: Rule = "mean"
    centre: bool = True
    within_source: bool = False
    n_null: int = 100
    seed: int = 0
    report: Callable[[str], None] = lambda _: None


def study(nodes: Nodes, asked: Asked, anomaly: Floats | None = None) -> Answer:
    """Return everything that is told of a network.

    Parameters
    ----------
    nodes : Nodes
    asked : Asked
    anomaly : ndarray of float, shape (n,), optional
        Score of the newest anomaly run, the most unusual highest; NaN where it says nothing.
    """
    modalities = [centred(m) if asked.centre else m for m in nodes.modalities]
    lowest = min(*asked.thresholds, STEPS[0])
    found = edges(modalities, lowest, asked.rule)
    if not asked.within_source:
        found = found.some(nodes.sources[found.left] != nodes.sources[found.right])
    names = [t for t, _ in Counter(t for t in nodes.otypes if t is not None).most_common()]
    place = {t: i for i, t in enumerate(names)}
    types = np.array([-1 if t is None else place[t] for t in nodes.otypes], np.int64)
    tables: dict[str, list[Record]] = {
        "analysis.graph": [],
        "analysis.degree_by_type": [],
        "analysis.rare_precision": [],
    }
    node_tables: list[pa.Table] = []
    figures: dict[str, bytes] = {}
    for threshold in asked.thresholds:
        some = found.above(threshold)
        asked.report(f"threshold {threshold:g}: {len(some.left):,} edges of {nodes.n:,} nodes")
        graph = _Graph(some, nodes, types, names, asked)
        tables["analysis.graph"].append({"threshold": threshold, **graph.row()})
        rows = degree_by_type(graph.matrix, types, names, nodes.sources, graph.high_from, asked.seed)
        tables["analysis.degree_by_type"] += [{"threshold": threshold, **asdict(r)} for r in rows]
        ways = {"low degree": graph.degree.astype(np.float64), "low coreness": graph.core.coreness}
        ways["both"] = rankdata(ways["low degree"]) + rankdata(ways["low coreness"])
        if anomaly is not None:
            ways["anomaly"] = -anomaly
        rare = rare_precision(ways, types, names, nodes.sources, asked.seed)
        tables["analysis.rare_precision"] += [{"threshold": threshold, **r} for r in rare]
        node_tables.append(graph.nodes(threshold))
        figures[f"core_and_periphery_at_{threshold:g}.png"] = layout(
            some, graph.core.coreness, types, names, asked.seed
        )
        figures[f"degrees_at_{threshold:g}.svg"] = degrees(graph.degree, graph.density)
    reference = asked.thresholds[len(asked.thresholds) // 2]
    kept = found.above(asked.thresholds[0])
    return Answer(
        {
            **tables,
            "analysis.node": pa.concat_tables(node_tables),
            "analysis.edge": pa.table(
                {
                    "id_1": pa.array(nodes.ids[kept.left], pa.string()),
                    "id_2": pa.array(nodes.ids[kept.right], pa.string()),
                    "similarity": kept.similarity,
                }
            ),
            "analysis.threshold_sweep": sweep(found, nodes.n, nodes.sources, reference, asked.seed),
            "analysis.loner": _loners(nodes, kept, found),
        },
        figures,
    )


class _Graph:
    """A graph at one threshold, with its measures."""

    def __init__(self, some: Edges, nodes: Nodes, types: Ints, names: Sequence[str], asked: Asked) -> None:
        self.edges, self.of, self.types, self.names, self.asked = some, nodes, types, names, asked
        self.matrix: csr_array = measures.adjacency(some, nodes.n)
        self.degree: Ints = np.diff(self.matrix.indptr).astype(np.int64)
        self.core = measures.core_periphery(self.matrix)
        self.clustering = measures.clustering(self.matrix)
        self.component = measures.components(self.matrix)
        self.density = 2 * len(some.left) / (nodes.n * (nodes.n - 1))
        # At least 1: where most nodes are isolated the median is 0, and everything would be high.
        self.high_from = max(float(np.median(self.degree)), 1.0)

    def row(self) -> Record:
        """Return the row of analysis.graph."""
        scores, mixings, swapped = self._null()
        like = measures.assortativity(self.edges, self.types)
        return {
            "n_nodes": self.of.n,
            "n_edges": len(self.edges.left),
            "density": self.density,
            "n_isolated": int((self.degree == 0).sum()),
            "n_components": int(self.component.max()),
            "giant_share": float(np.mean(self.component == 1)),
            "mean_clustering": float(self.clustering.mean()),
            "core_periphery": self.core.score,
            **_against("core_periphery", self.core.score, scores),
            "core_periphery_null_std": float(np.std(scores)) if scores else None,
            "assortativity": like,
            **_against("assortativity", like, mixings),
            "n_null": len(scores),
            "null_swapped": swapped,
            "high_degree": self.high_from,
        }

    def _null(self) -> tuple[list[float], list[float], float | None]:
        m, n = len(self.edges.left), self.of.n
        if not 2 <= m <= NULL_EDGES or self.density >= 1:  # noqa: PLR2004 - one edge cannot be switched
            return [], [], None
        own = self.edges.left * n + self.edges.right
        scores, mixings, swapped = [], [], []
        for made in null_graphs(self.edges, n, self.asked.n_null, self.asked.seed):
            scores.append(measures.core_periphery(measures.adjacency(made, n)).score)
            mixings.append(measures.assortativity(made, self.types))
            swapped.append(1 - np.isin(made.left * n + made.right, own).mean())
        return scores, mixings, float(np.mean(swapped))

    def nodes(self, threshold: float) -> pa.Table:
        """Return the rows of analysis.node."""
        n = self.of.n
        weighted = measures.adjacency(self.edges, n, weighted=True)
        return pa.table(
            {
                "threshold": np.full(n, threshold),
                "id": pa.array(self.of.ids, pa.string()),
                "name": pa.array(self.of.sources, pa.string()),
                "otype": pa.array([t or "(none)" for t in self.of.otypes], pa.string()),
                "degree": self.degree.astype(np.int32),
                "strength": np.asarray(weighted.sum(axis=1)).ravel(),
                "balanced_degree": balanced_degree(self.matrix, self.types),
                "component": self.component.astype(np.int32),
                "core_number": measures.core_numbers(self.edges, n).astype(np.int32),
                "clustering": self.clustering,
                "betweenness": measures.betweenness(self.matrix, seed=self.asked.seed),
                "coreness": self.core.coreness,
                "isolated": self.degree == 0,
            }
        )


def _against(name: str, value: float, null: list[float]) -> dict[str, float | None]:
    """Compare a score with those of null graphs."""
    if not null or not np.isfinite(value):
        return {f"{name}_null": None, f"{name}_z": None, f"{name}_p": None}
    spread = float(np.std(null))
    mean = float(np.mean(null))
    return {
        f"{name}_null": mean,
        f"{name}_z": (value - mean) / spread if spread > 0 else None,
        f"{name}_p": permutation_p(value, null),
    }


def _loners(nodes: Nodes, kept: Edges, found: Edges) -> list[Record]:
    """List the nodes of lowest degree, the least similar to any other first."""
    n = nodes.n
    degree = np.bincount(kept.left, minlength=n) + np.bincount(kept.right, minlength=n)
    both = np.concatenate([found.left, found.right]), np.concatenate([found.right, found.left])
    similarity = np.concatenate([found.similarity, found.similarity])
    greatest = np.full(n, -np.inf)
    np.maximum.at(greatest, both[0], similarity)
    order = np.lexsort((greatest, degree))[:N_LONERS]
    rows: list[Record] = []
    for rank, i in enumerate(order.tolist(), 1):
        mine = both[0] == i
        near = both[1][mine][np.argsort(-similarity[mine], kind="stable")]
        others = [str(nodes.ids[j]) for j in near if nodes.sources[j] != nodes.sources[i]][:_N_NEIGHBOURS]
        rows.append(
            {
                "rank": rank,
                "id": str(nodes.ids[i]),
                "name": str(nodes.sources[i]),
                "otype": nodes.otypes[i] or "(none)",
                "greatest_similarity": float(greatest[i]) if np.isfinite(greatest[i]) else None,
                "neighbours": others,
                "flags": nodes.flags[i],
                "bibcodes": nodes.bibcodes[i],
            }
        )
    return rows
