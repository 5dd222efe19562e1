"""A detection's spectrum as a page shows it: counts per second and keV in a few bins, with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EDGES_KEV: Floats = np.geomspace(0.5, 8.0, 41)


@dataclass(frozen=True)
class BinnedSpectrum:
    """Net count rate per energy.

    Attributes
    ----------
    edges_kev : ndarray of float, shape (n_bin + 1,)
    rate, error : ndarray of float, shape (n_bin,)
        counts / s / keV: source minus scaled background, and its standard deviation from the counts of both.
    """

    edges_kev: Floats
    rate: Floats
    error: Floats


def binned(
    counts: Floats,
    background: Floats | None,
    energy_kev: Floats,
    exposure_s: float,
    background_scale: float,
    edges_kev: Floats = EDGES_KEV,
) -> BinnedSpectrum:
    """Bin a channel spectrum.

    Parameters
    ----------
    counts, background : ndarray of float, shape (n_channel,)
        Background None for a spectrum without one.
    energy_kev : ndarray of float, shape (n_channel,)
        Middle of each channel, as the response has it.
    exposure_s : float
    background_scale : float
        What background counts are multiplied with: ratio of exposures times areas.
    edges_kev : ndarray of float, shape (n_bin + 1,)

    Examples
    --------
    >>> found = binned(np.array([4.0, 9.0]), None, np.array([0.6, 1.5]), 1.0, 0.0, np.array([0.5, 1.0, 2.0]))
    >>> found.rate.tolist(), found.error.tolist()
    ([8.0, 9.0], [4.0, 3.0])
    """
    source = np.histogram(energy_kev, edges_kev, weights=counts)[0]
    other = np.zeros_like(source) if background is None else np.histogram(energy_kev, edges_kev, weights=background)[0]
    width = np.diff(edges_kev) * exposure_s
    error = np.sqrt(source + background_scale**2 * other)
    return BinnedSpectrum(edges_kev, (source - background_scale * other) / width, error / width)
