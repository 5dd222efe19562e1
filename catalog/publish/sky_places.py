"""Where the rows of a table are on the sky: by its own columns, or those of the source that it names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName, suggestion
from catalog.publish.partitions import ORDER, Ints
from catalog.query.names import relations
from catalog.schema import TABLES
from catalog.schema.columns import quote


def sky_places(cat: Catalog, table: str, snapshot: int) -> tuple[str, pa.Table]:
    """Return the positions of a table's rows.

    Parameters
    ----------
    cat : Catalog
    table : str
        With a key of one column; with ra and dec, or with a column `name` or `detection_id` of a source that has them.
    snapshot : int

    Returns
    -------
    key : str
        Name of the key.
    places : pyarrow.Table
        id, ra [deg], dec [deg] (ICRS), in the order of ids; rows without a position are not among them.

    Raises
    ------
    UnknownName
        If there is no such table.
    QueryError
        If it has no single key, or no positions.
    """
    key, position = _query(table)
    query = f"SELECT * FROM (SELECT t.{quote(key)} AS id, {position})"
    query = f'{query} WHERE isfinite(ra) AND "dec" BETWEEN -90 AND 90 ORDER BY id'
    return key, cat.sql(query, snapshot=snapshot).arrow()


def healpix_numbers(places: pa.Table, order: int = ORDER) -> Ints:
    """Return the HEALPix numbers, in nested order, of what `sky_places` gives, shape (n,).

    Raises
    ------
    QueryError
        If cdshealpix is not installed.
    """
    try:
        from cdshealpix.nested import lonlat_to_healpix  # noqa: PLC0415 - of the extra `hats`
    except ImportError as error:
        raise QueryError("pixels of the sky need cdshealpix; type: pip install 'photonlake[hats]'") from error
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415 - as above

    ra, dec = (places[c].to_numpy() for c in ("ra", "dec"))
    return np.asarray(lonlat_to_healpix(Longitude(ra, "deg"), Latitude(dec, "deg"), order), np.int64)


def _query(table: str) -> tuple[str, str]:
    """Return a table's key, and the rest of a query that gives its positions as ra and dec."""
    if table not in TABLES:
        hint = suggestion(table, TABLES)
        what = "is a view, not a table with a key" if table in relations() else "is no table"
        raise UnknownName(f"{table} {what}{hint}; csc.master_source and csc.observation_source can be published")
    known = TABLES[table]
    if len(known.key) != 1:
        raise QueryError(f"{table} has a key of {len(known.key)} columns; publish one whose rows are of a source each")
    key = known.key[0]
    if {"ra", "dec"} <= set(known.column_names):
        return key, f't.ra, t."dec" FROM {table} AS t'
    if not {"name", "detection_id"} & set(known.column_names):
        raise QueryError(f"{table} has no positions: no ra and dec, and no name or detection_id of a source")
    is_of = (
        "m.name = t.name"
        if "name" in known.column_names
        else (
            "m.name = (SELECT any_value(o.name) FROM csc.observation_source AS o WHERE o.detection_id = t.detection_id)"
        )
    )
    own = ("t.ra_aper", "t.dec_aper") if "ra_aper" in known.column_names else ("NULL", "NULL")
    ra, dec = f"coalesce(m.ra, {own[0]})", f'coalesce(m."dec", {own[1]})'
    return key, f'{ra} AS ra, {dec} AS "dec" FROM {table} AS t LEFT JOIN csc.master_source AS m ON {is_of}'
