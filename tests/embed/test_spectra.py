"""Spectra on the grid: nothing lost, nothing made, what is not known is masked."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.folding import nominal_acis_edges
from embed.inputs import modalities
from embed.inputs.spectra import (
    EDGES_KEV,
    N_POINTS,
    WIDTHS_KEV,
    ChannelSpectra,
    grid,
    overlap,
    prepare,
    rebinned,
)

E_MIN, E_MAX = nominal_acis_edges()
INSIDE = (E_MIN >= 0.5) & (E_MAX <= 8.0)


def spectra(counts, background=None, scale=0.0, exposure=1000.0):
    counts = np.atleast_2d(np.asarray(counts, float))
    n = len(counts)
    background = np.zeros_like(counts) if background is None else np.atleast_2d(np.asarray(background, float))
    return ChannelSpectra(counts, background, np.full(n, exposure), np.full(n, scale))


def row(**changed):
    n = len(changed.get("counts") or changed.get("rate") or [0] * 1024)
    base = {
        "id": "1.0.1",
        "name": "2CXO J000000.0+000000",
        "hduclas2": "TOTAL",
        "instrument": "ACIS",
        "counts": [1] * n,
        "rate": None,
        "stat_err": None,
        "quality": None,
        "exposure_s": 1000.0,
        "backscal": 1e-6,
        "areascal": 1.0,
        "background_counts": None,
        "background_rate": None,
        "background_exposure_s": None,
        "background_backscal": None,
        "background_areascal": None,
        "e_min": E_MIN.tolist() if n == 1024 else None,
        "e_max": E_MAX.tolist() if n == 1024 else None,
    }
    return base | changed


def table(*rows):
    floats = pa.list_(pa.float64())
    lists = {"counts": pa.list_(pa.int32()), "quality": pa.list_(pa.int32()), "background_counts": pa.list_(pa.int32())}
    types = dict.fromkeys(("id", "name", "hduclas2", "instrument"), pa.string())
    types |= dict.fromkeys(("rate", "stat_err", "background_rate", "e_min", "e_max"), floats) | lists
    return pa.table({k: pa.array([r[k] for r in rows], types.get(k, pa.float64())) for k in row()})


def test_grid_rises_logarithmically():
    assert EDGES_KEV[0] == pytest.approx(0.5)
    assert EDGES_KEV[-1] == pytest.approx(8.0)
    ratio = EDGES_KEV[1:] / EDGES_KEV[:-1]
    assert len(WIDTHS_KEV) == N_POINTS == 400
    assert (WIDTHS_KEV > 0).all()
    assert np.ptp(ratio) < 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
def test_counts_are_conserved_on_any_channels(seed, n_channel):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.uniform(0.5, 8.0, n_channel + 1))
    e_min, e_max = edges[:-1], edges[1:]
    kept = rng.random(n_channel) > 0.2  # gaps
    order = rng.permutation(np.flatnonzero(kept & (e_max > e_min)))
    counts = rng.poisson(5.0, (3, len(order))).astype(float)
    on_grid = rebinned(counts, e_min[order], e_max[order])
    assert on_grid.sum(1) == pytest.approx(counts.sum(1), rel=1e-9)
    assert (on_grid >= 0).all()


def test_channels_at_the_border_give_only_the_part_inside():
    share = overlap(np.array([0.4, 7.9, 20.0]), np.array([0.6, 8.1, 21.0])).sum(axis=1)
    assert share.tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_channels_without_width_have_no_share_and_leave_the_rest_alone():
    e_min, e_max = E_MIN.copy(), E_MAX.copy()
    e_min[100], e_max[200], e_min[300] = np.nan, np.inf, e_max[300]
    share = overlap(e_min, e_max).sum(axis=1)
    assert share[[100, 200, 300]].tolist() == [0, 0, 0]
    assert share[101] == pytest.approx(1)


def test_minmax_scaling_can_be_undone(any_seed):
    counts = np.random.default_rng(any_seed).poisson(20.0, (4, 1024)).astype(float)
    g = grid(spectra(counts), E_MIN, E_MAX)
    assert g.values.dtype == g.noise.dtype == np.float32
    assert g.values.min(1).tolist() == [0] * 4
    assert g.values.max(1).tolist() == [1] * 4
    back = (g.low[:, None] + g.span[:, None] * g.values) * 1000.0 * WIDTHS_KEV
    assert back.sum(1) == pytest.approx(rebinned(counts, E_MIN, E_MAX).sum(1), rel=1e-5)
    assert g.mask.all()


def test_background_is_scaled_before_it_is_subtracted():
    counts, background = np.full(1024, 10.0), np.full(1024, 40.0)
    counts[300] = 110
    with_background = grid(spectra(counts, background, scale=0.25), E_MIN, E_MAX)
    clean = np.zeros(1024)
    clean[300] = 100
    without = grid(spectra(clean), E_MIN, E_MAX)
    assert with_background.values == pytest.approx(without.values, abs=1e-6)
    assert (with_background.noise > without.noise).all()


def test_noise_is_what_poisson_counts_scatter_by(any_seed):
    rng = np.random.default_rng([2, any_seed])
    truth = np.full(1024, 400.0)
    g = grid(spectra(rng.poisson(truth, (600, 1024))), E_MIN, E_MAX)
    rate = g.low[:, None] + g.span[:, None] * g.values
    told = (g.noise * g.span[:, None]).mean(0)
    assert rate.std(0)[350:] == pytest.approx(told[350:], rel=0.25)


def test_empty_and_flat_spectra_give_zeros_and_no_infinity():
    g = grid(spectra(np.zeros((2, 1024))), E_MIN, E_MAX)
    assert not g.values.any()
    assert np.isfinite(g.noise).all()
    assert g.mask.all()
    assert g.span.tolist() == [0, 0]


def test_bins_that_channels_do_not_cover_are_masked():
    kept = INSIDE & ~((E_MIN > 2.0) & (E_MIN < 3.0))
    g = grid(spectra(np.ones(kept.sum())), E_MIN[kept], E_MAX[kept])
    middle = 0.5 * (EDGES_KEV[1:] + EDGES_KEV[:-1])
    assert not g.mask[0, (middle > 2.05) & (middle < 2.95)].any()
    assert g.mask[0, (middle > 1.0) & (middle < 1.9)].all()
    assert not g.values[~g.mask].any()


def test_rows_of_different_channels_in_one_batch():
    edges = np.linspace(0.3, 9.0, 65)
    coarse = row(id="b", counts=[5] * 64, e_min=edges[:-1].tolist(), e_max=edges[1:].tolist())
    prepared = prepare(table(row(id="a"), coarse, row(id="c")))
    assert prepared.ids == ["a", "b", "c"]
    assert prepared.arrays["values"].shape == (3, 400)
    assert (prepared.arrays["values"][0] == prepared.arrays["values"][2]).all()
    assert (prepared.arrays["values"][0] != prepared.arrays["values"][1]).any()


def test_rows_without_energies_take_acis_channels_or_say_why_not():
    prepared = prepare(
        table(
            row(id="acis", e_min=None, e_max=None),
            row(id="other", counts=[1] * 100),
            row(id="mixed", counts=[1] * 100, e_min=E_MIN.tolist(), e_max=E_MAX.tolist()),
            row(id="dark", exposure_s=0.0),
            row(id="empty", counts=None),
        )
    )
    assert prepared.ids == ["acis"]
    assert prepared.arrays["mask"].all()
    assert {k: v.split()[0] for k, v in prepared.skipped.items()} == dict.fromkeys(
        ("other", "mixed", "dark", "empty"), "the"
    ) | {"other": "no"}
    assert "ingest the RMF" in prepared.skipped["other"]


def test_a_background_of_unknown_scale_is_not_subtracted():
    peaked = [1] * 1024
    peaked[200] = 50
    known = {"background_exposure_s": 1000.0, "background_backscal": 1e-6, "background_areascal": 1.0}
    flat = {"background_counts": list(range(1024))}
    plain, unknown, subtracted, net = (
        prepare(table(row(counts=peaked, **more))).arrays["values"]
        for more in ({}, flat, flat | known, flat | known | {"hduclas2": "NET"})
    )
    assert (plain == unknown).all()
    assert (plain == net).all()
    assert (plain != subtracted).any()


def test_rates_and_counts_of_one_spectrum_agree(any_seed):
    counts = np.random.default_rng([3, any_seed]).poisson(9.0, 1024)
    of_counts = prepare(table(row(counts=counts.tolist()))).arrays["values"]
    of_rates = prepare(table(row(counts=None, rate=(counts / 1000.0).tolist()))).arrays["values"]
    assert of_rates == pytest.approx(of_counts, abs=1e-6)


def test_bad_channels_are_masked_and_small_groups_are_not():
    quality = [0] * 1024
    quality[300] = 5
    quality[400] = 2
    mask = prepare(table(row(quality=quality))).arrays["mask"][0]
    middle = 0.5 * (EDGES_KEV[1:] + EDGES_KEV[:-1])
    assert not mask[np.argmin(abs(middle - 300.5 * 0.0146))]
    assert mask[np.argmin(abs(middle - 400.5 * 0.0146))]


OTHER_GRID = """
import importlib.util, re, sys
from pathlib import Path
path = Path(importlib.util.find_spec("embed.inputs.spectra").origin)
source, n = re.subn(r"(N_POINTS = 0.5, 8.0, )400", r"\\g<1>200", path.read_text("utf-8"))
assert n == 1
spec = importlib.util.spec_from_file_location("embed.inputs.spectra", path)
module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
exec(compile(source, path, "exec"), module.__dict__)
from embed.inputs import modalities
print(len(module.EDGES_KEV), modalities.SPECTRUM_VERSION > 100, modalities.SPECTRUM_COUNTS_VERSION > 100)
print(f"'spectrum-{modalities.SPECTRUM_VERSION}'" in modalities.text())
"""


def test_another_grid_is_one_edit_and_vectors_made_before_are_stale():
    assert (modalities.SPECTRUM_VERSION, modalities.SPECTRUM_COUNTS_VERSION) == (1, 2)  # those of stores that there are
    done = subprocess.run([sys.executable, "-c", OTHER_GRID], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["201", "True", "True", "True"]
