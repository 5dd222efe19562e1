"""Photons -> fixed arrays: E-t maps, E-t-dt cubes, and windows of fixed length in (time bin, energy band).

All functions take the photons of many detections in a row (`Photons`) and count them in one pass. A detection may
have any number of photons, from none upwards.

Source: E-t maps and E-t-dt cubes after Dillmann et al. 2024 (arXiv:2412.01150): 24 time and 16 log-energy bins;
windows of 8 h in the CSC's soft, medium and hard bands after Song et al. 2025 (Poisson process autodecoder).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

N_TIME, N_ENERGY, N_STEP = 24, 16, 16
LOWEST_EV, HIGHEST_EV = 500.0, 7000.0
ENERGY_EDGES_EV: Floats = np.geomspace(LOWEST_EV, HIGHEST_EV, N_ENERGY + 1)
BAND_EDGES_EV: Floats = np.array([500.0, 1200.0, 2000.0, 7000.0])  # CSC soft, medium, hard
N_BAND = 3
WINDOW_S, N_BIN = 8 * 3600.0, 64
BIN_S = WINDOW_S / N_BIN
_LOST = 0.01  # of the photons outside good times: more says that the good times are those of something else


@dataclass(frozen=True)
class Photons:
    """Photons of n detections: those of a detection stand together, in order of time.

    Attributes
    ----------
    time_s : ndarray of float, shape (n_photon,)
        Arrival, seconds.
    energy_ev : ndarray of float, shape (n_photon,)
        Energy, eV; within 0.5-7 keV.
    row : ndarray of int, shape (n_photon,)
        Which detection, 0 to n - 1, rising.
    n : int
        Number of detections, those without photons counted.
    """

    time_s: Floats
    energy_ev: Floats
    row: Ints
    n: int

    @property
    def n_photons(self) -> Ints:
        """Photons per detection, shape (n,)."""
        return np.bincount(self.row, minlength=self.n)

    @property
    def first(self) -> Ints:
        """Index of each detection's first photon, shape (n,); where there is none, that of the next detection's."""
        return np.concatenate([[0], np.cumsum(self.n_photons)])[:-1]


@dataclass(frozen=True)
class Windows:
    """Windows of fixed length from each detection's first photon.

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
        Photons arrive after the window: they are not in it.
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


def normalised_time(p: Photons) -> Floats:
    """Return each photon's time between its detection's first (0) and last (1), shape (n_photon,)."""
    if not len(p.row):
        return np.empty(0)
    start = p.time_s[p.first[p.row]]
    length = p.time_s[(p.first + p.n_photons - 1)[p.row]] - start
    return np.asarray(np.divide(p.time_s - start, length, out=np.zeros_like(start), where=length > 0))


def energy_time_map(p: Photons) -> Singles:
    """Count photons in 24 bins of normalised time and 16 bins of log energy.

    Returns
    -------
    ndarray of float32, shape (n, 24, 16)
        Counts; all 0 for a detection without photons.

    Examples
    --------
    >>> p = photons(np.array([0.0, 9.0]), np.array([500.0, 6999.0]), np.array([0, 0]), 1)
    >>> m = energy_time_map(p)
    >>> m.shape, float(m[0, 0, 0]), float(m[0, 23, 15])
    ((1, 24, 16), 1.0, 1.0)
    """
    cell = (p.row * N_TIME + _bin(normalised_time(p), N_TIME)) * N_ENERGY + _energy_bin(p)
    return _counted(cell, (p.n, N_TIME, N_ENERGY))


def energy_time_step_cube(p: Photons) -> Singles:
    """Count photons by normalised time, log energy, and the waiting time to the next photon.

    The waiting time is scaled per detection between its shortest (0) and longest (1); the last photon waits for
    none and is not counted.

    Returns
    -------
    ndarray of float32, shape (n, 24, 16, 16)
    """
    waits = np.diff(p.time_s)
    within = p.row[1:] == p.row[:-1]
    row, waits = p.row[:-1][within], waits[within]
    shortest, longest = np.full(p.n, np.inf), np.full(p.n, -np.inf)
    np.minimum.at(shortest, row, waits)
    np.maximum.at(longest, row, waits)
    spread = longest[row] - shortest[row]
    step = np.divide(waits - shortest[row], spread, out=np.zeros_like(waits), where=spread > 0)
    cell = (row * N_TIME + _bin(normalised_time(p)[:-1][within], N_TIME)) * N_ENERGY + _energy_bin(p)[:-1][within]
    return _counted(cell * N_STEP + _bin(step, N_STEP), (p.n, N_TIME, N_ENERGY, N_STEP))


def windows(p: Photons, start_s: Floats, stop_s: Floats, interval_row: Ints) -> Windows:
    """Count photons in 64 bins of 450 s from the first photon and in three bands.

    Parameters
    ----------
    p : Photons
        Of n detections.
    start_s, stop_s : ndarray of float, shape (n_interval,)
        Good time intervals, seconds, none overlapping another of its detection. A detection without any, or whose
        photons lie outside them, counts as observed from its first to its last photon.
    interval_row : ndarray of int, shape (n_interval,)
        Detection of each interval.

    Returns
    -------
    Windows
    """
    first, last = _ends(p, start_s, stop_s, interval_row)
    since = p.time_s - first[p.row]
    inside = (since >= 0) & (since < WINDOW_S)
    time_bin = np.minimum((since[inside] / BIN_S).astype(np.int64), N_BIN - 1)
    band = np.searchsorted(BAND_EDGES_EV, p.energy_ev[inside], "right") - 1
    counts = _counted((p.row[inside] * N_BIN + time_bin) * N_BAND + band, (p.n, N_BIN, N_BAND))
    exposure = _exposure(start_s - first[interval_row], stop_s - first[interval_row], interval_row, p.n)
    seen = counts.sum(axis=2)
    outside = np.sum(seen, axis=1, where=exposure <= 0) > _LOST * seen.sum(axis=1)
    missing = outside | (exposure.max(axis=1, initial=0.0) <= 0)
    if missing.any():
        rows = np.flatnonzero(missing)
        span = np.maximum(last[rows] - first[rows], 1.0)
        exposure[rows] = _exposure(np.zeros(len(rows)), span, np.arange(len(rows)), len(rows))
    # A stray photon just outside a good time still needs some exposure to have come from.
    exposure = np.maximum(exposure, np.where(seen > 0, 1.0 / BIN_S, 0.0))
    ends = np.maximum(last, _latest(stop_s, interval_row, p.n))
    longer = np.bincount(p.row[since >= WINDOW_S], minlength=p.n) > 0
    return Windows(counts, exposure.astype(np.float32), ends - first < WINDOW_S - BIN_S, longer)


def _ends(p: Photons, start_s: Floats, stop_s: Floats, interval_row: Ints) -> tuple[Floats, Floats]:
    """First and last photon, shape (n,) each; for a detection without photons its good times' start and end."""
    first = np.full(p.n, np.inf)
    np.minimum.at(first, interval_row, start_s)
    first = np.where(np.isfinite(first), first, 0.0)
    last = np.maximum(first, _latest(stop_s, interval_row, p.n))
    some = p.n_photons > 0
    first[some] = p.time_s[p.first[some]]
    last[some] = p.time_s[(p.first + p.n_photons - 1)[some]]
    return first, last


def _latest(stop_s: Floats, interval_row: Ints, n: int) -> Floats:
    last = np.full(n, -np.inf)
    np.maximum.at(last, interval_row, stop_s)
    return last


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
