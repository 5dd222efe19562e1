"""Arrow table -> astropy table: units, descriptions, UCDs, and masks where there is NULL."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table

from catalog.formats.origin import notes_of


@lru_cache(maxsize=512)
def parse_unit(text: str) -> u.UnitBase | None:
    """Parse a unit of the registry; None for an empty one, an unrecognised unit for what astropy does not know.

    Examples
    --------
    >>> parse_unit("count/s").to_string("fits")
    'count s-1'
    """
    if not text:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        return u.Unit(text, parse_strict="silent")


def metadata_of(field: pa.Field) -> dict[str, str]:
    """Return unit, ucd and description of an Arrow field, as far as it has them."""
    return {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}


def to_astropy(table: pa.Table) -> Table:
    """Make an astropy table.

    Parameters
    ----------
    table : pyarrow.Table
        Fields may carry unit, ucd and description as metadata.

    Returns
    -------
    astropy.table.Table
        Columns with NULL are masked; lists of one length become two-dimensional, others objects; the UCD stands
        in `column.meta["ucd"]`. `meta` says where the rows come from: query, parameters, snapshot, store, version.

    Examples
    --------
    >>> field = pa.field("theta", pa.float64(), metadata={"unit": "arcmin"})
    >>> made = to_astropy(pa.table([[1.5, None]], schema=pa.schema([field])))
    >>> made["theta"].unit.to_string(), bool(made["theta"].mask[1])
    ('arcmin', True)
    """
    columns = []
    for field, data in zip(table.schema, table.columns, strict=True):
        about = metadata_of(field)
        values, mask = _numpy(data.combine_chunks() if data.num_chunks != 1 else data.chunk(0))
        kind, options = (Column, {}) if mask is None else (MaskedColumn, {"mask": mask})
        made = kind(
            values,
            name=field.name,
            unit=parse_unit(about.get("unit", "")),
            description=about.get("description"),
            **options,
        )
        if "ucd" in about:
            made.meta["ucd"] = about["ucd"]
        columns.append(made)
    notes = notes_of(table.schema)
    meta = notes | {"snapshot": int(notes["snapshot"])} if "snapshot" in notes else notes
    return Table(columns, copy=False, meta=meta) if columns else Table(meta=meta)


def _numpy(data: pa.Array) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_] | None]:
    """Return values and, where there is any NULL, the mask. NULLs hold zero, '' or None underneath."""
    mask = data.is_null().to_numpy(zero_copy_only=False) if data.null_count else None
    type_ = data.type
    if pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_):
        return _lists(data), mask
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return np.array(["" if v is None else v for v in data.to_pylist()], dtype=np.str_), mask
    if pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_):
        filled = data.fill_null(pa.scalar(False) if pa.types.is_boolean(type_) else pa.scalar(0, type_))
        return filled.to_numpy(zero_copy_only=False), mask
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return data.to_numpy(zero_copy_only=False).astype("datetime64[us]"), mask
    return _objects(data.to_pylist()), mask


def _lists(data: pa.Array) -> npt.NDArray[np.generic]:
    nested = pa.types.is_nested(data.type.value_type)  # such rows may differ in shape within themselves
    rows = [None if v is None else _objects(v) if nested else np.asarray(v) for v in data.to_pylist()]
    shapes = {r.shape for r in rows if r is not None}
    if len(shapes) == 1 and all(r is not None and r.dtype.kind in "iufb" for r in rows):
        return np.stack([r for r in rows if r is not None])
    return _objects(rows)


def _objects(values: Sequence[object]) -> npt.NDArray[np.generic]:
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        out[i] = value
    return out
