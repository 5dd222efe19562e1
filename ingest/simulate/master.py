"""Rows of master_source: what the catalog says of a source, put together from its detections."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ingest.simulate.fields import Field, Source
from ingest.simulate.measure import DRAWS, RATIOS, Measured, Value, hardness

_LIMITS = ("", "_lolim", "_hilim")
_FITTED = ("powlaw_gamma", "powlaw_nh", "bb_kt", "bb_nh", "brems_kt", "brems_nh", "apec_kt", "apec_nh")
FLUX_BANDS = ("b", "h", "m", "s", "u")


def _numbers(detections: Sequence[Measured], column: str) -> list[float]:
    values = [d.row[column] for d in detections]
    return [float(v) for v in values if isinstance(v, int | float)]


def _fluxes(detections: Sequence[Measured], band: str) -> dict[str, Value]:
    """Average fluxes with their inverse variances."""
    flux = np.array(_numbers(detections, f"flux_aper_{band}"))
    low, high = (np.array(_numbers(detections, f"flux_aper{limit}_{band}")) for limit in _LIMITS[1:])
    sigma = np.maximum(0.5 * (high - low), 1e-3 * flux + 1e-18)
    weight = 1.0 / sigma**2
    mean, error = float((flux * weight).sum() / weight.sum()), float(1.0 / math.sqrt(weight.sum()))
    return {
        f"flux_aper_{band}": mean,
        f"flux_aper_lolim_{band}": max(mean - error, 0.0),
        f"flux_aper_hilim_{band}": mean + error,
    }


def _between(detections: Sequence[Measured]) -> dict[str, Value]:
    """Test whether the photon flux is the same in all observations: chi-squared against the mean."""
    empty: dict[str, Value] = dict.fromkeys(("var_inter_prob_b", "var_inter_index_b", "var_inter_sigma_b"))
    if len(detections) == 1:
        return empty
    flux = np.array(_numbers(detections, "photflux_aper_b"))
    significance = np.array(_numbers(detections, "flux_significance_b"))
    sigma = np.maximum(flux / np.maximum(significance, 0.3), 1e-9)
    mean = float((flux / sigma**2).sum() / (1.0 / sigma**2).sum())
    chi2, dof = float(((flux - mean) ** 2 / sigma**2).sum()), len(flux) - 1
    # Wilson & Hilferty 1931: the cube root of chi-squared per degree of freedom is nearly normal.
    z = ((chi2 / dof) ** (1.0 / 3.0) - (1.0 - 2.0 / (9.0 * dof))) / math.sqrt(2.0 / (9.0 * dof))
    probability = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))
    steps = (0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
    return {
        "var_inter_prob_b": probability,
        "var_inter_index_b": int(np.searchsorted(steps, probability, side="right")),
        "var_inter_sigma_b": float(flux.std()),
    }


def _hardness(detections: Sequence[Measured], rng: np.random.Generator) -> dict[str, Value]:
    """Draw from the posteriors of the summed photon fluxes of all detections."""
    draws: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for band in ("h", "m", "s"):
        counts, background, factor = np.array([d.band_counts[band] for d in detections]).T
        total = rng.gamma(counts.sum() + 1.0, size=DRAWS) - background.sum()
        draws[band] = np.maximum(total, 0.05) / (1.0 / factor).sum()
    row: dict[str, Value] = {}
    for pair in RATIOS:
        values = hardness(draws[pair[0]], draws[pair[1]])
        row |= {f"hard_{pair}{limit}": value for limit, value in zip(_LIMITS, values, strict=True)}
    return row


def master_row(
    field: Field, source: Source, detections: Sequence[Measured], rng: np.random.Generator
) -> dict[str, Value]:
    """Return the columns of master_source for one source.

    Parameters
    ----------
    field : Field
        Where it lies.
    source : Source
        Its name and measured position; nothing of its nature is looked at.
    detections : sequence of Measured
        All of them.
    rng : numpy Generator
        The source's own.

    Returns
    -------
    dict
        Columns under the catalog's names, None for null.
    """
    best = max(detections, key=lambda d: float(d.row["flux_significance_b"] or 0.0))
    significance = math.sqrt(sum(s * s for s in _numbers(detections, "flux_significance_b")))
    net = sum(_numbers(detections, "src_cnts_aper_b"))
    error = 0.35 + 2.0 * float(best.row["mjr_axis_raw_b"] or 0.5) / math.sqrt(max(net, 1.0))
    row: dict[str, Value] = {
        "name": source.name,
        "ra": source.measured_ra_deg,
        "dec": source.measured_dec_deg,
        "err_ellipse_r0": error,
        "err_ellipse_r1": error * float(rng.uniform(0.8, 1.0)),
        "err_ellipse_ang": float(rng.uniform(0.0, 180.0)),
        "significance": significance,
        "likelihood": 0.5 * significance**2,
        "likelihood_class": "TRUE" if significance > 4.0 else "MARGINAL",  # noqa: PLR2004
        "nh_gal": field.nh_galactic_1e20,
        "conf_flag": any(d.row["conf_code"] for d in detections),
        "extent_flag": False,
        "sat_src_flag": False,
        "streak_src_flag": any(d.row["streak_src_flag"] for d in detections),
        "pileup_flag": max(_numbers(detections, "pileup_warning")) > 0.1,  # noqa: PLR2004
        "dither_warning_flag": any(d.row["dither_warning_flag"] for d in detections),
    }
    for band in FLUX_BANDS:
        row |= _fluxes(detections, band)
    row |= _hardness(detections, rng) | _between(detections)
    for ours, theirs in (("var_intra", "var"), ("ks_intra", "ks"), ("kp_intra", "kp")):
        row[f"{ours}_prob_b"] = max(_numbers(detections, f"{theirs}_prob_b"), default=None)
    row["var_intra_index_b"] = max((int(v) for v in _numbers(detections, "var_index_b")), default=None)
    varies = [row["var_intra_index_b"] or 0, row["var_inter_index_b"] or 0]
    row["var_flag"] = max(int(v) for v in varies) >= 6  # noqa: PLR2004 - the catalog's threshold
    row |= {f"{name}{limit}": best.row[f"{name}{limit}"] for name in _FITTED for limit in _LIMITS}
    row |= {f"{name}_stat": best.row[f"{name}_stat"] for name in ("powlaw", "bb", "brems", "apec")}
    return row
