"""Training: the loss falls, a seed is a seed, a killed training ends as an undisturbed one, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from factories.encoder_inputs import folded_table, photon_table, spectrum_table

from catalog.errors import UnknownName
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.registry import NothingToTrainOn, Settings
from embed.training.networks import Tower
from embed.training.split import draw, held_out

SMALL = {"layers": 1, "width": 16, "heads": 2, "hidden": 32}
QUICK = Settings(
    latent=4, epochs=4, patience=4, batch_rows=16, learning_rate=3e-3, held_out=0.25, options=SMALL, device="cpu"
)
SPECTRA = spectrum_table(80)
PHOTONS = photon_table(60)


def weights(fitted):
    return {k: v.tobytes() for k, v in fitted.encoder.state().items()}


def spectra():
    return iter([SPECTRA.slice(0, 30), SPECTRA.slice(30)])


@pytest.mark.parametrize("model", ["transformer", "rnn"])
def test_spectrum_networks_learn(model, any_seed):
    fitted = registry.fit("spectrum", model, spectra, replace(QUICK, epochs=12, seed=any_seed))
    assert len(fitted.loss_curve) == 12
    assert fitted.loss_curve[-1] < 0.7 * fitted.loss_curve[0]
    assert fitted.validation_error == pytest.approx(min(fitted.loss_curve), rel=1e-4)
    encoded = registry.encode_rows(fitted.encoder, SPECTRA)
    assert encoded.vectors.shape == (80, 4)
    assert encoded.vectors.std(0) == pytest.approx(np.ones(4), rel=0.5)
    assert fitted.n_rows + (held_out(SPECTRA["name"].to_pylist(), 0.25, any_seed)).sum() == 80


@pytest.mark.parametrize(
    ("model", "options", "left"), [("poisson", {}, 0.8), ("map", {}, 0.8), ("map", {"cube": True}, 0.95)]
)
def test_event_networks_learn(model, options, left, tmp_path, any_seed):
    settings = replace(QUICK, seed=any_seed, epochs=15, patience=15, options=options)
    fitted = registry.fit("events", model, lambda: iter([PHOTONS]), settings)
    assert fitted.loss_curve[-1] < left * fitted.loss_curve[0]
    vectors = registry.encode_rows(fitted.encoder, PHOTONS).vectors
    assert vectors.shape == (60, 4)
    restored = registry.load(registry.save(fitted.encoder, tmp_path))
    assert (registry.encode_rows(restored, PHOTONS).vectors == vectors).all()


def test_only_the_cube_tells_bursts_from_steady_light():
    """Sources of one map, photons in pairs in one and evenly spaced in the other."""
    even = np.arange(0.0, 24_000.0, 50.0)
    pairs = np.repeat(np.arange(0.0, 24_000.0, 100.0), 2) + np.tile([0.0, 1.0], 240)
    arrays = INPUTS["events"].prepare(photon_rows([even, pairs])).arrays
    assert np.abs(arrays["map"][0] - arrays["map"][1]).max() <= 1  # all but the last photon's place
    assert (arrays["cube"].sum((1, 2)) > 0).sum(1).tolist() == [1, 2]  # one waiting time, and two
    assert np.abs(arrays["cube"][0] - arrays["cube"][1]).sum() > 200


def photon_rows(times):
    energy = [np.full(len(t), 1000.0) for t in times]
    photon = [
        [{"time_s": a, "energy_ev": b} for a, b in zip(t, e, strict=True)] for t, e in zip(times, energy, strict=True)
    ]
    table = PHOTONS.slice(0, len(times))
    return table.set_column(table.column_names.index("photon"), "photon", pa.array(photon, PHOTONS["photon"].type))


def test_what_a_network_does_not_read_is_not_kept(tmp_path):
    settings = replace(QUICK, epochs=1, scratch=tmp_path, options={"cube": True})
    registry.fit("events", "map", lambda: iter([PHOTONS]), settings)
    assert sorted(p.name for p in (tmp_path / "rows-events").iterdir() if p.suffix == "") == ["cube"]


def test_the_folded_transformer_learns_from_counts(any_seed):
    table = folded_table(24)
    settings = replace(QUICK, seed=any_seed, epochs=15, patience=15, batch_rows=8)
    fitted = registry.fit("spectrum", "transformer-poisson", lambda: iter([table]), settings)
    assert fitted.loss_curve[-1] < 0.8 * fitted.loss_curve[0]
    assert fitted.error_name == "C-statistic per channel bin"


def test_the_same_seed_gives_the_same_bits_whatever_the_order_of_rows(any_seed):
    settings = replace(QUICK, seed=any_seed)
    one = registry.fit("spectrum", "transformer", spectra, settings)
    backwards = SPECTRA.take(pa.array(np.arange(80)[::-1]))
    two = registry.fit("spectrum", "transformer", lambda: iter([backwards]), settings)
    other = registry.fit("spectrum", "transformer", spectra, replace(QUICK, seed=any_seed + 1))
    assert weights(one) == weights(two)
    assert one.loss_curve == two.loss_curve
    assert weights(one) != weights(other)


class Stop(Exception):
    pass


def test_an_interrupted_training_goes_on_where_it_was(tmp_path):
    seen = []

    def die(progress):
        seen.append(progress.epoch)
        if progress.epoch == 2:
            raise Stop

    undisturbed = registry.fit("spectrum", "transformer", spectra, QUICK)
    settings = replace(QUICK, scratch=tmp_path, checkpoint_seconds=0.0)
    with pytest.raises(Stop):
        registry.fit("spectrum", "transformer", spectra, replace(settings, report=die))

    def unreadable():
        raise AssertionError("the rows are on disk already")

    resumed = registry.fit(
        "spectrum", "transformer", unreadable, replace(settings, report=lambda p: seen.append(p.epoch))
    )
    assert seen == [1, 2, 3, 4]
    assert weights(resumed) == weights(undisturbed)
    assert resumed.loss_curve == undisturbed.loss_curve
    heard = replace(settings, report=lambda p: seen.append(p.epoch))
    again = registry.fit("spectrum", "transformer", unreadable, heard)
    assert seen == [1, 2, 3, 4]  # finished is finished
    assert weights(again) == weights(undisturbed)


TRAIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from dataclasses import replace
import torch
torch.set_num_threads(1)  # another number of threads sums in another order
from embed import registry
from test_training import QUICK, spectra
settings = replace(QUICK, scratch=Path(sys.argv[1]), checkpoint_seconds=0.0, epochs=60, patience=60)
settings = replace(settings, report=lambda p: print(p.epoch, flush=True))
registry.fit("spectrum", "transformer", spectra, settings)
"""


