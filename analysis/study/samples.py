"""What an analysis reads: vectors of a space, or columns of sources, with columns of the catalog beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog import Catalog
from catalog.query.filtering import checked
from catalog.schema.columns import literal, quote
from embed.inputs.pooling import pooled


def hashed(*parts: str | npt.NDArray[np.generic] | pa.Table) -> str:
    """Return a hash of all that was read: the same content gives the same hash, whatever snapshot it is of."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        elif isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            for column in part.columns:
                digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return a column as numbers, NULL as NaN, shape (n,)."""
    return np.asarray(table[name].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def spaces_of(cat: Catalog, snapshot: int) -> dict[str, str]:
    """Return the spaces that have vectors in a snapshot, and their encoders."""
    rows = cat.sql("SELECT space, encoder_id FROM meta.space ORDER BY space", snapshot=snapshot).fetchall()
    return {str(space): str(encoder) for space, encoder in rows}


def papers_of_sources(cat: Catalog, space: str, snapshot: int) -> dict[str, npt.NDArray[np.floating]]:
    """Return the mean vector of the papers about each source that has any."""
    ids, vectors = cat.vectors(space, snapshot)
    place = {str(i): n for n, i in enumerate(ids)}
    links = cat.sql("SELECT bibcode, name FROM lit.confident_link ORDER BY ALL", snapshot=snapshot).fetchall()
    known = [(place[str(b)], str(s)) for b, s in links if str(b) in place]
    names, source = np.unique([s for _, s in known], return_inverse=True)
    means = pooled(vectors, np.array([p for p, _ in known], np.int64), source.astype(np.int64), len(names))
    return dict(zip(names.tolist(), means, strict=True))


@dataclass(frozen=True)
class Rows:
    """Detections of a space, in the order of their ids.

    Attributes
    ----------
    ids : ndarray of str objects, shape (n,)
        detection_id.
    sources : ndarray of str objects, shape (n,)
        Source name; where a detection has none, its id: it is then a source of its own.
    vectors : ndarray of float32, shape (n, d)
    columns : pyarrow.Table
        n rows of what was asked for.
    encoder_id : str
        Encoder of the vectors.
    snapshot : int
        What was read.
    """

    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    vectors: npt.NDArray[np.float32]
    columns: pa.Table
    encoder_id: str
    snapshot: int

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.ids)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return a column as numbers, NULL as NaN, shape (n,)."""
        return numbers(self.columns, name)

    def vectors_of(self, ids: npt.NDArray[np.object_]) -> npt.NDArray[np.float32]:
        """Return the vectors of some ids, all of which are there, in their order, shape (m, d)."""
        place = {i: n for n, i in enumerate(self.ids.tolist())}
        return self.vectors[[place[i] for i in ids.tolist()]]

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that was read: the same rows give the same hash, whatever snapshot they are of."""
        names = str(self.columns.schema.names)
        return hashed("\n".join(self.ids), "\n".join(self.sources), self.encoder_id, names, self.vectors, self.columns)

    def take(self, rows: npt.NDArray[np.generic]) -> Rows:
        """Return some rows, by mask or number."""
        numbers = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Rows(
            self.ids[numbers],
            self.sources[numbers],
            self.vectors[numbers],
            self.columns.take(pa.array(numbers)),
            self.encoder_id,
            self.snapshot,
        )


def read(
    cat: Catalog,
    space: str,
    columns: Sequence[str] = (),
    where: str = "",
    snapshot: int | None = None,
    modality: str | None = None,
) -> Rows:
    """Read the vectors of a space, with columns of csc.observation_source beside them.

    Parameters
    ----------
    cat : Catalog
    space : str
    columns : sequence of str
        Columns of csc.observation_source; NULL where the catalog lacks the detection.
    where : str
        SQL condition on csc.observation_source; '' for all rows of the space.
    snapshot : int, optional
        Else the newest.
    modality : str, optional
        Rows of this one; else the usual: 'both' where an id has several, so that no id repeats.

    Raises
    ------
    UnknownName
        If the space or a column does not exist.
    QueryError, ForbiddenStatement
        If `where` is no condition.
    """
    number = cat.snapshots()[-1].number if snapshot is None else snapshot
    chosen = "".join(f", o.{quote(c)}" for c in columns)
    kept = checked(where, "--where") if where.strip() else ""
    selected = f"SELECT detection_id FROM csc.observation_source WHERE ({kept}\n)"
    condition = f"WHERE e.id IN ({selected})" if kept else "WHERE true"
    name = f"embedding.{quote(space)}"
    usual = f"(e.modality = 'both' OR NOT EXISTS (SELECT 1 FROM {name} WHERE modality = 'both'))"
    condition += f" AND {usual if modality is None else f'e.modality = {literal(modality)}'}"
    query = f"""
        SELECT e.id, coalesce(o.name, e.name, e.id) AS source, e.encoder_id, e.vector{chosen}
        FROM {name} AS e LEFT JOIN csc.observation_source AS o ON o.detection_id = e.id
        {condition} ORDER BY e.id"""
    table = cat.sql(query, snapshot=number).arrow()
    vector = table["vector"].combine_chunks()
    flat = vector.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    dim = len(flat) // len(table) if len(table) else 0
    return Rows(
        table["id"].to_numpy(zero_copy_only=False),
        table["source"].to_numpy(zero_copy_only=False),
        flat.reshape(len(table), dim),
        table.select(list(columns)) if columns else table.select([]),
        table["encoder_id"][0].as_py() if len(table) else "",
        number,
    )


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


def read_master(cat: Catalog, where: str = "", also: Sequence[str] = (), snapshot: int | None = None) -> Rows:
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
