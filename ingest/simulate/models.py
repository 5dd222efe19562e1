"""Spectral models: how many photons of which energy a source sends us, before and after absorption.

Sources: bremsstrahlung with the Gaunt factor (E/kT)**-0.4 (Rybicki & Lightman 1979, ch. 5, order of magnitude);
disc black body, Mitsuda et al. 1984, PASJ 36, 741. The line emission of the hot plasma is SIMPLIFIED: sixteen
strong lines whose equivalent width follows a log-normal in temperature. It has the right lines at the right
energies and temperatures, and is no substitute for a plasma code.

Source: Morrison & McCammon 1983, ApJ 270, 119, Table 2: the effective cross-section per hydrogen atom as a
quadratic in fourteen energy ranges, sigma(E) = (c0 + c1 E + c2 E**2) E**-3 x 1e-24 cm**2, E in keV.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

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


Kind = Literal["powerlaw", "bremsstrahlung", "thermal", "blackbody", "disc", "line"]

BROAD_KEV = (0.5, 7.0)
ERG_PER_KEV = 1.602176634e-9
GAUNT_INDEX = 0.4


class PlasmaLine(NamedTuple):
    """A strong line: where it lies, at which temperature it peaks, how wide in dex, and its strength there."""

    ion: str
    energy_kev: float
    kt_peak_kev: float
    width_dex: float
    equivalent_width_kev: float


# Equivalent widths at the peak, against our bremsstrahlung continuum, solar abundance.
LINES: tuple[PlasmaLine, ...] = (
    PlasmaLine("O VII", 0.574, 0.17, 0.16, 0.30),
    PlasmaLine("O VIII", 0.654, 0.27, 0.22, 0.34),
    PlasmaLine("Fe XVII", 0.727, 0.45, 0.20, 0.18),
    PlasmaLine("Fe XVII", 0.826, 0.45, 0.20, 0.28),
    PlasmaLine("Ne IX", 0.915, 0.34, 0.17, 0.13),
    PlasmaLine("Fe XX", 0.965, 0.80, 0.18, 0.26),
    PlasmaLine("Ne X", 1.022, 0.54, 0.22, 0.14),
    PlasmaLine("Fe XXIV", 1.129, 1.40, 0.20, 0.13),
    PlasmaLine("Mg XI", 1.352, 0.54, 0.18, 0.10),
    PlasmaLine("Mg XII", 1.472, 0.85, 0.24, 0.07),
    PlasmaLine("Si XIII", 1.865, 0.85, 0.20, 0.19),
    PlasmaLine("Si XIV", 2.006, 1.40, 0.26, 0.14),
    PlasmaLine("S XV", 2.460, 1.25, 0.20, 0.18),
    PlasmaLine("S XVI", 2.622, 2.20, 0.27, 0.11),
    PlasmaLine("Fe XXV", 6.680, 4.60, 0.27, 1.25),
    PlasmaLine("Fe XXVI", 6.966, 11.0, 0.26, 0.36),
)
NEON = frozenset({"Ne IX", "Ne X"})


@dataclass(frozen=True)
class Component:
    """One additive part of a spectrum.

    Attributes
    ----------
    kind : {'powerlaw', 'bremsstrahlung', 'thermal', 'blackbody', 'disc', 'line'}
        Which model.
    value : float
        Photon index of a power law; energy of a line in keV; temperature kT in keV of all others.
    fraction : float
        Its share of the spectrum's unabsorbed 0.5-7 keV energy flux.
    nh : float
        Column in front of this part, 1e22 cm**-2.
    abundance : float
        Metals of a thermal plasma, relative to solar.
    neon : float
        Neon relative to the other metals (stellar coronae have more).
    """

    kind: Kind
    value: float
    fraction: float = 1.0
    nh: float = 0.0
    abundance: float = 1.0
    neon: float = 1.0

    def to_json(self) -> dict[str, str | float]:
        """Return the component as plain values, floats rounded to five significant digits."""
        return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in asdict(self).items()}


def bremsstrahlung(energy_kev: Array, kt_kev: float) -> Array:
    """Return thermal bremsstrahlung, photons per keV with arbitrary norm; energy and result of shape (n,).

    Examples
    --------
    >>> spectrum = bremsstrahlung(np.array([1.0, 2.0]), 1.0)
    >>> bool(spectrum[0] > spectrum[1])
    True
    """
    x = energy_kev / kt_kev
    return np.asarray(np.exp(-x) * x**-GAUNT_INDEX / energy_kev)


def blackbody(energy_kev: Array, kt_kev: float) -> Array:
    """Return a Planck spectrum, photons per keV with arbitrary norm; energy and result of shape (n,).

    Examples
    --------
    >>> energy = np.linspace(0.1, 10, 1000)
    >>> round(float(energy[blackbody(energy, 1.0).argmax()]), 1)  # E**2/(exp(E)-1) peaks at 1.59 kT
    1.6
    """
    return np.asarray(energy_kev**2 / np.expm1(np.minimum(energy_kev / kt_kev, 300.0)))


def disc(energy_kev: Array, kt_in_kev: float) -> Array:
    """Return a multi-temperature disc, T ~ r**-3/4, photons per keV with arbitrary norm; shapes (n,).

    The integral over radii is one over temperatures, weight T**(-11/3), by the trapezoidal rule on 60 logarithmic
    steps down to a thirtieth of the inner temperature.

    Examples
    --------
    >>> energy = np.array([1.0, 10.0])
    >>> softer = disc(energy, 1.0)[0] / disc(energy, 1.0)[1] > blackbody(energy, 1.0)[0] / blackbody(energy, 1.0)[1]
    >>> bool(softer)
    True
    """
    kt = np.geomspace(kt_in_kev / 30.0, kt_in_kev, 60)
    weight = (kt / kt_in_kev) ** (-11.0 / 3.0) * kt
    weight[[0, -1]] *= 0.5
    planck = energy_kev[:, None] ** 2 / np.expm1(np.minimum(energy_kev[:, None] / kt, 300.0))
    return np.asarray(planck @ weight)


def _line(edges_kev: Array, energy_kev: float) -> Array:
    """One photon in the bin that holds the line; shape (n,)."""
    photons = np.zeros(len(edges_kev) - 1)
    at = int(np.searchsorted(edges_kev, energy_kev, side="right")) - 1
    if 0 <= at < len(photons):
        photons[at] = 1.0
    return photons


def _thermal(edges_kev: Array, component: Component) -> Array:
    middle, width = 0.5 * (edges_kev[1:] + edges_kev[:-1]), np.diff(edges_kev)
    photons = bremsstrahlung(middle, component.value) * width
    for line in LINES:
        distance = np.log10(component.value / line.kt_peak_kev) / line.width_dex
        metals = component.abundance * (component.neon if line.ion in NEON else 1.0)
        strength = metals * line.equivalent_width_kev * np.exp(-0.5 * distance**2)
        continuum = bremsstrahlung(np.array([line.energy_kev]), component.value)[0]
        photons += strength * continuum * _line(edges_kev, line.energy_kev)
    return photons


def shape(component: Component, edges_kev: Array) -> Array:
    """Return a component's unabsorbed photons per energy bin, with arbitrary norm.

    Parameters
    ----------
    component : Component
        What to evaluate; its fraction and column play no part here.
    edges_kev : ndarray, shape (n + 1,)
        Edges of the energy bins.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> shape(Component("powerlaw", 2.0), np.array([1.0, 1.01, 1.02])).round(5).tolist()
    [0.0099, 0.00971]
    """
    middle, width = 0.5 * (edges_kev[1:] + edges_kev[:-1]), np.diff(edges_kev)
    if component.kind == "powerlaw":
        return np.asarray(middle**-component.value * width)
    if component.kind == "bremsstrahlung":
        return np.asarray(bremsstrahlung(middle, component.value) * width)
    if component.kind == "blackbody":
        return np.asarray(blackbody(middle, component.value) * width)
    if component.kind == "disc":
        return np.asarray(disc(middle, component.value) * width)
    if component.kind == "line":
        return _line(edges_kev, component.value)
    return _thermal(edges_kev, component)


def observed_flux(components: tuple[Component, ...], flux: float, edges_kev: Array) -> float:
    """Return the absorbed 0.5-7 keV energy flux of a sum of components, erg s**-1 cm**-2.

    Parameters
    ----------
    components, edges_kev, flux
        See `photon_flux`.

    Examples
    --------
    >>> edges = np.arange(30, 1101) / 100
    >>> bare, behind = (observed_flux((Component("powerlaw", 1.7, nh=nh),), 1e-12, edges) for nh in (0.0, 1.0))
    >>> round(bare / 1e-12, 6), 0.3 < behind / bare < 0.8
    (1.0, True)
    """
    middle = 0.5 * (edges_kev[1:] + edges_kev[:-1])
    band = (middle > BROAD_KEV[0]) & (middle < BROAD_KEV[1])
    return float((photon_flux(components, edges_kev, flux) * middle)[band].sum() * ERG_PER_KEV)


def photon_flux(components: tuple[Component, ...], edges_kev: Array, flux: float) -> Array:
    """Return the absorbed photon flux of a sum of components.

    Parameters
    ----------
    components : tuple of Component
        Their fractions need not add up to one: they say how the unabsorbed flux is shared.
    edges_kev : ndarray, shape (n + 1,)
        Edges of the energy bins; they must cover 0.5-7 keV.
    flux : float
        Unabsorbed 0.5-7 keV energy flux in erg s**-1 cm**-2.

    Returns
    -------
    ndarray, shape (n,)
        Photons s**-1 cm**-2 per bin.

    Examples
    --------
    >>> edges = np.arange(30, 1101) / 100
    >>> photons = photon_flux((Component("powerlaw", 1.7, nh=0.1),), edges, 1e-12)
    >>> bool(2e-4 < photons.sum() < 6e-4)
    True
    """
    middle = 0.5 * (edges_kev[1:] + edges_kev[:-1])
    band = (middle > BROAD_KEV[0]) & (middle < BROAD_KEV[1])
    total = sum(c.fraction for c in components)
    photons = np.zeros(len(middle))
    for component in components:
        bare = shape(component, edges_kev)
        energy_erg = (bare * middle)[band].sum() * ERG_PER_KEV
        photons += bare * (component.fraction / total * flux / energy_erg) * transmission(middle, component.nh)
    return photons
