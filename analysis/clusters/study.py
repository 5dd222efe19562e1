"""The study of clusters and classes: every clustering of every representation in every task, on the same rows.

Pure: what was read goes in, rows of analysis.* tables come out; see `analysis.clusters.commands` for the way there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from analysis.clusters.assignment import scaling
from analysis.clusters.classes import Labels
from analysis.clusters.clustering import ALGORITHMS, Clustering, clusterings, stability
from analysis.clusters.contingency import MAPPINGS, Mapping
from analysis.clusters.features import HARDNESS_NAME, Features, plane
from analysis.clusters.reading import Sample
from analysis.clusters.scoring import Protocol, Score, difference
from analysis.runs import Model, Record
from analysis.statistics import Interval

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]

SILHOUETTE_ROWS = 1500
GREATEST_SHARE = 0.8
WITHOUT, WITH, BOTH = "without labels", "with labels", "both"
BASELINE_ALGORITHM = "gmm"


@dataclass(frozen=True)
class Fitted:
    """A clustering, and what is known of it without labels.

    Attributes
    ----------
    clustering : Clustering
    silhouette, stability : float
    best_of_algorithm, best_of_features : bool
        Chosen without labels.
    """

    clustering: Clustering
    silhouette: float
    stability: float
    best_of_algorithm: bool = False
    best_of_features: bool = False

    @property
    def name(self) -> str:
        """Algorithm and setting: 'gmm 8'."""
        return f"{self.clustering.algorithm} {self.clustering.setting}"


@dataclass
class Found:
    """Rows of the tables, and what figures and models are made of."""

    tables: dict[str, list[Record]] = field(default_factory=dict)
    chosen: dict[tuple[str, str, Mapping], tuple[Fitted, Score, Labels]] = field(default_factory=dict)
    current: dict[str, tuple[Features, Clustering]] = field(default_factory=dict)

    def add(self, table: str, rows: Sequence[Record]) -> None:
        """Add rows to a table."""
        self.tables.setdefault(table, []).extend(rows)


def fit_all(
    features: Features,
    sources: npt.NDArray[np.generic],
    algorithms: Sequence[str],
    ks: Sequence[int],
    seed: int = 0,
    more_ks: Sequence[int] = (),
) -> list[Fitted]:
    """Cluster one representation in every way, and choose among the ways without labels.

    Of each algorithm: a mixture by the least BIC, the others by the greatest silhouette. Among these: the most stable.
    Left out is what puts more than 80 % of the rows in one cluster (or in noise): very stable, and useless. HDBSCAN
    takes part where there is nothing else: to agree on what is noise is not to agree on clusters.

    Parameters
    ----------
    features : Features
    sources : ndarray of str, shape (n,)
    algorithms, ks, seed
        See `clusters_and_classes`.
    more_ks : sequence of int
        Numbers of clusters to fit and not to choose among: one cluster per class, which one-to-one needs.
    """
    fitted: list[Fitted] = []
    for algorithm in algorithms:
        every = sorted({*ks, *more_ks})
        made = list(clusterings(features.x, algorithm, every, seed))
        stable = stability(features.x, sources, algorithm, every, seed)
        stable += [float("nan")] * (len(made) - len(stable))
        own = [Fitted(c, silhouette(features.x, c, seed), s) for c, s in zip(made, stable, strict=False)]
        ranks = [-f.clustering.bic if algorithm == "gmm" else f.silhouette for f in own]
        asked = [algorithm == "hdbscan" or f.clustering.setting in ks for f in own]
        allowed = [a and _tells_apart(f.clustering) for a, f in zip(asked, own, strict=True)]
        ranks = [r if a else float("nan") for r, a in zip(ranks, allowed, strict=True)]
        best = int(np.nanargmax(ranks)) if np.isfinite(ranks).any() else -1
        fitted += [replace(f, best_of_algorithm=i == best) for i, f in enumerate(own)]
    alone = all(f.clustering.algorithm == "hdbscan" for f in fitted if f.best_of_algorithm)
    rival = [
        f.stability if f.best_of_algorithm and (alone or f.clustering.algorithm != "hdbscan") else float("nan")
        for f in fitted
    ]
    if np.isfinite(rival).any():
        best = int(np.nanargmax(rival))
        fitted[best] = replace(fitted[best], best_of_features=True)
    return fitted


def silhouette(x: npt.NDArray[np.floating], clustering: Clustering, seed: int = 0) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of a sample of rows, noise as a cluster; NaN of one cluster."""
    from sklearn.metrics import silhouette_score  # noqa: PLC0415 - slow to load, and needed here alone

    rows = np.random.default_rng(seed).permutation(len(x))[:SILHOUETTE_ROWS]
    labels = clustering.labels[rows]
    if not 1 < len(set(labels.tolist())) < len(rows):
        return float("nan")
    return float(silhouette_score(clustering.assigner.scaling(x[rows]), labels))


