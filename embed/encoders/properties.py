"""The properties space: standardised catalog columns with missing-value indicators.

No network, no training beyond means and standard deviations: the baseline that every learned space is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embed.inputs.prepared import Arrays
from embed.inputs.properties import COLUMNS
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.spool import collected

CLIP = 5.0  # standard deviations: one wild fit must not rule a distance


@dataclass(frozen=True)
class StandardisedProperties:
    """(x - mean) / standard deviation per column, clipped at 5; then one indicator per column, 1 where missing.

    Attributes
    ----------
    mean, std : tuple of float, length n_column
        Of the training rows, missing values left out; 0 and 0 for a column never seen.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    space: str = "properties"
    model: str = "standardised"
    modality: str = "properties"

    @property
    def dim(self) -> int:
        """Two numbers per column."""
        return 2 * len(COLUMNS)

    def encode(self, arrays: Arrays) -> Vectors:
        """Standardise `columns` (n, n_column); returns (n, 2 n_column)."""
        values = np.asarray(arrays["columns"], np.float64)
        std = np.array(self.std)
        scaled = np.divide(values - np.array(self.mean), std, out=np.zeros_like(values), where=std > 0)
        missing = np.isnan(values)
        scaled = np.where(missing, 0.0, np.clip(scaled, -CLIP, CLIP))
        return np.concatenate([scaled, missing], axis=1).astype(np.float32)

    def configuration(self) -> Configuration:
        """Return columns, means and standard deviations."""
        return {"columns": list(COLUMNS), "mean": list(self.mean), "std": list(self.std)}

    def state(self) -> Tensors:
        """Return no weights: the configuration says all."""
        return {}


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Take means and standard deviations of all rows: no held-out sources, as nothing is tuned."""
    with collected("properties", stream, settings) as rows:
        n, mean, std = moments(rows.arrays["columns"][chunk] for chunk in rows.chunks())
    seen = n > 0
    encoder = StandardisedProperties(
        tuple(np.where(seen, mean, 0.0).tolist()), tuple(np.where(seen, std, 0.0).tolist())
    )
    n_sources = len(set(rows.sources))
    return Fitted(encoder, [], None, "none", rows.n, n_sources, 0, rows.skipped)


def restore(configuration: Configuration, tensors: Tensors) -> StandardisedProperties:
    """Restore an encoder; one made for other columns than this program's is refused."""
    del tensors
    if configuration["columns"] != list(COLUMNS):
        raise ValueError("its columns are not those of this version of photonlake; train the space anew")
    mean, std = (np.asarray(configuration[k], np.float64).tolist() for k in ("mean", "std"))
    return StandardisedProperties(tuple(mean), tuple(std))


def moments(
    chunks: Iterator[npt.NDArray[np.generic]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return number, mean and standard deviation of the values that are there, each of shape (n_column,).

    Merged chunk by chunk (Chan, Golub & LeVeque 1983), so that the whole table is never held.
    """
    total, mean, square = np.zeros(1), np.zeros(1), np.zeros(1)
    for chunk in chunks:
        values = np.asarray(chunk, np.float64)
        there = np.isfinite(values)
        n = there.sum(axis=0).astype(np.float64)
        own = np.divide(np.where(there, values, 0.0).sum(axis=0), n, out=np.zeros(len(n)), where=n > 0)
        spread = (np.where(there, values - own, 0.0) ** 2).sum(axis=0)
        both = np.maximum(total + n, 1.0)
        square = square + spread + (own - mean) ** 2 * total * n / both
        mean = mean + (own - mean) * n / both
        total = total + n
    return total, mean, np.sqrt(square / np.maximum(total, 1.0))
