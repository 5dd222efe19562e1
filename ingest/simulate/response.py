"""A response of Chandra's size and shape: effective area, redistribution matrix, folding.

Not Chandra's calibration: the areas follow a few values read off real ARFs (on-axis, early mission) for the
back-illuminated S3 and the front-illuminated chips, with the mirror's iridium M edges (2.04-2.1 keV), silicon's K
edge (1.84 keV), and the carbon-rich contamination of the filter that has grown ever since launch. The matrix has a
Gaussian peak, a tail towards low energies, an escape peak 1.74 keV below, and silicon's fluorescence.

Source: the shapes are described in the Chandra Proposers' Observatory Guide, chapters 4 and 6; OGIP memo
CAL/GEN/92-002 (George et al.) for what ARF and RMF hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from ingest.simulate.models import cross_section_cm2

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_CHANNELS = 1024
CHANNEL_EV = 14.6
N_ENERGIES = 1078
EDGES_KEV: Array = np.round(0.22 + 0.01 * np.arange(N_ENERGIES + 1), 2)
MIDDLE_KEV: Array = 0.5 * (EDGES_KEV[1:] + EDGES_KEV[:-1])

ESCAPE_KEV = 1.740
SILICON_EDGE_KEV = 1.839
LAUNCH_YEAR = 1999.6
LOWEST_PROBABILITY = 5e-5  # LO_THRES
MANTISSA_BITS = 8  # of the matrix elements: the precision is far above the model's, and the files shrink to a third

# Energy in keV, area in cm**2 of S3 (back-illuminated), of a front-illuminated chip; on axis, at launch.
_AREAS: Array = np.array(
    [
        *[(0.22, 25, 1), (0.3, 60, 6), (0.4, 130, 25), (0.5, 230, 55), (0.6, 330, 110), (0.8, 470, 260)],
        *[(1.0, 590, 400), (1.25, 680, 530), (1.5, 715, 600), (1.83, 650, 590), (1.85, 630, 545), (2.03, 615, 530)],
        *[(2.11, 375, 320), (2.2, 380, 330), (2.5, 405, 370), (3, 408, 392), (4, 400, 405), (5, 312, 350)],
        *[(6, 187, 240), (7, 90, 122), (8, 36, 54), (9, 14, 24), (10, 4, 7.5), (11, 0.8, 1.5)],
    ]
)


@dataclass(frozen=True)
class Detector:
    """A kind of chip and place on it: one redistribution matrix.

    Attributes
    ----------
    key : str
        Short name.
    back_illuminated : bool
        Whether the area is S3's or that of the front-illuminated chips.
    noise_ev, fano : float
        sigma**2 = noise_ev**2 + fano * E with E in eV.
    tail : float
        Fraction of photons in the low-energy tail.
    first_channel : int
        TLMIN of F_CHAN: 1 as in most files, or 0.
    """

    key: str
    back_illuminated: bool
    noise_ev: float
    fano: float
    tail: float
    first_channel: int = 1


DETECTORS: dict[str, Detector] = {
    d.key: d
    for d in (
        Detector("S3", back_illuminated=True, noise_ev=38.0, fano=0.55, tail=0.045),
        Detector("S3-edge", back_illuminated=True, noise_ev=42.0, fano=0.65, tail=0.055),
        Detector("S2", back_illuminated=False, noise_ev=26.0, fano=0.48, tail=0.020, first_channel=0),
        Detector("I-low", back_illuminated=False, noise_ev=24.0, fano=0.45, tail=0.018),
        Detector("I-mid", back_illuminated=False, noise_ev=30.0, fano=0.60, tail=0.022),
        Detector("I-high", back_illuminated=False, noise_ev=36.0, fano=0.80, tail=0.028),
    )
}


@dataclass(frozen=True)
class Redistribution:
    """A sparse redistribution matrix, as an RMF holds it.

    Attributes
    ----------
    n_grp : ndarray of int, shape (n_energy,)
        Groups of consecutive channels per energy bin.
    first, length : ndarray of int, shape (n_group,)
        First channel of each group, from 0, and number of channels.
    matrix : ndarray of float, shape (n_element,)
        Elements of all groups in a row, exactly representable as float32; a row sums to one within 1e-6.
    """

    n_grp: Ints
    first: Ints
    length: Ints
    matrix: Array
    energy_index: Ints = field(repr=False)
    channel_index: Ints = field(repr=False)

    def fold(self, photons: Array) -> Array:
        """Redistribute photons per energy bin, shape (n_energy,), over the channels, shape (n_channel,).

        Examples
        --------
        >>> photons = np.zeros(N_ENERGIES); photons[378] = 100.0
        >>> counts = redistribution("I-low").fold(photons)
        >>> round(float(counts.sum()), 4), int(counts.argmax())
        (100.0, 274)
        """
        weights = self.matrix * photons[self.energy_index]
        return np.bincount(self.channel_index, weights, minlength=N_CHANNELS).astype(np.float64)

    def rebinned(self, channel_bin: Ints, n_bins: int) -> Array:
        """Return the matrix summed over channel bins; channel_bin has shape (n_channel,), -1 leaves one out.

        Returns
        -------
        ndarray, shape (n_energy, n_bins)
        """
        bins = channel_bin[self.channel_index]
        kept = bins >= 0
        flat = np.bincount(
            self.energy_index[kept] * n_bins + bins[kept], self.matrix[kept], minlength=N_ENERGIES * n_bins
        )
        return flat.astype(np.float64).reshape(N_ENERGIES, n_bins)


def contamination(energy_kev: Array, year: float) -> Array:
    """Return the transmission of the contamination on the optical blocking filter, shape (n,).

    Carbon's opacity above its K edge, with an oxygen step; the depth at 0.67 keV grows from 0 at launch to about 0.6
    in 2010 and 1.6 in 2020.

    Examples
    --------
    >>> contamination(np.array([0.67, 2.0]), 2010.0).round(2).tolist()
    [0.54, 0.98]
    """
    age = max(year - LAUNCH_YEAR, 0.0)
    depth = 0.050 * age + 0.00017 * age**2.7
    oxygen = np.where(energy_kev > 0.532, 1.0, 0.75)  # noqa: PLR2004 - oxygen's K edge
    return np.asarray(np.exp(-depth * oxygen * (energy_kev / 0.67) ** -3.0))


def vignetting(energy_kev: Array, theta_arcmin: float) -> Array:
    """Return the mirror's loss off axis, shape (n,); harder photons lose more.

    Examples
    --------
    >>> vignetting(np.array([1.5, 6.0]), 10.0).round(2).tolist()
    [0.81, 0.67]
    """
    scale_arcmin = 22.0 / (1.0 + (energy_kev / 9.0) ** 1.5)
    return np.asarray(1.0 / (1.0 + (theta_arcmin / scale_arcmin) ** 2))


def effective_area_cm2(detector: Detector, year: float, theta_arcmin: float, obscured: float = 1.0) -> Array:
    """Return the effective area on the energy grid of the survey.

    Parameters
    ----------
    detector : Detector
        Back- or front-illuminated.
    year : float
        Epoch, for the contamination.
    theta_arcmin : float
        Off-axis angle, for the vignetting.
    obscured : float
        Fraction left by bad columns and chip gaps under the dither.

    Returns
    -------
    ndarray, shape (n_energy,)
        In cm**2, rounded to float32.

    Examples
    --------
    >>> area = effective_area_cm2(DETECTORS["S3"], 2001.0, 0.5)
    >>> bool(500 < area[np.searchsorted(EDGES_KEV, 1.0)] < 620)
    True
    """
    at_kev, back, front = np.log(_AREAS).T
    area = np.exp(np.interp(np.log(MIDDLE_KEV), at_kev, back if detector.back_illuminated else front))
    area *= contamination(MIDDLE_KEV, year) * vignetting(MIDDLE_KEV, theta_arcmin) * obscured
    return np.asarray(area.astype(np.float32).astype(np.float64))


def _erf(x: Array) -> Array:
    """Abramowitz & Stegun 7.1.26, good to 1.5e-7: NumPy has no erf, and SciPy is no dependency of ingest."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.sign(x) * (1.0 - poly * np.exp(-x * x)))