def clusters_and_classes(
    sample: Sample,
    tasks: Sequence[Labels],
    algorithms: Sequence[str] = ALGORITHMS,
    ks: Sequence[int] = tuple(range(4, 17)),
    seed: int = 0,
    say: Say = lambda _: None,
) -> Found:
    """Cluster every representation of the rows, and score every clustering in every task.

    Parameters
    ----------
    sample : Sample
    tasks : sequence of Labels
        One per task, each with two labels or more.
    algorithms, ks
        See `analysis.clusters.clustering.clusterings`.
    seed : int
    say : callable
        Called with a line of progress.
    """
    found = Found()
    ways: dict[str, list[Fitted]] = {}
    for features in sample.features:
        own = algorithms
        if features.name == HARDNESS_NAME and BASELINE_ALGORITHM not in algorithms:
            own = (*algorithms, BASELINE_ALGORITHM)
        say(f"clustering {features.name}: {sample.n:,} {sample.rows_are} x {features.x.shape[1]}")
        ways[features.name] = fit_all(features, sample.sources, own, ks, seed, [labels.n for labels in tasks])
        found.add("analysis.cluster_selection", [_selection_row(sample, features, f) for f in ways[features.name]])
        if not features.is_baseline:
            current = next((f for f in ways[features.name] if f.best_of_features), None)
            if current is not None:
                found.current[features.name] = features, current.clustering
                found.add("analysis.cluster_member", members(sample, features, current.clustering))
    for labels in tasks:
        say(f"scoring {labels.task}: {int((labels.code >= 0).sum()):,} {sample.rows_are} of {labels.n} classes")
        protocol = Protocol(labels, sample.sources, seed)
        for mapping in MAPPINGS:
            _score_task(found, sample, protocol, ways, mapping)
    return found


def _score_task(
    found: Found, sample: Sample, protocol: Protocol, ways: dict[str, list[Fitted]], mapping: Mapping
) -> None:
    scored = {
        name: [(f, protocol.score(f.clustering.labels, mapping)) for f in fitted] for name, fitted in ways.items()
    }
    rivals = [(f, s) for f, s in scored[HARDNESS_NAME] if f.clustering.algorithm == BASELINE_ALGORITHM]
    baseline = max(rivals, key=lambda pair: pair[1].selection)[1] if rivals else None
    for features in sample.features:
        pairs = scored[features.name]
        best = max(range(len(pairs)), key=lambda i: pairs[i][1].selection)
        for i, (fitted, score) in enumerate(pairs):
            with_labels = i == best
            row = _score_row(sample, protocol, features, fitted, mapping, score)
            gain = (
                difference(score.balanced_accuracy, score.draws, baseline.balanced_accuracy, baseline.draws)
                if baseline
                else None
            )
            chosen = {(True, True): BOTH, (True, False): WITH, (False, True): WITHOUT}.get(
                (with_labels, fitted.best_of_features)
            )
            found.add("analysis.cluster_score", [row | _columns("gain", gain) | {"chosen": chosen}])
            if chosen is not None:
                counts = _contingency_rows(sample, protocol, features, fitted, mapping, score)
                found.add("analysis.contingency", [{**row, "chosen": chosen} for row in counts])
                found.add("analysis.class_recall", _recall_rows(sample, protocol, features, fitted, mapping, score))
            if with_labels:
                found.chosen[protocol.labels.task, features.name, mapping] = fitted, score, protocol.labels


def members(sample: Sample, features: Features, clustering: Clustering) -> list[Record]:
    """Return rows of analysis.cluster_member.

    The distance is that to the mean of the row's cluster, over the cluster's root mean square distance.
    """
    scaled = scaling(features.x)(features.x)
    where = plane(features.x)
    distance = np.full(len(scaled), np.nan)
    for cluster in sorted(set(clustering.labels.tolist())):
        own = clustering.labels == cluster
        apart = np.linalg.norm(scaled[own] - scaled[own].mean(axis=0), axis=1)
        usual = float(np.sqrt((apart**2).mean()))
        distance[own] = apart / usual if usual > 0 else 0.0
    return [
        {
            "space": features.name,
            "id": str(sample.ids[i]),
            "name": str(sample.sources[i]),
            "cluster": int(clustering.labels[i]),
            "distance": float(distance[i]),
            "map_x": float(where[i, 0]),
            "map_y": float(where[i, 1]),
        }
        for i in range(sample.n)
    ]


