"""Where on the sky a table has rows, as a MOC: Aladin, TOPCAT and the registries read it.

Source: MOC: Multi-Order Coverage map, version 2.0 (IVOA Recommendation 2022).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from catalog.catalog import Catalog
from catalog.errors import QueryError
from catalog.formats.whole_files import check_output
from catalog.publish.sky_places import healpix_numbers, sky_places

_ORDERS = range(30)


def write_moc(
    cat: Catalog, file: Path, table: str = "csc.master_source", *, order: int = 10, snapshot: int | str | None = None
) -> float:
    """Write the cells of the sky in which a table has rows.

    Parameters
    ----------
    cat : Catalog
    file : Path
        FITS; replaced if it is there.
    table : str
        As for `catalog.publish.sky_places.sky_places`.
    order : int
        Of the finest cells: 10 is 3.4 arcmin.
    snapshot : int or str, optional
        The store as it was.

    Returns
    -------
    float
        Share of the sky that the cells cover.

    Raises
    ------
    QueryError
        If mocpy is not installed, the order is none, or the table has no positions.

    Examples
    --------
    >>> write_moc(cat, Path("coverage.fits"))  # doctest: +SKIP
    0.0041
    """
    if order not in _ORDERS:
        raise QueryError(f"the order of a MOC is from 0 to 29, found {order}")
    try:
        from mocpy import MOC  # noqa: PLC0415 - of the extra `hats`
    except ImportError as error:
        raise QueryError("a MOC needs mocpy; type: pip install 'photonlake[hats]'") from error
    target = check_output(file)
    number = cat.sql("SELECT 1", snapshot=snapshot).snapshot
    _, places = sky_places(cat, table.lower(), number)
    cells = np.unique(healpix_numbers(places, order)).astype(np.uint64)
    moc = MOC.from_healpix_cells(cells, np.full(len(cells), order, np.uint8), order)
    told = {"ORIGIN": "photonlake", "SNAPSHOT": str(number), "STORE_ID": cat.store_id, "MOCTABLE": table.lower()}
    draft = target.with_name(f".{target.name}.part")
    try:
        moc.save(str(draft), format="fits", overwrite=True, fits_keywords=told)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return float(moc.sky_fraction)
