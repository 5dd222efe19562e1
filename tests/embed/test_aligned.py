"""Photons and papers in one space: the loss, what it learns from planted pairs, and the space in a store."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest
import torch
from factories.store import write as write_rows
from factories.tiny_encoder import write

import catalog
from catalog.errors import QueryError, UnknownName
from embed import registry
from embed.encoders import aligned
from embed.encoders.alignment import Alignment, shares_paper
from embed.inputs.pairs import prepare
from embed.inputs.papers import STATED
from embed.inputs.quantities import N_QUANTITIES, QUANTITIES
from embed.protocol import Settings, SidedEncoder
from embed.registry import BrokenWeights
from embed.store import encoding_job, sweeps
from embed.store.training_job import Training, train
from embed.store.untrained_spaces import make_ready
from embed.training.networks import chosen
from embed.training.split import fields, set_apart

N = 300
WORDS = {0: "A supersoft white dwarf in outburst", 1: "Flares of a young star", 2: "A heavily obscured quasar"}


def pairs(rng, shuffled=False, n=N, group=1, titles=None):
    """Rows of a pair input: the text is a rotation of the data, with noise; or of another row's."""
    data = rng.normal(size=(n, 6)).astype(np.float32)
    text = data @ rng.normal(size=(6, 384)).astype(np.float32) + 0.1 * rng.normal(size=(n, 384))
    text = text[rng.permutation(n)] if shuffled else text
    papers = [
        [{"bibcode": f"P{i // group}", "year": 2000, "citation_count": 1, "title": t, "abstract": None, "vector": v}]
        for i, (v, t) in enumerate(zip(text, titles or [None] * n, strict=True))
    ]
    paper = pa.struct(
        {
            "bibcode": pa.string(),
            "year": pa.int32(),
            "citation_count": pa.int32(),
            "title": pa.string(),
            "abstract": pa.string(),
            "vector": pa.list_(pa.float32()),
        }
    )
    configuration = json.dumps({"sentence_model": "all-MiniLM-L6-v2"})
    return pa.table(
        {
            "id": [f"{1 + i // 10}.0.{i % 10}" for i in range(n)],
            "name": [f"source {i}" for i in range(n)],
            "data": pa.array(data.tolist(), pa.list_(pa.float32())),
            "papers": pa.array(papers, pa.list_(paper)),
            "learned_from": pa.array([[("papers", "p"), ("properties", "d")]] * n, pa.map_(pa.string(), pa.string())),
            "text_configuration": [configuration] * n,
        }
    )


def fitted(rows, seed=0, **options):
    settings = Settings(
        seed=seed, latent=8, epochs=25, learning_rate=3e-3, options={"width": 32, "dropout": 0.0, **options}
    )
    return registry.fit("aligned", "properties", lambda: iter([rows]), settings)


def relative_rank(encoder, rows):
    """Return the mean share of wrong texts above the right one, on sources that took no part in the training."""
    held = set(encoder.options["held_out_sources"])
    mask = np.array([name in held for name in rows["name"].to_pylist()])
    prepared = prepare(rows)
    sides = encoder.encode_sides(prepared.arrays)[mask]
    similar = sides[:, 0] @ sides[:, 1].T
    return float((similar > np.diag(similar)[:, None]).mean()), int(mask.sum())


def test_planted_pairs_are_found_on_unseen_sources_and_shuffled_ones_are_not(rng, any_seed):
    rows = pairs(rng)
    encoder = fitted(rows, any_seed).encoder
    rank, n = relative_rank(encoder, rows)
    assert n > 30
    assert rank < 0.1
    null = pairs(rng, shuffled=True)
    rank, _ = relative_rank(fitted(null, any_seed).encoder, null)
    assert 0.35 < rank < 0.65


