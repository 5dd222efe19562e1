"""Measure a detection as the catalog does: from its photons alone, never from the truth.

Source: CSC 2 "Column Descriptions": aperture counts and fluxes (Primini & Kashyap 2014, ApJ 796, 24, here by drawing
from the same posterior instead of integrating it), hardness ratios of release 2, (hard - soft) / (hard + soft) of
photon-flux posteriors (Park et al. 2006, ApJ 652, 610), Gregory-Loredo variability.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ingest.simulate.gregory_loredo import Verdict, gregory_loredo, kolmogorov_smirnov, kuiper
from ingest.simulate.models import ERG_PER_KEV
from ingest.simulate.photons import Detection
from ingest.simulate.response import EDGES_KEV, MIDDLE_KEV
from ingest.simulate.spectral_fit import fit

Array = npt.NDArray[np.float64]
Value = float | int | str | bool | None

BANDS_KEV = {"b": (0.5, 7.0), "u": (0.2, 0.5), "s": (0.5, 1.2), "m": (1.2, 2.0), "h": (2.0, 7.0)}
RATIOS = ("hm", "hs", "ms")
DRAWS = 2000
FIT_COUNTS = 40.0  # below, the catalog fits no spectrum
TEST_COUNTS = 5  # below, it tests no variability
DETECTED = 1.5  # flux significance; below, the match is called a non-detection
ONE_SIGMA = (0.16, 0.84)


@dataclass(frozen=True)
class Measured:
    """What the catalog knows of a detection.

    Attributes
    ----------
    row : dict
        Columns of observation_source, None for null.
    verdict : Verdict or None
        The variability test, for the light-curve product; None with too few events.
    band_counts : dict of str to (float, float, float)
        Per band: source counts, background counts scaled to the region, factor from counts to photon flux.
    """

    row: dict[str, Value]
    verdict: Verdict | None
    band_counts: dict[str, tuple[float, float, float]] = field(default_factory=dict)


def posterior(counts: float, background: float, ratio: float, rng: np.random.Generator) -> Array:
    """Draw net source counts given counts in the region and in the background, shape (DRAWS,).

    The total's posterior is Gamma(counts + 1), the background's Gamma(background + 1) times `ratio`; draws below
    zero are thrown away, as the prior demands.

    Parameters
    ----------
    counts, background : float
        Observed in the source region and in the background annulus.
    ratio : float
        Area of the source region over that of the annulus.
    rng : numpy Generator
        The detection's own.

    Examples
    --------
    >>> draws = posterior(100.0, 40.0, 0.1, np.random.default_rng(1))
    >>> bool(94 < draws.mean() < 100)
    True
    """
    total = rng.gamma(counts + 1.0, size=4 * DRAWS)
    net = total - ratio * rng.gamma(background + 1.0, size=4 * DRAWS)
    positive = net[net > 0]
    if len(positive) >= DRAWS:
        return np.asarray(positive[:DRAWS])
    return rng.gamma(1.0, np.sqrt(counts + 1.0) / 2.0, size=DRAWS)  # nothing there: an upper limit


def hardness(hard: Array, soft: Array) -> tuple[float, float, float]:
    """Return (hard - soft) / (hard + soft) of two photon-flux posteriors: median and 68 % limits.

    Examples
    --------
    >>> hardness(np.full(10, 3.0), np.full(10, 1.0))
    (0.5, 0.5, 0.5)
    """
    low, middle, high = np.quantile((hard - soft) / (hard + soft), [ONE_SIGMA[0], 0.5, ONE_SIGMA[1]])
    return float(middle), float(low), float(high)


def band_area_cm2(area_cm2: Array, band: str) -> float:
    """Return the mean effective area in a band, as the catalog's exposure maps have it.

    Parameters
    ----------
    area_cm2 : ndarray, shape (n_energy,)
        On the survey's energy grid.
    band : str
        Letter of the band.
    """
    low, high = BANDS_KEV[band]
    inside = (low < MIDDLE_KEV) & (high > MIDDLE_KEV)
    return max(float(area_cm2[inside].mean()), 1e-3)


def _fluxes(detection: Detection, source: npt.NDArray[np.bool_], annulus: npt.NDArray[np.bool_], band: str) -> float:
    """Return the energy flux by counting: sum of E / area over source events, less the background's."""
    energy_kev = detection.photons.energy_ev.astype(np.float64) / 1e3
    low, high = BANDS_KEV[band]
    at = np.clip(np.searchsorted(EDGES_KEV, energy_kev, side="right") - 1, 0, len(MIDDLE_KEV) - 1)
    area = np.maximum(detection.area_cm2[at], 0.03 * detection.area_cm2.max())
    each = np.where((energy_kev >= low) & (energy_kev < high), energy_kev * ERG_PER_KEV / area, 0.0)
    net = each[source].sum() - detection.background_ratio * each[annulus].sum()
    return float(net) / detection.exposure.livetime_s


