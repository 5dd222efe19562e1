"""What is clustered: the vectors of a space, and the baselines on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.neighbours.principal_axes import principal_axes

Floats = npt.NDArray[np.float64]

HARDNESS = ("hard_hs", "hard_ms", "hard_hm")
"""The three hardness ratios: whoever claims more has to beat them."""
HARDNESS_NAME = "hardness ratios"
PCA_NAME = "PCA-8 of spectra"
COLOURS_NAME = "five colours"
WITH_BRIGHTNESS = {"src_cnts_aper_b": "log counts", "flux_aper_b": "log flux"}
"""What stands beside colours in a baseline that knows brightness too: its column, and its name."""
COLOUR_EDGES_KEV = (0.5, 0.8, 1.2, 2.0, 3.0, 4.5, 7.0)
"""Bands of the colours: the CSC's medium band, halves of its soft band, thirds of its hard band."""


@dataclass(frozen=True)
class Features:
    """One representation of the rows.

    Attributes
    ----------
    name : str
        The space, or what the baseline is.
    x : ndarray of float, shape (n, d)
    is_baseline : bool
        Nobody asked for it: it is there to be compared with.
    encoder_id : str
        '' for a baseline that no encoder made.
    others : tuple of ndarray of float, shape (n, d)
        The same rows by encoders that were trained alike, but for the seed.
    """

    name: str
    x: npt.NDArray[np.floating]
    is_baseline: bool
    encoder_id: str = ""
    others: tuple[npt.NDArray[np.floating], ...] = ()

    @property
    def trainings(self) -> tuple[npt.NDArray[np.floating], ...]:
        """The rows by each training, the encoder's own first."""
        return (self.x, *self.others)


@dataclass(frozen=True)
class Spectra:
    """Input spectra of rows.

    Attributes
    ----------
    values : ndarray of float, shape (n, 400)
        MinMax units.
    mask : ndarray of bool, shape (n, 400)
        Points that were measured; none of a row without a spectrum.
    energy_kev : ndarray of float, shape (400,)
    """

    values: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    energy_kev: Floats


def colours(net: Floats, area: Floats) -> Floats:
    """Return colours that no detector has a part in: (b - a) / (b + a) of the fluxes of neighbouring bands.

    Parameters
    ----------
    net : ndarray of float, shape (n, n_band)
        Counts less the expected background; half a count is added, and nothing is less than that.
    area : ndarray of float, shape (n, n_band)
        Counts that a flat photon flux of 1 would give: the effective area folded through the redistribution, in any
        unit, as long as it is one for all bands of a row.

    Returns
    -------
    ndarray of float, shape (n, n_band - 1)
        Between -1 and 1.

    Examples
    --------
    >>> colours(np.array([[9.5, 19.5]]), np.array([[100.0, 200.0]])).tolist()
    [[0.0]]
    """
    flux = (np.maximum(net, 0.0) + 0.5) / area
    return np.asarray((flux[:, 1:] - flux[:, :-1]) / (flux[:, 1:] + flux[:, :-1]))


def logarithm(counts: Floats) -> Floats:
    """Return log10 of one more than counts, none of them below 0, shape (n, 1)."""
    return np.log10(np.maximum(counts, 0.0) + 1.0)[:, None]


def principal_components(values: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], n: int = 8) -> Floats:
    """Project spectra on their directions of greatest variance; a masked point counts as the mean.

    Parameters
    ----------
    values : ndarray of float, shape (m, p)
    mask : ndarray of bool, shape (m, p)
    n : int
        How many directions.

    Returns
    -------
    ndarray of float, shape (m, n)

    Examples
    --------
    >>> line = np.outer([1.0, 2.0, 4.0], [3.0, 4.0])
    >>> np.abs(np.diff(principal_components(line, np.ones((3, 2), bool), 1)[:, 0])).round(6).tolist()
    [5.0, 10.0]
    """
    there = np.maximum(mask.sum(axis=0), 1)
    mean = np.where(mask, values, 0.0).sum(axis=0) / there
    centred = np.where(mask, np.asarray(values, np.float64) - mean, 0.0)
    return np.asarray(centred @ principal_axes(centred.T @ centred, n))


def plane(x: npt.NDArray[np.floating]) -> Floats:
    """Return two coordinates per row for a map: the first principal components of scaled vectors, shape (n, 2)."""
    values = np.asarray(x, np.float64)
    width = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(width > 0, width, 1.0)
    found = principal_components(scaled, np.ones(scaled.shape, np.bool_), 2)
    return found if found.shape[1] > 1 else np.column_stack([found, np.zeros(len(found))])
