"""Photoelectric absorption by gas of solar abundance between us and a source.

Source: Morrison & McCammon 1983, ApJ 270, 119, Table 2: the effective cross-section per hydrogen atom as a
quadratic in fourteen energy ranges, sigma(E) = (c0 + c1 E + c2 E**2) E**-3 x 1e-24 cm**2, E in keV.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EDGES_KEV: Array = np.array(
    [0.030, 0.100, 0.284, 0.400, 0.532, 0.707, 0.867, 1.303, 1.840, 2.471, 3.210, 4.038, 7.111, 8.331, 10.0]
)
COEFFICIENTS: Array = np.array(
    [
        [17.3, 608.1, -2150.0],
        [34.6, 267.9, -476.1],
        [78.1, 18.8, 4.3],
        [71.4, 66.8, -51.4],
        [95.5, 145.8, -61.1],
        [308.9, -380.6, 294.0],
        [120.6, 169.3, -47.7],
        [141.3, 146.8, -31.5],
        [202.7, 104.7, -17.0],
        [342.7, 18.7, 0.0],
        [352.2, 18.7, 0.0],
        [433.9, -2.4, 0.75],
        [629.0, 30.9, 0.0],
        [701.2, 25.2, 0.0],
    ]
)


def cross_section_cm2(energy_kev: npt.ArrayLike) -> Array:
    """Return the photoelectric cross-section per hydrogen atom.

    Parameters
    ----------
    energy_kev : array_like, shape (n,)
        Photon energies. The first and last of the published ranges are carried on below 0.03 and above 10 keV.

    Returns
    -------
    ndarray, shape (n,)
        In cm**2.

    Examples
    --------
    >>> round(float(cross_section_cm2([1.0])[0]) * 1e22, 3)
    2.422
    """
    energy = np.asarray(energy_kev, np.float64)
    at = np.clip(np.searchsorted(EDGES_KEV, energy, side="right") - 1, 0, len(COEFFICIENTS) - 1)
    c0, c1, c2 = COEFFICIENTS[at].T
    return np.asarray((c0 + c1 * energy + c2 * energy**2) / energy**3 * 1e-24)


def transmission(energy_kev: npt.ArrayLike, nh_1e22: float) -> Array:
    """Return the fraction of photons that passes a column of gas.

    Parameters
    ----------
    energy_kev : array_like, shape (n,)
        Photon energies.
    nh_1e22 : float
        Equivalent hydrogen column in 1e22 cm**-2.

    Returns
    -------
    ndarray, shape (n,)
        Between 0 and 1.

    Examples
    --------
    >>> transmission([1.0, 5.0], 1.0).round(3).tolist()
    [0.089, 0.965]
    """
    return np.exp(-nh_1e22 * 1e22 * cross_section_cm2(energy_kev))
