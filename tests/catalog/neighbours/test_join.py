"""The similarity join finds exactly the pairs that double precision finds, whatever the blocks."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catalog.neighbours.closeness import METRICS, distances
from catalog.neighbours.join import join, nearest_of_each, operands
from catalog.neighbours.operands import DEVICE, TorchSieve, sieve_of

# Few different numbers make ties, duplicates and zeros frequent; the odd ones over- and underflow single precision.
NUMBERS = st.one_of(
    st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 2.0]),
    st.sampled_from([1e30, -1e30, 1e-30, 1e-40]),
    st.floats(-10, 10, width=32),
)


def value(a, b, metric):
    """One pair by the definition that nearest() has: another road than the join's own."""
    distance = float(distances(a[None], b, metric)[0])
    return distance if metric == "l2" else 1 - distance if metric == "cosine" else -distance


def collected(parts):
    return [
        (i, j, v) for p in parts for i, j, v in zip(p.left.tolist(), p.right.tolist(), p.values.tolist(), strict=True)
    ]


@st.composite
def sets(draw):
    n, m, d = draw(st.integers(1, 14)), draw(st.integers(1, 14)), draw(st.integers(1, 4))
    x = draw(hnp.arrays(np.float32, (n, d), elements=NUMBERS))
    y = draw(st.none() | hnp.arrays(np.float32, (m, d), elements=NUMBERS))
    return x, y, draw(st.sampled_from(METRICS)), draw(st.integers(1, 4)), draw(st.sampled_from([(3, 8), (4, 5)]))


@given(sets(), st.data())
@settings(max_examples=300, deadline=None)
def test_pairs_are_those_of_double_precision(case, data):
    x, y, metric, k, block = case
    made, other = operands(x, y, metric), x if y is None else y
    known = {(i, j): value(x[i], other[j], metric) for i in range(len(x)) for j in range(len(other))}
    known = {p: v for p, v in known.items() if not math.isnan(v) and (y is not None or p[0] != p[1])}
    found = {(i, j): v for i, j, v in collected(join(made, made.loosest if metric == "l2" else -1e300, block))}
    assert found.keys() == {p for p in known if y is not None or p[0] < p[1]}
    for pair, v in found.items():
        # products of numbers that differ by sixty orders lose what 1e-9 of the lengths is
        sizes = math.hypot(*x[pair[0]].astype(float)) * math.hypot(*other[pair[1]].astype(float))
        assert v == pytest.approx(known[pair], rel=1e-9, abs=1e-9 * (sizes if metric == "dot" else 1))
    # the edge: a threshold that is one of the values keeps it, the next number above does not
    if found:
        limit = data.draw(st.sampled_from(sorted(found.values())))
        passes = {p for p, v in found.items() if (v <= limit if metric == "l2" else v >= limit)}
        assert {(i, j) for i, j, _ in collected(join(made, limit, block))} == passes
        beyond = math.nextafter(limit, -math.inf if metric == "l2" else math.inf)
        assert {(i, j) for i, j, _ in collected(join(made, beyond, block))} == {p for p in passes if found[p] != limit}
    exact = {**found, **({(j, i): v for (i, j), v in found.items()} if y is None else {})}
    expected = []
    for i in range(len(x)):
        mine = sorted((v if metric == "l2" else -v, j) for (a, j), v in exact.items() if a == i)
        expected += [(i, j, v if metric == "l2" else -v) for v, j in mine[:k]]
    assert collected(nearest_of_each(made, k, None, block)) == expected


