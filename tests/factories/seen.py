"""What a reader sees of a store at a snapshot, and vectors for it to see."""

from __future__ import annotations

import numpy as np

from catalog.catalog import Catalog
from catalog.store import lake, vectors
from catalog.store.vectors import Pin

PAPERS = "SELECT bibcode, title FROM lit.paper ORDER BY ALL"


def pin(store, ids, seed, base):
    """Write vectors of these ids over a version, and pin what comes of it."""
    x = np.random.default_rng(seed).normal(size=(len(ids), 4)).astype(np.float32)
    new = vectors.rows(ids, ids, x, ["papers"] * len(ids), "e", ["h"] * len(ids))
    with lake.writer(store, "test") as connection:
        made = vectors.write(store, "tiny", new, base, gone=[] if base is None else ids)
        with lake.transaction(connection, "vectors"):
            vectors.publish(connection, Pin("tiny", made.version, "e", made.n_vectors, 4))
    return made.version


def seen(store, snapshot=None):
    """What a reader sees: rows, and vectors at the pinned version."""
    with Catalog(store) as cat:
        rows = cat.sql(PAPERS, snapshot=snapshot).fetchall()
        spaces = cat.sql("SELECT space, n_vectors FROM meta.space", snapshot=snapshot).fetchall()
        held = {}
        for space, _ in spaces:
            table = cat.sql(f"SELECT id, vector FROM embedding.{space} ORDER BY id", snapshot=snapshot).arrow()
            held[space] = (table["id"].to_pylist(), np.array(table["vector"].to_pylist()).tolist())
        return rows, held
