"""Small tables in the shape of the inputs' queries, with structure that a network can learn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from catalog.folding import nominal_acis_edges
from embed.inputs.properties import COLUMNS, LOG_COLUMNS

E_MIN, E_MAX = nominal_acis_edges()
MIDDLE = 0.5 * (E_MIN + E_MAX)
FLOATS, INTS = pa.list_(pa.float64()), pa.list_(pa.int32())


def names(n: int) -> list[str]:
    """Two detections per source."""
    return [f"2CXO J{i // 2:06d}.0+000000" for i in range(n)]


def shapes(n: int, seed: int = 0) -> np.ndarray:
    """Power laws with an absorption edge and a line, shape (n, 1024)."""
    rng = np.random.default_rng(seed)
    slope, edge, line = rng.uniform(0.5, 3, (n, 1)), rng.uniform(0.6, 2.5, (n, 1)), rng.uniform(0, 3, (n, 1))
    shape = MIDDLE**-slope * np.exp(-((edge / MIDDLE) ** 3)) + line * np.exp(-0.5 * ((MIDDLE - 6.4) / 0.1) ** 2) * 0.1
    return shape / shape.sum(1, keepdims=True)


def spectrum_table(n: int, seed: int = 0, counts: float = 20_000.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    drawn = rng.poisson(counts * shapes(n, seed))
    nothing = pa.nulls(n, FLOATS)
    return pa.table(
        {
            "id": [f"{1000 + i}.0.{i}" for i in range(n)],
            "name": names(n),
            "instrument": ["ACIS"] * n,
            "hduclas2": ["TOTAL"] * n,
            "counts": pa.array(drawn.tolist(), INTS),
            "rate": nothing,
            "stat_err": nothing,
            "quality": pa.nulls(n, INTS),
            "exposure_s": np.full(n, 20_000.0),
            "backscal": np.full(n, 1e-6),
            "areascal": np.ones(n),
            "background_counts": pa.array(rng.poisson(0.5, (n, 1024)).tolist(), INTS),
            "background_rate": nothing,
            "background_exposure_s": np.full(n, 20_000.0),
            "background_backscal": np.full(n, 1e-5),
            "background_areascal": np.ones(n),
            "e_min": pa.array([E_MIN.tolist()] * n, FLOATS),
            "e_max": pa.array([E_MAX.tolist()] * n, FLOATS),
        }
    )


def folded_table(n: int, seed: int = 0) -> pa.Table:
    """Spectra with a response whose matrix is diagonal and whose area falls at both ends."""
    edges = np.linspace(0.3, 10.0, 98)
    low, high = edges[:-1], edges[1:]
    channel = np.searchsorted(E_MAX, 0.5 * (low + high))
    one = np.ones(len(low))
    area = 400 * np.exp(-(((0.5 * (low + high)) - 2.0) ** 2) / 8)
    same = {
        "energ_lo": low, "energ_hi": high, "n_grp": one, "f_chan": channel - 1, "n_chan": 3 * one,
        "matrix": np.tile([0.25, 0.5, 0.25], len(low)), "arf_lo": low, "arf_hi": high, "specresp": area,
    }  # fmt: skip
    table = spectrum_table(n, seed)
    for name, values in same.items():
        table = table.append_column(name, pa.array([values.tolist()] * n, FLOATS))
    return table.append_column("includes_area", pa.array([False] * n))


def photon_table(n: int, seed: int = 0) -> pa.Table:
    """Steady sources, flares and dark ones."""
    rng = np.random.default_rng(seed)
    photons = []
    for i in range(n):
        size = int(rng.integers(0, 400)) * (i % 7 > 0)
        time = rng.uniform(0, 30_000, size) if i % 2 else rng.normal(9000, 1500, size).clip(0, 29_999)
        energy = np.exp(rng.normal(np.log(900 if i % 3 else 3000), 0.4, size))
        photons.append([{"time_s": t, "energy_ev": e} for t, e in zip(time, energy, strict=True)])
    struct = pa.list_(pa.struct([("time_s", pa.float64()), ("energy_ev", pa.float64())]))
    good = pa.list_(pa.struct([("start_s", pa.float64()), ("stop_s", pa.float64())]))
    return pa.table(
        {
            "id": [f"{2000 + i}.0.{i}" for i in range(n)],
            "name": names(n),
            "photon": pa.array(photons, struct),
            "good": pa.array([[{"start_s": 0.0, "stop_s": 30_000.0}]] * n, good),
            "no_energy": [False] * n,
            "no_region": [False] * n,
            "capped": [False] * n,
        }
    )


def property_table(n: int, seed: int = 0) -> pa.Table:
    """Catalog columns with gaps; bb_kt is never known."""
    rng = np.random.default_rng(seed)
    table = {"id": [f"{3000 + i}.0.{i}" for i in range(n)], "name": names(n)}
    for column in COLUMNS:
        values = 10 ** rng.normal(-13, 1, n) if column in LOG_COLUMNS else rng.normal(0.2, 0.4, n)
        missing = rng.random(n) < 0.3 if column != "bb_kt" else np.ones(n, bool)
        table[column] = pa.array(values, pa.float64(), mask=missing)
    return pa.table(table)
