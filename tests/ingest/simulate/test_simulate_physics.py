"""The simulated survey's physics: absorption, spectra, response, light curves, and what is measured from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.simulate import geometry, gregory_loredo, measure, models, photons, response, spectral_fit
from ingest.simulate.fields import Field, Observation, Source, plan, stream
from ingest.simulate.geometry import Pointing
from ingest.simulate.models import Component
from ingest.simulate.population import CLASSES, FLUX_LIMITS, Nature, draw
from ingest.simulate.variability import Variability, rates, red_noise

CONSTANT = Variability("constant")


def observation(**changes) -> Observation:
    values = {
        "obsid": 70001,
        "obi": 0,
        "pointing": Pointing(150.0, 2.0, 30.0, "S"),
        "tstart_s": 3e8,
        "elapsed_s": 50_000.0,
        "frame_s": 3.2,
        "release": "2.1",
        "version": 27,
        "object_name": "SimX-1",
        "whole_field": False,
        "number": 0,
    }
    return Observation(**(values | changes))


def look(base, flux=3e-12, variability=CONSTANT, extra=None, seed=1, **changes):
    """Observe a source near the aim point of S3."""
    seen = observation(**changes)
    nature = Nature("AGN", "type 1", base, extra or base, flux, variability)
    ra, dec = geometry.to_sky(seen.pointing, 4150.0, 4120.0)
    source = Source(0, 1, "2CXO J100000.0+020000", ra, dec, ra, dec, nature, 1e3)
    rng = np.random.default_rng(seed)
    return photons.observe(source, seen, photons.expose(seen, rng), (4150.0, 4120.0, 7), rng)


# --- absorption ---------------------------------------------------------------------------------------------------


def test_absorption_has_the_published_value_at_1_kev():
    assert models.cross_section_cm2([1.0])[0] == pytest.approx(2.42e-22, rel=1e-3)


@pytest.mark.parametrize("edge_kev", models.EDGES_KEV[1:-1])
def test_absorption_rises_at_each_edge_and_nowhere_else(edge_kev):
    below, above = models.cross_section_cm2([edge_kev * (1 - 1e-9), edge_kev * (1 + 1e-9)])
    if edge_kev == 0.1:  # a break of the fit, not an absorption edge
        assert above == pytest.approx(below, rel=2e-3)
    else:
        assert 1.0 < above / below < 1.9


def test_absorption_falls_between_edges():
    energy = np.geomspace(0.05, 10, 400)
    assert (models.cross_section_cm2(energy) > 0).all()
    assert (np.diff(models.transmission(np.linspace(1.31, 1.83, 50), 1.0)) > 0).all()


# --- models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["powerlaw", "bremsstrahlung", "thermal", "blackbody", "disc"])
def test_a_model_has_the_flux_it_is_given(kind):
    bins = models.photon_flux((Component(kind, 1.7),), response.EDGES_KEV, 1e-12)
    band = (response.MIDDLE_KEV > 0.5) & (response.MIDDLE_KEV < 7.0)
    flux = (bins * response.MIDDLE_KEV)[band].sum() * models.ERG_PER_KEV
    assert flux == pytest.approx(1e-12, rel=1e-9)


def test_fractions_share_the_flux():
    both = (Component("powerlaw", 1.7, 3.0), Component("blackbody", 0.2, 1.0))
    bins = models.photon_flux(both, response.EDGES_KEV, 1e-12)
    apart = [models.photon_flux((c,), response.EDGES_KEV, f) for c, f in zip(both, (7.5e-13, 2.5e-13), strict=True)]
    np.testing.assert_allclose(bins, sum(apart), rtol=1e-12)


def test_disc_follows_the_integral_over_radii():
    energy = np.array([0.5, 1.0, 3.0, 6.0])
    radius = np.linspace(1.0, 90.0, 400_000)
    kt = 1.0 * radius**-0.75
    integral = [(2 * np.pi * radius * e**2 / np.expm1(np.minimum(e / kt, 300))).sum() for e in energy]
    ours = models.disc(energy, 1.0)
    np.testing.assert_allclose(ours / ours[1], np.array(integral) / integral[1], rtol=0.02)


def test_plasma_has_iron_at_4_kev_and_not_at_half_a_kev():
    def contrast(kt):
        bins = models.shape(Component("thermal", kt), response.EDGES_KEV)
        line = int(np.searchsorted(response.EDGES_KEV, 6.68, side="right")) - 1
        return bins[line] / bins[line + 10]

    assert contrast(4.0) > 20
    assert contrast(0.5) < 1.6


# --- response -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", response.DETECTORS)
def test_matrix_rows_sum_to_one_and_groups_tell_the_same_as_indices(key):
    rmf = response.redistribution(key)
    np.testing.assert_allclose(np.bincount(rmf.energy_index, rmf.matrix), 1.0, atol=1e-6)
    assert rmf.n_grp.max() >= 2  # rows with several groups exist
    channels = np.concatenate([np.arange(f, f + n) for f, n in zip(rmf.first, rmf.length, strict=True)])
    np.testing.assert_array_equal(channels, rmf.channel_index)
    assert rmf.n_grp.sum() == len(rmf.first)
    assert rmf.length.sum() == len(rmf.matrix)


def test_matrix_is_narrower_on_front_illuminated_chips():
    def width(key):
        dense = response.redistribution(key).rebinned(np.arange(1024), 1024)[568]
        mean = (dense * np.arange(1024)).sum()
        return np.sqrt((dense[300:500] * (np.arange(300, 500) - mean) ** 2).sum())

    assert width("I-low") < width("S3-edge")


def test_area_falls_at_both_ends_and_contamination_grows():
    area = {year: response.effective_area_cm2(response.DETECTORS["S3"], year, 0.0) for year in (2000.5, 2020.0)}
    at = np.searchsorted(response.EDGES_KEV, [0.3, 1.5, 9.5])
    low, middle, high = area[2000.5][at]
    assert middle > 5 * low
    assert middle > 20 * high
    loss = area[2020.0][at] / area[2000.5][at]
    assert loss[0] < 0.05
    assert 0.8 < loss[1] < 0.95
    assert loss[2] > 0.99
    iridium = area[2000.5][np.searchsorted(response.EDGES_KEV, [2.02, 2.12])]
    assert iridium[1] < 0.7 * iridium[0]


def test_photons_drawn_follow_the_folded_spectrum(any_seed):
    base = (Component("powerlaw", 1.6, nh=0.3), Component("line", 6.4, 0.03))
    seen = look(base, seed=any_seed)
    inside = seen.region.radius(seen.photons.x, seen.photons.y) < 1.0
    flux = models.photon_flux(base, response.EDGES_KEV, 3e-12)
    expected = response.redistribution(seen.detector.key).fold(flux * seen.area_cm2) * seen.exposure.livetime_s
    drawn = np.bincount(seen.photons.pi[inside] - 1, minlength=1024)
    bins = np.searchsorted(np.cumsum(expected), np.linspace(0, expected.sum(), 41)[1:-1])
    drawn, expected = (np.add.reduceat(v, np.r_[0, bins]) for v in (drawn, expected))
    assert drawn.sum() > 5000
    chi2 = ((drawn - expected) ** 2 / expected).sum()
    assert chi2 < 40 + 4 * np.sqrt(2 * 40)


def test_pi_follows_from_the_stored_energy(any_seed):
    seen = look((Component("powerlaw", 1.0),), seed=any_seed)
    energy = seen.photons.energy_ev
    assert energy.dtype == np.float32
    pi = np.clip(np.floor(energy.astype(np.float64) / 14.6) + 1, 1, 1024)
    np.testing.assert_array_equal(pi, seen.photons.pi)


def test_the_last_channel_holds_all_higher_energies():
    channel = np.full(1000, 1023)
    rng = np.random.default_rng(1)
    high = photons.to_photons(channel, channel * 1.0, channel * 1.0, channel, rng)
    assert set(high.pi.tolist()) == {1024}
    assert high.energy_ev.max() > 15_500


# --- time ---------------------------------------------------------------------------------------------------------


def test_photons_come_in_frames_and_in_order(any_seed):
    seen = look((Component("powerlaw", 1.6),), frame_s=3.1, seed=any_seed)
    time_s = photons.frame_time_s(seen.observation, seen.photons.frame)
    assert (np.diff(time_s) >= 0).all()
    cycles = (time_s - 3e8) / (3.1 + 0.04104)
    assert np.abs(cycles % 1 - 0.5).max() < 1e-4
    good = np.zeros(len(time_s), bool)
    for start, stop in zip(seen.exposure.start_s, seen.exposure.stop_s, strict=True):
        good |= (time_s >= start) & (time_s <= stop + 1e-3)
    assert good.all()


def test_flares_are_harder_than_quiescence(any_seed):
    cool, hot = (Component("thermal", 0.5),), (Component("thermal", 8.0),)
    values = {"per_100ks": 9.0, "amplitude": 6.0, "rise_s": 500.0, "decay_s": 3000.0}
    seen = look(cool, 1e-12, Variability("flares", values), hot, seed=any_seed)
    frames = np.bincount(seen.photons.frame // 100)
    bright = frames[seen.photons.frame // 100] > 2 * np.median(frames)
    assert bright.any()
    assert seen.photons.energy_ev[bright].mean() > 1.3 * seen.photons.energy_ev[~bright].mean()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("flares", {"per_100ks": 3.0, "amplitude": 2.0, "rise_s": 500.0, "decay_s": 3000.0}),
        ("eclipse", {"period_s": 9000.0, "width": 0.1, "depth": 0.9}),
        ("dips", {"period_s": 9000.0, "width": 0.3, "covering": 0.9}),
        ("pulsation", {"period_s": 600.0, "amplitude": 0.9, "harmonic": 0.4, "pulsed": 0.8}),
        ("red noise", {"rms": 0.3, "index": 1.8, "share": 0.3}),
        ("bursts", {"amplitude": 20.0, "recurrence_s": 6000.0, "decay_s": 25.0}),
        ("outburst", {"amplitude": 5.0, "decay_s": 5e4, "duty": 1.0}),
        ("constant", {}),
    ],
)
def test_rates_are_never_negative_and_vary_unless_constant(kind, values, any_seed):
    time_s = np.arange(0, 6e4, 3.2)
    base, extra = rates(Variability(kind, values), time_s, np.random.default_rng(any_seed))
    assert base.min() >= 0
    assert extra.min() >= 0
    assert ((base + extra).std() == 0) == (kind in {"constant", "dips"})  # dips move photons to the absorbed spectrum


def test_red_noise_is_red(any_seed):
    power = np.mean(
        [np.abs(np.fft.rfft(red_noise(1024, 2.0, np.random.default_rng([any_seed, i])))) ** 2 for i in range(50)],
        axis=0,
    )
    slope = np.polyfit(np.log(np.arange(4, 100)), np.log(power[4:100]), 1)[0]
    assert -2.5 < slope < -1.5


# --- variability tests --------------------------------------------------------------------------------------------


def test_gregory_loredo_calls_few_constant_sources_variable(any_seed):
    rng = np.random.default_rng([1, any_seed])
    found = [gregory_loredo.gregory_loredo(rng.integers(0, 9000, 150), 9000, 3.2).probability for _ in range(60)]
    assert np.mean(np.array(found) > 0.9) < 0.05


def test_gregory_loredo_agrees_with_the_formula_for_two_bins():
    # N events in one of two halves, the rest in the other: O = 2**N N! (m-1)! / (N+m-1)! / W, W = N!/(n1! n2!).
    frames = np.r_[np.arange(0, 7), np.arange(50, 53)]
    odds, counts, live = gregory_loredo.log_odds(frames, 100, 2, gregory_loredo._log_factorials(50))
    assert counts.tolist() == [7, 3]
    assert live.tolist() == [50, 50]
    assert np.exp(odds) == pytest.approx(2**10 / 11 / 120)


def test_kolmogorov_smirnov_and_kuiper_are_calibrated(any_seed):
    rng = np.random.default_rng([5, any_seed])
    uniform = [rng.integers(0, 20_000, 200) for _ in range(400)]
    for test in (gregory_loredo.kolmogorov_smirnov, gregory_loredo.kuiper):
        found = np.array([test(frames, 20_000) for frames in uniform])
        assert 0.05 < (found > 0.9).mean() < 0.16
        assert 0.4 < (found > 0.5).mean() < 0.6


@given(st.integers(2, 96), st.integers(100, 5000), st.integers(5, 80))
def test_bins_of_the_test_hold_all_events_and_frames(m, n_frames, n):
    frames = np.random.default_rng(n).integers(0, n_frames, n)
    table = gregory_loredo._log_factorials(200)
    _, counts, live = gregory_loredo.log_odds(frames, n_frames, m, table)
    assert counts.sum() == n
    assert live.sum() == n_frames
    edges = np.r_[0, np.cumsum(live)]
    np.testing.assert_array_equal(counts, np.histogram(frames, edges)[0] if live.all() else counts)


# --- measurement --------------------------------------------------------------------------------------------------


def test_hardness_limits_cover_the_truth_as_often_as_they_say(any_seed):
    rng = np.random.default_rng([4, any_seed])
    hits = 0
    for _ in range(300):
        draws = [measure.posterior(rng.poisson(c + 2.0), rng.poisson(20.0), 0.1, rng) for c in (40.0, 60.0)]
        _, low, high = measure.hardness(*draws)
        hits += low <= -0.2 <= high
    assert 0.60 < hits / 300 < 0.77


def test_measured_flux_and_index_come_back(any_seed):
    base = (Component("powerlaw", 1.7, nh=0.2),)
    seen = look(base, 2e-12, elapsed_s=80_000.0, seed=any_seed)
    row = measure.measure(seen, crowded=False, rng=np.random.default_rng(any_seed)).row
    bins = models.photon_flux(base, response.EDGES_KEV, 2e-12)
    band = (response.MIDDLE_KEV > 0.5) & (response.MIDDLE_KEV < 7.0)
    absorbed = (bins * response.MIDDLE_KEV)[band].sum() * models.ERG_PER_KEV
    assert row["flux_aper_b"] == pytest.approx(absorbed, rel=0.05)
    assert row["flux_powlaw_aper_b"] == pytest.approx(absorbed, rel=0.05)
    assert row["powlaw_gamma"] == pytest.approx(1.7, abs=0.12)
    assert row["powlaw_nh"] == pytest.approx(20.0, abs=8.0)
    assert row["powlaw_stat"] < row["bb_stat"]
    assert row["hard_hs_lolim"] < row["hard_hs"] < row["hard_hs_hilim"]


def test_a_source_too_faint_to_fit_has_nulls(any_seed):
    seen = look((Component("powerlaw", 1.7),), 1e-15, elapsed_s=5000.0, seed=any_seed)
    row = measure.measure(seen, crowded=False, rng=np.random.default_rng(any_seed)).row
    assert row["powlaw_gamma"] is None
    assert row["bb_kt"] is None


@pytest.mark.parametrize(
    ("name", "kind", "kt"), [("bb", "blackbody", 0.3), ("apec", "thermal", 2.0), ("brems", "bremsstrahlung", 5.0)]
)
def test_temperatures_come_back(name, kind, kt, any_seed):
    found = spectral_fit.fit(look((Component(kind, kt, nh=0.1),), 4e-12, seed=any_seed), name)
    assert found.value == pytest.approx(kt, rel=0.25)
    assert found.value_lolim < found.value < found.value_hilim


# --- geometry -----------------------------------------------------------------------------------------------------


@given(st.floats(0, 359.9), st.floats(-85, 85), st.floats(0, 359), st.floats(3000, 5200), st.floats(3000, 5200))
def test_sky_and_pixels_are_inverse(ra, dec, roll, x, y):
    here = Pointing(ra, dec, roll, "S")
    np.testing.assert_allclose(geometry.to_pixels(here, *geometry.to_sky(here, x, y)), (x, y), atol=1e-6)
    detx, dety = geometry.to_detector(here, [x], [y])
    np.testing.assert_allclose(geometry.from_detector(here, float(detx[0]), float(dety[0])), (x, y), atol=1e-6)


def test_pixels_agree_with_astropy():
    from astropy.wcs import WCS  # noqa: PLC0415 - only here

    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [83.8, -67.5], [4096.5, 4096.5]
    wcs.wcs.cdelt = [-geometry.PIXEL_DEG, geometry.PIXEL_DEG]
    ours = geometry.to_pixels(Pointing(83.8, -67.5, 77.0, "I"), 83.95, -67.44)
    np.testing.assert_allclose(ours, wcs.all_world2pix([[83.95, -67.44]], 1)[0], atol=1e-6)


def test_galactic_coordinates_agree_with_astropy():
    from astropy.coordinates import SkyCoord  # noqa: PLC0415 - only here

    sky = SkyCoord(123.4, -35.6, frame="galactic", unit="deg").icrs
    np.testing.assert_allclose(geometry.galactic_to_icrs(123.4, -35.6), (sky.ra.deg, sky.dec.deg), atol=1e-5)


def test_region_holds_nine_tenths_of_a_point_source(any_seed):
    region = geometry.source_region(4000.0, 4000.0, 6.0, 40.0)
    x, y = geometry.scatter(region, 20_000, np.random.default_rng(any_seed))
    inside = (region.radius(x, y) < 1).mean()
    assert inside == pytest.approx(geometry.enclosed_fraction(), abs=0.01)
    assert inside == pytest.approx(0.9, abs=0.015)


# --- population ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_", CLASSES)
def test_every_class_gives_physical_sources(class_, any_seed):
    for i in range(40):
        nature = draw(class_, np.random.default_rng([any_seed, i]))
        assert FLUX_LIMITS[0] <= nature.flux <= FLUX_LIMITS[1]
        for spectrum in (nature.base, nature.extra):
            bins = models.photon_flux(spectrum, response.EDGES_KEV, nature.flux)
            assert np.isfinite(bins).all()
            assert bins.min() >= 0
            assert bins.sum() > 0


def test_a_source_does_not_depend_on_how_many_follow():
    small, large = plan(3, 40), plan(3, 120)
    assert [s for f in small for s in f.sources] == [s for f in large for s in f.sources][:40]
    assert isinstance(large[0], Field)


def test_names_are_unique_and_classes_mixed(any_seed):
    sources = [s for f in plan(any_seed, 300) for s in f.sources]
    assert len({s.name for s in sources}) == 300
    counts = {c: sum(s.nature.class_ == c for s in sources) for c in CLASSES}
    assert min(counts.values()) >= 8
    assert max(counts.values()) < 120


def test_streams_of_different_things_differ():
    draws = {stream(1, *key).random() for key in ((1, 1), (1, 2), (2, 1), (1,), (1, 1, 1))}
    assert len(draws) == 5