def test_a_large_join_with_duplicates_and_zeros_is_exact(any_seed):
    rng = np.random.default_rng(any_seed)
    x = rng.normal(size=(5000, 16)).astype(np.float32)
    x[rng.integers(0, 5000, 500)] = x[:500]
    x[::100] = 0
    found = collected(join(operands(x), 0.8, (512, 1024)))
    x64 = x.astype(np.float64)
    lengths = np.sqrt((x64 * x64).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (x64 @ x64.T) / (lengths[:, None] * lengths)
    left, right = np.nonzero(np.triu(cosine >= 0.8, 1))
    near = np.abs(cosine[left, right] - 0.8) < 1e-9
    assert not near.any()  # else the naive product could not decide
    assert {(i, j) for i, j, _ in found} == set(zip(left.tolist(), right.tolist(), strict=True))
    assert max(abs(v - cosine[i, j]) for i, j, v in found) < 1e-12
    same = [v for i, j, v in found if (x[i] == x[j]).all()]
    assert len(same) > 300
    assert set(same) == {1.0}


def naive(x, y, metric):
    """All values in double precision, at once."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    if metric == "l2":
        return np.sqrt(((a[:, None] - b) ** 2).sum(axis=2))
    if metric == "cosine":
        a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    return a @ b.T


@pytest.mark.parametrize("device", ["blas", "cpu"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("far", "step"), [(0, 1e-6), (1000, 2e-4)])
def test_values_that_single_precision_cannot_tell_from_the_threshold_are_decided(
    metric, far, step, device, monkeypatch, any_seed
):
    """Vectors that differ by tiny steps have many values within 1e-6 of the threshold, on both sides."""
    monkeypatch.setenv(DEVICE, device)
    rng = np.random.default_rng([2, any_seed])
    base = rng.normal(size=(2, 32))
    x = (base[0] + step * rng.normal(size=(300, 32)) + far).astype(np.float32)
    y = (base[1] + step * rng.normal(size=(400, 32)) + far).astype(np.float32)
    known = naive(x, y, metric)
    threshold = float(np.median(known))
    scale = max(1.0, abs(threshold))
    found = {(i, j): v for i, j, v in collected(join(operands(x, y, metric), threshold, (128, 256)))}
    sure = np.abs(known - threshold) > 1e-13 * scale
    inside = known < threshold if metric == "l2" else known > threshold
    near = sure & (np.abs(known - threshold) < 1e-6 * scale)
    assert min((near & inside).sum(), (near & ~inside).sum()) > 1000
    assert {(int(i), int(j)) for i, j in np.argwhere(sure & inside)} <= found.keys()
    assert not found.keys() & {(int(i), int(j)) for i, j in np.argwhere(sure & ~inside)}
    assert max(abs(v - known[pair]) for pair, v in found.items()) < 1e-12 * scale


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 399])
def test_nearest_of_each_between_two_sets(metric, k, any_seed):
    rng = np.random.default_rng([3, any_seed])
    x, y = rng.normal(size=(150, 8)).astype(np.float32), rng.normal(size=(400, 8)).astype(np.float32)
    known = naive(x, y, metric)
    order = np.argsort(known if metric == "l2" else -known, axis=1, kind="stable")[:, :k]
    found = collected(nearest_of_each(operands(x, y, metric), k, None, (64, 128)))
    assert [(i, j) for i, j, _ in found] == [(i, int(j)) for i in range(150) for j in order[i]]
    limit = float(np.quantile(known, 0.3 if metric == "l2" else 0.7))
    passes = known <= limit if metric == "l2" else known >= limit
    near = collected(nearest_of_each(operands(x, y, metric), k, limit, (64, 128)))
    assert near == [(i, j, v) for i, j, v in found if passes[i, j]]
    assert 0 < len(near) <= len(found)


def test_no_more_is_held_than_the_blocks_in_work():
    x = np.ones((3000, 8), np.float32)
    tracemalloc.start()
    n_bytes = sum(p.left.nbytes + p.right.nbytes + p.values.nbytes for p in join(operands(x), 0.9, (128, 256)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_bytes == 24 * 3000 * 2999 // 2
    assert peak < n_bytes / 4


def test_blocks_do_not_change_a_bit(any_seed):
    x = np.random.default_rng([1, any_seed]).normal(size=(700, 9)).astype(np.float32)
    one, two = (sorted(collected(join(operands(x), 0.5, block))) for block in ((64, 128), (512, 333)))
    assert one == two
    one, two = (collected(nearest_of_each(operands(x), 7, None, block)) for block in ((64, 128), (512, 333)))
    assert one == two


@pytest.mark.parametrize("n", [0, 1, 700])
def test_a_device_of_torch_finds_the_same_pairs(n, monkeypatch, any_seed):
    """The same code runs on a GPU: here torch multiplies on the CPU."""
    x = np.random.default_rng([3, any_seed]).normal(size=(n, 8)).astype(np.float32)
    by_blas = sorted(collected(join(operands(x), 0.5, (128, 256))))
    monkeypatch.setenv(DEVICE, "cpu")
    assert isinstance(sieve_of(x, x), TorchSieve)
    assert sorted(collected(join(operands(x), 0.5, (128, 256)))) == by_blas
    assert len(by_blas) > 1000 or n < 2


def test_no_rows_have_no_pairs():
    nothing, some = np.empty((0, 4), np.float32), np.ones((3, 4), np.float32)
    assert collected(join(operands(nothing), 0.5)) == []
    assert collected(join(operands(some, nothing), 0.5)) == []
    assert collected(nearest_of_each(operands(nothing), 2)) == []
    assert collected(nearest_of_each(operands(some, nothing), 2)) == []
