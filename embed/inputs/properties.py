"""Which catalog columns stand for the physics of a detection: fluxes, colours, fits, variability.

Columns of the observation rather than the source (off-axis angle, exposure, chip) stay out.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from embed.inputs.prepared import Prepared, ids_and_names, numbers

_BANDS = ("b", "s", "m", "h")
LOG_COLUMNS: tuple[str, ...] = (
    *(f"flux_aper_{band}" for band in _BANDS),
    "flux_significance_b",
    "src_cnts_aper_b",
    "src_rate_aper_b",
    "powlaw_nh",
    "bb_nh",
    "brems_nh",
    "apec_nh",
    "bb_kt",
    "brems_kt",
    "apec_kt",
    "var_sigma_b",
    "var_mean_b",
    "var_max_b",
)
LINEAR_COLUMNS: tuple[str, ...] = (
    "hard_hm",
    "hard_hs",
    "hard_ms",
    "powlaw_gamma",
    *(f"var_prob_{band}" for band in _BANDS),
    *(f"var_index_{band}" for band in _BANDS),
    "ks_prob_b",
    "kp_prob_b",
)
COLUMNS: tuple[str, ...] = (*LINEAR_COLUMNS, *LOG_COLUMNS)


def prepare(rows: pa.Table) -> Prepared:
    """Gather the columns.

    Parameters
    ----------
    rows : pyarrow.Table
        id, name, and `COLUMNS`.

    Returns
    -------
    Prepared
        Array `columns` (n, n_column) float64: log10 where the column spans decades; NaN where NULL, or where a
        logarithm of nothing positive would be needed. A row without any value is skipped.
    """
    values = np.stack([numbers(rows[c]) for c in COLUMNS], axis=1) if rows.num_rows else np.empty((0, len(COLUMNS)))
    logged = np.array([c in LOG_COLUMNS for c in COLUMNS])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(logged & ~(values > 0), np.nan, values)
        values = np.where(logged, np.log10(values), values)
    values[~np.isfinite(values)] = np.nan
    kept = np.asarray(np.isfinite(values).any(axis=1), np.bool_)
    ids, names = ids_and_names(rows, kept)
    lost = rows["id"].filter(pa.array(~kept)).to_pylist() if rows.num_rows else []
    return Prepared(ids, names, {"columns": values[kept]}, dict.fromkeys(lost, "the catalog has no measurement of it"))
