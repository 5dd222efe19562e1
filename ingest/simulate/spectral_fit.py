"""Spectral fits as a catalog pipeline would make them, on a grid of temperature or index and column.

Four one-component models with absorption, fitted by C-statistic to the source spectrum with the background's level
fixed; the amplitude is found exactly for every grid point. Crude, and blind to the truth.

Source: Cash 1979, ApJ 228, 939, for the statistic; the amplitude's fixed point is the EM step of Lucy 1974.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ingest.simulate.models import ERG_PER_KEV, Component, Kind, shape, transmission
from ingest.simulate.photons import Detection, background_spectrum
from ingest.simulate.response import CHANNEL_EV, EDGES_KEV, MIDDLE_KEV, N_CHANNELS, redistribution

Array = npt.NDArray[np.float64]

N_BINS = 36
BAND_KEV = (0.5, 7.0)
NH_1E22: Array = np.concatenate([[0.01], np.geomspace(0.03, 40.0, 13)])
STEPS = 12  # of the amplitude's fixed point


@dataclass(frozen=True)
class Grid:
    """A model and the values it is tried at.

    Attributes
    ----------
    kind : str
        The model.
    values : tuple of float
        Photon indices, or temperatures in keV.
    """

    kind: Kind
    values: tuple[float, ...]


GRIDS: dict[str, Grid] = {
    "powlaw": Grid("powerlaw", tuple(np.linspace(-0.5, 4.5, 21).tolist())),
    "bb": Grid("blackbody", tuple(np.geomspace(0.06, 3.0, 15).tolist())),
    "brems": Grid("bremsstrahlung", tuple(np.geomspace(0.2, 60.0, 15).tolist())),
    "apec": Grid("thermal", tuple(np.geomspace(0.15, 20.0, 17).tolist())),
}


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    value, value_lolim, value_hilim : float
        Index or temperature (keV), with 68 % limits from the profile of the statistic.
    nh, nh_lolim, nh_hilim : float
        Column in 1e22 cm**-2.
    norm : float
        Unabsorbed photons s**-1 cm**-2 keV**-1 at 1 keV.
    flux : float
        Absorbed 0.5-7 keV energy flux, erg s**-1 cm**-2.
    stat : float
        C-statistic per degree of freedom.
    """

    value: float
    value_lolim: float
    value_hilim: float
    nh: float
    nh_lolim: float
    nh_hilim: float
    norm: float
    flux: float
    stat: float


@cache
def _channel_bins() -> npt.NDArray[np.int64]:
    """Return which logarithmic bin each channel belongs to, -1 for none; shape (n_channel,)."""
    energy = (np.arange(N_CHANNELS) + 0.5) * CHANNEL_EV / 1e3
    edges = np.geomspace(*BAND_KEV, N_BINS + 1)
    bins = np.searchsorted(edges, energy, side="right") - 1
    return np.where((energy >= BAND_KEV[0]) & (energy < BAND_KEV[1]), bins, -1)


@cache
def _templates(name: str) -> tuple[Array, Array]:
    """Return absorbed photons per energy bin, (n_value * n_nh, n_energy), per unit norm, and energy fluxes."""
    grid = GRIDS[name]
    absorbed = np.array([transmission(MIDDLE_KEV, nh) for nh in NH_1E22])
    at_1kev = int(np.searchsorted(EDGES_KEV, 1.0, side="right")) - 1
    bare = np.array([shape(Component(grid.kind, v), EDGES_KEV) for v in grid.values])
    bare /= bare[:, [at_1kev]] / np.diff(EDGES_KEV)[at_1kev]
    photons = (bare[:, None, :] * absorbed[None, :, :]).reshape(-1, len(MIDDLE_KEV))
    band = (BAND_KEV[0] < MIDDLE_KEV) & (BAND_KEV[1] > MIDDLE_KEV)
    return photons, (photons[:, band] * MIDDLE_KEV[band]).sum(axis=1) * ERG_PER_KEV


@cache
def _rebinned(key: str) -> Array:
    return redistribution(key).rebinned(_channel_bins(), N_BINS)


def _limits(values: Array, profile: Array) -> tuple[float, float, float]:
    """Return best value and 68 % limits on a grid, refined by a parabola through the three lowest points."""
    at = int(profile.argmin())
    inner = min(max(at, 1), len(values) - 2)
    x, y = values[inner - 1 : inner + 2], profile[inner - 1 : inner + 2]
    curve = np.polyfit(x - x[1], y, 2)
    best = float(np.clip(x[1] - curve[1] / (2.0 * curve[0]), x[0], x[2])) if curve[0] > 0 else float(values[at])
    allowed = values[profile <= profile.min() + 1.0]
    sigma = float(np.sqrt(1.0 / curve[0])) if curve[0] > 0 else 0.5 * float(x[2] - x[0])
    return best, min(float(allowed.min()), best - sigma), max(float(allowed.max()), best + sigma)


def fit(detection: Detection, name: str) -> Fit:
    """Fit one model to a detection's source spectrum.

    Parameters
    ----------
    detection : Detection
        Its photons, area and redistribution.
    name : {'powlaw', 'bb', 'brems', 'apec'}
        The catalog's name of the model.
    """
    radius = detection.region.radius(detection.photons.x, detection.photons.y)
    bins = _channel_bins()
    channel = detection.photons.pi - 1
    counts = np.bincount(bins[channel[radius < 1.0]] + 1, minlength=N_BINS + 1)[1:].astype(np.float64)
    n_background = int((radius > detection.background_scale[0]).sum())
    share = np.bincount(bins + 1, background_spectrum(detection.detector), minlength=N_BINS + 1)[1:]
    level = np.maximum(share * n_background * detection.background_ratio, 1e-6)

    photons, energy_flux = _templates(name)
    expected = (photons * detection.area_cm2) @ _rebinned(detection.detector.key) * detection.exposure.livetime_s
    total = np.maximum(expected.sum(axis=1), 1e-300)
    norm = np.full(len(photons), max(counts.sum() - level.sum(), 1.0)) / total
    for _ in range(STEPS):
        norm *= (counts * expected / (norm[:, None] * expected + level)).sum(axis=1) / total
    model = norm[:, None] * expected + level
    log_ratio = np.log(np.maximum(counts, 1e-300) / model)
    stat = 2.0 * (model - counts + np.where(counts > 0, counts * log_ratio, 0.0)).sum(axis=1)

    values = np.array(GRIDS[name].values)
    surface = stat.reshape(len(values), len(NH_1E22))
    best = int(stat.argmin())
    value, value_lolim, value_hilim = _limits(values, surface.min(axis=1))
    nh, nh_lolim, nh_hilim = _limits(NH_1E22, surface.min(axis=0))
    return Fit(
        value=value,
        value_lolim=value_lolim,
        value_hilim=value_hilim,
        nh=max(nh, 0.0),
        nh_lolim=max(nh_lolim, 0.0),
        nh_hilim=nh_hilim,
        norm=float(norm[best]),
        flux=float(norm[best] * energy_flux[best]),
        stat=float(stat[best]) / (N_BINS - 3),
    )
