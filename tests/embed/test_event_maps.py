"""Photons as arrays: each counted once, time from the good times and not from a photon, gaps are no darkness."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.inputs import event_maps as em
from embed.inputs.observed_time import good_times
from embed.inputs.photons import NAMES, prepare, summary

NO_INTERVALS = (np.empty(0), np.empty(0), np.empty(0, np.int64))


def windows(p, *intervals):
    return em.windows(*good_times(p, *intervals))


def some_photons(sizes, seed=0, span=50_000.0):
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(len(sizes)), sizes)
    time = 7e8 + rng.uniform(0, span, len(row))
    energy = rng.uniform(300.0, 9000.0, len(row))
    shuffled = rng.permutation(len(row))
    return time[shuffled], energy[shuffled], row[shuffled], len(sizes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 999), st.booleans())
def test_every_photon_is_counted_once(sizes, seed, told):
    time, energy, row, n = some_photons(sizes, seed)
    every = em.photons(time, energy, row, n)
    wanted = np.bincount(row[(energy >= 500) & (energy < 7000)], minlength=n)
    assert every.n_photons.tolist() == wanted.tolist()
    intervals = (np.full(n, 7e8), np.full(n, 7e8 + 50_000.0), np.arange(n)) if told else NO_INTERVALS
    p, good = good_times(every, *intervals)
    wanted = wanted if told else np.maximum(wanted - 2, 0)  # where nothing tells the good times, two mark the ends
    assert p.n_photons.tolist() == wanted.tolist()
    assert em.energy_time_map(p, good).sum((1, 2)).tolist() == wanted.tolist()
    assert em.energy_time_step_cube(p, good).sum((1, 2, 3)).tolist() == np.maximum(wanted - 1, 0).tolist()
    w = em.windows(p, good)
    within = [int((p.time_s[p.row == i] < good.first[i] + em.WINDOW_S).sum()) for i in range(n)]
    assert w.counts.sum((1, 2)).tolist() == within
    assert ((w.exposure > 0) | (w.counts.sum(2) == 0)).all()
    assert np.isfinite(summary(p, good, w)).all()


def test_maps_agree_with_numpy_histograms(any_seed):
    time, energy, row, n = some_photons([400, 0, 37], any_seed)
    p, good = good_times(em.photons(time, energy, row, n), np.full(3, 7e8 - 100), np.full(3, 7e8 + 6e4), np.arange(3))
    maps = em.energy_time_map(p, good)
    for i in (0, 2):
        t, e = p.time_s[p.row == i], p.energy_ev[p.row == i]
        expected, _, _ = np.histogram2d(t, e, [np.linspace(7e8 - 100, 7e8 + 6e4, 25), em.ENERGY_EDGES_EV])
        assert (maps[i] == expected).all()


def constant(rate, n=3000, span=40_000.0, gap=(9_000.0, 21_000.0), seed=1):
    """Constant sources seen from 0 to `span` but for a gap: photons, and their good times."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(n), rng.poisson(rate, n))
    time = rng.uniform(0.0, span - (gap[1] - gap[0]), len(row))
    time = np.where(time < gap[0], time, time + gap[1] - gap[0])
    p = em.photons(time, rng.uniform(600.0, 6000.0, len(row)), row, n)
    start, stop = np.tile([0.0, gap[1]], n), np.tile([gap[0], span], n)
    return p, (start, stop, np.repeat(np.arange(n), 2))


def spread(counts):
    """The mean count of each bin over that of all bins, and how much chance alone moves it: three standard errors."""
    return counts / counts.mean(), 3 / np.sqrt(counts.mean())


@pytest.mark.parametrize("rate", [5, 20])
def test_no_bin_of_a_constant_source_is_brighter_for_where_time_starts(rate):
    p, intervals = constant(rate)
    p, good = good_times(p, *intervals)
    w = em.windows(p, good)
    exposed = w.exposure[0] == 1
    relative, chance = spread(w.counts.sum((0, 2))[exposed])
    assert np.abs(relative - 1).max() < 1.3 * chance
    for name, counts in {
        "map": em.energy_time_map(p, good).sum((0, 2)),
        "cube, time": em.energy_time_step_cube(p, good).sum((0, 2, 3))[:6],  # the last photon waits for none
        "quantiles": np.histogram(good.share(p), 10, (0, 1))[0],
    }.items():
        relative, chance = spread(counts)
        assert abs(relative[0] - 1) < 1.5 * chance, name
    waits = em.energy_time_step_cube(p, good).sum((0, 1, 2))
    # Waits of a finite observation cannot be longer than it: the last of the 16 bins is short of some at 5 counts.
    assert waits[0] / waits[1:8].mean() == pytest.approx(1, abs=0.25)
    assert waits[15] / waits[1:8].mean() < 1.1


@pytest.mark.parametrize("rate", [5, 20])
def test_where_nothing_tells_the_good_times_the_first_bin_is_no_brighter_either(rate):
    p, _ = constant(rate, gap=(9_000.0, 9_000.0))
    p, good = good_times(p, *NO_INTERVALS)
    w = em.windows(p, good)
    rates = w.counts.sum((0, 2)) / w.exposure.sum(0)
    assert rates[0] / rates[1:40].mean() == pytest.approx(1, abs=0.25 if rate == 5 else 0.12)
    maps, chance = spread(em.energy_time_map(p, good).sum((0, 2)))
    assert abs(maps[0] - 1) < 1.3 * chance
    assert abs(maps[23] - 1) < 1.3 * chance


