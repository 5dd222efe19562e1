"""The directions in which vectors differ most: for maps, for an encoder, for a baseline."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def principal_axes(products: Floats, n: int) -> Floats:
    """Return the directions of greatest variance, the greatest first.

    Parameters
    ----------
    products : ndarray of float, shape (d, d)
        Sums of products of centred coordinates: the covariance, times any positive number.
    n : int
        How many; d at most.

    Returns
    -------
    ndarray of float, shape (d, n)
        Columns of length 1. The sign is fixed: the greatest element of each is positive, so that the same vectors give
        the same axes.

    Examples
    --------
    >>> principal_axes(np.array([[1.0, 0.0], [0.0, 4.0]]), 1).ravel().tolist()
    [0.0, 1.0]
    """
    _, vectors = np.linalg.eigh(products)
    axes = vectors[:, ::-1][:, :n]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.asarray(axes * signs)
