"""A small store on disk: three sources, ten photons, a paper."""

from __future__ import annotations

from factories.engine import insert

from catalog.store import lake

NAMES = ("2CXO J053500.0-052400", "2CXO J053501.0-052400", "2CXO J095550.1+694046")


def write(store, table, *rows, message=""):
    """Commit rows to a store, as a job would."""
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection, message):
            insert(connection, table, *rows)
        connection.close()


def make_store(store):
    lake.create(store)
    write(
        store,
        "csc.master_source",
        {"name": NAMES[0], "ra": 83.75, "dec": -5.4, "significance": 12.5, "conf_flag": True, "file_ids": [1, 2]},
        {"name": NAMES[1], "ra": 83.754, "dec": -5.4, "extra": [("usrid", "7")]},
        {"name": NAMES[2], "ra": 148.95875, "dec": 69.67944, "conf_flag": False},
    )
    key = {"file_id": 1, "obsid": 732, "obi": 0, "region_id": 1, "detection_id": "732.0.1", "ccd_id": 7}
    photons = (
        {"row": i, "time_s": 1e8 + i, "x": 4096.0 + i, "y": 4096.0, "energy_ev": 500.0 * (i + 1)} for i in range(10)
    )
    write(store, "product.event_stored", *(key | photon for photon in photons))
    paper = {"bibcode": "2001ApJ...1A", "title": "Löwe & <X-rays>", "author": ["Ä, B", "C, D"], "year": 2001}
    write(store, "lit.paper", paper)
    return store
