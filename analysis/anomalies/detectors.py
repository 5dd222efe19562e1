"""Three detectors of anomalies whose fits are arrays: isolation forest, local outlier factor, distance to neighbours.

A detection is judged among those of other sources: a source that was observed ten times would otherwise be a crowd of
its own. A fit answers for new vectors in SQL, as anomaly_score(), as it did for those that it learned from.

Source: Liu, Ting & Zhou 2008 (isolation forest); Breunig et al. 2000 (local outlier factor); Ramaswamy et al. 2000
(distance to the k-th neighbour).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.distances import nearest, squares
from analysis.statistics import codes
from analysis.study.models import Stored, of_vector
from sql.objects import Described

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Tensors = Mapping[str, npt.NDArray[np.generic]]

DETECTORS = ("isolation_forest", "lof", "knn_distance")
K, N_TREES, SAMPLE = 20, 200, 256
MOST_ROWS = 20_000
"""Of a larger space so many rows, drawn at random, are learned from."""
_BLOCK = 1024
_SAME = 1e-6  # of the squared length: a vector this near to a row is the row
_EULER = 0.5772156649015329


@dataclass(frozen=True)
class Judged:
    """How anomalous vectors are.

    Attributes
    ----------
    raw : mapping of str to ndarray, shape (n,)
        Score of each detector; more is more anomalous.
    share : mapping of str to ndarray, shape (n,)
        Share of the rows learned from that are less anomalous, 0 to 1.
    score : ndarray, shape (n,)
        Mean of the shares.
    neighbours : ndarray of int, shape (n, k)
        Rows learned from, nearest first, of other sources.
    """

    raw: Mapping[str, Doubles]
    share: Mapping[str, Doubles]
    score: Doubles
    neighbours: Indices


def fit(
    vectors: Floats, sources: npt.NDArray[np.generic], seed: int = 0, n_trees: int = N_TREES
) -> dict[str, npt.NDArray[np.generic]]:
    """Learn what is usual.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
    sources : ndarray, shape (n,)
        Source of each row.
    seed : int
    n_trees : int

    Returns
    -------
    dict of str to ndarray
        rows (n, d), source (n,), reach (n,): distance of the k-th neighbour, density (n,): local reachability density,
        the trees, and the scores of the rows themselves, sorted.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> x[0] = 9.0
    >>> made = fit(x, np.arange(200), n_trees=20)
    >>> int(judge(made, x).score.argmax())
    0
    """
    rows = np.asarray(vectors, np.float32)
    code = codes(sources)
    if len(rows) > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), MOST_ROWS, replace=False))
        rows, code = rows[drawn], code[drawn]
    neighbours, distances = _nearest(rows, rows, code, code)
    reach = distances[:, -1]
    density = 1.0 / np.maximum(np.maximum(reach[neighbours], distances).mean(axis=1), 1e-12)
    tensors: dict[str, npt.NDArray[np.generic]] = {
        "rows": rows,
        "source": code,
        "reach": reach,
        "density": density,
        **_forest(rows, seed, n_trees),
    }
    raw = _raw(tensors, rows, distances, neighbours)
    return tensors | {f"sorted_{name}": np.sort(raw[name]) for name in DETECTORS}


def judge(tensors: Tensors, vectors: Floats) -> Judged:
    """Return how anomalous vectors (n, d) are among the rows that were learned from."""
    x = np.asarray(vectors, np.float32)
    rows, code = np.asarray(tensors["rows"], np.float32), np.asarray(tensors["source"], np.int64)
    neighbours, distances = _nearest(x, rows, _code_of(x, rows, code), code)
    raw = _raw(tensors, x, distances, neighbours)
    share = {name: _share(np.asarray(tensors[f"sorted_{name}"], np.float64), raw[name]) for name in DETECTORS}
    return Judged(raw, share, np.mean([share[name] for name in DETECTORS], axis=0), neighbours)


def _raw(tensors: Tensors, x: Floats, distances: Doubles, neighbours: Indices) -> dict[str, Doubles]:
    reach, density = (np.asarray(tensors[k], np.float64) for k in ("reach", "density"))
    own = 1.0 / np.maximum(np.maximum(reach[neighbours], distances).mean(axis=1), 1e-12)
    return {
        "isolation_forest": _isolation(tensors, x),
        "lof": density[neighbours].mean(axis=1) / own,
        "knn_distance": distances[:, -1],
    }


def _share(ordered: Doubles, values: Doubles) -> Doubles:
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray((left + right) / (2 * len(ordered)), np.float64)


def _code_of(x: Floats, rows: Floats, code: Indices) -> Indices:
    """Return the source of vectors that are rows themselves, -1 for others."""
    out, double = np.full(len(x), -1, np.int64), np.asarray(rows, np.float64)
    for i in range(0, len(x), _BLOCK):
        found = squares(np.asarray(x[i : i + _BLOCK], np.float64), double)
        closest = found.argmin(axis=1)
        scale = (np.asarray(x[i : i + _BLOCK], np.float64) ** 2).sum(axis=1)
        same = found[np.arange(len(closest)), closest] <= _SAME * np.maximum(scale, 1e-12)
        out[i : i + _BLOCK][same] = code[closest[same]]
    return out


def _nearest(x: Floats, rows: Floats, of: Indices, code: Indices) -> tuple[Indices, Doubles]:
    double = np.asarray(x, np.float64), np.asarray(rows, np.float64)
    return nearest(*double, K, "euclidean", groups=(of, code))


def _forest(rows: Floats, seed: int, n_trees: int) -> dict[str, npt.NDArray[np.generic]]:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - seconds to import

    size = min(SAMPLE, len(rows))
    made = IsolationForest(n_estimators=n_trees, max_samples=size, random_state=seed).fit(rows)
    trees = [e.tree_ for e in made.estimators_]
    counts = [t.node_count for t in trees]
    starts = np.cumsum([0, *counts])[:-1]
    offset = np.repeat(starts, counts)
    left, right = (np.concatenate([getattr(t, f"children_{side}") for t in trees]) for side in ("left", "right"))
    leaf = left < 0
    held = np.concatenate([t.n_node_samples for t in trees])
    return {
        "feature": np.where(leaf, 0, np.concatenate([t.feature for t in trees])).astype(np.int32),
        "threshold": np.concatenate([t.threshold for t in trees]).astype(np.float64),
        "left": np.where(leaf, -1, left + offset).astype(np.int32),
        "right": np.where(leaf, -1, right + offset).astype(np.int32),
        "rest": _mean_path(held),
        "roots": starts.astype(np.int32),
        "usual_path": _mean_path(np.array([size])),
    }


def _mean_path(n: npt.NDArray[np.integer]) -> Doubles:
    """Return the mean depth of a point in a random tree of n points (Liu et al. 2008, equation 1)."""
    size = np.maximum(np.asarray(n, np.float64), 2.0)
    long = 2 * (np.log(size - 1) + _EULER) - 2 * (size - 1) / size
    return np.where(np.asarray(n) <= 1, 0.0, np.where(np.asarray(n) == 2, 1.0, long))  # noqa: PLR2004 - two points


def _isolation(tensors: Tensors, x: Floats) -> Doubles:
    left, right, feature, roots = (np.asarray(tensors[k], np.int64) for k in ("left", "right", "feature", "roots"))
    threshold, rest = (np.asarray(tensors[k], np.float64) for k in ("threshold", "rest"))
    out = np.empty(len(x))
    for i in range(0, len(x), _BLOCK):
        part = np.asarray(x[i : i + _BLOCK], np.float32)
        rows = np.arange(len(part))[:, None]
        at = np.broadcast_to(roots, (len(part), len(roots))).copy()
        depth = np.zeros(at.shape)
        while (inner := left[at] >= 0).any():
            goes_left = part[rows, feature[at]] <= threshold[at]
            at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
            depth += inner
        path = (depth + rest[at]).mean(axis=1)
        out[i : i + _BLOCK] = np.exp2(-path / float(tensors["usual_path"][0]))
    return out


def _anomalous(model: Stored, x: Floats) -> pa.Array:
    return pa.array(judge(model.tensors(), x).score, pa.float64())


ANOMALY_SCORE = of_vector(
    "anomaly_score",
    "DOUBLE",
    _anomalous,
    "python -m analysis anomalies --space {space} --store {store}",
    Described(
        "anomaly_score",
        "Mean share of the space's detections that isolation forest, local outlier factor and distance to the 20th "
        "neighbour find less anomalous, 0 to 1",
    ),
)
