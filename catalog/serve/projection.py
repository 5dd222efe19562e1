"""A map of a space: its vectors seen along the two directions in which they differ most."""

from __future__ import annotations

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