def test_what_an_abstract_states_in_figures_finds_its_source(rng, any_seed):
    """Sentence vectors are noise here: only the figures in the titles know anything of the data."""
    rows = pairs(rng, shuffled=True)
    data = np.stack(rows["data"].to_pylist())
    titles = [
        f"A flux of {10 ** (0.5 * a):.3f} x 10^-13 erg/cm^2/s and kT = {10 ** (0.3 * b):.2f} keV"
        for a, b in data[:, :2]
    ]
    stated = pairs(rng, shuffled=True, titles=titles).set_column(2, "data", rows["data"])
    rank, n = relative_rank(fitted(stated, any_seed).encoder, stated)
    assert n > 30
    assert rank < 0.3
    silent = pairs(rng, shuffled=True).set_column(2, "data", rows["data"])
    rank, _ = relative_rank(fitted(silent, any_seed).encoder, silent)
    assert 0.35 < rank < 0.65


def test_powers_in_the_mark_up_of_ads_reach_the_network(rng):
    titles = ["N<SUB>H</SUB> = 5x10<SUP>21</SUP> cm<SUP>-2</SUP>", "nothing"]
    text = prepare(pairs(rng, n=2, titles=titles)).arrays["text"][:, 0]
    value, stated = text[:, -STATED:-N_QUANTITIES], text[:, -N_QUANTITIES:]
    at = [q.name for q in QUANTITIES].index("column_cm2")
    assert stated.sum(axis=1).tolist() == [1, 0]
    assert value[0, at] == pytest.approx((np.log10(5e21) - QUANTITIES[at].middle) / QUANTITIES[at].spread, rel=1e-5)


def test_gamma_keeps_the_geometry(rng, any_seed):
    rows = pairs(rng)
    data = np.stack(rows["data"].to_pylist())
    before = _cosines((data - data.mean(0)) / data.std(0))
    bent = {}
    for gamma in (0.0, 30.0):
        sides = fitted(rows, any_seed, gamma=gamma).encoder.encode_sides(prepare(rows).arrays)
        bent[gamma] = float(((_cosines(sides[:, 0]) - before) ** 2).mean())
    assert bent[30.0] < 0.7 * bent[0.0]


def _cosines(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit @ unit.T


def test_rows_that_share_a_paper_are_not_negatives_of_each_other(any_seed):
    papers = torch.tensor([[1, 0], [1, 2], [2, 0], [0, 0], [0, 0]])
    shares = shares_paper(papers)
    assert shares[0, 1]
    assert shares[1, 2]
    assert not shares[0, 2]
    assert not shares[3, 4]  # no paper is no shared paper
    torch.manual_seed(any_seed)
    network = Alignment(4, 3, 2, 8, 0.0, 0.0, 0)
    batch = {"data": torch.randn(2, 4), "text": torch.randn(2, 1, 3), "papers": torch.tensor([[1], [1]])}
    assert network.losses(batch).abs().max() < 1e-6  # the only other row is no negative: nothing to learn
    batch["papers"] = torch.tensor([[1], [2]])
    assert network.losses(batch).min() > 0


def test_a_field_disjoint_split_keeps_fields_apart(rng):
    rows = pairs(rng)
    encoder = fitted(rows, split="field").encoder
    held = set(encoder.options["held_out_sources"])
    names, ids = rows["name"].to_pylist(), rows["id"].to_pylist()
    field = fields(ids, names)
    inside = {f for f, n in zip(field, names, strict=True) if n in held}
    outside = {f for f, n in zip(field, names, strict=True) if n not in held}
    assert inside
    assert not inside & outside


def test_wrong_options_are_told(rng):
    with pytest.raises(QueryError, match="split must be one of source, field, found 'sky'"):
        fitted(pairs(rng), split="sky")


def test_text_that_is_not_there_has_no_vector_and_both_is_then_the_data(rng):
    rows = pairs(rng)
    encoder = fitted(rows).encoder
    lonely = rows.set_column(3, "papers", pa.array([None] * N, rows["papers"].type))
    encoded = registry.encode_rows(encoder, lonely.slice(0, 5))
    assert isinstance(encoder, SidedEncoder)
    assert encoded.modalities == ["data", "both"] * 5
    assert np.allclose(encoded.vectors[::2], encoded.vectors[1::2])
    assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)


