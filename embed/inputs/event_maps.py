"""Photons -> fixed arrays: E-t maps, E-t-dt cubes, and windows of fixed length in (time bin, energy band).

All functions take the photons of many detections in a row (`Photons`) and count them in one pass. A detection may
have any number of photons, from none upwards. Time is measured from the start of the good times, never from a photon:
see `embed.inputs.observed_time`.

Source: E-t maps and E-t-dt cubes after Dillmann et al. 2024 (arXiv:2412.01150): 24 time and 16 log-energy bins;
windows of 8 h in the CSC's soft, medium and hard bands after Song et al. 2025 (Poisson process autodecoder). There,
time runs from the first photon to the last; here, over the good times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.intervals import Floats, Ints
from embed.inputs.observed_time import Bools, GoodTimes, Photons

Singles = npt.NDArray[np.float32]

N_TIME, N_ENERGY, N_STEP = 24, 16, 16
LOWEST_EV, HIGHEST_EV = 500.0, 7000.0
ENERGY_EDGES_EV: Floats = np.geomspace(LOWEST_EV, HIGHEST_EV, N_ENERGY + 1)
BAND_EDGES_EV: Floats = np.array([500.0, 1200.0, 2000.0, 7000.0])  # CSC soft, medium, hard
N_BAND = 3
WINDOW_S, N_BIN = 8 * 3600.0, 64
BIN_S = WINDOW_S / N_BIN
_SHORTEST_S = 1e-6


@dataclass(frozen=True)
class Windows:
    """Windows of fixed length from the start of each detection's good times.

    Attributes
    ----------
    counts : ndarray of float32, shape (n, 64, 3)
        Photons per time bin of 450 s and band (soft, medium, hard).
    exposure : ndarray of float32, shape (n, 64)
        Fraction of the bin in which the source was observed: 0 past the end and in gaps, so that an observation
        shorter than the window is masked, not dropped and not read as a source gone dark.
    shorter : ndarray of bool, shape (n,)
        The observation ends before the window does.
    longer : ndarray of bool, shape (n,)
        Photons arrive outside the window: they are not in it.
    """

    counts: Singles
    exposure: Singles
    shorter: Bools
    longer: Bools


def photons(time_s: Floats, energy_ev: Floats, row: Ints, n: int) -> Photons:
    """Sort photons by detection and time, and keep those that have a time and an energy of 0.5-7 keV.

    Parameters
    ----------
    time_s, energy_ev : ndarray of float, shape (n_all,)
        NaN where not known.
    row : ndarray of int, shape (n_all,)
        Detection of each.
    n : int
        Number of detections.

    Examples
    --------
    >>> p = photons(np.array([2.0, 1.0, 5.0]), np.array([600.0, 700.0, 9000.0]), np.array([0, 0, 1]), 2)
    >>> p.time_s.tolist(), p.n_photons.tolist()
    ([1.0, 2.0], [2, 0])
    """
    with np.errstate(invalid="ignore"):
        kept = np.isfinite(time_s) & (energy_ev >= LOWEST_EV) & (energy_ev < HIGHEST_EV)
    time_s, energy_ev, row = time_s[kept], energy_ev[kept], row[kept]
    order = np.lexsort((time_s, row))
    return Photons(time_s[order], energy_ev[order], row[order], n)


def energy_time_map(p: Photons, good: GoodTimes) -> Singles:
    """Count photons in 24 bins of observed time and 16 bins of log energy.

    Parameters
    ----------
    p : Photons
        Of n detections.
    good : GoodTimes
        Of the same.

    Returns
    -------
    ndarray of float32, shape (n, 24, 16)
        Counts; all 0 for a detection without photons.

    Examples
    --------
    >>> from embed.inputs.observed_time import good_times
    >>> p = photons(np.array([0.0, 9.9]), np.array([500.0, 6999.0]), np.array([0, 0]), 1)
    >>> m = energy_time_map(*good_times(p, np.array([0.0]), np.array([10.0]), np.array([0])))
    >>> m.shape, float(m[0, 0, 0]), float(m[0, 23, 15])
    ((1, 24, 16), 1.0, 1.0)
    """
    cell = (p.row * N_TIME + _bin(good.share(p), N_TIME)) * N_ENERGY + _energy_bin(p)
    return _counted(cell, (p.n, N_TIME, N_ENERGY))


def energy_time_step_cube(p: Photons, good: GoodTimes) -> Singles:
    """Count photons by observed time, log energy, and the waiting time to the next photon.

    The waiting time w is observed time, gaps left out, and enters as 1 - exp(-w / mean wait), the mean being observed
    time over photons: a constant source fills all 16 bins alike. (Scaled between a detection's shortest and longest
    wait, as published, the first and the last bin would never be empty.) The last photon waits for none and is not
    counted.

    Parameters
    ----------
    p, good
        See `energy_time_map`.

    Returns
    -------
    ndarray of float32, shape (n, 24, 16, 16)
    """
    within = p.row[1:] == p.row[:-1]
    row = p.row[:-1][within]
    waits = np.diff(good.clock(p))[within]
    mean = good.seconds / np.maximum(p.n_photons, 1)
    step = -np.expm1(-np.maximum(waits, 0.0) / np.maximum(mean[row], _SHORTEST_S))
    cell = (row * N_TIME + _bin(good.share(p)[:-1][within], N_TIME)) * N_ENERGY + _energy_bin(p)[:-1][within]
    return _counted(cell * N_STEP + _bin(step, N_STEP), (p.n, N_TIME, N_ENERGY, N_STEP))


def windows(p: Photons, good: GoodTimes) -> Windows:
    """Count photons in 64 bins of 450 s from the start of the good times, and in three bands.

    Parameters
    ----------
    p, good
        See `energy_time_map`.

    Returns
    -------
    Windows
    """
    since = p.time_s - good.first[p.row]
    inside = (since >= 0) & (since < WINDOW_S)
    time_bin = np.minimum((since[inside] / BIN_S).astype(np.int64), N_BIN - 1)
    band = np.searchsorted(BAND_EDGES_EV, p.energy_ev[inside], "right") - 1
    counts = _counted((p.row[inside] * N_BIN + time_bin) * N_BAND + band, (p.n, N_BIN, N_BAND))
    exposure = _exposure(good.start_s - good.first[good.row], good.stop_s - good.first[good.row], good.row, p.n)
    # A stray photon just outside a good time still needs some exposure to have come from.
    exposure = np.maximum(exposure, np.where(counts.sum(axis=2) > 0, 1.0 / BIN_S, 0.0))
    longer = np.bincount(p.row[~inside], minlength=p.n) > 0
    return Windows(counts, exposure.astype(np.float32), good.last - good.first < WINDOW_S - BIN_S, longer)


def _exposure(start: Floats, stop: Floats, row: Ints, n: int) -> Floats:
    """Fraction of each bin inside intervals (seconds since the window's start), shape (n, 64)."""
    start, stop = np.clip(start, 0.0, WINDOW_S), np.clip(stop, 0.0, WINDOW_S)
    some = stop > start
    start, stop, row = start[some] / BIN_S, stop[some] / BIN_S, row[some]
    # Each interval touches the bins `low` to `high`; it fills those between and a part of both ends.
    low = np.minimum(start.astype(np.int64), N_BIN - 1)
    n_touched = np.minimum(np.ceil(stop).astype(np.int64), N_BIN) - low
    which = np.repeat(np.arange(len(row)), n_touched)
    ordinal = np.arange(len(which)) - np.repeat(np.cumsum(n_touched) - n_touched, n_touched)
    bins = low[which] + ordinal
    part = np.minimum(stop[which], bins + 1) - np.maximum(start[which], bins)
    exposure = np.bincount(row[which] * N_BIN + bins, part, minlength=n * N_BIN).reshape(n, N_BIN)
    return np.asarray(np.clip(exposure, 0.0, 1.0))


def _bin(fraction: Floats, n: int) -> Ints:
    return np.minimum((fraction * n).astype(np.int64), n - 1)


def _energy_bin(p: Photons) -> Ints:
    return np.clip(np.searchsorted(ENERGY_EDGES_EV, p.energy_ev, "right") - 1, 0, N_ENERGY - 1)


def _counted(cell: Ints, shape: tuple[int, ...]) -> Singles:
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)