def _apertures(detection: Detection, rng: np.random.Generator) -> tuple[dict[str, Value], dict[str, Array], Measured]:
    radius = detection.region.radius(detection.photons.x, detection.photons.y)
    source, annulus = radius < 1.0, radius > detection.background_scale[0]
    energy_kev = detection.photons.energy_ev / 1e3
    row: dict[str, Value] = {}
    fluxes: dict[str, Array] = {}
    band_counts: dict[str, tuple[float, float, float]] = {}
    for band, (low, high) in BANDS_KEV.items():
        inside = (energy_kev >= low) & (energy_kev < high)
        counts, back = float((source & inside).sum()), float((annulus & inside).sum())
        draws = posterior(counts, back, detection.background_ratio, rng)
        to_flux = 1.0 / (band_area_cm2(detection.area_cm2, band) * detection.exposure.livetime_s)
        fluxes[band] = draws * to_flux
        scaled = back * detection.background_ratio
        band_counts[band] = (counts, scaled, to_flux)
        net = max(counts - scaled, 0.0)
        low_net, high_net = (float(q) for q in np.quantile(draws, ONE_SIGMA))
        flux = max(_fluxes(detection, source, annulus, band), 0.0)
        # Where nothing was counted, the limits take a photon of the band's mean energy.
        typical = 0.5 * (low + high) * ERG_PER_KEV * to_flux
        per_count = flux / net if net > 0 and flux > 0 else typical
        row |= {
            f"cnts_aper_{band}": int(counts),
            f"src_cnts_aper_{band}": net / detection.fraction,
            f"src_cnts_aper_lolim_{band}": min(low_net, net) / detection.fraction,
            f"src_cnts_aper_hilim_{band}": max(high_net, net) / detection.fraction,
            f"src_rate_aper_{band}": net / detection.fraction / detection.exposure.livetime_s,
            f"flux_aper_{band}": flux,
            f"flux_aper_lolim_{band}": min(low_net, net) * per_count,
            f"flux_aper_hilim_{band}": max(high_net, net) * per_count,
            f"photflux_aper_{band}": net * to_flux,
            f"flux_significance_{band}": net
            / float(np.sqrt(max(counts, 1.0) + detection.background_ratio**2 * max(back, 1.0))),
        }
    return row, fluxes, Measured({}, None, band_counts)


def _variability(detection: Detection) -> tuple[dict[str, Value], Verdict | None]:
    empty: dict[str, Value] = dict.fromkeys(("var_prob_b", "var_index_b", "ks_prob_b", "kp_prob_b"))
    empty |= dict.fromkeys(("var_mean_b", "var_sigma_b", "var_min_b", "var_max_b"))
    photons = detection.photons
    low, high = (1e3 * edge for edge in BANDS_KEV["b"])
    used = detection.region.radius(photons.x, photons.y) < 1.0
    used &= (photons.energy_ev >= low) & (photons.energy_ev < high)
    if used.sum() < TEST_COUNTS:
        return empty, None
    ordinal = np.cumsum(detection.exposure.good) - 1
    n_frames = int(ordinal[-1]) + 1
    frames = ordinal[photons.frame[used]]
    verdict = gregory_loredo(frames, n_frames, detection.observation.cycle_s)
    row: dict[str, Value] = {
        "var_prob_b": verdict.probability,
        "var_index_b": verdict.index,
        "ks_prob_b": kolmogorov_smirnov(frames, n_frames),
        "kp_prob_b": kuiper(frames, n_frames),
        "var_mean_b": float(verdict.rate.mean()),
        "var_sigma_b": float(verdict.rate.std()),
        "var_min_b": float(verdict.rate.min()),
        "var_max_b": float(verdict.rate.max()),
    }
    return row, verdict


