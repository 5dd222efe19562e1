"""Summary statistics of a detection's photons: what anyone would measure before training anything."""

from __future__ import annotations

import numpy as np

from catalog.intervals import Floats
from embed.inputs.event_maps import N_BIN, Singles, Windows
from embed.inputs.observed_time import GoodTimes, Photons

ENERGY_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TIME_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
GROUPINGS = (1, 4, 16)  # window bins per light-curve bin: 450 s, 30 min, 2 h
NAMES: tuple[str, ...] = (
    "log_n_photons",
    "log_duration_s",
    "log_rate",
    *(f"log_energy_q{q:g}" for q in ENERGY_QUANTILES),
    "log_energy_mean",
    "log_energy_std",
    *(f"fraction_{band}" for band in ("soft", "medium", "hard")),
    *(f"time_q{q:g}" for q in TIME_QUANTILES),
    "time_ks",
    *(f"log_dispersion_{g}" for g in GROUPINGS),
    "peak_fraction",
    "observed_fraction",
    "energy_time_correlation",
)


def summary(p: Photons, good: GoodTimes, w: Windows) -> Singles:
    """Measure each detection.

    Parameters
    ----------
    p : Photons
        Of n detections.
    good : GoodTimes
        Of the same: arrival times are shares of the good time, so that those of a constant source are uniform, and
        rates are over all of it.
    w : Windows
        Of the same.

    Returns
    -------
    ndarray of float32, shape (n, len(NAMES))
        Finite; a statistic that needs more photons than there are takes the value of a constant source.
    """
    n_photons = p.n_photons.astype(np.float64)
    some = np.maximum(n_photons, 1.0)
    time = good.share(p)
    duration = good.seconds
    log_energy = np.log10(p.energy_ev / 1000.0)
    mean = np.bincount(p.row, log_energy, minlength=p.n) / some
    deviation = log_energy - mean[p.row]
    std = np.sqrt(np.bincount(p.row, deviation**2, minlength=p.n) / some)
    bands = w.counts.sum(axis=1, dtype=np.float64)
    total = np.maximum(bands.sum(axis=1, keepdims=True), 1.0)
    columns = [
        np.log10(n_photons + 1.0),
        np.log10(duration + 1.0),
        np.log10((n_photons + 1.0) / (duration + 1000.0)),
        *_quantiles(log_energy, p, ENERGY_QUANTILES, 0.0),
        mean,
        std,
        *(bands / total).T,
        *_quantiles(time, p, TIME_QUANTILES, np.nan),
        _kolmogorov_smirnov(time, p),
        *(_dispersion(w, group) for group in GROUPINGS),
        w.counts.sum(axis=2).max(axis=1) / total[:, 0],
        w.exposure.mean(axis=1),
        _correlation(time, deviation, p, std),
    ]
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1).astype(np.float32)


def _quantiles(values: Floats, p: Photons, quantiles: tuple[float, ...], empty: float) -> list[Floats]:
    """Quantiles per detection, each of shape (n,); `empty` (NaN: the quantile itself) where there is no photon."""
    if not len(values):
        return [np.full(p.n, q if np.isnan(empty) else empty) for q in quantiles]
    ordered = values[np.lexsort((values, p.row))]
    found = []
    for q in quantiles:
        index = p.first + np.floor(q * np.maximum(p.n_photons - 1, 0) + 0.5).astype(np.int64)
        value = ordered[np.minimum(index, len(ordered) - 1)]
        found.append(np.where(p.n_photons > 0, value, q if np.isnan(empty) else empty))
    return found


def _kolmogorov_smirnov(time: Floats, p: Photons) -> Floats:
    """Greatest distance of arrival times from uniform, times sqrt(n): shape (n,)."""
    rank = np.arange(len(time)) - p.first[p.row]
    n = np.maximum(p.n_photons, 1)
    above = (rank + 1) / n[p.row] - time
    below = time - rank / n[p.row]
    distance = np.zeros(p.n)
    np.maximum.at(distance, p.row, np.maximum(above, below))
    return distance * np.sqrt(n)


def _dispersion(w: Windows, group: int) -> Floats:
    """Log of the variance of the counts over the Poisson expectation, in light-curve bins of `group` window bins."""
    n = len(w.counts)
    counts = w.counts.sum(axis=2, dtype=np.float64).reshape(n, N_BIN // group, group).sum(axis=2)
    exposure = w.exposure.astype(np.float64).reshape(n, N_BIN // group, group).sum(axis=2)
    rate = counts.sum(axis=1) / np.maximum(exposure.sum(axis=1), 1e-9)
    expected = rate[:, None] * exposure
    chi2 = np.sum((counts - expected) ** 2 / np.maximum(expected, 1e-9), axis=1, where=expected > 0)
    degrees = np.maximum((exposure > 0).sum(axis=1) - 1, 1)
    return np.asarray(np.log10(np.where(rate > 0, chi2 / degrees, 1.0) + 0.1))


def _correlation(time: Floats, deviation: Floats, p: Photons, std: Floats) -> Floats:
    n = np.maximum(p.n_photons, 1)
    late = time - (np.bincount(p.row, time, minlength=p.n) / n)[p.row]
    together = np.bincount(p.row, late * deviation, minlength=p.n) / n
    spread = np.sqrt(np.bincount(p.row, late**2, minlength=p.n) / n) * std
    return np.divide(together, spread, out=np.zeros(p.n), where=spread > 0)