def test_weights_of_another_network_are_told(rng):
    encoder = fitted(pairs(rng)).encoder
    kept = {k: v for k, v in encoder.state().items() if "layers.0" not in k}
    with pytest.raises(BrokenWeights, match="train it again: python -m embed train aligned"):
        aligned.restore(registry.described(encoder), kept)


def test_the_restored_encoder_gives_the_same_vectors(rng, tmp_path):
    rows = pairs(rng)
    encoder = fitted(rows).encoder
    again = registry.load(registry.save(encoder, tmp_path))
    one, two = (registry.encode_rows(e, rows).vectors for e in (encoder, again))
    assert np.array_equal(one, two)


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory):
    """A store with 60 sources of three kinds, their properties, and a paper about each but the last ten."""
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("aligned") / "s")
    names = [f"2CXO J0000{i:02d}.0+000000" for i in range(60)]
    detections = [
        {"detection_id": f"{1 + i // 6}.0.{i}", "name": n, "hard_hs": i % 3 - 1.0, "theta": 1.0 + 0.01 * i}
        for i, n in enumerate(names)
    ]
    papers = [
        {"bibcode": f"P{i:02d}", "title": f"{WORDS[i % 3]}, number {i}", "year": 2000 + i % 20} for i in range(50)
    ]
    links = [
        {"bibcode": f"P{i:02d}", "name": names[i], "method": "test", "confidence": 1.0 if i else 0.2} for i in range(50)
    ]
    rows = {"csc.observation_source": detections, "lit.paper": papers, "lit.paper_source": links}
    for table, records in rows.items():
        write_rows(store, table, *records)
    make_ready(store)
    train(Training(store, "properties"))
    encoding_job.run(encoding_job.Job(store))
    train(Training(store, "aligned", "properties", settings=Settings(latent=4, epochs=10, options={"width": 8})))
    encoding_job.run(encoding_job.Job(store))
    return store


def test_the_space_has_a_row_per_side_and_is_searched_by_what_stands_for_all(filled):
    with catalog.open(filled) as cat:
        counts = dict(cat.sql("SELECT modality, count(*) FROM embedding.aligned GROUP BY 1").fetchall())
        assert counts == {"data": 60, "text": 49, "both": 60}  # an unsure link is no link
        near = cat.nearest("aligned", "1.0.0", k=60).arrow()
        assert len(set(near["detection_id"].to_pylist())) == 60
        text = cat.nearest("aligned", text="flares of a young star", k=5, modality="text").arrow()
        assert len(set(text["detection_id"].to_pylist())) == 5
        without = cat.nearest("aligned", "1.0.3", k=60, modality="text", exclude_self=True).arrow()
        assert "1.0.3" not in without["detection_id"].to_pylist()
        ids, vectors = cat.vectors("aligned")
        assert len(ids) == len(set(ids)) == len(vectors) == 60
        joined = cat.sql("SELECT count(*) FROM embedding.aligned JOIN csc.observation_source USING (detection_id)")
        assert joined.fetchall() == [(169,)]
        with pytest.raises(QueryError, match="no rows of modality 'tex'; did you mean text"):
            cat.nearest("aligned", "1.0.3", modality="tex")


def test_a_sweep_tries_gamma_among_others_and_changes_nothing_for_readers(filled):
    with catalog.open(filled) as cat:
        before = cat.sql("SELECT encoder_id FROM meta.space WHERE space = 'aligned'").fetchall()
    runs = sweeps.sweep(Training(filled, "aligned", "properties", settings=Settings(epochs=1)), 3, lambda _: None)
    assert len({(r.options["gamma"], r.options["dropout"], r.learning_rate) for r in runs}) == 3
    assert {r.options["gamma"] for r in runs} <= {0.0, 0.1, 1.0, 10.0}
    with catalog.open(filled) as cat:
        assert cat.sql("SELECT encoder_id FROM meta.space WHERE space = 'aligned'").fetchall() == before