@pytest.mark.slow
def test_a_training_killed_at_any_moment_ends_with_the_same_bits(tmp_path):
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here.parents[1]}:{here.parent}:{here}"}
    rng = np.random.default_rng(0)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(tmp_path), str(here)], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            for _ in range(int(rng.integers(1, 8))):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    settings = replace(QUICK, epochs=60, patience=60)
    resumed = registry.fit("spectrum", "transformer", spectra, replace(settings, scratch=tmp_path))
    assert weights(resumed) == weights(registry.fit("spectrum", "transformer", spectra, settings))


def test_early_stopping_keeps_the_best_weights(any_seed):
    settings = replace(QUICK, seed=any_seed, epochs=40, patience=2, learning_rate=0.3)
    fitted = registry.fit("spectrum", "transformer", spectra, settings)
    assert len(fitted.loss_curve) < 40
    assert np.argmin(fitted.loss_curve) == len(fitted.loss_curve) - 3
    assert fitted.validation_error == pytest.approx(min(fitted.loss_curve), rel=1e-4)


def test_a_source_stands_on_one_side_only():
    names = [f"2CXO J{i % 40:06d}.0+000000" for i in range(200)]
    out = held_out(names, 0.3, seed=2)
    sides = {}
    for name, side in zip(names, out, strict=True):
        assert sides.setdefault(name, side) == side
    assert 0.1 < out.mean() < 0.5
    assert (held_out(names, 0.3, seed=3) != out).any()
    assert not held_out(names, 0.0, seed=2).any()
    assert not held_out(["only"], 0.5, seed=0).any()
    assert held_out(["a", "b"], 1.0, seed=0).sum() == 1
    assert held_out(["a", "b"], 1e-9, seed=0).sum() == 1
    assert np.mean([draw(f"s{i}", 0) for i in range(2000)]) == pytest.approx(0.5, abs=0.03)


def test_one_source_alone_can_be_trained_on_and_has_no_error():
    one = SPECTRA.slice(0, 1)
    fitted = registry.fit("spectrum", "transformer", lambda: iter([one]), QUICK)
    assert fitted.validation_error is None
    assert np.abs(registry.encode_rows(fitted.encoder, one).vectors).max() < 1


def test_nothing_to_train_on_says_so():
    with pytest.raises(NothingToTrainOn, match="found none"):
        registry.fit("spectrum", "pca", lambda: iter([SPECTRA.slice(0, 0)]), QUICK)
    dark = SPECTRA.slice(0, 2).drop_columns(["exposure_s"]).append_column("exposure_s", pa.array([0.0, 0.0]))
    with pytest.raises(NothingToTrainOn, match="no exposure time"):
        registry.fit("spectrum", "pca", lambda: iter([dark]), QUICK)


def test_a_misspelt_option_is_met_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean patch"):
        registry.fit("spectrum", "transformer", spectra, replace(QUICK, options={"ptch": 10}))


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="a patch that divides 400"):
        registry.fit("spectrum", "transformer", spectra, replace(QUICK, options={"patch": 7}))
    with pytest.raises(ValueError, match="expected mae, mae-noise or mse"):
        registry.fit("spectrum", "transformer", spectra, replace(QUICK, options={"loss": "poison"}))


def test_attention_sums_to_one_and_the_two_roads_agree(any_seed):
    torch.manual_seed(any_seed)
    tower, tokens = Tower(2, 16, 4, 32).eval(), torch.randn(3, 20, 16)
    with torch.inference_mode():
        maps = tower.attention(tokens)
        by_hand = tokens
        for block in tower.blocks:
            by_hand, _ = block.with_attention(by_hand)
        assert torch.allclose(tower(tokens), tower.norm(by_hand), atol=1e-5)
    assert maps.shape == (3, 2, 4, 20, 20)
    assert torch.allclose(maps.sum(-1), torch.ones(3, 2, 4, 20), atol=1e-5)


def test_a_trained_transformer_shows_its_attention():
    fitted = registry.fit("spectrum", "transformer", spectra, replace(QUICK, epochs=1))
    arrays = INPUTS["spectrum"].prepare(SPECTRA).arrays
    assert fitted.encoder.attention(arrays).shape == (80, 1, 2, 20, 20)
    rnn = registry.fit("spectrum", "rnn", spectra, replace(QUICK, epochs=1)).encoder
    with pytest.raises(TypeError, match="--model transformer"):
        rnn.attention(arrays)


def test_patience_of_nought_never_stops():
    fitted = registry.fit("spectrum", "transformer", spectra, replace(QUICK, patience=0, learning_rate=0.5, epochs=6))
    assert len(fitted.loss_curve) == 6
