"""What the page draws: the map of a space, and a detection's spectrum in a few bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.neighbours.principal_axes import principal_axes

_SAMPLE_ROWS = 50_000


def projected(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the first two principal components, scaled so that 98 % of the rows lie within -1...1.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, 2)
        Rows far out are drawn at the edge, 1.25. The same vectors give the same map.

    Examples
    --------
    >>> points = projected(np.array([[0, 0, 1], [2, 0, 1], [4, 0, 1]], np.float32))
    >>> points[:, 0].round(2).tolist(), float(points[:, 1].max())
    ([-1.0, 0.0, 1.0], 0.0)
    """
    n, dim = vectors.shape
    out = np.zeros((n, 2), np.float32)
    if n < 2 or dim == 0:  # noqa: PLR2004 - one point has no direction
        return out
    step = max(1, n // _SAMPLE_ROWS)
    sample = vectors[::step].astype(np.float64)
    mean = sample.mean(axis=0)
    centred = sample - mean
    axes = principal_axes(centred.T @ centred, 2)
    seen = (vectors - mean.astype(np.float32)) @ axes.astype(np.float32)
    width = np.quantile(np.abs(seen), 0.98, axis=0)
    out[:, : seen.shape[1]] = np.divide(
        seen, width, out=np.zeros_like(seen), where=width > 1e-6 * max(width.max(), 1e-30)
    )
    return np.clip(out, -1.25, 1.25)


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
