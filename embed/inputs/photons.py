"""Rows of photons per detection -> the arrays of the events input, and the statistics that anyone measures first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.intervals import Floats
from embed.inputs.event_maps import N_BIN, Singles, Windows, energy_time_map, energy_time_step_cube, photons, windows
from embed.inputs.observed_time import Bools, GoodTimes, Photons, good_times
from embed.inputs.prepared import Arrays, Prepared, ids_and_names, ragged

ENERGY_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TIME_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
GROUPINGS = (1, 4, 16)  # window bins per light-curve bin: 450 s, 30 min, 2 h
NAMES: tuple[str, ...] = (
    "log_n_photons",
    "log_duration_s",
    "log_rate",
    *(f"log_energy_q{q:g}" for q in ENERGY_QUANTILES),
    "log_energy_mean",
    "log_energy_std",
    *(f"fraction_{band}" for band in ("soft", "medium", "hard")),
    *(f"time_q{q:g}" for q in TIME_QUANTILES),
    "time_ks",
    *(f"log_dispersion_{g}" for g in GROUPINGS),
    "peak_fraction",
    "observed_fraction",
    "energy_time_correlation",
)


def summary(p: Photons, good: GoodTimes, w: Windows) -> Singles:
    """Measure each detection.

    Parameters
    ----------
    p : Photons
        Of n detections.
    good : GoodTimes
        Of the same: arrival times are shares of the good time, so that those of a constant source are uniform, and
        rates are over all of it.
    w : Windows
        Of the same.

    Returns
    -------
    ndarray of float32, shape (n, len(NAMES))
        Finite; a statistic that needs more photons than there are takes the value of a constant source.
    """
    n_photons = p.n_photons.astype(np.float64)
    some = np.maximum(n_photons, 1.0)
    time = good.share(p)
    duration = good.seconds
    log_energy = np.log10(p.energy_ev / 1000.0)
    mean = np.bincount(p.row, log_energy, minlength=p.n) / some
    deviation = log_energy - mean[p.row]
    std = np.sqrt(np.bincount(p.row, deviation**2, minlength=p.n) / some)
    bands = w.counts.sum(axis=1, dtype=np.float64)
    total = np.maximum(bands.sum(axis=1, keepdims=True), 1.0)
    columns = [
        np.log10(n_photons + 1.0),
        np.log10(duration + 1.0),
        np.log10((n_photons + 1.0) / (duration + 1000.0)),
        *_quantiles(log_energy, p, ENERGY_QUANTILES, 0.0),
        mean,
        std,
        *(bands / total).T,
        *_quantiles(time, p, TIME_QUANTILES, np.nan),
        _kolmogorov_smirnov(time, p),
        *(_dispersion(w, group) for group in GROUPINGS),
        w.counts.sum(axis=2).max(axis=1) / total[:, 0],
        w.exposure.mean(axis=1),
        _correlation(time, deviation, p, std),
    ]
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1).astype(np.float32)


def _quantiles(values: Floats, p: Photons, quantiles: tuple[float, ...], empty: float) -> list[Floats]:
    """Quantiles per detection, each of shape (n,); `empty` (NaN: the quantile itself) where there is no photon."""
    if not len(values):
        return [np.full(p.n, q if np.isnan(empty) else empty) for q in quantiles]
    ordered = values[np.lexsort((values, p.row))]
    found = []
    for q in quantiles:
        index = p.first + np.floor(q * np.maximum(p.n_photons - 1, 0) + 0.5).astype(np.int64)
        value = ordered[np.minimum(index, len(ordered) - 1)]
        found.append(np.where(p.n_photons > 0, value, q if np.isnan(empty) else empty))
    return found


def _kolmogorov_smirnov(time: Floats, p: Photons) -> Floats:
    """Greatest distance of arrival times from uniform, times sqrt(n): shape (n,)."""
    rank = np.arange(len(time)) - p.first[p.row]
    n = np.maximum(p.n_photons, 1)
    above = (rank + 1) / n[p.row] - time
    below = time - rank / n[p.row]
    distance = np.zeros(p.n)
    np.maximum.at(distance, p.row, np.maximum(above, below))
    return distance * np.sqrt(n)


def _dispersion(w: Windows, group: int) -> Floats:
    """Log of the variance of the counts over the Poisson expectation, in light-curve bins of `group` window bins."""
    n = len(w.counts)
    counts = w.counts.sum(axis=2, dtype=np.float64).reshape(n, N_BIN // group, group).sum(axis=2)
    exposure = w.exposure.astype(np.float64).reshape(n, N_BIN // group, group).sum(axis=2)
    rate = counts.sum(axis=1) / np.maximum(exposure.sum(axis=1), 1e-9)
    expected = rate[:, None] * exposure
    chi2 = np.sum((counts - expected) ** 2 / np.maximum(expected, 1e-9), axis=1, where=expected > 0)
    degrees = np.maximum((exposure > 0).sum(axis=1) - 1, 1)
    return np.asarray(np.log10(np.where(rate > 0, chi2 / degrees, 1.0) + 0.1))


def _correlation(time: Floats, deviation: Floats, p: Photons, std: Floats) -> Floats:
    n = np.maximum(p.n_photons, 1)
    late = time - (np.bincount(p.row, time, minlength=p.n) / n)[p.row]
    together = np.bincount(p.row, late * deviation, minlength=p.n) / n
    spread = np.sqrt(np.bincount(p.row, late**2, minlength=p.n) / n) * std
    return np.divide(together, spread, out=np.zeros(p.n), where=spread > 0)


_REASONS = {
    "no_energy": "its photons have no energies (HRC), and the event encoders read energies",
    "capped": "its list of photons was cut: their rate is not that of the source",
    "no_region": "its source region is not known: its photons cannot be told from those of the field",
}


def prepare(rows: pa.Table) -> Prepared:
    """Bin photons.

    Parameters
    ----------
    rows : pyarrow.Table
        id, name, photon (list of {time_s, energy_ev}, any order, empty or NULL for none), good (list of
        {start_s, stop_s}, which may overlap), no_energy (there are photons, and none has an energy), no_region (its
        source region is not known), capped (its list of photons was cut): see `embed.inputs.modalities`.

    Returns
    -------
    Prepared
        Arrays `counts` (n, 64, 3), `exposure` (n, 64), `map` (n, 24, 16), `summary` (n, n_statistic), all float32,
        `shorter` and `longer` (n,) bool: see `embed.inputs.event_maps` and `embed.inputs.photons`; `cube`
        (n, 24, 16, 16), ten times as large as all the others, is made when it is asked for. A detection without
        a single photon is kept; one whose photons have no energy (HRC), are not known to be the source's, or are not
        all there is not.
    """
    time, energy = ragged(rows["photon"], "time_s"), ragged(rows["photon"], "energy_ev")
    start, stop = ragged(rows["good"], "start_s"), ragged(rows["good"], "stop_s")
    n = rows.num_rows
    whole = np.isfinite(start.flat) & np.isfinite(stop.flat)
    every = photons(time.flat, energy.flat, time.row, n)
    p, good = good_times(every, start.flat[whole], stop.flat[whole], start.row[whole])
    w = windows(p, good)
    unusable = {name: np.asarray(rows[name].to_numpy(), np.bool_) for name in _REASONS}
    kept = ~np.any(list(unusable.values()), axis=0)
    ids, names = ids_and_names(rows, kept)
    arrays = {
        "counts": w.counts,
        "exposure": w.exposure,
        "map": energy_time_map(p, good),
        "summary": summary(p, good, w),
        "shorter": w.shorter,
        "longer": w.longer,
    }
    skipped: dict[str, str] = {}
    for name, mask in unusable.items():
        skipped |= dict.fromkeys(rows["id"].filter(pa.array(mask)).to_pylist(), _REASONS[name])
    held = _WithCube({k: v[kept] for k, v in arrays.items()}, p, good, kept)
    return Prepared(ids, names, held, skipped)


class _WithCube(Mapping[str, npt.NDArray[np.generic]]):
    """The arrays of detections, and under `cube` their E-t-dt cubes."""

    def __init__(self, arrays: Arrays, p: Photons, good: GoodTimes, kept: Bools) -> None:
        self._arrays, self._photons, self._good, self._kept = arrays, p, good, kept

    def __getitem__(self, name: str) -> npt.NDArray[np.generic]:
        """Return an array by name."""
        return energy_time_step_cube(self._photons, self._good)[self._kept] if name == "cube" else self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter((*self._arrays, "cube"))

    def __len__(self) -> int:
        """Return how many arrays there are."""
        return len(self._arrays) + 1