def test_statistics_of_constant_sources_do_not_depend_on_gaps():
    p, intervals = constant(200, n=300)
    p, good = good_times(p, *intervals)
    found = summary(p, good, em.windows(p, good))
    assert 0.7 < np.median(found[:, NAMES.index("time_ks")]) < 1.0  # Kolmogorov's median is 0.83
    assert np.median(found[:, NAMES.index("time_q0.5")]) == pytest.approx(0.5, abs=0.02)
    assert (10 ** found[:, NAMES.index("log_duration_s")]).mean() == pytest.approx(28_001, rel=1e-3)


def test_good_times_that_overlap_count_once():
    p = em.photons(np.array([500.0]), np.array([1000.0]), np.array([0]), 1)
    _, good = good_times(p, np.array([0.0, 100.0, 0.0]), np.array([900.0, 1000.0, 900.0]), np.zeros(3, np.int64))
    assert (good.start_s.tolist(), good.stop_s.tolist(), good.seconds.tolist()) == ([0.0], [1000.0], [1000.0])


def test_a_short_observation_is_masked_and_flagged():
    p = em.photons(np.array([100.0, 4000.0]), np.array([1000.0, 3000.0]), np.array([0, 0]), 1)
    w = windows(p, np.array([0.0]), np.array([9000.0]), np.array([0]))
    assert w.shorter.tolist() == [True]
    assert w.longer.tolist() == [False]
    assert (w.exposure[0, :20] == 1).all()
    assert not w.exposure[0, 20:].any()
    assert w.counts[0].sum(0).tolist() == [1, 0, 1]


def test_a_gap_between_good_times_has_no_exposure():
    p = em.photons(np.array([0.0, 40_000.0]), np.array([1000.0, 3000.0]), np.array([0, 0]), 1)
    start, stop = np.array([0.0, 18_000.0]), np.array([9000.0, 45_000.0])
    w = windows(p, start, stop, np.array([0, 0]))
    assert w.exposure.sum() * em.BIN_S == pytest.approx(9000 + em.WINDOW_S - 18_000)
    assert w.longer.tolist() == [True]
    assert w.shorter.tolist() == [False]


def test_good_times_of_something_else_are_not_believed():
    p = em.photons(np.arange(0.0, 20_000.0, 100.0), np.full(200, 1500.0), np.zeros(200, np.int64), 1)
    w = windows(p, np.array([9e8]), np.array([9.1e8]), np.array([0]))
    assert w.exposure.sum() * em.BIN_S == pytest.approx(19_900, rel=0.01)
    assert w.counts.sum() == 198  # the first and the last mark the ends


def test_no_photons_at_all():
    p = em.photons(np.empty(0), np.empty(0), np.empty(0, np.int64), 2)
    p, good = good_times(p, np.array([0.0]), np.array([1e5]), np.array([1]))
    w = em.windows(p, good)
    assert not w.counts.any()
    assert (w.exposure[1] == 1).all()
    assert summary(p, good, w).shape == (2, len(NAMES))


def test_variable_sources_disperse_and_constant_ones_do_not(any_seed):
    rng = np.random.default_rng([5, any_seed])
    steady, flare = (
        rng.uniform(0, 28_000, 2000),
        np.concatenate([rng.uniform(0, 28_000, 500), rng.uniform(9e3, 1e4, 1500)]),
    )
    row = np.repeat([0, 1], 2000)
    p = em.photons(np.concatenate([steady, flare]), np.full(4000, 1000.0), row, 2)
    p, good = good_times(p, np.zeros(2), np.full(2, 28_000.0), np.arange(2))
    s = summary(p, good, em.windows(p, good))
    column = NAMES.index("log_dispersion_1")
    assert abs(s[0, column]) < 0.2
    assert s[1, column] > 1
    assert s[1, NAMES.index("time_ks")] > 5 * s[0, NAMES.index("time_ks")]


def rows(*cases):
    photon = pa.list_(pa.struct([("time_s", pa.float64()), ("energy_ev", pa.float64())]))
    good = pa.list_(pa.struct([("start_s", pa.float64()), ("stop_s", pa.float64())]))
    ids, photons, goods, dark = zip(*cases, strict=True)
    return pa.table(
        {
            "id": list(ids),
            "name": pa.array([None] * len(ids), pa.string()),
            "photon": pa.array(photons, photon),
            "good": pa.array(goods, good),
            "no_energy": list(dark),
            "no_region": [False] * len(ids),
            "capped": [False] * len(ids),
        }
    )


def test_rows_keep_a_detection_without_photons_and_skip_one_without_energies():
    some = [{"time_s": t, "energy_ev": 900.0} for t in (5.0, 1.0, 4.0)]
    good = [{"start_s": 0.0, "stop_s": 1000.0}]
    prepared = prepare(rows(("a", some, None, False), ("b", None, good, False), ("hrc", None, good, True)))
    assert prepared.ids == ["a", "b"]
    assert "HRC" in prepared.skipped["hrc"]
    assert prepared.arrays["map"].sum((1, 2)).tolist() == [1, 0]
    assert prepared.arrays["shorter"].tolist() == [True, True]
