"""Clustering algorithms behind one call, all ways to cluster one representation, and the choice that needs no labels.

Clusters never see a label, so they are fitted to all rows; what is fitted to half of the sources is which class a
cluster stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never, get_args

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from analysis.spectra.cluster_of import Assigner, Scaling, scaling
from analysis.spectra.features import Features
from analysis.statistics import half

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Algorithm = Literal["kmeans", "gmm", "agglomerative", "hdbscan"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
FIT_ROWS = 4000
"""Algorithms are fitted to so many rows at most, drawn once; the others are assigned."""
STABILITY_ROWS = 1500
"""Each half of the sources gives so many rows at most to the clusterings whose agreement is stability."""
LINKAGE_ROWS = 2000
"""Ward's linkage holds all distances of so many rows."""
FULL_COVARIANCE_DIM = 16
"""Mixtures of more dimensions have diagonal covariances."""
HDBSCAN_SHARES = (0.005, 0.01, 0.02, 0.04)
"""Smallest clusters that HDBSCAN is tried with, as shares of the rows."""


@dataclass(frozen=True)
class Clustering:
    """One way to cluster.

    Attributes
    ----------
    algorithm : {'kmeans', 'gmm', 'agglomerative', 'hdbscan'}
    setting : int
        Number of clusters; of HDBSCAN, the smallest size of one.
    labels : ndarray of int, shape (n,)
        Cluster of each row; -1 for noise.
    assigner : Assigner
    bic : float
        Bayesian information criterion of a mixture (lower is better); NaN of others.
    """

    algorithm: Algorithm
    setting: int
    labels: Integers
    assigner: Assigner
    bic: float = float("nan")

    @property
    def n_clusters(self) -> int:
        """How many, noise not counted."""
        return len(set(self.labels.tolist()) - {-1})


