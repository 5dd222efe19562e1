"""Region files as the catalog and CIAO have them: one table per name, shapes as (SHAPE, X, Y, R, ROTANG, COMPONENT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.io import fits
from factories.fits import KEYWORDS, _set, to_bytes

Row = tuple[str, Sequence[float], Sequence[float], Sequence[float], float, int]
IDENTITY = {"INSTRUME": "ACIS", "OBS_ID": "10542", "OBI_NUM": 0, "REGIONID": "0122"}


def region_file(
    tables: Mapping[str, Sequence[Row]],
    *,
    compress: bool = False,
    drop: Sequence[str] = (),
    header: Mapping[str, object] | None = None,
) -> bytes:
    """A reg3; vectors of X, Y and R are filled up with zeros, as in real tables. `drop` names columns it lacks."""
    hdus = []
    for name, rows in tables.items():
        n_corners = max(len(row[1]) for row in rows)
        n_radii = max(2, *(len(row[3]) for row in rows))
        columns = [
            fits.Column(c, f"{n_corners}D", "pixel", array=filled([row[i] for row in rows], n_corners))
            for i, c in ((1, "X"), (2, "Y"))
        ]
        columns.append(fits.Column("SHAPE", "16A", array=[row[0] for row in rows]))
        columns.append(fits.Column("R", f"{n_radii}D", "pixel", array=filled([row[3] for row in rows], n_radii)))
        columns.append(fits.Column("ROTANG", "2D", "deg", array=[(row[4], np.nan) for row in rows]))
        columns.append(fits.Column("COMPONENT", "1I", array=[row[5] for row in rows]))
        hdu = fits.BinTableHDU.from_columns([c for c in columns if c.name not in drop], name=name)
        role = "BKG" if name.startswith("BKG") else "SRC"
        said = {**KEYWORDS, **IDENTITY, "CONTENT": f"{role}REG", "HDUCLAS1": "REGION", "HDUCLAS2": role}
        said |= {"RA_NOM": 148.9, "DEC_NOM": 69.7, "ASCDSVER": "CAT5.4"}
        _set(hdu.header, {**said, **(header or {})})
        hdus.append(hdu)
    return to_bytes(hdus, compress=compress)


def filled(rows: Sequence[Sequence[float]], n: int) -> np.ndarray:
    return np.array([[*row, *[0.0] * (n - len(row))] for row in rows], float)