def _gaussian(edges_ev: Array, centre_ev: Array, sigma_ev: Array) -> Array:
    """Integrate a Gaussian per row over the channels; shape (n_energy, n_channel)."""
    z = (edges_ev[None, :] - centre_ev[:, None]) / (np.sqrt(2.0) * sigma_ev[:, None])
    return np.asarray(0.5 * np.diff(_erf(z), axis=1))


def _dense(detector: Detector) -> Array:
    energy_ev = MIDDLE_KEV * 1e3
    edges_ev = np.arange(N_CHANNELS + 1, dtype=np.float64) * CHANNEL_EV
    middle_ev = 0.5 * (edges_ev[1:] + edges_ev[:-1])
    sigma_ev = np.sqrt(detector.noise_ev**2 + detector.fano * energy_ev)
    peak = _gaussian(edges_ev, energy_ev, sigma_ev)
    below = energy_ev[:, None] - middle_ev
    tail = np.where(below > 0, np.exp(-below / (90.0 + 0.03 * energy_ev[:, None])), 0.0)
    tail /= np.maximum(tail.sum(axis=1, keepdims=True), 1e-30)
    above_edge = MIDDLE_KEV > SILICON_EDGE_KEV
    escape = _gaussian(edges_ev, np.maximum(energy_ev - 1e3 * ESCAPE_KEV, 50.0), sigma_ev)
    fluorescence = _gaussian(edges_ev, np.full_like(energy_ev, 1e3 * ESCAPE_KEV), np.full_like(energy_ev, 50.0))
    yield_ = np.where(above_edge, 0.018 * cross_section_cm2(MIDDLE_KEV) / cross_section_cm2([1.84])[0], 0.0)
    share_tail = detector.tail * np.clip(1.0 / MIDDLE_KEV, 0.25, 2.0)
    dense = (1.0 - share_tail - 1.3 * yield_)[:, None] * peak + share_tail[:, None] * tail
    dense += yield_[:, None] * (escape + 0.3 * fluorescence)
    dense[dense < LOWEST_PROBABILITY] = 0.0
    return np.asarray(dense / dense.sum(axis=1, keepdims=True))


