"""Rows of photons per detection -> the arrays of the events input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embed.inputs.event_maps import energy_time_map, energy_time_step_cube, photons, windows
from embed.inputs.event_statistics import summary
from embed.inputs.observed_time import Bools, GoodTimes, Photons, good_times
from embed.inputs.prepared import Arrays, Prepared, ids_and_names
from embed.inputs.ragged import ragged

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
        `shorter` and `longer` (n,) bool: see `embed.inputs.event_maps` and `embed.inputs.event_statistics`; `cube`
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
