"""How far vectors are from one another, and which are nearest. Needs NumPy alone, so that a query loads no more."""

from __future__ import annotations

from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Metric = Literal["cosine", "euclidean"]
_BLOCK = 1024


def unit(x: Floats) -> Doubles:
    """Return vectors of length 1, in double precision; a vector of zeros stays one. Shape (n, d).

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    double = np.asarray(x, np.float64)
    lengths = np.linalg.norm(double, axis=1, keepdims=True)
    return np.asarray(np.divide(double, lengths, out=np.zeros_like(double), where=lengths > 0))


def squares(x: Floats, rows: Floats) -> Floats:
    """Return squared Euclidean distances of x (n, d) and rows (m, d), shape (n, m), in their own precision.

    Examples
    --------
    >>> squares(np.array([[0.0, 3.0]]), np.array([[4.0, 0.0], [0.0, 3.0]])).tolist()
    [[25.0, 0.0]]
    """
    return np.asarray(np.maximum((x**2).sum(axis=1)[:, None] - 2 * x @ rows.T + (rows**2).sum(axis=1), 0.0))


def nearest(
    x: Floats, rows: Floats, k: int, metric: Metric = "cosine", groups: tuple[Indices, Indices] | None = None
) -> tuple[Indices, Doubles]:
    """Return the numbers of the k nearest rows, and their distances, nearest first.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    rows : ndarray, shape (m, d)
    k : int
        Fewer are returned where there are fewer.
    metric : {'cosine', 'euclidean'}
    groups : tuple of ndarrays of int, shapes (n,) and (m,), optional
        Sources of x and of the rows: rows of its own source are no neighbours of a vector.

    Returns
    -------
    numbers, distances : ndarray, shape (n, k)

    Raises
    ------
    ValueError
        If all rows are of one source.

    Examples
    --------
    >>> x = np.array([[1, 0], [1, 0.1], [0, 1]])
    >>> nearest(x, x, 1, groups=(np.array([0, 0, 1]), np.array([0, 0, 1])))[0].ravel().tolist()
    [2, 2, 1]
    """
    k = min(k, len(rows) - (int(np.bincount(groups[1]).max(initial=0)) if groups else 0))
    if k < 1:
        raise ValueError(f"expected rows of more than one source, found {len(rows)} of one")
    numbers, distances = np.empty((len(x), k), np.int64), np.empty((len(x), k))
    of, to = (unit(x), unit(rows)) if metric == "cosine" else (x, rows)
    for i in range(0, len(x), _BLOCK):
        part = of[i : i + _BLOCK]
        if metric == "cosine":
            far: Floats = np.maximum(1.0 - part @ to.T, 0.0)
        elif metric == "euclidean":
            far = squares(part, to)
        else:
            assert_never(metric)
        if groups:
            far[groups[0][i : i + _BLOCK, None] == groups[1][None]] = np.inf
        near = np.argpartition(far, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(far, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        numbers[i : i + _BLOCK] = np.take_along_axis(near, order, axis=1)
        distances[i : i + _BLOCK] = np.take_along_axis(found, order, axis=1)
    return numbers, distances if metric == "cosine" else np.sqrt(distances)
