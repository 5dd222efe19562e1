"""A store of detections with vectors, hardness ratios and classes: blobs whose place tells the class, or does not."""

from __future__ import annotations

import contextlib

import numpy as np
from factories.engine import insert

from catalog.store import lake, vectors
from catalog.store.vectors import Pin

TYPES = ("QSO", "YSO", "HMXB", "CataclyV*")


def source_names(n):
    return [f"2CXO J{i // 3600:02d}{i // 60 % 60:02d}{i % 60:02d}.0+000000" for i in range(n)]


def classed_rows(n_sources=240, seed=0, dim=4):
    """Sources with one to three detections each: codes of their classes, vectors, names."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(n_sources), rng.integers(1, 4, n_sources))
    code = rng.integers(0, len(TYPES), n_sources)[source]
    centres = np.eye(len(TYPES), dim) * 4
    x = centres[code] + rng.normal(size=(len(source), dim))
    return source, code, x.astype(np.float32)


def fill(store, n_sources=240, seed=0, *, encoder="e1"):
    """Write detections, types and the space `spectrum`; the third hardness ratio of some detections is NULL."""
    source, code, x = classed_rows(n_sources, seed)
    names = source_names(n_sources)
    rng = np.random.default_rng(seed + 1)
    ids = [f"{i + 1}.0.1" for i in range(len(source))]
    bright = np.random.default_rng(seed + 2).random(len(x))
    hardness = np.tanh(0.4 * x[:, :3] + rng.normal(size=(len(x), 3)))
    with lake.lock(store, "test"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
        with lake.transaction(connection, "rows"):
            insert(
                connection,
                "csc.observation_source",
                *(
                    {
                        "detection_id": ids[i],
                        "name": names[source[i]],
                        "obsid": i + 1,
                        "hard_hs": float(hardness[i, 0]),
                        "hard_ms": float(hardness[i, 1]),
                        "hard_hm": None if i % 20 == 7 else float(hardness[i, 2]),
                        "var_prob_b": float(rng.random()),
                        "src_cnts_aper_b": float(10 ** (1 + 2 * bright[i])),
                    }
                    for i in range(len(ids))
                ),
            )
            first = {int(s): int(c) for s, c in zip(source[::-1], code[::-1], strict=True)}
            insert(
                connection,
                "csc.classification",
                *(
                    {"file_id": 1, "row": s, "name": names[s], "authority": "simbad", "otype": TYPES[c]}
                    for s, c in sorted(first.items())
                ),
                # What a model says is of another class each time: who believes it is seen at once.
                *(
                    {"file_id": 2, "row": s, "name": names[s], "authority": "umlcaxs", "otype": TYPES[(c + 1) % 4]}
                    | {"predicted": True, "probability": 0.9}
                    for s, c in sorted(first.items())
                ),
            )
        owners = [names[s] for s in source]
        made = vectors.rows(ids, owners, x, ["spectrum"] * len(ids), encoder, ["h"] * len(ids))
        written = vectors.write(store, "spectrum", made, None)
        with lake.transaction(connection, "pin"):
            vectors.publish(connection, Pin("spectrum", written.version, encoder, len(ids), x.shape[1]))
    return store