def clusterings(
    x: npt.NDArray[np.floating],
    algorithm: Algorithm,
    ks: Sequence[int],
    seed: int = 0,
    n_starts: int = 2,
    sizes: Sequence[int] = (),
) -> Iterator[Clustering]:
    """Yield clusterings of vectors by one algorithm, one for each number of clusters.

    Parameters
    ----------
    x : ndarray of float, shape (n, d)
        As they stand in the space; each dimension is scaled to deviation 1.
    algorithm : {'kmeans', 'gmm', 'agglomerative', 'hdbscan'}
        HDBSCAN finds the number itself; it is tried with several smallest sizes instead.
    ks : sequence of int
        Numbers of clusters; those above a tenth of the rows are left out.
    seed : int
    n_starts : int
        Restarts of k-means and of mixtures.
    sizes : sequence of int
        Smallest clusters of HDBSCAN; else `hdbscan_sizes`.

    Examples
    --------
    >>> x = np.concatenate([np.random.default_rng(0).normal(c, 0.1, (50, 2)) for c in (0, 5)])
    >>> [c.n_clusters for a in ALGORITHMS for c in clusterings(x, a, [2])][:3]
    [2, 2, 2]
    """
    scale = scaling(x)
    scaled = scale(x)
    rng = np.random.default_rng(seed)
    limit = LINKAGE_ROWS if algorithm == "agglomerative" else FIT_ROWS
    rows = np.sort(rng.permutation(len(x))[:limit])
    fitted = scaled[rows]
    possible = [k for k in ks if k <= max(2, len(rows) // 10)]
    found: Iterator[_Found]
    if algorithm == "kmeans":
        found = (_kmeans(fitted, k, scale, seed, n_starts) for k in possible)
    elif algorithm == "gmm":
        found = (_mixture(fitted, k, scale, seed, n_starts) for k in possible)
    elif algorithm == "agglomerative":
        found = _agglomerative(fitted, possible, scale)
    elif algorithm == "hdbscan":
        found = _hdbscan(fitted, scale, sizes or hdbscan_sizes(len(fitted)))
    else:
        assert_never(algorithm)
    for setting, assigner, bic in found:
        yield Clustering(algorithm, setting, assigner(x), assigner, bic)


_Found = tuple[int, Assigner, float]


def _kmeans(x: Floats, k: int, scale: Scaling, seed: int, n_starts: int) -> _Found:
    made = KMeans(k, n_init=n_starts, random_state=seed).fit(x)
    return k, Assigner("centres", scale, {"centres": made.cluster_centers_}), float("nan")


def _mixture(x: Floats, k: int, scale: Scaling, seed: int, n_starts: int) -> _Found:
    full = x.shape[1] <= FULL_COVARIANCE_DIM
    made = GaussianMixture(
        k, covariance_type="full" if full else "diag", n_init=n_starts, reg_covar=1e-4, random_state=seed, max_iter=200
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the best of the starts is kept either way
        made.fit(x)
    factors = made.precisions_cholesky_
    factors = factors if full else np.stack([np.diag(f) for f in factors])
    tensors = {"means": made.means_, "factors": factors, "log_weights": np.log(np.maximum(made.weights_, 1e-300))}
    return k, Assigner("gaussians", scale, tensors), float(made.bic(x))


def _agglomerative(x: Floats, ks: Sequence[int], scale: Scaling) -> Iterator[_Found]:
    tree = linkage(x, "ward")
    for k in ks:
        labels = fcluster(tree, k, "maxclust").astype(np.int64) - 1
        yield k, Assigner("neighbours", scale, {"rows": x, "labels": labels}), float("nan")


def hdbscan_sizes(n_rows: int) -> list[int]:
    """Return the smallest sizes of clusters that HDBSCAN is tried with.

    Examples
    --------
    >>> hdbscan_sizes(2000), hdbscan_sizes(100)
    ([10, 20, 40, 80], [5])
    """
    return sorted({max(5, round(share * n_rows)) for share in HDBSCAN_SHARES})


def _hdbscan(x: Floats, scale: Scaling, sizes: Sequence[int]) -> Iterator[_Found]:
    for size in sizes:
        labels = HDBSCAN(min_cluster_size=size, min_samples=5, copy=True).fit_predict(x).astype(np.int64)
        yield size, Assigner("neighbours", scale, {"rows": x, "labels": labels}), float("nan")


def stability(
    x: npt.NDArray[np.floating],
    sources: npt.NDArray[np.generic],
    algorithm: Algorithm,
    ks: Sequence[int],
    seed: int = 0,
) -> list[float]:
    """Return how much two clusterings fitted to halves of the sources agree, for each that `clusterings` gives.

    Parameters
    ----------
    x : ndarray of float, shape (n, d)
    sources : ndarray of str, shape (n,)
    algorithm, ks
        See `clusterings`.
    seed : int

    Returns
    -------
    list of float
        Adjusted Rand index of the two on all rows, mean of two pairs (Ben-Hur, Elisseeff & Guyon 2002).
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - with the other metrics of sklearn it is slow

    found: list[list[float]] = []
    sizes = [max(3, size // 2) for size in hdbscan_sizes(min(len(x), FIT_ROWS))]
    for pair in range(2):
        first = half(sources, seed * 2 + pair)
        sides = []
        for side in (first, ~first):
            rows = np.random.default_rng(seed).permutation(np.flatnonzero(side))[:STABILITY_ROWS]
            sides.append(clusterings(x[np.sort(rows)], algorithm, ks, seed, n_starts=1, sizes=sizes))
        found.append([adjusted_rand_score(a.assigner(x), b.assigner(x)) for a, b in zip(*sides, strict=False)])
    # Halves of unlike size may allow unlike numbers of clusters: what both pairs have counts.
    return [float(np.mean(pairs)) for pairs in zip(*found, strict=False)]


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
class Candidates:
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
    algorithms: Sequence[Algorithm],
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


def candidates_of(
    features: Features,
    sources: npt.NDArray[np.generic],
    algorithms: Sequence[Algorithm],
    ks: Sequence[int],
    seed: int = 0,
    more_ks: Sequence[int] = (),
) -> Candidates:
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
    return Candidates(features, fitted, labels)


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
