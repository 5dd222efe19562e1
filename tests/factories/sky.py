"""Rows of an observation's sky for an engine: headers with pixels on the sky, photons, regions."""

from __future__ import annotations

import numpy as np
from factories.engine import insert

SCALE = 0.492
POINTING = (83.8, -5.4)
CENTRE = 4096.5
WCS = {"x_crpix": CENTRE, "x_crval": POINTING[0], "x_cdelt": -SCALE / 3600}
WCS |= {"y_crpix": CENTRE, "y_crval": POINTING[1], "y_cdelt": SCALE / 3600}
HEADER = {"kind": "events", "obsid": 5, "obi": 0, "ra_pnt": POINTING[0], "dec_pnt": POINTING[1]} | WCS
REGION = {"obsid": 5, "obi": 0, "region_id": 1, "detection_id": "5.0.1"}


def position_of(x, y):
    """Right ascension and declination of a sky pixel close to the pointing, to some 1e-4 pixels."""
    dec = POINTING[1] + (y - CENTRE) * SCALE / 3600
    return POINTING[0] - (x - CENTRE) * SCALE / 3600 / np.cos(np.radians(dec)), dec


def add_events(engine, x, y, file_id=1, **header):
    """An event file of the whole field; of a region with `**REGION`."""
    said = HEADER | {"file_id": file_id, "n_rows": len(x)} | header
    insert(engine, "product.header", said)
    identity = {k: said.get(k) for k in ("file_id", "obsid", "obi", "region_id", "detection_id")}
    rows = (
        identity | {"row": i, "time_s": float(i), "x": float(a), "y": float(b), "ccd_id": 7, "energy_ev": 1000.0}
        for i, (a, b) in enumerate(zip(x, y, strict=True))
    )
    insert(engine, "product.event_stored", *rows)


def add_detection(engine, x, y, region_id=1, *, obi=0, **columns):
    """A detection of the catalog at a sky pixel."""
    ra, dec = position_of(x, y)
    name = f"2CXO J0535{region_id:02d}.0-052400"
    insert(engine, "csc.master_source", {"name": name, "ra": ra, "dec": dec})
    middle = "-" if obi is None else obi
    row = {"detection_id": f"5.{middle}.{region_id}", "obsid": 5, "obi": obi, "region_id": region_id, "name": name}
    insert(engine, "csc.observation_source", row | columns)


def add_region(engine, *shapes, file_id=50, told_by="reg3", on_sky=False, **columns):
    """A source region in pixels: each shape a dict of shape, x, y, r and, if need be, rotang, include, component."""
    every = [s["x"] for s in shapes], [s["y"] for s in shapes], [s.get("r", [0.0]) for s in shapes]
    x, y, r = (np.concatenate(v) for v in every)
    centre = {"x_region": (x.min() + x.max()) / 2, "y_region": (y.min() + y.max()) / 2}
    centre["r_region"] = np.hypot(np.ptp(x), np.ptp(y)) / 2 + r.max(initial=0.0)
    rows = []
    for i, shape in enumerate(shapes):
        row = REGION | {"file_id": file_id, "row": i, "told_by": told_by, "role": "source", "include": True}
        row |= {"component": 1} | centre | shape
        row["r"] = shape.get("r", [])
        row["r_arcsec"] = [SCALE * v for v in row["r"]]
        row["r_region_arcsec"] = SCALE * centre["r_region"]
        if on_sky:
            places = [position_of(*at) for at in zip(row.pop("x"), row.pop("y"), strict=True)]
            row["ra"], row["dec"] = (list(v) for v in zip(*places, strict=True))
            row["ra_region"], row["dec_region"] = position_of(row.pop("x_region"), row.pop("y_region"))
            del row["r"], row["r_region"]
        rows.append(row | columns)
    insert(engine, "product.region", *rows)


def circle(x, y, r, **columns):
    """A circle for `add_region`."""
    return {"shape": "circle", "x": [x], "y": [y], "r": [r]} | columns


def polygon(*corners, **columns):
    """A polygon for `add_region`."""
    x, y = zip(*corners, strict=True)
    return {"shape": "polygon", "x": [float(v) for v in x], "y": [float(v) for v in y]} | columns


def photons(engine, where="true"):
    """Detection, file and row of the photons of detections."""
    query = f"SELECT detection_id, file_id, row FROM product.detection_event WHERE {where} ORDER BY ALL"
    return engine.execute(query).fetchall()
