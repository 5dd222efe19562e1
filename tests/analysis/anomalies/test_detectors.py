"""Detectors find what is unusual, and what may explain it is told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from analysis.anomalies import artefacts, detectors
from analysis.anomalies.injection import hidden


@pytest.fixture
def rng(any_seed):
    return np.random.default_rng([7, any_seed])


def vectors(rng, n, d):
    return rng.normal(size=(n, d)).astype(np.float32)


def test_detectors_agree_with_scikit_learn(rng):
    x = vectors(rng, 300, 6)
    judged = detectors.judge(detectors.fit(x, np.arange(300), seed=3), x)
    forest = IsolationForest(n_estimators=detectors.N_TREES, max_samples=256, random_state=3).fit(x)
    assert judged.raw["isolation_forest"] == pytest.approx(-forest.score_samples(x), abs=1e-9)
    lof = LocalOutlierFactor(n_neighbors=detectors.K).fit(x)
    assert judged.raw["lof"] == pytest.approx(-lof.negative_outlier_factor_, rel=1e-4)


def test_a_source_observed_often_does_not_hide_itself(rng):
    x = vectors(rng, 200, 4)
    x[:30] = 8.0 + 0.01 * x[:30]
    alone = detectors.judge(detectors.fit(x, np.arange(200)), x).share["knn_distance"][:30]
    one = detectors.judge(detectors.fit(x, np.maximum(np.arange(200), 29)), x).share["knn_distance"][:30]
    assert alone.max() < one.min()


def test_a_stored_fit_judges_its_own_rows_as_it_did(rng):
    x = vectors(rng, 150, 4)
    sources = np.arange(150) // 2
    made = detectors.fit(x, sources)
    assert detectors.judge(made, x[40:60]).score == pytest.approx(detectors.judge(made, x).score[40:60])


def test_hidden_outliers_are_found_and_hidden_likenesses_are_not(rng):
    labels = np.repeat(["a", "b", "c", "d", "far", "near"], [60, 60, 60, 60, 20, 19])
    x = vectors(rng, len(labels), 5)
    strange = x.copy()
    strange[labels == "far"] *= 6.0
    sources = np.arange(len(labels)).astype(str)
    found = list(hidden({"space": strange, "properties": x}, sources, labels, "properties", 8))
    by = {(f.rare, f.detector): f for f in found}
    assert by["far", "knn_distance"].precision["space"].low > 0.5
    assert by["far", "knn_distance"].difference["space"].low > 0.3
    assert by["near", "knn_distance"].precision["properties"].low <= by["near", "knn_distance"].chance * 4


def test_warnings_and_extremes_are_told():
    n = 40
    columns = {c: np.full(n, np.nan) for c in artefacts.COLUMNS}
    columns |= {"cnts_aper_b": np.full(n, 50.0), "livetime": np.full(n, 1e4), "hard_hs": np.linspace(-0.1, 0.1, n)}
    columns["cnts_aper_b"][3] = 5e3
    columns["hard_hs"][5] = 0.95
    columns["sat_src_flag"] = np.where(np.arange(n) == 7, 1.0, 0.0)
    warned = artefacts.warnings(columns)
    assert warned[7] == ["saturated"]
    (piled,) = warned[3]
    expected = 1 - 0.5 * artefacts.FRAME_S / np.expm1(0.5 * artefacts.FRAME_S)
    assert piled == f"pile-up {100 * expected:.0f} %"
    told = artefacts.extremes(columns)
    assert [i for i, t in enumerate(told) if any(x.startswith("hard_hs") for x in t)] == [5]


def test_a_table_with_other_columns_is_no_population():
    columns = {c: np.ones(20) for c in artefacts.COLUMNS}
    columns["powlaw_gamma"] = np.where(np.arange(20) < 3, 1.7, np.nan)
    assert np.flatnonzero(artefacts.measured_otherwise(columns)).tolist() == [0, 1, 2]


def test_the_piled_share_is_that_of_a_poisson_process(rng):
    for rate in (0.05, 0.5, 2.0):
        frames = rng.poisson(rate, 400_000)
        one = (frames == 1).sum()
        assert artefacts.piled_fraction(np.array([rate]))[0] == pytest.approx(1 - one / (frames > 0).sum(), abs=0.005)