def _rounded(matrix: Array) -> Array:
    """Keep a few bits of each mantissa and give each row's rest to its largest element."""
    mantissa, exponent = np.frexp(matrix)
    rounded = np.ldexp(np.round(mantissa * 2.0**MANTISSA_BITS) / 2.0**MANTISSA_BITS, exponent)
    rows = np.arange(len(rounded))
    largest = rounded.argmax(axis=1)
    rounded[rows, largest] += 1.0 - rounded.sum(axis=1)
    return np.asarray(rounded.astype(np.float32).astype(np.float64))


@cache
def redistribution(key: str) -> Redistribution:
    """Return the redistribution matrix of a detector; made once per process.

    Parameters
    ----------
    key : str
        A key of `DETECTORS`.

    Examples
    --------
    >>> rmf = redistribution("S3")
    >>> rows = np.bincount(rmf.energy_index, rmf.matrix)
    >>> bool(abs(rows - 1).max() < 1e-6), sorted(set(rmf.n_grp.tolist()))
    (True, [1, 2, 3])
    """
    dense = _rounded(_dense(DETECTORS[key]))
    filled = np.pad(dense > 0, ((0, 0), (1, 1)))
    step = np.diff(filled.astype(np.int8), axis=1)
    row, first = np.nonzero(step == 1)
    _, stop = np.nonzero(step == -1)
    energy_index, channel_index = np.nonzero(dense)
    return Redistribution(
        n_grp=np.bincount(row, minlength=N_ENERGIES),
        first=first,
        length=stop - first,
        matrix=dense[energy_index, channel_index],
        energy_index=energy_index,
        channel_index=channel_index,
    )
