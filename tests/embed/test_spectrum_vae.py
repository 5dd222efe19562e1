"""The variational encoder: its counts are whole and its likelihood exact, and it knows how little it knows."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch
from factories.encoder_inputs import E_MAX, E_MIN, folded_table

from embed import registry
from embed.encoders.spectrum_vae import DEFAULTS, SpectrumVae
from embed.inputs.binned_counts import BIN_EDGES_KEV, ENERGY_EDGES_KEV, prepare
from embed.inputs.spectra import BLIND
from embed.registry import Settings

TABLE = folded_table(30)
QUICK = Settings(latent=3, epochs=3, batch_rows=16, device="cpu", options={"hidden": 64, "warm_up": 20})


def with_column(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))


def test_counts_stay_whole_and_none_is_lost():
    found = prepare(TABLE)
    assert found.ids == TABLE["id"].to_pylist()
    counts = np.array(TABLE["counts"].to_pylist())
    middle = 0.5 * (E_MIN + E_MAX)
    inside = (middle >= 0.5) & (middle < 8.0)
    assert np.array_equal(found.arrays["counts"].sum(1), counts[:, inside].sum(1))
    assert np.array_equal(found.arrays["counts"], np.rint(found.arrays["counts"]))
    by_hand = [counts[:, (middle >= a) & (middle < b)].sum(1) for a, b in itertools.pairwise(BIN_EDGES_KEV)]
    assert np.array_equal(found.arrays["counts"], np.transpose(by_hand))
    backgrounds = np.array(TABLE["background_counts"].to_pylist())[:, inside].sum(1)
    assert found.arrays["background"].sum(1) == pytest.approx(0.1 * backgrounds, rel=1e-5)


def test_a_bad_channel_is_left_out_of_counts_and_response_alike():
    quality = [[0] * 200 + [5] * 100 + [0] * 724] * TABLE.num_rows
    whole, less = prepare(TABLE).arrays, prepare(with_column(TABLE, "quality", quality)).arrays
    bins = np.searchsorted(BIN_EDGES_KEV, 0.5 * (E_MIN + E_MAX)[[220, 280]], "right") - 1
    inside = slice(bins[0], bins[1])
    assert not less["counts"][:, inside].any()
    assert not less["fold"][:, :, inside].any()
    assert not less["background"][:, inside].any()
    assert whole["fold"][:, :, inside].any()


def test_the_folded_flux_is_what_the_response_makes_of_it():
    arrays = prepare(TABLE).arrays
    flat = arrays["fold"].sum(1)
    assert np.allclose(flat / flat.max(1, keepdims=True), arrays["area"], atol=1e-6)
    energy = np.sqrt(ENERGY_EDGES_KEV[1:] * ENERGY_EDGES_KEV[:-1])
    made = energy**-1.7 @ arrays["fold"][0]
    edges = np.linspace(0.3, 10.0, 98)  # the factory's own response: its peak is one channel, its area a Gaussian
    middle = 0.5 * (edges[1:] + edges[:-1])
    seen = 400 * np.exp(-((middle - 2.0) ** 2) / 8) * middle**-1.7 * 0.1
    where = np.searchsorted(BIN_EDGES_KEV, middle) - 1
    by_hand = np.bincount(where[(where >= 0) & (where < 48)], seen[(where >= 0) & (where < 48)], 48)
    thirds = [slice(24, 32), slice(32, 40), slice(40, 48)]
    ratio = [made[t].sum() / by_hand[t].sum() for t in thirds]
    assert np.ptp(ratio) / np.mean(ratio) < 0.1


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("instrument", "HRC", BLIND),
        ("matrix", None, "no redistribution matrix with channel energies; ingest the RMF"),
        ("specresp", None, "no effective area; ingest the ARF"),
        ("counts", None, "the spectrum has neither counts nor rates"),
        ("e_min", [0.1, 0.2], "the spectrum has no counts per channel of the response"),
    ],
)
def test_what_gets_no_vector_is_told_why(column, value, says):
    table = TABLE.slice(0, 3)
    if column == "e_min":
        table = with_column(table, "e_max", [value] * 3)
    found = prepare(with_column(table, column, [value] * 3))
    assert (found.ids, set(found.skipped.values())) == ([], {says})


def test_rates_of_whole_counts_are_counts_and_others_are_not():
    table, counts = TABLE.slice(0, 2), np.array(TABLE["counts"].slice(0, 2).to_pylist())
    rates = with_column(with_column(table, "counts", [None, None]), "rate", (counts / 20_000.0).tolist())
    assert np.array_equal(prepare(rates).arrays["counts"], prepare(table).arrays["counts"])
    net = with_column(rates, "rate", ((counts - 0.37) / 20_000.0).tolist())
    assert "no whole counts" in next(iter(prepare(net).skipped.values()))


def test_thinning_keeps_the_background_in_step_and_leaves_enough(any_seed):
    torch.manual_seed(any_seed)
    network = SpectrumVae(DEFAULTS | {"latent": 2, "hidden": 8})
    arrays = {k: torch.from_numpy(v) for k, v in prepare(TABLE).arrays.items()}
    thin = network.thinned(arrays)
    share = thin["background"].sum(1) / arrays["background"].sum(1)
    kept = thin["counts"].sum(1) / arrays["counts"].sum(1)
    assert (thin["counts"] <= arrays["counts"]).all()
    spread = ((kept - share) * arrays["counts"].sum(1)).abs() / (share * arrays["counts"].sum(1)).sqrt()
    assert spread.max() < 6
    assert share.min() * arrays["counts"].sum(1).min() > 0.9 * 8 * 0.3
    assert share.max() / share.min() > 5


def test_it_is_kept_on_disk_with_its_widths(tmp_path):
    fitted = registry.fit("spectrum", "vae", lambda: iter([TABLE]), QUICK)
    assert (fitted.skipped, fitted.error_name) == ({}, "C-statistic per channel bin")
    again = registry.load(registry.save(fitted.encoder, tmp_path))
    assert isinstance(again, registry.WideEncoder)
    one, two = registry.encode_rows(fitted.encoder, TABLE), registry.encode_rows(again, TABLE)
    assert one.vectors.shape == one.sigmas.shape == (30, 3)
    assert (one.sigmas > 0).all()
    assert (one.vectors.tobytes(), one.sigmas.tobytes()) == (two.vectors.tobytes(), two.sigmas.tobytes())
