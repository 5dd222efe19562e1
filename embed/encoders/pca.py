"""Principal components of the 400-point spectrum: the floor that every learned space has to rise above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.neighbours.principal_axes import principal_axes
from embed.inputs.prepared import Arrays
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.split import held_out
from embed.training.spool import Rows, collected

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PrincipalComponents:
    """Projections onto the directions of greatest variance, not scaled: distances are those of the spectra.

    Attributes
    ----------
    mean : ndarray of float, shape (400,)
        Of the training rows; masked points left out, and filled with it.
    components : ndarray of float, shape (latent, 400)
        Orthonormal rows, by falling variance; the greatest element of each is positive.
    """

    mean: Floats
    components: Floats
    space: str = "spectrum"
    model: str = "pca"
    modality: str = "spectrum"

    @property
    def dim(self) -> int:
        """Number of components."""
        return len(self.components)

    def encode(self, arrays: Arrays) -> Vectors:
        """Project `values` (n, 400) under `mask`; returns (n, latent)."""
        return (self._centred(arrays) @ self.components.T).astype(np.float32)

    def reconstruct(self, arrays: Arrays) -> Floats:
        """Project and go back, shape (n, 400)."""
        return self._centred(arrays) @ self.components.T @ self.components + self.mean

    def configuration(self) -> Configuration:
        """Return the number of components."""
        return {"latent": self.dim}

    def state(self) -> Tensors:
        """Return mean and components."""
        return {"mean": self.mean, "components": self.components}

    def _centred(self, arrays: Arrays) -> Floats:
        values = np.asarray(arrays["values"], np.float64)
        return np.where(np.asarray(arrays["mask"], np.bool_), values - self.mean, 0.0)


def principal_components(chunks: Iterator[Arrays], latent: int) -> PrincipalComponents:
    """Find the components in one pass: sums and products are kept, never the rows.

    Parameters
    ----------
    chunks : iterator of arrays
        `values` and `mask`, shape (n, 400) each.
    latent : int
        How many.
    """
    n = 0
    there, total, products = np.zeros(1), np.zeros(1), np.zeros((1, 1))
    for chunk in chunks:
        mask = np.asarray(chunk["mask"], np.bool_)
        values = np.where(mask, np.asarray(chunk["values"], np.float64), 0.0)
        n, there = n + len(values), there + mask.sum(axis=0)
        total, products = total + values.sum(axis=0), products + values.T @ values
    mean = total / np.maximum(there, 1.0)
    # A masked point counts as the mean, which adds nothing to the covariance; exact where nothing is masked.
    covariance = products - np.outer(total, mean)
    covariance = 0.5 * (covariance + covariance.T) / max(n, 1)
    return PrincipalComponents(mean, np.ascontiguousarray(principal_axes(covariance, latent).T))


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Find the components of the training sources; the error is that on the held-out ones."""
    with collected("spectrum", stream, settings) as rows:
        out = held_out(rows.sources, settings.held_out, settings.seed)
        encoder = principal_components(_selected(rows, ~out), settings.latent)
        error = _error(encoder, _selected(rows, out)) if out.any() else None
        n_sources = len({s for s, o in zip(rows.sources, out, strict=True) if not o})
        return Fitted(encoder, [], error, "reconstruction MAE", int((~out).sum()), n_sources, 0, rows.skipped)


def restore(configuration: Configuration, tensors: Tensors) -> PrincipalComponents:
    """Restore an encoder."""
    del configuration
    return PrincipalComponents(np.asarray(tensors["mean"], np.float64), np.asarray(tensors["components"], np.float64))


def _selected(rows: Rows, chosen: npt.NDArray[np.bool_]) -> Iterator[Arrays]:
    for chunk in rows.chunks():
        yield {k: rows.arrays[k][chunk][chosen[chunk]] for k in ("values", "mask")}


def _error(encoder: PrincipalComponents, chunks: Iterator[Arrays]) -> float:
    errors = []
    for chunk in chunks:
        mask = np.asarray(chunk["mask"], np.float64)
        residual = np.abs(encoder.reconstruct(chunk) - np.asarray(chunk["values"]))
        errors.append((residual * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0))
    return float(np.concatenate(errors).mean())
