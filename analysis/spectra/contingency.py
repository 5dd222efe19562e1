"""Which class a cluster stands for: the contingency matrix, assignments of greatest trace, contingency() in SQL.

The mathematics is on counts: `counts[class, cluster]`. Rows are normalised, so that a common class does not rule.
"""

from __future__ import annotations

from collections.abc import Mapping as Arguments
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import linear_sum_assignment

from catalog.errors import QueryError, UnknownName, command, suggestion
from catalog.query.functions import TableFunction
from catalog.query.session import Session
from sql.objects import Described
from sql.signatures import REQUIRED, Argument, Signature

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
    if mapping != "one-to-one":
        assert_never(mapping)
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


_SIGNATURE = Signature(
    "contingency",
    (
        Argument("space", "text", REQUIRED, "Embedding space, or a baseline: analysis.chosen_clustering"),
        Argument("task", "text", "eight", "What is told apart: eight, nine, agn, or a grouping as it was given"),
        Argument("mapping", "text", "many-to-one", "How clusters stand for classes: many-to-one or one-to-one"),
        Argument("share", "boolean", False, "Shares of each class's rows, instead of their number"),
        Argument("rows_are", "text", "detections", "detections or sources"),
    ),
    1,
)
_COLUMNS = (Described("class", "Class; the columns beside it are the clusters", ucd="src.class"),)


def contingency_matrix(session: Session, arguments: Arguments[str, object]) -> pa.Table:
    """Answer one call of contingency().

    Parameters
    ----------
    session : Session
        The snapshot.
    arguments : mapping
        See the signature.

    Returns
    -------
    pyarrow.Table
        `class`, then a column per cluster of the chosen clustering: `cluster_0`, `cluster_1`, ... and `noise` where
        there is any; counts of the scored half, or shares of each class.

    Raises
    ------
    UnknownName
        If the space has no clustering, or none that was scored in the task; the message says what there is.
    QueryError
        If there is no such mapping.

    Examples
    --------
    >>> cat.sql("SELECT * FROM contingency('spectrum')").df().set_index("class")  # doctest: +SKIP
    """
    space, task, mapping, rows_are = (str(arguments[k]) for k in ("space", "task", "mapping", "rows_are"))
    if mapping not in MAPPINGS:
        raise QueryError(
            f"contingency: no mapping {mapping!r}{suggestion(mapping, MAPPINGS)}; there are {', '.join(MAPPINGS)}"
        )
    rows = session.rows(
        "SELECT features, rows_are, task, class, cluster, n_rows, share FROM analysis.chosen_contingency "
        "WHERE mapping = $mapping ORDER BY class, cluster",
        {"mapping": mapping},
    ).to_pylist()
    asked = {"features": space, "rows_are": rows_are, "task": task}
    for what, wanted in asked.items():
        there = list(dict.fromkeys(str(r[what]) for r in rows))
        rows = [r for r in rows if r[what] == wanted]
        if not rows:
            known = f"; there are {', '.join(there)}" if there else ""
            which = f"--space {space}" + (f" --tasks {task}" if what == "task" else "")
            advice = suggestion(wanted, there) or f"; make one: {command(f'analysis cluster {which}', session.store)}"
            word = "space" if what == "features" else what
            raise UnknownName(f"contingency: no clustering with {word} {wanted!r}{known}{advice}")
    measure = "share" if arguments["share"] else "n_rows"
    clusters = sorted({r["cluster"] for r in rows}, key=lambda c: (c < 0, c))
    classes = list(dict.fromkeys(r["class"] for r in rows))
    cells = {(r["class"], r["cluster"]): r[measure] for r in rows}
    columns: dict[str, pa.Array] = {"class": pa.array(classes, pa.string())}
    for cluster in clusters:
        name = f"cluster_{cluster}" if cluster >= 0 else "noise"
        columns[name] = pa.array([cells.get((c, cluster), 0) for c in classes])
    return pa.table(columns)


CONTINGENCY = TableFunction(
    _SIGNATURE,
    contingency_matrix,
    _COLUMNS,
    "Classes against clusters of a space's chosen clustering, as a matrix: counts of the scored half.",
)
