"""How well spectra are reconstructed on held-out sources: every model, the floors, and an interval on each number.

All are measured on the same rows, in MinMax units. Reconstruction is of noisy data: a model without any error would
have learnt the noise. The moving average is no encoder at all: it sees all 400 points of the spectrum it smooths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from embed.inputs.prepared import Arrays

Floats = npt.NDArray[np.float64]
N_BOOTSTRAP = 1000
SMOOTHING_POINTS = 9


@runtime_checkable
class Reconstructs(Protocol):
    """An encoder that can go back from its vectors."""

    def reconstruct(self, arrays: Arrays) -> Floats:
        """Encode and decode `values` under `mask`, shape (n, 400)."""


@dataclass(frozen=True)
class Measured:
    """A mean with its interval.

    Attributes
    ----------
    mean : float
        Over sources: a source with many detections counts once.
    low, high : float
        16th and 84th percentiles of the bootstrap over sources.
    n_sources, n_rows : int
        What it was measured on.
    """

    mean: float
    low: float
    high: float
    n_sources: int
    n_rows: int


def moving_average(arrays: Arrays, n_points: int = SMOOTHING_POINTS) -> Floats:
    """Smooth each spectrum by the mean of the unmasked points around.

    Parameters
    ----------
    arrays : mapping
        `values` and `mask`, shape (n, 400) each.
    n_points : int
        Width of the window, odd.

    Returns
    -------
    ndarray of float, shape (n, 400)

    Examples
    --------
    >>> arrays = {"values": np.array([[0.0, 3.0, 0.0, 0.0]]), "mask": np.ones((1, 4), bool)}
    >>> moving_average(arrays, 3).tolist()
    [[1.5, 1.0, 1.0, 0.0]]
    """
    mask = np.asarray(arrays["mask"], np.float64)
    total = _window_sums(np.asarray(arrays["values"], np.float64) * mask, n_points)
    return total / np.maximum(_window_sums(mask, n_points), 1.0)


def absolute_errors(reconstructed: Floats, arrays: Arrays) -> Floats:
    """Return the mean absolute error of each spectrum over its unmasked points, shape (n,)."""
    mask = np.asarray(arrays["mask"], np.float64)
    residual = np.abs(reconstructed - np.asarray(arrays["values"], np.float64))
    return np.asarray((residual * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0))


def over_sources(errors: Floats, sources: Sequence[str], seed: int = 0) -> Measured:
    """Average per source, then over sources, with a bootstrap interval.

    Parameters
    ----------
    errors : ndarray of float, shape (n,)
        One per row.
    sources : sequence of str, length n
        Source of each row.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> over_sources(np.array([1.0, 3.0, 4.0]), ["a", "a", "b"]).mean
    3.0
    """
    return _measured(_per_source(errors, sources), seed, len(errors))


def compared(errors: Mapping[str, Floats], sources: Sequence[str], baseline: str, seed: int = 0) -> dict[str, Measured]:
    """Measure each model's error relative to a baseline's on the same sources: the paired difference.

    Parameters
    ----------
    errors : mapping of str to ndarray, shape (n,) each
        By model.
    sources : sequence of str, length n
        Source of each row.
    baseline : str
        Key of the model that all are compared with.
    seed : int
        Of the bootstrap; all models are drawn alike.

    Returns
    -------
    dict of str to Measured
        Error minus the baseline's: below 0 is better, and certain where `high` is too.
    """
    floor = _per_source(errors[baseline], sources)
    return {k: _measured(_per_source(v, sources) - floor, seed, len(sources)) for k, v in errors.items()}


def reconstruction_errors(
    models: Mapping[str, Reconstructs], chunks: Iterable[Arrays], smoothing_points: int = SMOOTHING_POINTS
) -> dict[str, Floats]:
    """Measure models and the smoother on the same spectra.

    Parameters
    ----------
    models : mapping
        Name -> encoder that can reconstruct.
    chunks : iterable of arrays
        `values` and `mask` of held-out rows, some at a time.
    smoothing_points : int
        Window of the moving average.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Mean absolute error of each spectrum by model; 'moving average' and 'mean of each spectrum' with them.
    """
    found: dict[str, list[Floats]] = {}
    for arrays in chunks:
        guesses = {name: model.reconstruct(arrays) for name, model in models.items()}
        guesses["moving average"] = moving_average(arrays, smoothing_points)
        mask = np.asarray(arrays["mask"], np.float64)
        mean = (np.asarray(arrays["values"], np.float64) * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)
        guesses["mean of each spectrum"] = np.broadcast_to(mean[:, None], mask.shape)
        for name, guess in guesses.items():
            found.setdefault(name, []).append(absolute_errors(guess, arrays))
    return {name: np.concatenate(errors) for name, errors in found.items()}


def _per_source(errors: Floats, sources: Sequence[str]) -> Floats:
    _, which, n_rows = np.unique(np.asarray(sources), return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(which, errors) / n_rows)


def _measured(per_source: Floats, seed: int, n_rows: int) -> Measured:
    rng, n = np.random.default_rng(seed), len(per_source)
    means = [per_source[rng.integers(0, n, n)].mean() for _ in range(N_BOOTSTRAP)]
    low, high = np.percentile(means, [16, 84])
    return Measured(float(per_source.mean()), float(low), float(high), n, n_rows)


def _window_sums(values: Floats, n_points: int) -> Floats:
    half = n_points // 2
    sums = np.cumsum(np.pad(values, ((0, 0), (half + 1, half))), axis=1)
    return sums[:, n_points:] - sums[:, :-n_points]