def _fits(detection: Detection, enough: bool) -> dict[str, Value]:
    units = {"powlaw": "gamma", "bb": "kt", "brems": "kt", "apec": "kt"}
    row: dict[str, Value] = {}
    for name, value in units.items():
        norm = "ampl" if name in {"powlaw", "bb"} else "norm"
        names = [f"{name}_{quantity}{limit}" for quantity in (value, "nh") for limit in ("", "_lolim", "_hilim")]
        names += [f"{name}_{norm}", f"{name}_stat", f"flux_{name}_aper_b"]
        if not enough:
            row |= dict.fromkeys(names)
            continue
        f = fit(detection, name)
        columns = [100.0 * nh for nh in (f.nh, f.nh_lolim, f.nh_hilim)]  # the catalog counts in 1e20 cm**-2
        values = [f.value, f.value_lolim, f.value_hilim, *columns, f.norm, f.stat, f.flux]
        row |= dict(zip(names, values, strict=True))
    return row


def measure(detection: Detection, crowded: bool, rng: np.random.Generator) -> Measured:
    """Measure a detection.

    Parameters
    ----------
    detection : Detection
        What was seen.
    crowded : bool
        Whether another source's region reaches into its background.
    rng : numpy Generator
        The detection's own, for draws from posteriors.

    Returns
    -------
    Measured
        Columns under the catalog's names.
    """
    row, fluxes, partial = _apertures(detection, rng)
    pairs = {"hm": ("h", "m"), "hs": ("h", "s"), "ms": ("m", "s")}
    for name, (hard, soft) in pairs.items():
        counts = partial.band_counts[hard][0] + partial.band_counts[soft][0]
        values = hardness(fluxes[hard], fluxes[soft]) if counts > 0 else (None, None, None)
        row |= dict(zip((f"hard_{name}", f"hard_{name}_lolim", f"hard_{name}_hilim"), values, strict=True))
    variability, verdict = _variability(detection)
    net = float(row["src_cnts_aper_b"] or 0.0)
    observation, exposure = detection.observation, detection.exposure
    per_frame = net / max(len(exposure.frames), 1)
    significance = float(row["flux_significance_b"] or 0.0)
    if significance < DETECTED:  # an upper limit: the catalog gives no colours
        row |= dict.fromkeys(f"hard_{name}{limit}" for name in RATIOS for limit in ("", "_lolim", "_hilim"))
    row |= variability | _fits(detection, net >= FIT_COUNTS)
    row |= {
        "name": detection.source.name,
        "obsid": observation.obsid,
        "obi": observation.obi,
        "region_id": detection.source.region_id,
        "instrument": "ACIS",
        "detector": f"ACIS-{detection.ccd_id}",
        "theta": detection.theta_arcmin,
        "phi": detection.phi_deg,
        "livetime": exposure.livetime_s,
        "gti_mjd_obs": observation.mjd,
        "match_type": "u" if significance >= DETECTED else "n",
        "conf_code": 1 if crowded else 0,
        "extent_code": 0,
        "edge_code": 0,
        "multi_chip_code": 0,
        "dither_warning_flag": bool(rng.random() < 0.03),  # noqa: PLR2004
        "obi_sat_src_flag": False,
        "streak_src_flag": per_frame > 0.6,  # noqa: PLR2004 - photons a frame that leave a read-out streak
        "pileup_warning": 0.8 * per_frame / max(1.0, (1.0 + 0.1 * detection.theta_arcmin**2) ** 2),
        "mjr_axis_raw_b": detection.region.major * 0.492 * 0.42,
        "mnr_axis_raw_b": detection.region.minor * 0.492 * 0.42,
        "pos_angle_raw_b": detection.region.angle_deg,
    }
    return Measured(row, verdict, partial.band_counts)
