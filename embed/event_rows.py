"""Rows of photons per detection -> the arrays of the events input."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from embed.event_maps import energy_time_map, photons, windows
from embed.prepared import Prepared, ids_and_names
from embed.ragged import ragged
from embed.summary_statistics import summary


def prepare(rows: pa.Table) -> Prepared:
    """Bin photons.

    Parameters
    ----------
    rows : pyarrow.Table
        id, name, photon (list of {time_s, energy_ev}, any order, empty or NULL for none), good (list of
        {start_s, stop_s}), no_energy (there are photons, and none has an energy): see `embed.inputs`.

    Returns
    -------
    Prepared
        Arrays `counts` (n, 64, 3), `exposure` (n, 64), `map` (n, 24, 16), `summary` (n, n_statistic), all float32,
        `shorter` and `longer` (n,) bool: see `embed.event_maps` and `embed.summary_statistics`. A detection without
        a single photon is kept; one whose photons have no energy (HRC) is not.
    """
    time, energy = ragged(rows["photon"], "time_s"), ragged(rows["photon"], "energy_ev")
    start, stop = ragged(rows["good"], "start_s"), ragged(rows["good"], "stop_s")
    n = rows.num_rows
    p = photons(time.flat, energy.flat, time.row, n)
    whole = np.isfinite(start.flat) & np.isfinite(stop.flat) & (stop.flat > start.flat)
    w = windows(p, start.flat[whole], stop.flat[whole], start.row[whole])
    kept = ~np.asarray(rows["no_energy"].to_numpy(), np.bool_)
    ids, names = ids_and_names(rows, kept)
    arrays = {
        "counts": w.counts,
        "exposure": w.exposure,
        "map": energy_time_map(p),
        "summary": summary(p, w),
        "shorter": w.shorter,
        "longer": w.longer,
    }
    lost = [] if kept.all() else rows["id"].filter(pa.array(~kept)).to_pylist()
    reason = "its photons have no energies (HRC), and the event encoders read energies"
    return Prepared(ids, names, {k: v[kept] for k, v in arrays.items()}, dict.fromkeys(lost, reason))
