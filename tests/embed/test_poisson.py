"""Poisson likelihoods, folding through responses, and reconstruction measured with an interval."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from factories.encoder_inputs import folded_table, photon_table

from catalog.folding import Redistribution
from embed.encoders.poisson import deviance, folded, scaled_to, total_variation
from embed.encoders.poisson_process import DEFAULTS, PoissonProcess
from embed.inputs import responses
from embed.inputs.modalities import INPUTS
from embed.inputs.responses import CHANNEL_BIN_EDGES_KEV, area_on, flat_area, fold_matrix, sparse
from embed.inputs.spectra import EDGES_KEV, WIDTHS_KEV
from embed.store.reconstruction import compared, moving_average, over_sources, reconstruction_errors


def response(n_energy=60):
    edges = np.linspace(0.5, 8.0, n_energy + 1)
    channel = np.linspace(0.5, 8.0, 201)
    first = np.searchsorted(channel, edges[:-1], "right") - 1
    two, first = np.full(n_energy, 2), np.repeat(first, 2) + np.tile([0, 1], n_energy)
    elements = np.tile([0.75, 0.25], n_energy)
    return Redistribution(
        edges[:-1], edges[1:], two, first, np.ones_like(first), elements, channel[:-1], channel[1:]
    )  # fmt: skip


def test_deviance_is_that_of_cash(any_seed):
    rng = np.random.default_rng(any_seed)
    counts, expected = rng.poisson(3.0, 500), rng.uniform(0.5, 6.0, 500)
    safe = np.maximum(counts, 1)
    by_hand = 2 * (expected - counts + counts * np.where(counts > 0, np.log(safe / expected), 0))
    found = deviance(torch.tensor(expected), torch.tensor(counts, dtype=torch.float64))
    assert found.numpy() == pytest.approx(by_hand, abs=1e-9)
    assert (found >= 0).all()
    assert torch.isfinite(deviance(torch.zeros(2), torch.tensor([0.0, 5.0]))).all()


def test_the_deviance_is_least_at_the_counts():
    expected = torch.tensor([3.0], requires_grad=True)
    deviance(expected, torch.tensor([3.0])).sum().backward()
    assert expected.grad.tolist() == [0.0]


def test_a_flat_flux_gives_area_times_width_and_loses_no_photon():
    r = response()
    matrix = fold_matrix(r, np.full(60, 400.0))
    assert matrix.shape == (400, 100)
    assert matrix.sum() == pytest.approx(400.0 * WIDTHS_KEV.sum(), rel=0.01)
    at = np.searchsorted(EDGES_KEV, 3.0)
    assert matrix[at].sum() == pytest.approx(400.0 * WIDTHS_KEV[at], rel=1e-9)


def test_a_flat_flux_needs_no_matrix():
    r, area = response(), np.linspace(100, 500, 60)
    for edges in (CHANNEL_BIN_EDGES_KEV, np.array([0.5, 1.2, 2.0, 7.0])):
        assert flat_area(r, area, edges) == pytest.approx(fold_matrix(r, area, edges).sum(0), rel=1e-6)


def test_folding_agrees_with_the_dense_product(any_seed):
    r = response()
    area = np.linspace(100, 500, 60)
    flux = np.random.default_rng(any_seed).uniform(0, 1, 400)
    photons = np.zeros(60)
    for i in range(60):  # by hand: flux times overlap of the bins
        low, high = np.maximum(EDGES_KEV[:-1], r.energ_lo[i]), np.minimum(EDGES_KEV[1:], r.energ_hi[i])
        photons[i] = (flux * np.maximum(high - low, 0)).sum()
    by_hand = (photons * area) @ sparse(r).toarray()
    edges = np.append(r.e_min, r.e_max[-1])
    assert flux @ fold_matrix(r, area, edges) == pytest.approx(by_hand, rel=1e-9, abs=1e-9)
    batch = folded(torch.tensor(flux[None]), torch.tensor(fold_matrix(r, area, edges)[None]))
    assert batch[0].numpy() == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


def test_an_area_on_other_energies_is_interpolated_and_ends_with_them():
    r = response()
    area = area_on(r, np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]), np.array([100.0, 200.0, 300.0]))
    middle = 0.5 * (r.energ_lo + r.energ_hi)
    assert area[np.argmin(abs(middle - 2.5))] == pytest.approx(200, abs=10)
    assert not area[middle < 1.4].any()
    assert not area[middle > 3.6].any()


def test_a_matrix_at_odds_with_its_groups_is_refused():
    r = response()
    broken = Redistribution(r.energ_lo, r.energ_hi, r.n_grp, r.f_chan, r.n_chan, r.matrix[:-1], r.e_min, r.e_max)
    with pytest.raises(ValueError, match="contradict"):
        sparse(broken)


def test_rows_with_responses_and_without():
    table = folded_table(3)
    prepared = INPUTS["spectrum_counts"].prepare(table)
    assert prepared.arrays["fold"].shape == (3, 400, 100)
    assert prepared.arrays["fold"].max() == 1
    inside = [sum(c for c, e in zip(row, edges, strict=True) if 0.5 < e < 8) for row, edges in
              zip(table["counts"].to_pylist(), table["e_min"].to_pylist(), strict=True)]  # fmt: skip
    assert prepared.arrays["counts"].sum(1) == pytest.approx(inside, rel=0.01)
    i = table.column_names.index("specresp")
    without = table.set_column(i, "specresp", [[None] * 3])
    without = without.set_column(i, "specresp", without["specresp"].cast(table["specresp"].type))
    assert set(INPUTS["spectrum_counts"].prepare(without).skipped.values()) == {"no effective area; ingest the ARF"}


def cash(expected, counts):
    return deviance(torch.as_tensor(expected), torch.as_tensor(counts)).mean().item()


@pytest.mark.parametrize("n_counts", [5, 40, 300, 5000])
def test_a_smooth_background_predicts_new_counts_better_than_its_own_counts_do(n_counts):
    rng = np.random.default_rng(3)
    middle = np.sqrt(CHANNEL_BIN_EDGES_KEV[1:] * CHANNEL_BIN_EDGES_KEV[:-1])
    shape = np.diff(CHANNEL_BIN_EDGES_KEV) * (1 + 0.3 / middle + 4 * np.exp(-0.5 * ((middle - 2.15) / 0.06) ** 2))
    truth = n_counts * shape / shape.sum()
    seen = rng.poisson(truth, (200, 100)).astype(float)
    found = np.stack([responses.smoothed(row) for row in seen])
    assert found.sum(1) == pytest.approx(seen.sum(1))
    scale = 0.1  # a background region is larger than the source's
    new = rng.poisson(scale * truth, seen.shape)
    ours, raw, best = (cash(scale * b, new) for b in (found, seen, np.broadcast_to(truth, seen.shape)))
    assert ours - best < (0.3 if n_counts <= 300 else 1.0) * (raw - best)  # of many counts, each bin has enough
    assert np.abs(found.mean(0) / truth - 1)[middle > 3].max() < (0.5 if n_counts < 40 else 0.3)


def test_no_background_counts_are_no_background_and_lines_stay_where_counts_are_many():
    assert not responses.smoothed(np.zeros(100)).any()
    line = np.full(100, 30.0)
    line[50] = 300.0
    assert responses.smoothed(line) == pytest.approx(line)


def test_the_source_explains_what_the_background_does_not():
    shape, background = torch.ones(1, 4), torch.full((1, 4), 2.0)
    expected = scaled_to(shape, torch.tensor([[10.0, 0, 0, 6]]), background)
    assert expected.sum().item() == pytest.approx(16)
    assert scaled_to(shape, torch.zeros(1, 4), background).sum().item() == pytest.approx(8.5)


def test_total_variation_does_not_cross_gaps():
    log_rate = torch.tensor([0.0, 0.0, 5.0, 5.0])[None, :, None].expand(1, 4, 3)
    assert total_variation(log_rate, torch.ones(1, 4)).item() == pytest.approx(5 / 3)
    assert total_variation(log_rate, torch.tensor([[1.0, 1, 0, 1]])).item() == 0


def test_the_loss_is_the_likelihood_of_poisson_and_the_penalties(any_seed):
    arrays = {k: torch.from_numpy(v) for k, v in INPUTS["events"].prepare(photon_table(6)).arrays.items()}
    torch.manual_seed(any_seed)
    network = PoissonProcess(DEFAULTS | {"latent": 5, "total_variation": 0.0, "latent_penalty": 0.0})
    network.prepare_for(arrays)
    latent = network.latent(arrays)
    expected = torch.exp(network.log_rate(latent)) * arrays["exposure"][:, :, None] * 450.0
    seen = (arrays["exposure"] > 0)[:, :, None].expand_as(expected)
    at = torch.where(seen, expected, 1.0).double()
    log_likelihood = torch.distributions.Poisson(at).log_prob(arrays["counts"].double())
    perfect = torch.distributions.Poisson(arrays["counts"].double().clamp_min(1e-12)).log_prob(
        arrays["counts"].double()
    )
    by_hand = ((perfect - log_likelihood) * seen).sum((1, 2)) / 192
    assert network.losses(arrays).detach().numpy() == pytest.approx(by_hand.detach().numpy(), rel=1e-3, abs=1e-5)
    full = PoissonProcess(DEFAULTS | {"latent": 5, "total_variation": 2.0, "latent_penalty": 3.0})
    full.load_state_dict(network.state_dict())
    more = 2 * total_variation(network.log_rate(latent), arrays["exposure"]) + 3 * (latent[:, 3:] ** 2).mean(1)
    assert torch.allclose(full.losses(arrays), network.losses(arrays) + more, rtol=1e-5)


def test_bins_without_exposure_weigh_nothing(any_seed):
    arrays = {k: torch.from_numpy(v) for k, v in INPUTS["events"].prepare(photon_table(6)).arrays.items()}
    torch.manual_seed(any_seed)
    network = PoissonProcess(DEFAULTS | {"latent": 4})
    network.prepare_for(arrays)
    exposure = arrays["exposure"].clone()
    exposure[:, 32:] = 0
    counts = arrays["counts"].clone()
    counts[:, 32:] = 0
    short = {"counts": counts, "exposure": exposure}
    rate = network.log_rate(network.latent(short))
    other = torch.cat([rate[:, :32], 9 - rate[:, 32:]], 1)
    assert torch.equal(network._cells(rate, short), network._cells(other, short))
    assert torch.isfinite(network.losses({"counts": counts * 0, "exposure": exposure * 0})).all()


def test_errors_are_averaged_over_sources_with_an_interval(any_seed):
    rng = np.random.default_rng([2, any_seed])
    sources = [f"s{i // 3}" for i in range(300)]
    errors = rng.normal(1.0, 0.5, 300)
    measured = over_sources(errors, sources)
    assert measured.n_sources == 100
    assert measured.low < measured.mean < measured.high
    assert measured.high - measured.low == pytest.approx(2 * 0.5 / np.sqrt(300), rel=0.25)
    paired = compared({"a": errors, "b": errors - 0.01}, sources, "a")
    assert (paired["a"].mean, paired["a"].high) == (0, 0)
    assert paired["b"].high == pytest.approx(-0.01)


def test_the_smoother_forgets_masked_points():
    values, mask = np.full((1, 400), 2.0), np.ones((1, 400), bool)
    values[0, 50:60], mask[0, 50:60] = 0.0, False
    smooth = moving_average({"values": values, "mask": mask})
    assert smooth[mask] == pytest.approx(2.0)
    errors = reconstruction_errors({}, [{"values": values, "mask": mask}])
    assert errors["moving average"][0] == pytest.approx(0)
    assert errors["mean of each spectrum"][0] == pytest.approx(0)