@pytest.mark.parametrize(("space", "model"), sweeps.GRID)
def test_a_sweep_sets_what_its_model_knows(space, model):
    module = import_module(registry.family(space, model).fit.partition(":")[0])
    grid = sweeps.GRID[space, model]
    point = {name: values[-1] for name, values in grid.items() if name not in {"latent", "learning_rate"}}
    assert chosen(module.DEFAULTS, point).items() >= point.items()
    assert {"latent", "learning_rate"} < grid.keys()


@pytest.mark.parametrize("space", sorted({s for s, _ in sweeps.GRID}))
def test_the_usual_model_of_a_space_has_a_sweep(space):
    assert (space, registry.family(space).model) in sweeps.GRID


def test_a_model_without_a_sweep_says_which_have(tmp_path):
    with pytest.raises(UnknownName, match="no sweep is known for spectrum --model pca; there are spectrum --model vae"):
        sweeps.sweep(Training(tmp_path, "spectrum", "pca"), 1, lambda _: None)


def test_a_new_paper_makes_only_its_sources_stale(filled):
    write(
        filled,
        "INSERT INTO lake.lit.paper_source BY NAME SELECT 'P01' AS bibcode, '2CXO J000055.0+000000' AS name, "
        "'test' AS method, 1.0 AS confidence",
    )
    outcomes = {o.space: o for o in encoding_job.run(encoding_job.Job(filled))}
    assert dict(outcomes["aligned"].reasons) == {"changed input": 1}
    with catalog.open(filled) as cat:
        query = "SELECT modality FROM embedding.aligned WHERE name = '2CXO J000055.0+000000' ORDER BY 1"
        assert cat.sql(query).fetchall() == [("both",), ("data",), ("text",)]


def test_vectors_of_another_encoder_are_not_read(filled):
    write(filled, "UPDATE lake.csc.observation_source SET hard_hs = 9 WHERE detection_id = '1.0.0'")
    train(Training(filled, "properties"))
    outcomes = {o.space: o for o in encoding_job.run(encoding_job.Job(filled))}
    assert outcomes["properties"].changed_over
    assert "train it again: python -m embed train aligned" in outcomes["aligned"].blocked
    with catalog.open(filled) as cat:
        assert len(cat.vectors("aligned")[0]) == 60  # readers keep what there was


@pytest.mark.slow
def test_sources_to_be_judged_on_are_kept_from_the_encoders_of_photons_too(filled):
    settings = Settings(latent=4, epochs=2, seed=3, options={"width": 8, "apart": True})
    job = Training(filled, "aligned", "properties", settings=settings)
    with pytest.raises(QueryError, match="one that has seen all; type: python -m embed train properties --set apart"):
        train(job)
    apart = train(Training(filled, "properties", settings=Settings(seed=3, options={"apart": True})))
    names = [f"2CXO J0000{i:02d}.0+000000" for i in range(60)]
    assert apart.n_sources == sum(not set_apart(n, 3) for n in names) < 60
    encoding_job.run(encoding_job.Job(filled), ["properties"])
    train(job)  # of the store as it is now: what was refused before pins nothing
    with catalog.open(filled) as cat:
        query = "SELECT configuration FROM meta.encoder WHERE space = 'aligned' ORDER BY version DESC LIMIT 1"
        held = json.loads(cat.sql(query).fetchall()[0][0])["held_out_sources"]
    assert held
    assert all(set_apart(n, 3) for n in held)
    with pytest.raises(QueryError, match="found one that has seen all but those of seed 3"):
        train(replace(job, settings=replace(settings, seed=4)))
    with pytest.raises(QueryError, match="apart goes with split=source"):
        train(replace(job, settings=replace(settings, options={"apart": True, "split": "field"})))


def test_a_space_that_is_not_there_is_told(store):
    with pytest.raises(UnknownName, match="space events has no vectors yet"):
        train(Training(store, "aligned"))


@pytest.fixture
def rng(any_seed):
    return np.random.default_rng([3, any_seed])
