"""Which class a cluster stands for: the contingency matrix, and the assignments that maximise its trace.

Pure, on counts: `counts[class, cluster]`. Rows are normalised, so that a common class does not rule.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mapping = Literal["one-to-one", "many-to-one"]
MAPPINGS: tuple[Mapping, ...] = ("one-to-one", "many-to-one")


def contingency(classes: Integers, clusters: Integers, n_classes: int, n_clusters: int) -> Floats:
    """Count rows by class and cluster.

    Parameters
    ----------
    classes, clusters : ndarray of int, shape (n,) or (m, n)
        From 0; m pairs at once where one of them has two axes.
    n_classes, n_clusters : int

    Returns
    -------
    ndarray of float, shape (n_classes, n_clusters) or (m, n_classes, n_clusters)

    Examples
    --------
    >>> contingency(np.array([0, 0, 1]), np.array([1, 1, 0]), 2, 2).tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """
    both = classes * n_clusters + clusters
    if both.ndim == 1:
        found = np.bincount(both, minlength=n_classes * n_clusters).reshape(n_classes, n_clusters)
        return np.asarray(found, np.float64)
    m, size = len(both), n_classes * n_clusters
    flat = (both + np.arange(m)[:, None] * size).ravel()
    return np.asarray(np.bincount(flat, minlength=m * size).reshape(m, n_classes, n_clusters), np.float64)


def normalised(counts: Floats) -> Floats:
    """Divide each class's row by its sum; zeros for a class without rows. Shape (..., n_classes, n_clusters)."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.zeros_like(counts), where=total > 0))


def mapped(counts: Floats, mapping: Mapping) -> Integers:
    """Return the class each cluster stands for.

    Parameters
    ----------
    counts : ndarray of float, shape (n_classes, n_clusters)
    mapping : {'one-to-one', 'many-to-one'}
        One-to-one: the assignment of greatest trace (Kuhn 1955, by scipy), in which clusters beyond the number of
        classes stand for none. Many-to-one: the class of which the cluster holds the greatest share.

    Returns
    -------
    ndarray of int, shape (n_clusters,)
        -1 where a cluster stands for no class: its rows count as wrong.

    Examples
    --------
    >>> counts = np.array([[9.0, 1.0, 0.0], [0.0, 4.0, 6.0]])
    >>> mapped(counts, "one-to-one").tolist(), mapped(counts, "many-to-one").tolist()
    ([0, -1, 1], [0, 1, 1])
    """
    shares = normalised(counts)
    if mapping == "many-to-one":
        return np.where(counts.sum(axis=0) > 0, shares.argmax(axis=0), -1)
    classes, clusters = linear_sum_assignment(shares, maximize=True)
    found = np.full(counts.shape[1], -1, np.int64)
    # A pair without a single row was assigned only because something had to be.
    real = counts[classes, clusters] > 0
    found[clusters[real]] = classes[real]
    return found


def recalls(counts: Floats, class_of: Integers) -> Floats:
    """Return the share of each class's rows that are in clusters that stand for it.

    Parameters
    ----------
    counts : ndarray of float, shape (..., n_classes, n_clusters)
    class_of : ndarray of int, shape (..., n_clusters)
        See `mapped`.

    Returns
    -------
    ndarray of float, shape (..., n_classes)
        NaN for a class without rows.
    """
    right = class_of[..., None, :] == np.arange(counts.shape[-2])[:, None]
    total = counts.sum(axis=-1)
    right_rows = (counts * right).sum(axis=-1)
    return np.asarray(np.divide(right_rows, total, out=np.full(total.shape, np.nan), where=total > 0))


def adjusted_rand(counts: Floats) -> Floats:
    """Return the adjusted Rand index of contingency matrices (Hubert & Arabie 1985), shape (...,)."""

    def pairs(n: Floats) -> Floats:
        return np.asarray(n * (n - 1) / 2)

    both = pairs(counts).sum(axis=(-2, -1))
    rows, columns = pairs(counts.sum(axis=-1)).sum(axis=-1), pairs(counts.sum(axis=-2)).sum(axis=-1)
    expected = rows * columns / np.maximum(pairs(counts.sum(axis=(-2, -1))), 1.0)
    greatest = (rows + columns) / 2
    spread = greatest - expected
    return np.asarray(np.divide(both - expected, spread, out=np.ones_like(spread), where=spread > 0))


def v_measure(counts: Floats) -> Floats:
    """Return the V-measure of contingency matrices: harmonic mean of homogeneity and completeness, shape (...,).

    Source: Rosenberg & Hirschberg 2007.
    """
    p = counts / np.maximum(counts.sum(axis=(-2, -1), keepdims=True), 1.0)
    of_class, of_cluster = _entropy(p.sum(axis=-1)), _entropy(p.sum(axis=-2))
    mutual = of_class + of_cluster - _entropy(p.reshape(*p.shape[:-2], -1))
    total = of_class + of_cluster
    return np.asarray(np.divide(2 * mutual, total, out=np.ones_like(total), where=total > 0))


def _entropy(p: Floats) -> Floats:
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(-(p * np.log(safe)).sum(axis=-1))
