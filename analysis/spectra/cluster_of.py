"""Which cluster a vector belongs to: what is left of a clustering once it is fitted, and `cluster_of(vector)` in SQL.

Needs numpy alone, so that a query loads no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.distances import squares
from analysis.study.models import Stored, of_vector
from sql.objects import Described

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = Literal["centres", "gaussians", "neighbours"]

CLIP = 5.0
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Scaling:
    """(x - centre) / width, clipped at 5.

    Attributes
    ----------
    centre, width : ndarray of float, shape (d,)
    """

    centre: Floats
    width: Floats

    def __call__(self, x: npt.NDArray[np.floating]) -> Floats:
        """Scale vectors, shape (n, d)."""
        return np.clip((np.asarray(x, np.float64) - self.centre) / self.width, -CLIP, CLIP)


def scaling(x: npt.NDArray[np.floating]) -> Scaling:
    """Return the scaling that gives each dimension mean 0 and deviation 1; a constant one stays 0.

    Examples
    --------
    >>> scaling(np.array([[0.0, 3.0], [2.0, 3.0]]))(np.array([[2.0, 3.0]])).tolist()
    [[1.0, 0.0]]
    """
    values = np.asarray(x, np.float64)
    width = values.std(axis=0)
    return Scaling(values.mean(axis=0), np.where(width > 1e-12 * (1 + np.abs(values).max(initial=0)), width, 1.0))


@dataclass(frozen=True)
class Assigner:
    """A fitted clustering, reduced to what assigns a vector.

    Attributes
    ----------
    kind : {'centres', 'gaussians', 'neighbours'}
        The nearest centre; the Gaussian of greatest weighted density; the cluster of the nearest fitted row.
    scaling : Scaling
    tensors : mapping of str to ndarray
        centres: `centres` (k, d). gaussians: `means` (k, d), `factors` (k, d, d), Cholesky factors of the precisions,
        `log_weights` (k,). neighbours: `rows` (m, d), `labels` (m,); -1 for noise.
    """

    kind: Kind
    scaling: Scaling
    tensors: Mapping[str, npt.NDArray[np.generic]]

    def __call__(self, x: npt.NDArray[np.floating]) -> Integers:
        """Assign vectors, shape (n, d), as they stand in the space; returns (n,) int."""
        scaled = self.scaling(x)
        parts = [self._assigned(scaled[i : i + _BLOCK_ROWS]) for i in range(0, len(scaled), _BLOCK_ROWS)]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def stored(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything as tensors."""
        return {**self.tensors, "scaling_centre": self.scaling.centre, "scaling_width": self.scaling.width}

    def _assigned(self, x: Floats) -> Integers:
        if self.kind == "gaussians":
            return self._gaussians(x)
        if self.kind == "centres":
            return self._nearest(x, "centres")
        if self.kind == "neighbours":
            return np.asarray(self.tensors["labels"][self._nearest(x, "rows")], np.int64)
        assert_never(self.kind)

    def _nearest(self, x: Floats, to: str) -> Integers:
        return np.asarray(squares(x, np.asarray(self.tensors[to], np.float64)).argmin(axis=1), np.int64)

    def _gaussians(self, x: Floats) -> Integers:
        means, factors = (np.asarray(self.tensors[name], np.float64) for name in ("means", "factors"))
        log_weights = np.asarray(self.tensors["log_weights"], np.float64)
        density = np.empty((len(x), len(means)))
        for i, (mean, factor) in enumerate(zip(means, factors, strict=True)):
            density[:, i] = (
                log_weights[i] + np.log(np.diag(factor)).sum() - 0.5 * (((x - mean) @ factor) ** 2).sum(axis=1)
            )
        return np.asarray(density.argmax(axis=1), np.int64)


def restored(kind: Kind, tensors: Mapping[str, npt.NDArray[np.generic]]) -> Assigner:
    """Make an assigner of what `Assigner.stored` gave."""
    rest = {name: value for name, value in tensors.items() if not name.startswith("scaling_")}
    scale = Scaling(*(np.asarray(tensors[f"scaling_{n}"], np.float64) for n in ("centre", "width")))
    return Assigner(kind, scale, rest)


def _answer(model: Stored, x: npt.NDArray[np.float32]) -> pa.Array:
    kind: Kind = model.configuration["kind"]  # type: ignore[assignment]  # a run wrote it
    return pa.array(restored(kind, model.tensors())(x), pa.int32())


CLUSTER_OF = of_vector(
    "cluster_of",
    "INTEGER",
    _answer,
    "python -m analysis cluster --space {space} --store {store}",
    Described("cluster", "Cluster of a vector in the newest clustering of its space; -1 for noise", ucd="meta.number"),
)
