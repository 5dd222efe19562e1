"""Encoders are compared on sources that none of them learnt from, and on the same ones."""

from __future__ import annotations

import shutil

import pytest
from factories.spectra_store import add_spectra
from typer.testing import CliRunner

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from embed.__main__ import app
from embed.registry import Settings
from embed.store.comparison import compare
from embed.store.training_job import Training, train
from embed.training.split import held_out

SMALL = {"layers": 1, "width": 16, "heads": 2, "hidden": 32}


@pytest.fixture(scope="module")
def spectra(empty_store, tmp_path_factory, any_seed):
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("spectra") / "s")
    add_spectra(store, 160, any_seed)
    return store


def trained(store, model, latent, where="", **settings):
    options = SMALL if model == "transformer" else {}
    return train(Training(store, "spectrum", model, where, Settings(latent=latent, options=options, **settings)))


def names_of(store):
    with Catalog(store) as cat:
        return [n for (n,) in cat.sql("SELECT DISTINCT name FROM csc.observation_source ORDER BY 1").fetchall()]


def test_all_are_measured_on_the_same_held_out_sources(spectra):
    pca = trained(spectra, "pca", 3)
    large = trained(spectra, "pca", 12)
    network = trained(spectra, "transformer", 4, epochs=3)
    found, left_out = compare(spectra, "spectrum", [pca.encoder_id, large.encoder_id, network.encoder_id])
    assert left_out == {}
    n_held_out = int(held_out(names_of(spectra), 0.1, 0).sum())
    assert {(c.error.n_sources, c.error.n_rows) for c in found} == {(n_held_out, 2 * n_held_out)}
    by_name = {c.name: c for c in found}
    # Two spectra to every source: the mean over sources is that over rows, which training measured.
    for made in (pca, large, network):
        assert by_name[made.encoder_id].error.mean == pytest.approx(made.validation_error, rel=1e-3)
    assert by_name[large.encoder_id].error.mean < by_name[pca.encoder_id].error.mean
    assert [c.error.mean for c in found] == sorted(c.error.mean for c in found)
    mine = by_name[network.encoder_id]
    assert mine.pca == pca.encoder_id  # the largest that is no larger
    assert mine.to_pca.mean == pytest.approx(mine.error.mean - by_name[pca.encoder_id].error.mean)
    assert mine.to_pca.low < mine.to_pca.mean < mine.to_pca.high
    # Resampled together: a difference is far better known than either of the two.
    assert mine.to_pca.high - mine.to_pca.low < mine.error.high - mine.error.low
    assert by_name["moving average"].to_pca is None


def test_a_test_that_no_training_had_part_in(spectra):
    names = names_of(spectra)
    one = trained(spectra, "pca", 3, "right(name, 15) < '000040'")
    other = trained(spectra, "pca", 4, "right(name, 15) < '000060'", seed=5)
    known = [n for n in names if n[6:12] < "000040"], [n for n in names if n[6:12] < "000060"]
    left = set(names)
    for sources, seed in zip(known, (0, 5), strict=True):
        left -= {n for n, o in zip(sources, held_out(sources, 0.1, seed), strict=True) if not o}
    found, _ = compare(spectra, "spectrum", [one.encoder_id, other.encoder_id])
    assert found[0].error.n_sources == len(left) > len([n for n in names if n[6:12] >= "000060"])
    found, _ = compare(spectra, "spectrum", [one.encoder_id, other.encoder_id], "right(name, 15) >= '000060'")
    assert found[0].error.n_sources == len([n for n in names if n[6:12] >= "000060"])
    with pytest.raises(QueryError, match="learnt from every source"):
        compare(spectra, "spectrum", [one.encoder_id, other.encoder_id], "name = '2CXO J000001.0+000000' AND false")


def test_what_is_not_there_is_told(spectra):
    made = trained(spectra, "pca", 3)
    with pytest.raises(UnknownName, match=f"did you mean {made.encoder_id}"):
        compare(spectra, "spectrum", [made.encoder_id[:-1]])
    with pytest.raises(QueryError, match="gives back the spectra that it read"):
        compare(spectra, "properties")


def test_the_command_prints_baseline_and_interval_beside_each_error(spectra):
    made = trained(spectra, "pca", 3)
    result = CliRunner().invoke(app, ["compare", "spectrum", made.encoder_id, "--store", str(spectra)])
    assert result.exit_code == 0, result.output
    assert made.encoder_id in result.output
    assert " to 0." in result.output
    assert "moving average" in result.output
    assert "mean of each spectrum" in result.output
    assert "python -m catalog sql" in result.output
