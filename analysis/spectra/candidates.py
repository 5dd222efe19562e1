"""All ways to cluster one representation, and the choice among them that needs no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.spectra.clustering import Clustering, clusterings, stability
from analysis.spectra.features import Features

SILHOUETTE_ROWS = 1500
GREATEST_SHARE = 0.8
N_SEEDS = 3
"""Fits of each clustering, of which the splits take turns; of an encoder with more trainings, as many as these."""


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


@dataclass(frozen=True)
class Ways:
    """All ways to cluster one representation.

    Attributes
    ----------
    features : Features
    fitted : list of Fitted
        Of the encoder's own vectors, with the study's own seed.
    labels : list of list of ndarray of int, shape (n,)
        Clusters of the rows, by fit (the first is that of `fitted`) and way.
    """

    features: Features
    fitted: list[Fitted]
    labels: list[list[npt.NDArray[np.int64]]]

    @property
    def without_labels(self) -> int | None:
        """Number of the way that was chosen without labels."""
        return next((i for i, f in enumerate(self.fitted) if f.best_of_features), None)


def fit_all(
    features: Features,
    sources: npt.NDArray[np.generic],
    algorithms: Sequence[str],
    ks: Sequence[int],
    seed: int = 0,
    more_ks: Sequence[int] = (),
) -> list[Fitted]:
    """Cluster one representation in every way, and choose among the ways without labels.

    Of each algorithm: a mixture by the least BIC, the others by the greatest silhouette. Among these: the most stable,
    or where there are too few sources to tell, the one with the greatest silhouette.
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
    running = [f.best_of_algorithm and (alone or f.clustering.algorithm != "hdbscan") for f in fitted]
    rival = [f.stability if runs else float("nan") for f, runs in zip(fitted, running, strict=True)]
    if not np.isfinite(rival).any():  # too few sources for two halves
        rival = [f.silhouette if runs else float("nan") for f, runs in zip(fitted, running, strict=True)]
    if np.isfinite(rival).any():
        best = int(np.nanargmax(rival))
        fitted[best] = replace(fitted[best], best_of_features=True)
    return fitted


def ways_of(
    features: Features,
    sources: npt.NDArray[np.generic],
    algorithms: Sequence[str],
    ks: Sequence[int],
    seed: int = 0,
    more_ks: Sequence[int] = (),
) -> Ways:
    """Cluster one representation in every way, with several seeds, and each training of its encoder at least once.

    Parameters
    ----------
    features, sources, algorithms, ks, seed, more_ks
        See `fit_all`.
    """
    fitted = fit_all(features, sources, algorithms, ks, seed, more_ks)
    labels = [[f.clustering.labels for f in fitted]]
    trainings, every = features.trainings, sorted({*ks, *more_ks})
    for i in range(1, max(N_SEEDS, len(trainings))):
        x = trainings[i % len(trainings)]
        labels.append([c.labels for a in algorithms for c in clusterings(x, a, every, seed + i)])
    return Ways(features, fitted, labels)


def silhouette(x: npt.NDArray[np.floating], clustering: Clustering, seed: int = 0) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of a sample of rows, noise as a cluster; NaN of one cluster."""
    from sklearn.metrics import silhouette_score  # noqa: PLC0415 - slow to load, and needed here alone

    rows = np.random.default_rng(seed).permutation(len(x))[:SILHOUETTE_ROWS]
    labels = clustering.labels[rows]
    if not 1 < len(set(labels.tolist())) < len(rows):
        return float("nan")
    return float(silhouette_score(clustering.assigner.scaling(x[rows]), labels))


def _tells_apart(clustering: Clustering) -> bool:
    _, n = np.unique(clustering.labels, return_counts=True)
    return clustering.n_clusters > 1 and float(n.max()) <= GREATEST_SHARE * len(clustering.labels)
