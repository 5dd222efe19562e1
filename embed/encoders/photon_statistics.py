"""The floor of the events space: standardised summary statistics, nothing learnt but their means and spreads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embed.encoders.properties import CLIP, moments
from embed.inputs.photons import NAMES
from embed.inputs.prepared import Arrays
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.spool import collected


@dataclass(frozen=True)
class SummaryStatistics:
    """(x - mean) / standard deviation of each statistic, clipped at 5.

    Attributes
    ----------
    mean, std : tuple of float, length n_statistic
        Of the training rows.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    space: str = "events"
    model: str = "summary"
    modality: str = "events"

    @property
    def dim(self) -> int:
        """One number per statistic."""
        return len(NAMES)

    def encode(self, arrays: Arrays) -> Vectors:
        """Standardise `summary` (n, n_statistic)."""
        std = np.array(self.std)
        centred = np.asarray(arrays["summary"], np.float64) - np.array(self.mean)
        scaled = np.divide(centred, std, out=np.zeros_like(centred), where=std > 0)
        return np.asarray(np.clip(scaled, -CLIP, CLIP), np.float32)

    def configuration(self) -> Configuration:
        """Return the statistics' names, means and standard deviations."""
        return {"statistics": list(NAMES), "mean": list(self.mean), "std": list(self.std)}

    def state(self) -> Tensors:
        """Return no weights: the configuration says all."""
        return {}


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Take means and standard deviations of all rows: no held-out sources, as nothing is tuned."""
    with collected("events", stream, settings) as rows:
        _, mean, std = moments(rows.arrays["summary"][chunk] for chunk in rows.chunks())
        encoder = SummaryStatistics(tuple(mean.tolist()), tuple(std.tolist()))
        return Fitted(encoder, [], None, "none", rows.n, len(set(rows.sources)), 0, rows.skipped)


def restore(configuration: Configuration, tensors: Tensors) -> SummaryStatistics:
    """Restore an encoder; one made for other statistics than this program's is refused."""
    del tensors
    if configuration["statistics"] != list(NAMES):
        raise ValueError("its statistics are not those of this version of photonlake; train the space anew")
    mean, std = (np.asarray(configuration[k], np.float64).tolist() for k in ("mean", "std"))
    return SummaryStatistics(tuple(mean), tuple(std))
