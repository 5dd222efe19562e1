"""The study of networks: asked once of the same nodes, from nodes to tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.stats import rankdata

from analysis.networks import measures
from analysis.networks.edges import Edges, Modality, Rule, TooManyEdges, centred, edges, similarities
from analysis.networks.network_figures import degrees, layout
from analysis.networks.node_samples import Nodes, read
from analysis.networks.null import null_graphs
from analysis.networks.published import published_degrees
from analysis.networks.sweep import STEPS, rare_precision, sweep
from analysis.networks.types import balanced_degree, corrected, degree_by_type
from analysis.statistics import permutation_p, shuffled
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Record, Run, once
from catalog import Catalog

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NULL_EDGES = 3_000_000
"""Above this many edges no null graphs are made: each would take minutes. The run then says so (n_null = 0)."""
N_SHUFFLED = 200
"""Permutations of types over sources."""
N_LONERS = 25
_N_NEIGHBOURS = 5
_LONERS_AT_ONCE = 512
_BLOCK = 1 << 18


@dataclass(frozen=True)
class NetworkQuestion(Asked):
    """What a network is asked.

    Attributes
    ----------
    spaces : tuple of str
        See `analysis.networks.node_samples.read`.
    thresholds : tuple of float
        In increasing order.
    where, authority : str
        How the nodes are chosen and typed.
    combine : {'mean', 'max', 'both'}
        How several spaces are combined.
    centre : bool
        Subtract each space's mean over the nodes first.
    within_source : bool
        Keep edges between observations of one source. These share their papers, and much else: they say nothing of how
        alike different sources are.
    n_null : int
        Graphs of the same degrees.
    high_share : float
        Share of the nodes that count as of high degree, about: 0.5 cuts at the median.
    """

    kind = "network"

    spaces: tuple[str, ...]
    thresholds: tuple[float, ...]
    where: str = ""
    combine: Rule = "mean"
    centre: bool = True
    within_source: bool = False
    authority: str = "simbad"
    n_null: int = 100
    high_share: float = 0.5


def run(cat: Catalog, asked: NetworkQuestion, ways: Ways) -> Run:
    """Make the network of a store, or find the run that did."""
    nodes = read(cat, asked.spaces, asked.where, asked.authority)
    scores = _anomaly(cat, nodes)
    digest = hashlib.sha256(f"{nodes.sha256} {None if scores is None else scores.tolist()}".encode()).hexdigest()
    question = ways.question(cat, asked, n_without={m.name: int((~m.has).sum()) for m in nodes.modalities})
    return once(question, Evidence(nodes.snapshot, digest, nodes.sources), lambda: study(nodes, asked, ways, scores))


def study(nodes: Nodes, asked: NetworkQuestion, ways: Ways, anomaly: Floats | None = None) -> Answer:
    """Return everything that is told of a network.

    Parameters
    ----------
    nodes : Nodes
    asked : NetworkQuestion
    ways : Ways
    anomaly : ndarray of float, shape (n,), optional
        Score of the newest anomaly run, the most unusual highest; NaN where it says nothing.
    """
    modalities = [centred(m) if asked.centre else m for m in nodes.modalities]
    found, lowest = _found(modalities, asked, ways)
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
    of_types = []
    figures: dict[str, bytes] = {}
    for threshold in asked.thresholds:
        some = found.above(threshold)
        ways.say(f"threshold {threshold:g}: {len(some.left):,} edges of {nodes.n:,} nodes")
        graph = _Graph(some, nodes, types, asked, ways.seed)
        tables["analysis.graph"].append({"threshold": threshold, **graph.row()})
        cut = (graph.high_from, ways.seed, asked.high_share)
        of_types.append(degree_by_type(graph.matrix, types, names, nodes.sources, *cut))
        orders = {"low degree": graph.degree.astype(np.float64), "low coreness": graph.core.coreness}
        orders["both"] = rankdata(orders["low degree"]) + rankdata(orders["low coreness"])
        if anomaly is not None:
            orders["anomaly"] = -anomaly
        rare = rare_precision(orders, types, names, nodes.sources, ways.seed)
        tables["analysis.rare_precision"] += [{"threshold": threshold, **r} for r in rare]
        node_tables.append(graph.nodes(threshold))
        figures[f"core_and_periphery_at_{threshold:g}.png"] = layout(some, graph.core.coreness, types, names, ways.seed)
        figures[f"degrees_at_{threshold:g}.svg"] = degrees(graph.degree, graph.density)
    for threshold, rows in zip(asked.thresholds, corrected(of_types), strict=True):
        for r in rows:
            told = published_degrees(r.otype)
            beside = {} if told is None else asdict(told)
            tables["analysis.degree_by_type"].append({"threshold": threshold, **asdict(r), **beside})
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
            "analysis.threshold_sweep": sweep(found, nodes.n, nodes.sources, reference, ways.seed, lowest),
            "analysis.loner": _loners(nodes, kept, modalities, asked.combine),
        },
        figures,
    )


def _found(modalities: Sequence[Modality], asked: NetworkQuestion, ways: Ways) -> tuple[Edges, float]:
    """Return the edges from the lowest step of the sweep on; where these are too many, from the lowest threshold on."""
    lowest = asked.thresholds[0]
    if STEPS[0] < lowest:
        try:
            return edges(modalities, STEPS[0], asked.combine), STEPS[0]
        except TooManyEdges:
            ways.say(f"the sweep begins at {lowest:g}: below, there are too many edges")
    return edges(modalities, lowest, asked.combine), lowest


class _Graph:
    """A graph at one threshold, with its measures."""

    def __init__(self, some: Edges, nodes: Nodes, types: Ints, asked: NetworkQuestion, seed: int) -> None:
        self.edges, self.of, self.types, self.asked, self.seed = some, nodes, types, asked, seed
        self.matrix: csr_array = measures.adjacency(some, nodes.n)
        self.degree: Ints = np.diff(self.matrix.indptr).astype(np.int64)
        self.core = measures.core_periphery(self.matrix)
        self.clustering = measures.clustering(self.matrix)
        self.component = measures.components(self.matrix)
        self.density = 2 * len(some.left) / (nodes.n * (nodes.n - 1))
        # At least 1: where most nodes are isolated the median is 0, and everything would be high.
        self.high_from = max(float(np.quantile(self.degree, 1.0 - asked.high_share)), 1.0)
        self.weighted = measures.adjacency(some.some(some.similarity > 0), nodes.n, weighted=True)
        self.weighted_core = measures.core_periphery(self.weighted)

    def row(self) -> Record:
        """Return the row of analysis.graph."""
        scores, weighted, mixings, swapped = self._null()
        like = measures.assortativity(self.edges, self.types)
        of, seed = self.of.sources, self.seed
        others = [
            measures.assortativity(self.edges, self.types[shuffled(of, seed + i)])
            for i in range(N_SHUFFLED if np.isfinite(like) else 0)
        ]
        sharing = self._sharing_papers()
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
            "weighted_core_periphery": self.weighted_core.score,
            **_against("weighted_core_periphery", self.weighted_core.score, weighted),
            "assortativity": like,
            **_against("assortativity", like, mixings),
            "assortativity_shuffled_p": permutation_p(like, others) if others else None,
            "n_sharing_papers": int(sharing.sum()),
            "assortativity_not_sharing": measures.assortativity(self.edges.some(~sharing), self.types),
            "n_null": len(scores),
            "null_swapped": swapped,
            "high_degree": self.high_from,
        }

    def _null(self) -> tuple[list[float], list[float], list[float], float | None]:
        """Return core-periphery, plain and weighted, and assortativity of null graphs, and the share of new edges."""
        m, n = len(self.edges.left), self.of.n
        if not 2 <= m <= NULL_EDGES or self.density >= 1:  # noqa: PLR2004 - one edge cannot be switched
            return [], [], [], None
        own = self.edges.left * n + self.edges.right
        scores, weighted, mixings, swapped = [], [], [], []
        weights = self.edges.similarity.clip(min=0.0)
        rng = np.random.default_rng(self.seed)
        groups = None if self.asked.within_source else self.of.sources
        for made in null_graphs(self.edges, n, self.asked.n_null, self.seed, groups):
            scores.append(measures.core_periphery(measures.adjacency(made, n)).score)
            drawn = Edges(made.left, made.right, rng.permutation(weights))  # the same weights, at other edges
            weighted.append(measures.core_periphery(measures.adjacency(drawn, n, weighted=True)).score)
            mixings.append(measures.assortativity(made, self.types))
            swapped.append(1 - np.isin(made.left * n + made.right, own).mean())
        return scores, weighted, mixings, float(np.mean(swapped))

    def _sharing_papers(self) -> npt.NDArray[np.bool_]:
        """Return the edges between sources that a paper is about together, shape (m,)."""
        about = self.of.mentions
        out = np.empty(len(self.edges.left), np.bool_)
        for start in range(0, len(out), _BLOCK):
            part = slice(start, start + _BLOCK)
            both = about[self.edges.left[part]].multiply(about[self.edges.right[part]])
            out[part] = np.asarray(both.sum(axis=1)).ravel() > 0
        return out

    def nodes(self, threshold: float) -> pa.Table:
        """Return the rows of analysis.node."""
        n = self.of.n
        return pa.table(
            {
                "threshold": np.full(n, threshold),
                "id": pa.array(self.of.ids, pa.string()),
                "name": pa.array(self.of.sources, pa.string()),
                "otype": pa.array([t or "(none)" for t in self.of.otypes], pa.string()),
                "degree": self.degree.astype(np.int32),
                "strength": np.asarray(measures.adjacency(self.edges, n, weighted=True).sum(axis=1)).ravel(),
                "balanced_degree": balanced_degree(self.matrix, self.types),
                "component": self.component.astype(np.int32),
                "core_number": measures.core_numbers(self.matrix).astype(np.int32),
                "clustering": self.clustering,
                "betweenness": measures.betweenness(self.matrix, seed=self.seed),
                "coreness": self.core.coreness,
                "weighted_coreness": self.weighted_core.coreness,
                "isolated": self.degree == 0,
            }
        )


def _against(name: str, value: float, null: list[float]) -> dict[str, float | None]:
    """Compare a score with those of null graphs."""
    null = [v for v in null if np.isfinite(v)]
    if not null or not np.isfinite(value):
        return {f"{name}_null": None, f"{name}_z": None, f"{name}_p": None}
    spread = float(np.std(null))
    mean = float(np.mean(null))
    return {
        f"{name}_null": mean,
        f"{name}_z": (value - mean) / spread if spread > 0 else None,
        f"{name}_p": permutation_p(value, null),
    }


def _loners(nodes: Nodes, kept: Edges, modalities: Sequence[Modality], rule: Rule) -> list[Record]:
    """List the nodes of lowest degree, the least similar to any other source first, with what is nearest to each."""
    n = nodes.n
    degree = np.bincount(kept.left, minlength=n) + np.bincount(kept.right, minlength=n)
    lowest = np.sort(degree)[min(N_LONERS, n) - 1]
    candidates = np.flatnonzero(degree <= lowest)
    greatest = np.empty(len(candidates))
    for start in range(0, len(candidates), _LONERS_AT_ONCE):
        part = slice(start, start + _LONERS_AT_ONCE)
        greatest[part] = _to_others(nodes, modalities, rule, candidates[part]).max(axis=1)
    order = candidates[np.lexsort((greatest, degree[candidates]))][:N_LONERS]
    rows: list[Record] = []
    for rank, (i, similar) in enumerate(
        zip(order.tolist(), _to_others(nodes, modalities, rule, order), strict=True), 1
    ):
        near = [j for j in np.argsort(-similar, kind="stable")[:_N_NEIGHBOURS] if np.isfinite(similar[j])]
        rows.append(
            {
                "rank": rank,
                "id": str(nodes.ids[i]),
                "name": str(nodes.sources[i]),
                "otype": nodes.otypes[i] or "(none)",
                "degree": int(degree[i]),
                "greatest_similarity": float(similar[near[0]]) if near else None,
                "neighbours": [str(nodes.ids[j]) for j in near],
                "neighbour_types": [nodes.otypes[j] or "(none)" for j in near],
                "flags": nodes.flags[i],
                "bibcodes": nodes.bibcodes[i],
            }
        )
    return rows


def _to_others(nodes: Nodes, modalities: Sequence[Modality], rule: Rule, rows: Ints) -> Floats:
    """Return the similarity of some nodes to all nodes of other sources, shape (m, n); minus infinity where none."""
    similar = similarities(modalities, rows, rule)
    similar[nodes.sources[rows][:, None] == nodes.sources[None, :]] = -np.inf
    return similar


def _anomaly(cat: Catalog, nodes: Nodes) -> npt.NDArray[np.float64] | None:
    """Return the scores of the newest anomaly run for the nodes; None where it knows none of them."""
    found = cat.sql(
        "SELECT detection_id, score FROM analysis.anomaly "
        "WHERE run_id = (SELECT max(run_id) FROM analysis.anomaly) AND score IS NOT NULL",
        snapshot=nodes.snapshot,
    ).fetchall()
    score = {str(i): float(str(s)) for i, s in found}
    scores = np.array([score.get(str(i), np.nan) for i in nodes.ids])
    return scores if np.isfinite(scores).any() else None