def models(found: Found) -> list[Model]:
    """Return the models for SQL: of each space with an encoder the clustering that was chosen without labels."""
    made = []
    for features, clustering in found.current.values():
        if features.encoder_id:
            configuration = {
                "kind": clustering.assigner.kind,
                "algorithm": clustering.algorithm,
                "setting": clustering.setting,
                "n_clusters": clustering.n_clusters,
            }
            tensors = {
                name: value.astype(np.float32) if value.dtype == np.float64 else value
                for name, value in clustering.assigner.stored().items()
            }
            dim, encoder = features.x.shape[1], features.encoder_id
            made.append(Model("cluster_of", features.name, encoder, dim, configuration, tensors))
    return made


def _tells_apart(clustering: Clustering) -> bool:
    _, n = np.unique(clustering.labels, return_counts=True)
    return clustering.n_clusters > 1 and float(n.max()) <= GREATEST_SHARE * len(clustering.labels)


def _columns(name: str, interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _key(sample: Sample, features: Features, fitted: Fitted) -> dict[str, object]:
    return {
        "rows_are": sample.rows_are,
        "features": features.name,
        "algorithm": fitted.clustering.algorithm,
        "setting": fitted.clustering.setting,
    }


def _selection_row(sample: Sample, features: Features, fitted: Fitted) -> Record:
    return _key(sample, features, fitted) | {
        "n_clusters": fitted.clustering.n_clusters,
        "noise_share": float((fitted.clustering.labels < 0).mean()),
        "bic": fitted.clustering.bic,
        "silhouette": fitted.silhouette,
        "stability": fitted.stability,
        "best_of_algorithm": fitted.best_of_algorithm,
        "best_of_features": fitted.best_of_features,
    }


def _score_row(
    sample: Sample, protocol: Protocol, features: Features, fitted: Fitted, mapping: Mapping, score: Score
) -> dict[str, object]:
    labels = protocol.labels
    return (
        _key(sample, features, fitted)
        | {"task": labels.task, "is_baseline": features.is_baseline, "mapping": mapping}
        | _columns("balanced_accuracy", score.balanced_accuracy)
        | {"control_mean": score.control.mean, "control_high": score.control.high, "selection": score.selection}
        | _columns("ari", score.ari)
        | _columns("v_measure", score.v_measure)
        | {
            "ami": score.ami,
            "n_clusters": fitted.clustering.n_clusters,
            "n_classes": labels.n,
            "n_rows": len(protocol.rows),
            "n_sources": protocol.n_sources,
            "n_scored": int((~protocol.fits).sum()),
            "left_out": ", ".join(labels.left_out) or None,
        }
    )


def _contingency_rows(
    sample: Sample, protocol: Protocol, features: Features, fitted: Fitted, mapping: Mapping, score: Score
) -> list[Record]:
    names, n_clusters = protocol.labels.names, score.counts.shape[1]
    has_noise = bool((fitted.clustering.labels < 0).any())
    total = score.counts.sum(axis=1)
    return [
        _key(sample, features, fitted)
        | {
            "task": protocol.labels.task,
            "mapping": mapping,
            "class": names[i],
            "cluster": -1 if has_noise and j == n_clusters - 1 else j,
            "n_rows": int(score.counts[i, j]),
            "share": float(score.counts[i, j] / total[i]) if total[i] else None,
            "stands_for": names[score.class_of[j]] if score.class_of[j] >= 0 else None,
        }
        for i in range(len(names))
        for j in range(n_clusters)
    ]


def _recall_rows(
    sample: Sample, protocol: Protocol, features: Features, fitted: Fitted, mapping: Mapping, score: Score
) -> list[Record]:
    return [
        {
            "rows_are": sample.rows_are,
            "task": protocol.labels.task,
            "features": features.name,
            "method": fitted.name,
            "mapping": mapping,
            "class": name,
            "control_mean": float(score.recall_control[i]),
            "n_rows": int(score.counts[i].sum()),
        }
        | _columns("recall", score.recall[i])
        for i, name in enumerate(protocol.labels.names)
    ]
