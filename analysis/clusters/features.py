"""What is clustered: the vectors of a space, and the baselines on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HARDNESS = ("hard_hs", "hard_ms", "hard_hm")
"""The three hardness ratios: whoever claims more has to beat them."""
HARDNESS_NAME = "hardness ratios"
PCA_NAME = "PCA-8 of spectra"


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
    """

    name: str
    x: npt.NDArray[np.floating]
    is_baseline: bool
    encoder_id: str = ""


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
    _, vectors = np.linalg.eigh(centred.T @ centred)
    directions = vectors[:, ::-1][:, :n]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    return np.asarray(centred @ (directions * signs))


def plane(x: npt.NDArray[np.floating]) -> Floats:
    """Return two coordinates per row for a map: the first principal components of scaled vectors, shape (n, 2)."""
    values = np.asarray(x, np.float64)
    width = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(width > 0, width, 1.0)
    found = principal_components(scaled, np.ones(scaled.shape, np.bool_), 2)
    return found if found.shape[1] > 1 else np.column_stack([found, np.zeros(len(found))])
