"""Sources by their columns in csc.master_source, as rows of a space: where only sources have measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from analysis.study.samples import Rows
from catalog import Catalog
from catalog.query.conditions import checked
from catalog.schema.columns import quote

MASTER = "csc.master_source"
"""Given in the place of a space."""
COLUMNS = {
    "hard_hm": "hard_hm",
    "hard_hs": "hard_hs",
    "hard_ms": "hard_ms",
    "powlaw_gamma": "powlaw_gamma",
    "bb_kt": "bb_kt",
    "log_flux_aper_b": "CASE WHEN flux_aper_b > 0 THEN log10(flux_aper_b) END",
    "var_prob_b": "coalesce(var_intra_prob_b, TRY_CAST(extra['var_prob_b'] AS DOUBLE))",
    "var_prob_h": "coalesce(var_intra_prob_h, TRY_CAST(extra['var_prob_h'] AS DOUBLE))",
    "var_prob_s": "coalesce(var_intra_prob_s, TRY_CAST(extra['var_prob_s'] AS DOUBLE))",
    "var_ratio_b": "TRY_CAST(extra['var_ratio_b'] AS DOUBLE)",
    "var_ratio_h": "TRY_CAST(extra['var_ratio_h'] AS DOUBLE)",
    "var_ratio_s": "TRY_CAST(extra['var_ratio_s'] AS DOUBLE)",
}
"""What a vector is made of: name -> SQL."""
_CLIP = 5.0


def read(cat: Catalog, where: str = "", also: Sequence[str] = (), snapshot: int | None = None) -> Rows:
    """Read sources that have a probability of variability.

    Parameters
    ----------
    cat : Catalog
    where : str
        SQL condition on columns of csc.master_source and those of `COLUMNS`.
    also : sequence of str
        Columns to give besides; what csc.master_source has not is NULL.
    snapshot : int, optional
        Without it the newest.

    Returns
    -------
    Rows
        Ids and sources are names. Vectors hold `COLUMNS`, standardised as the space `properties` does it and clipped
        at 5 standard deviations, then which of them are missing (they count as the mean).

    Raises
    ------
    QueryError
        If the condition is none, or names a column that does not exist.
    """
    number = cat.snapshots()[-1].number if snapshot is None else snapshot
    condition = f"({checked(where, '--where')}\n)" if where.strip() else "true"
    values = ", ".join(f"{sql} AS {quote(name)}" for name, sql in COLUMNS.items())
    plain = ", ".join(quote(name) for name, sql in COLUMNS.items() if name == sql)
    found = cat.sql(
        f"SELECT * FROM (SELECT * EXCLUDE ({plain}), {values} FROM {MASTER}) "
        f"WHERE {condition} AND var_prob_b IS NOT NULL ORDER BY name",
        snapshot=number,
    ).arrow()
    names = np.asarray(found["name"].to_numpy(zero_copy_only=False), object)
    x = np.column_stack([found[c].to_numpy(zero_copy_only=False).astype(np.float64) for c in COLUMNS])
    missing = np.isnan(x)
    of_any = np.where(missing.all(axis=0), 0.0, x) if len(x) else np.zeros((1, x.shape[1]))
    mean, spread = np.nanmean(of_any, axis=0), np.nanstd(of_any, axis=0)
    scaled = np.divide(x - mean, spread, out=np.zeros_like(x), where=spread > 0)
    scaled = np.where(missing, 0.0, np.clip(scaled, -_CLIP, _CLIP))
    vectors = np.concatenate([scaled, missing], axis=1).astype(np.float32)
    none = pa.nulls(len(names), pa.float64())
    columns = pa.table({c: found[c] if c in found.column_names else none for c in also})
    return Rows(names, names, vectors, columns, "", number)
