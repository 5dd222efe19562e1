"""Ranks, neighbours, detectors, regressors: known answers, peers, and controls at chance."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from analysis.papers import neighbour_study as near
from analysis.papers.exposure_lookup import UNSTATED, exposure_similarity
from analysis.papers.learners import LEARNERS, fit
from analysis.papers.regression import (
    EXPERTS,
    MEDIAN,
    SHUFFLED,
    Split,
    best,
    gains,
    gains_together,
    scores,
    selected,
    together,
)
from analysis.papers.representations import KIN, Scaled, kin, left_out, property_blocks
from analysis.papers.resampling import resampled
from analysis.papers.retrieval import intervals, ranked, ranks, share_papers
from embed.inputs.properties import COLUMNS


@pytest.fixture
def rng(any_seed):
    return np.random.default_rng([7, any_seed])


def vectors(rng, n, d):
    return rng.normal(size=(n, d)).astype(np.float32)


def test_the_right_answer_is_first_where_vectors_agree_and_anywhere_where_they_do_not(rng):
    x = vectors(rng, 200, 16)
    assert (ranks(x, x, np.eye(200, dtype=bool)).rank == 1).all()
    chance = intervals([ranks(x, vectors(rng, 200, 16), np.eye(200, dtype=bool))])
    assert chance["relative_median_rank"].low < 0.5 < chance["relative_median_rank"].high
    assert chance["recall_1"].high < 0.05


def test_texts_that_are_the_same_share_their_ranks(rng):
    x = vectors(rng, 10, 4)
    text = np.repeat(x[:1], 10, axis=0)
    assert ranks(x, text, np.eye(10, dtype=bool)).rank.tolist() == [5.5] * 10
    assert ranks(x, text, np.ones((10, 10), bool)).rank.tolist() == [1.0] * 10


def test_any_source_with_a_paper_of_ones_own_is_a_right_answer():
    right = share_papers([("a",), ("b", "a"), ("b",), ()])
    assert right.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


def test_neighbours_are_of_other_sources_and_as_a_loop_finds_them(rng):
    x = vectors(rng, 60, 5)
    sources = np.arange(60) // 3
    found, distances = near.neighbours(x, sources, 4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for i in range(60):
        others = [j for j in range(60) if sources[j] != sources[i]]
        expected = sorted(others, key=lambda j: 1 - unit[i] @ unit[j])[:4]
        assert found[i].tolist() == expected
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (sources[near.random_sets(sources, 5)] != sources[:, None]).all()


def test_neighbours_that_are_alike_have_less_spread_than_random_sets(rng):
    values = rng.normal(size=400)
    x = np.column_stack([values, rng.normal(size=(400, 1)) * 0.1, np.ones(400)]).astype(np.float32)
    sets, _ = near.neighbours(x, np.arange(400), 10)
    chance = near.spread(values, near.random_sets(np.arange(400), 10)).mean()
    assert near.spread(values, sets).mean() < 0.4 * chance
    assert near.overlap(sets, sets).min() == 1.0


def test_semantic_spread_is_the_mean_over_pairs(rng):
    text = vectors(rng, 20, 6)
    sets = near.random_sets(np.arange(20), 4)
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    pairs = [[1 - unit[a] @ unit[b] for i, a in enumerate(row) for b in row[i + 1 :]] for row in sets]
    assert near.semantic_spread(text, sets) == pytest.approx(np.mean(pairs, axis=1), abs=1e-6)


def test_photons_drawn_anew_are_photons_of_the_same_detection():
    photons = pa.array([[{"t": 1.0}, {"t": 2.0}], [], None, [{"t": 9.0}] * 3])
    drawn = resampled(photons, np.random.default_rng(0)).to_pylist()
    assert [None if d is None else len(d) for d in drawn] == [2, 0, None, 3]
    assert {p["t"] for p in drawn[0]} <= {1.0, 2.0}
    assert {p["t"] for p in drawn[3]} == {9.0}


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_fit_of_arrays_predicts_what_scikit_learn_does(learner, rng):
    x, held = vectors(rng, 300, 5), vectors(rng, 100, 5)
    y, y_held = (v[:, 0] ** 2 + v[:, 1] for v in (x.astype(float), held.astype(float)))
    made = fit(learner, x, y, (held, y_held), seed=1)
    if learner == "knn":
        peer = KNeighborsRegressor(3).fit(x, y).predict(held)
        assert made.predict(held) == pytest.approx(peer, abs=1e-6)
    elif learner == "ridge":
        errors = [np.abs(Ridge(a).fit(x, y).predict(held) - y_held).mean() for a in np.geomspace(1e-2, 1e5, 40)]
        assert np.abs(made.predict(held) - y_held).mean() <= min(errors) * 1.02
    else:
        peer = HistGradientBoostingRegressor(loss="absolute_error", max_leaf_nodes=8, random_state=1).fit(x, y)
        assert np.abs(made.predict(held) - y_held).mean() < 1.2 * np.abs(peer.predict(held) - y_held).mean()


def test_many_numbers_are_one_to_trees_and_few_stay_as_they_are(rng):
    many, few = vectors(rng, 900, 200), vectors(rng, 900, 3)
    y = np.sign(few[:, 1]) + many[:, :5].sum(axis=1) / np.sqrt(5)
    x, sources = np.concatenate([few, many], axis=1), np.arange(900) // 3
    learn, hold, judge = slice(600), slice(600, 750), slice(750, 900)
    made = fit("boosting", x[learn], y[learn], (x[hold], y[hold]), 0, [3, 200], sources[learn])
    components = made.tensors["components"]
    assert components.shape == (203, 4)
    assert np.array_equal(components[:, :3], np.eye(203)[:, :3])  # trees cut along axes: few numbers keep theirs
    assert np.abs(components[3:8, 3]).min() > np.abs(components[8:, 3]).mean()
    assert not components[:3, 3].any()
    error = np.abs(made.predict(x[judge]) - y[judge]).mean()
    alone = fit("boosting", few[learn], y[learn], (few[hold], y[hold]))
    assert error < 0.8 * np.abs(alone.predict(few[judge]) - y[judge]).mean()
    # learned from predictions of rows the ridge had not seen, trees do not trust it where there is nothing to know
    noise = rng.normal(size=900)
    nothing = fit("boosting", x[learn], noise[learn], (x[hold], noise[hold]), 0, [3, 200], sources[learn])
    assert np.abs(nothing.predict(x[judge]) - noise[judge]).mean() < 1.1 * np.abs(noise[judge]).mean()


def planted(rng, n=600):
    """Text and data that each hold a part of y; sources of two rows each."""
    sources = np.arange(n) // 2
    data, text = vectors(rng, n, 4), vectors(rng, n // 2, 6)[sources]
    y = data[:, 0] + text[:, 0] + 0.1 * rng.normal(size=n)
    part = (sources * 7919) % 10
    return {"text": [text], "data": [data], "both": [data, text]}, y, sources, Split(part < 6, part == 6, part > 6)


def test_the_interval_of_several_splits_holds_what_each_of_them_gives(rng):
    blocks, y, sources, _ = planted(rng, 240)
    parts = [rng.permutation(120)[sources] % 10 for _ in range(2)]
    found = [list(scores(blocks, y, sources, Split(p < 6, p == 6, p > 6))) for p in parts]
    every = together([selected(f, MEDIAN) for f in found])
    values = [selected(f, MEDIAN).mae.value for f in found]
    assert every.mae.value == pytest.approx(np.mean(values))
    assert every.mae.low <= min(values) < max(values) <= every.mae.high
    pairs = zip(found, parts, strict=True)
    one, two = (next(g for g in gains(f, sources[p > 6]) if g.learner == "selected") for f, p in pairs)
    both = gains_together([one, two])
    assert both.difference.value == pytest.approx((one.difference.value + two.difference.value) / 2)
    assert both.text.mae.value == pytest.approx((one.text.mae.value + two.text.mae.value) / 2)


def test_both_gain_where_each_holds_a_part_and_controls_are_at_the_median(rng):
    blocks, y, sources, split = planted(rng)
    found = list(scores(blocks, y, sources, split))
    gain = {g.learner: g for g in gains(found, sources[split.test])}
    assert gain["selected"].difference.low > 0
    assert gain["selected"].relative > 0.3
    median, control = selected(found, MEDIAN), selected(found, SHUFFLED)
    assert control.mae.value > 0.9 * median.mae.value
    assert best(found).representation in {"both", EXPERTS}


def test_both_gain_nothing_where_the_text_is_noise(rng):
    blocks, y, sources, split = planted(rng)
    noise = vectors(rng, 300, 6)[sources]
    found = list(scores(blocks | {"text": [noise], "both": [*blocks["data"], noise]}, y, sources, split))
    gain = {g.learner: g for g in gains(found, sources[split.test])}
    assert all(g.difference.low <= 0 for g in gain.values())


def test_kin_are_left_out_of_the_baseline_and_stay_in_the_ceiling():
    known = property_blocks(np.arange(2 * len(COLUMNS), dtype=np.float32)[None], "hard_hs")
    held = {COLUMNS[int(i)] for i in known["properties"][0] if i < len(COLUMNS)}
    assert not held & {"hard_hs", "hard_hm", "hard_ms", "flux_aper_s", "flux_aper_m", "flux_aper_h"}
    assert {"flux_aper_b", "powlaw_gamma", "var_prob_b"} <= held
    assert left_out(KIN, "hard_hs") == ["hard_hs"]
    assert "var_index_b" in kin("var_prob_b", COLUMNS)
    assert "src_cnts_aper_b" in kin("flux_significance_b", COLUMNS)


def test_blocks_weigh_alike_whatever_their_size(rng):
    blocks = [vectors(rng, 50, 3) * 100, vectors(rng, 50, 30)]
    x = Scaled.of(blocks, np.arange(50)).apply(np.concatenate(blocks, axis=1))
    assert x[:, :3].var(axis=0).sum() == pytest.approx(1.0, rel=1e-5)
    assert x[:, 3:].var(axis=0).sum() == pytest.approx(1.0, rel=1e-5)


def test_a_stated_exposure_finds_the_source_that_was_observed_so_long_and_nothing_else_does():
    livetimes = [np.array([10.0]), np.array([20.0, 30.0]), np.array([90.0]), np.array([np.nan])]
    similar = exposure_similarity(livetimes, [[10.5], [50.0], [], [88.0, 3.0]])
    assert similar.argmax(axis=1)[:3].tolist() == [0, 1, 3]  # 50 is 20 and 30 together
    assert (similar[:, 2] == UNSTATED).all()
    assert (similar[3] == UNSTATED).all()
    found = ranked(similar, np.eye(4, dtype=bool))
    assert found.rank[[0, 1]].tolist() == [1.0, 1.0]
    assert found.rank[2] == 4.0  # its papers state nothing: behind all that do
    assert found.rank[3] == 2.5  # nothing is known: chance
