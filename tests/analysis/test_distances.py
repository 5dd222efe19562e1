"""Neighbours are those that a loop finds; principal axes are those of the singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.distances import nearest, squares, unit
from analysis.statistics import Interval
from catalog.neighbours.principal_axes import principal_axes


def by_loop(x, rows, k, metric, of, to):
    for i, one in enumerate(x):
        if metric == "cosine":
            far = np.array([1 - one @ r / np.linalg.norm(one) / np.linalg.norm(r) for r in rows])
        else:
            far = np.array([np.linalg.norm(one - r) for r in rows])
        far[to == of[i]] = np.inf
        order = np.argsort(far, kind="stable")[:k]
        yield order, far[order]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("n", [7, 1500])  # fewer and more than are held at once
def test_nearest_rows_are_of_other_sources_and_as_a_loop_finds_them(metric, n, any_seed):
    rng = np.random.default_rng(any_seed)
    x, rows = rng.normal(size=(n, 3)), rng.normal(size=(40, 3))
    of, to = rng.integers(0, 5, n), rng.integers(0, 5, 40)
    numbers, distances = nearest(x, rows, 4, metric, (of, to))
    some = rng.choice(n, min(n, 60), replace=False)
    for i, (order, far) in zip(some, by_loop(x[some], rows, 4, metric, of[some], to), strict=True):
        assert numbers[i].tolist() == order.tolist()
        assert distances[i] == pytest.approx(far, abs=1e-6)
    assert (to[numbers] != of[:, None]).all()


def test_there_are_no_more_neighbours_than_rows_and_none_of_one_source():
    x = np.eye(3)
    assert nearest(x, x, 9)[0].shape == (3, 3)
    with pytest.raises(ValueError, match="more than one source"):
        nearest(x, x, 2, groups=(np.zeros(3, int), np.zeros(3, int)))


def test_a_metric_that_is_not_known_fails_loudly():
    with pytest.raises(AssertionError):
        nearest(np.eye(2), np.eye(2), 1, "manhattan")


def test_vectors_of_nothing_stay_nothing_and_no_distance_is_negative():
    assert unit(np.zeros((2, 3))).tolist() == [[0, 0, 0]] * 2
    x = np.full((4, 3), 1e4, np.float32) + np.arange(4, dtype=np.float32)[:, None] * 1e-3
    assert (squares(x, x) >= 0).all()


def test_principal_axes_are_those_of_the_singular_value_decomposition(any_seed):
    x = np.random.default_rng(any_seed).normal(size=(50, 6)) * np.arange(1, 7)
    x = x - x.mean(axis=0)
    axes = principal_axes(x.T @ x, 3)
    _, _, vt = np.linalg.svd(x)
    assert np.abs(axes.T @ vt[:3].T) == pytest.approx(np.eye(3), abs=1e-8)
    assert (axes[np.abs(axes).argmax(axis=0), range(3)] > 0).all()


def test_draws_that_are_no_number_do_not_count_in_an_interval():
    found = Interval.of(0.5, np.array([0.4, np.nan, 0.6, np.inf]))
    assert (found.value, found.low, found.high) == (0.5, pytest.approx(0.405), pytest.approx(0.595))
    assert np.isnan(Interval.of(0.5, np.array([np.nan])).low)
