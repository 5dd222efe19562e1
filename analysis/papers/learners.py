"""Three regressors whose fits are arrays: k nearest neighbours, ridge, boosted trees; predict_<column>() in SQL.

A fit is kept in the store and answers in SQL, so that it is numbers and nothing else; predictions are made by NumPy
from these numbers, here and there alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.distances import nearest
from analysis.papers.representations import Scaled
from analysis.statistics import folds
from analysis.study.models import Stored, of_vector
from catalog.errors import QueryError
from catalog.query.functions import ScalarFunction
from catalog.schema import TABLES
from sql.objects import Described

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Learner = Literal["knn", "ridge", "boosting"]
LEARNERS: tuple[Learner, ...] = get_args(Learner)

K = 3
ALPHAS: Doubles = np.geomspace(1e-4, 1e3, 15)
_LEAF = -1


@dataclass(frozen=True)
class Fit:
    """A fitted regressor.

    Attributes
    ----------
    learner : {'knn', 'ridge', 'boosting'}
    tensors : mapping of str to ndarray
        knn: rows (n, d), values (n,). ridge: coefficients (d,), intercept (1,). boosting: trees one after the other,
        one entry per node: feature, threshold, left, right (node numbers; -1 in a leaf), value; roots (n_trees,);
        baseline (1,); components (d, m) where there were more numbers than trees can look through.
    """

    learner: Learner
    tensors: Mapping[str, npt.NDArray[np.generic]]

    def predict(self, x: Floats) -> Doubles:
        """Return predictions of rows x (n, d), shape (n,)."""
        if self.learner == "knn":
            return _predict_knn(self.tensors, np.asarray(x))
        if self.learner == "ridge":
            return _predict_ridge(self.tensors, np.asarray(x))
        if self.learner == "boosting":
            return _predict_boosting(self.tensors, np.asarray(x))
        assert_never(self.learner)


def fit(
    learner: Learner,
    x: Floats,
    y: Doubles,
    held: tuple[Floats, Doubles],
    seed: int = 0,
    widths: Sequence[int] = (),
    sources: npt.NDArray[np.generic] | None = None,
) -> Fit:
    """Fit a regressor.

    Parameters
    ----------
    learner : {'knn', 'ridge', 'boosting'}
        knn: the mean of the 3 nearest by Euclidean distance. ridge: its penalty has the lowest mean absolute error on
        the held rows. boosting: histogram gradient boosting of the absolute error, stopped where the held rows stop
        gaining; a wide block of columns, such as sentence vectors, is one number to them: what a ridge makes of it
        (stacking, Wolpert 1992: the trees learn from predictions of rows that the ridge had not seen).
    x : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    held : tuple of ndarrays (m, d) and (m,)
        Rows of other sources that choose penalties and lengths.
    seed : int
    widths : sequence of int
        Of the blocks that stand side by side in x; none for one block.
    sources : ndarray, shape (n,), optional
        Of the rows; those of one source are left out of a stacked ridge together.

    Examples
    --------
    >>> x = np.arange(40.0)[:, None]
    >>> made = fit("ridge", x[::2], 2 * x[::2, 0] + 1, (x[1::2], 2 * x[1::2, 0] + 1))
    >>> round(float(made.predict(np.array([[10.0]]))[0]), 2)
    21.0
    """
    if learner == "knn":
        return Fit("knn", {"rows": np.asarray(x, np.float32), "values": np.asarray(y, np.float64)})
    if learner == "ridge":
        return _fit_ridge(np.asarray(x, np.float64), y, held)
    if learner == "boosting":
        groups = np.arange(len(x)) if sources is None else sources
        return _fit_boosting(np.asarray(x, np.float64), y, held, seed, widths or (x.shape[1],), groups)
    assert_never(learner)


def _fit_ridge(x: Doubles, y: Doubles, held: tuple[Floats, Doubles]) -> Fit:
    """Solve for all penalties by one decomposition (Golub & Van Loan 2013, section 6.1)."""
    mean_x, mean_y = x.mean(axis=0), float(y.mean())
    u, s, v = np.linalg.svd(x - mean_x, full_matrices=False)
    projected = u.T @ (y - mean_y)
    best, least = np.zeros(x.shape[1]), np.inf
    scale = float((s**2).mean()) or 1.0
    for alpha in ALPHAS * scale:
        coefficients = v.T @ (s * projected / (s**2 + alpha))
        error = float(np.abs((np.asarray(held[0]) - mean_x) @ coefficients + mean_y - held[1]).mean())
        if error < least:
            best, least = coefficients, error
    return Fit("ridge", {"coefficients": best, "intercept": np.array([mean_y - float(mean_x @ best)])})


def _fit_boosting(
    x: Doubles,
    y: Doubles,
    held: tuple[Floats, Doubles],
    seed: int,
    widths: Sequence[int],
    groups: npt.NDArray[np.generic],
) -> Fit:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - seconds to import

    components = None
    if max(widths) > _MOST:
        components, x = _condensed(x, y, held, widths, groups, seed)
        held = np.asarray(held[0], np.float64) @ components, held[1]
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=0.1,
        max_iter=200,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        max_bins=63,
        early_stopping=True,
        n_iter_no_change=15,
        scoring="loss",
        random_state=seed,
    )
    model.fit(x, y, X_val=held[0], y_val=held[1])
    nodes = [tree[0].nodes for tree in model._predictors]  # noqa: SLF001 - there is no public way to the trees
    starts = np.cumsum([0, *(len(n) for n in nodes)])[:-1]
    flat = np.concatenate(nodes)
    offset = np.repeat(starts, [len(n) for n in nodes])
    leaf = flat["is_leaf"].astype(np.bool_)
    return Fit(
        "boosting",
        ({} if components is None else {"components": components})
        | {
            "feature": np.where(leaf, 0, flat["feature_idx"]).astype(np.int32),
            "threshold": np.where(leaf, 0.0, flat["num_threshold"]).astype(np.float64),
            "left": np.where(leaf, _LEAF, flat["left"] + offset).astype(np.int32),
            "right": np.where(leaf, _LEAF, flat["right"] + offset).astype(np.int32),
            "value": flat["value"].astype(np.float64),
            "roots": starts.astype(np.int32),
            "baseline": np.asarray(model._baseline_prediction, np.float64).reshape(1),  # noqa: SLF001 - as above
        },
    )


def _condensed(
    x: Doubles,
    y: Doubles,
    held: tuple[Floats, Doubles],
    widths: Sequence[int],
    groups: npt.NDArray[np.generic],
    seed: int,
) -> tuple[Doubles, Doubles]:
    """Return components (d, m), and the rows (n, m) that trees are to learn from.

    Narrow blocks stay as they are: turned into components of all columns they are lost to trees, which cut along axes.
    """
    columns: list[Doubles] = []
    stacked: dict[int, Doubles] = {}
    start = 0
    for width in widths:
        block = slice(start, start + width)
        start += width
        if width <= _MOST:
            columns += list(np.eye(x.shape[1])[block])
            continue
        of_block = np.asarray(held[0], np.float64)[:, block], held[1]
        whole = _fit_ridge(x[:, block], y, of_block).tensors
        unseen = np.empty(len(x))
        for others, rows in folds(groups, _FOLDS, seed):
            unseen[rows] = _fit_ridge(x[others, block], y[others], of_block).predict(x[rows, block])
        stacked[len(columns)] = unseen - np.asarray(whole["intercept"], np.float64)
        columns.append(np.zeros(x.shape[1]))
        columns[-1][block] = whole["coefficients"]
    components = np.stack(columns, axis=1)
    condensed = x @ components
    for at, values in stacked.items():
        condensed[:, at] = values
    return components, condensed


_MOST, _FOLDS = 128, 5


def _predict_knn(tensors: Mapping[str, npt.NDArray[np.generic]], x: Floats) -> Doubles:
    rows, values = np.asarray(tensors["rows"], np.float32), np.asarray(tensors["values"], np.float64)
    numbers, _ = nearest(np.asarray(x, np.float32), rows, K, "euclidean")
    return np.asarray(values[numbers].mean(axis=1))


def _predict_ridge(tensors: Mapping[str, npt.NDArray[np.generic]], x: Floats) -> Doubles:
    found: Doubles = np.asarray(x, np.float64) @ np.asarray(tensors["coefficients"], np.float64)
    return found + float(tensors["intercept"][0])


def _predict_boosting(tensors: Mapping[str, npt.NDArray[np.generic]], x: Floats) -> Doubles:
    feature, left, right = (np.asarray(tensors[k], np.int64) for k in ("feature", "left", "right"))
    threshold, value = (np.asarray(tensors[k], np.float64) for k in ("threshold", "value"))
    roots = np.asarray(tensors["roots"], np.int64)
    rows = np.arange(len(x))[:, None]
    at = np.broadcast_to(roots, (len(x), len(roots))).copy()
    values = np.asarray(x, np.float64)
    if "components" in tensors:
        values = values @ np.asarray(tensors["components"], np.float64)
    while (inner := left[at] != _LEAF).any():
        goes_left = values[rows, feature[at]] <= threshold[at]
        at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
    total: Doubles = value[at].sum(axis=1)
    return total + float(tensors["baseline"][0])


def predict(name: str) -> ScalarFunction:
    """Return the SQL function `predict_<column>`.

    Parameters
    ----------
    name : str
        'predict_hard_hs'.
    """
    column = name.removeprefix("predict_")
    table = TABLES["csc.observation_source"]
    known = table.column(column) if column in table.column_names else None
    what = f"{column} as the newest regression of the vector's space predicts it"
    described = Described(name, what, known.unit if known else "", known.ucd if known else "")
    advice = f"python -m analysis regress --columns {column} --store {{store}}"
    return of_vector(name, "DOUBLE", _predicted, advice, described)


def _predicted(model: Stored, x: Floats) -> pa.Array:
    tensors = model.tensors()
    learner = next((k for k in LEARNERS if k == model.configuration["learner"]), None)
    if learner is None:
        raise QueryError(
            f"{model.function}(): run {model.run_id} learned with {model.configuration['learner']!r}; this version "
            f"knows {', '.join(LEARNERS)}; type: pip install -U photonlake"
        )
    scaled = Scaled(np.asarray(tensors["centre"], np.float32), np.asarray(tensors["factor"], np.float32))
    values = Fit(learner, tensors).predict(scaled.apply(x[:, np.asarray(tensors["taken"], np.int64)]))
    return pa.array(10.0**values if model.configuration["log10"] else values, pa.float64())
