"""Photons as arrays: every photon once, any number of them, gaps are gaps and not darkness."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed import event_maps as em
from embed.event_rows import prepare
from embed.summary_statistics import NAMES, summary

NO_INTERVALS = (np.empty(0), np.empty(0), np.empty(0, np.int64))


def some_photons(sizes, seed=0, span=50_000.0):
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(len(sizes)), sizes)
    time = 7e8 + rng.uniform(0, span, len(row))
    energy = rng.uniform(300.0, 9000.0, len(row))
    shuffled = rng.permutation(len(row))
    return time[shuffled], energy[shuffled], row[shuffled], len(sizes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 999))
def test_every_photon_is_counted_once(sizes, seed):
    time, energy, row, n = some_photons(sizes, seed)
    p = em.photons(time, energy, row, n)
    wanted = np.bincount(row[(energy >= 500) & (energy < 7000)], minlength=n)
    assert p.n_photons.tolist() == wanted.tolist()
    assert em.energy_time_map(p).sum((1, 2)).tolist() == wanted.tolist()
    assert em.energy_time_step_cube(p).sum((1, 2, 3)).tolist() == np.maximum(wanted - 1, 0).tolist()
    w = em.windows(p, *NO_INTERVALS)
    within = [int(((t := p.time_s[p.row == i]) < (t[0] if len(t) else 0) + em.WINDOW_S).sum()) for i in range(n)]
    assert w.counts.sum((1, 2)).tolist() == within
    assert ((w.exposure > 0) | (w.counts.sum(2) == 0)).all()
    assert np.isfinite(summary(p, w)).all()


def test_maps_agree_with_numpy_histograms(any_seed):
    time, energy, row, n = some_photons([400, 0, 37], any_seed)
    p = em.photons(time, energy, row, n)
    maps = em.energy_time_map(p)
    for i in (0, 2):
        t, e = p.time_s[p.row == i], p.energy_ev[p.row == i]
        t = (t - t[0]) / (t[-1] - t[0])
        expected, _, _ = np.histogram2d(t, e, [np.linspace(0, 1, 25), em.ENERGY_EDGES_EV])
        assert (maps[i] == expected).all()


def test_a_short_observation_is_masked_and_flagged():
    p = em.photons(np.array([100.0, 4000.0]), np.array([1000.0, 3000.0]), np.array([0, 0]), 1)
    w = em.windows(p, np.array([0.0]), np.array([9100.0]), np.array([0]))
    assert w.shorter.tolist() == [True]
    assert w.longer.tolist() == [False]
    assert (w.exposure[0, :20] == 1).all()
    assert not w.exposure[0, 20:].any()
    assert w.counts[0].sum(0).tolist() == [1, 0, 1]


def test_a_gap_between_good_times_has_no_exposure():
    p = em.photons(np.array([0.0, 40_000.0]), np.array([1000.0, 3000.0]), np.array([0, 0]), 1)
    start, stop = np.array([0.0, 18_000.0]), np.array([9000.0, 45_000.0])
    w = em.windows(p, start, stop, np.array([0, 0]))
    assert w.exposure.sum() * em.BIN_S == pytest.approx(9000 + em.WINDOW_S - 18_000)
    assert w.longer.tolist() == [True]
    assert w.shorter.tolist() == [False]


def test_good_times_of_something_else_are_not_believed():
    p = em.photons(np.arange(0.0, 20_000.0, 100.0), np.full(200, 1500.0), np.zeros(200, np.int64), 1)
    w = em.windows(p, np.array([9e8]), np.array([9.1e8]), np.array([0]))
    assert w.exposure.sum() * em.BIN_S == pytest.approx(19_900, rel=0.01)


def test_no_photons_at_all():
    p = em.photons(np.empty(0), np.empty(0), np.empty(0, np.int64), 2)
    w = em.windows(p, np.array([0.0]), np.array([1e5]), np.array([1]))
    assert not w.counts.any()
    assert (w.exposure[1] == 1).all()
    assert summary(p, w).shape == (2, len(NAMES))


def test_variable_sources_disperse_and_constant_ones_do_not(any_seed):
    rng = np.random.default_rng([5, any_seed])
    steady, flare = (
        rng.uniform(0, 28_000, 2000),
        np.concatenate([rng.uniform(0, 28_000, 500), rng.uniform(9e3, 1e4, 1500)]),
    )
    row = np.repeat([0, 1], 2000)
    p = em.photons(np.concatenate([steady, flare]), np.full(4000, 1000.0), row, 2)
    s = summary(p, em.windows(p, np.zeros(2), np.full(2, 28_000.0), np.arange(2)))
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
        }
    )


def test_rows_keep_a_detection_without_photons_and_skip_one_without_energies():
    some = [{"time_s": 5.0, "energy_ev": 900.0}, {"time_s": 1.0, "energy_ev": 800.0}]
    good = [{"start_s": 0.0, "stop_s": 1000.0}]
    prepared = prepare(rows(("a", some, None, False), ("b", None, good, False), ("hrc", None, good, True)))
    assert prepared.ids == ["a", "b"]
    assert "HRC" in prepared.skipped["hrc"]
    assert prepared.arrays["map"].sum((1, 2)).tolist() == [2, 0]
    assert prepared.arrays["shorter"].tolist() == [True, True]
