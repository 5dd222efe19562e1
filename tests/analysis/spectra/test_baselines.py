"""Baselines that a careful reader asks for: colours that no detector has a part in; other trainings of an encoder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from factories.encoder_inputs import folded_table
from factories.store import write

import catalog
from analysis.spectra.features import COLOUR_EDGES_KEV, Features, Spectra, colours
from analysis.spectra.frozen_encoders import features_of, frozen
from analysis.spectra.spectrum_samples import Sample, TooFewRows, band_counts, completed, told
from embed.registry import Settings
from embed.store import encoding_job
from embed.store.sweeps import twins, vectors_of
from embed.store.training_job import Training, train

EDGES, N = COLOUR_EDGES_KEV, 24
SMALL = Settings(latent=3, epochs=2, batch_rows=8, device="cpu", options={"layers": 1, "width": 16, "heads": 2})


def test_colours_of_one_flux_are_the_same_whatever_the_area():
    rng = np.random.default_rng(0)
    flux = np.array([3.0, 2.0, 1.0, 1.0, 0.5, 0.2]) * 1e-3
    area = rng.uniform(1e6, 9e6, (400, 6))
    found = colours(rng.poisson(flux * area), area)
    expected = (flux[1:] - flux[:-1]) / (flux[1:] + flux[:-1])
    assert found.mean(axis=0) == pytest.approx(expected, abs=0.005)
    assert np.abs(colours(np.full((1, 6), -5.0), area[:1])).max() < 1  # net counts may be below zero


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory):
    """Spectra with their whole responses, and three trainings of an encoder, of them one with other settings."""
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("spectra") / "s")
    rows = folded_table(N).to_pylist()
    first = rows[0]
    rmf = {k: first[k] for k in ("energ_lo", "energ_hi", "matrix", "e_min", "e_max", "includes_area")}
    rmf |= {k: [int(v) for v in first[k]] for k in ("n_grp", "f_chan", "n_chan")}
    write(store, "product.rmf", rmf | {"rmf_id": "r", "n_channels": 1024, "valid": True})
    arfs, spectra, detections = [], [], []
    for i, row in enumerate(rows):
        ids = {"detection_id": row["id"], "obsid": 1000 + i, "obi": 0, "region_id": i}
        scale = 1.0 + i % 3
        arfs.append({
            "arf_id": f"a{i}", "energ_lo": row["arf_lo"], "energ_hi": row["arf_hi"], "valid": True,
            "specresp": [scale * v for v in row["specresp"]],
        })  # fmt: skip
        own = {k: row[k] for k in ("counts", "exposure_s", "backscal", "areascal")}
        own |= {k: v for k, v in row.items() if k.startswith("background_") and v is not None}
        own |= {"spectrum_id": f"s{i}", "file_id": i, "role": "source", "rmf_id": "r", "arf_id": f"a{i}"}
        spectra.append(ids | own)
        detections.append(ids | {"name": row["name"]})
    write(store, "product.arf", *arfs)
    write(store, "product.spectrum", *spectra)
    write(store, "csc.observation_source", *detections)
    for settings in (SMALL, replace(SMALL, seed=1), replace(SMALL, seed=2, epochs=1)):
        train(Training(store, "spectrum", "transformer", settings=settings, current=settings.seed == 0))
    encoding_job.run(encoding_job.Job(store))
    return store


def sample_of(cat, ids):
    ((encoder,),) = cat.sql("SELECT encoder_id FROM meta.space WHERE space = 'spectrum'").fetchall()
    known, vectors = cat.vectors("spectrum")
    x = np.asarray(vectors)[[list(known).index(i) for i in ids]]
    there = np.ones((len(ids), 400), bool)
    spectra = Spectra(np.zeros((len(ids), 400), np.float32), there, np.ones(400))
    features = (Features("spectrum", x, is_baseline=False, encoder_id=encoder),)
    snapshot = cat.snapshots()[-1].number
    names = np.array(ids, object)
    return Sample("detections", names, names, features, spectra, snapshot, columns=pa.table({}))


def test_band_counts_are_those_of_the_channels(filled):
    rows = folded_table(N).to_pylist()
    ids = np.array([r["id"] for r in rows] + ["9.0.9"], object)
    with catalog.open(filled) as cat:
        counts, background, area = band_counts(cat, ids, cat.snapshots()[-1].number)
    middle = 0.5 * (np.array(rows[0]["e_min"]) + np.array(rows[0]["e_max"]))
    for i in (0, 7):
        for b, (low, high) in enumerate(pairwise(EDGES)):
            inside = np.array(rows[i]["counts"])[(middle > low) & (middle < high)].sum()
            assert counts[i, b] == pytest.approx(inside, rel=0.06, abs=2)
    assert (background[:N] > 0).all()
    assert np.isnan(area[N]).all()  # no such detection
    assert area[1] == pytest.approx(2 * area[0])  # its ARF is twice as large
    widths = np.diff(COLOUR_EDGES_KEV)
    assert area[0, 2] / widths[2] == pytest.approx(400 * np.exp(-((1.6 - 2.0) ** 2) / 8), rel=0.1)


def test_colours_and_other_trainings_come_with_the_sample(filled):
    with catalog.open(filled) as cat:
        ids = sorted(r["id"] for r in folded_table(N).to_pylist())
        sample = sample_of(cat, ids)
        said = []
        whole = completed(cat, sample, said.append)
        assert said == ["reading the spectra of 24 detections with their responses: colours are a baseline"]
        assert [(f.name, f.x.shape[1], f.is_baseline) for f in whole.features] == [
            ("spectrum", 3, False),
            ("five colours", 5, True),
            ("five colours, log counts", 6, True),
        ]
        (twin,) = twins(filled, sample.features[0].encoder_id)  # not the one of one epoch
        (other,) = whole.features[0].others
        assert other.shape == (N, 3)
        assert not np.allclose(other, whole.features[0].x)
        own = vectors_of(filled, twin.load(filled), ids)
        assert np.array_equal(own["spectrum"], other)
        assert told(cat, sample) == told(cat, sample)
        few = completed(cat, sample_of_more(sample), said.append)
    assert [f.name for f in few.features] == ["spectrum"]
    assert "five colours are no baseline here: 1 of 25 have no spectrum with its ARF and RMF" in said


def sample_of_more(sample):
    """The same, and a detection without a spectrum."""
    names = np.append(sample.ids, "9.0.9")
    features = tuple(replace(f, x=np.concatenate([f.x, f.x[:1]])) for f in sample.features)
    values, mask = (np.concatenate([a, a[:1]]) for a in (sample.spectra.values, sample.spectra.mask))
    spectra = Spectra(values, mask, sample.spectra.energy_kev)
    return replace(sample, ids=names, sources=names, features=features, spectra=spectra)


def test_encoders_of_another_store_are_judged_on_the_rows_of_this_one(filled):
    ids = np.array(sorted(r["id"] for r in folded_table(N).to_pylist()), object)
    assert [(f.name, len(f.trainings)) for f in frozen(filled, "spectrum")] == [
        ("spectrum transformer, 3 numbers", 2),
        ("spectrum transformer, 3 numbers (2)", 1),
    ]
    with catalog.open(filled) as cat:
        snapshot = cat.snapshots()[-1].number
        found = features_of(cat, filled, "spectrum", ids, snapshot)
        own = sample_of(cat, ids.tolist()).features[0]
        with pytest.raises(TooFewRows, match="no vector for 1 of 25 rows"):
            features_of(cat, filled, "spectrum", np.append(ids, "9.0.9"), snapshot)
    assert np.allclose(found[0].x, own.x, atol=1e-6)
    assert [f.is_baseline for f in found] == [False, False]
    assert len(found[0].others) == 1
