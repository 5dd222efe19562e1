"""A small store with vectors, served."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import threading

import numpy as np
import pytest
from factories import fits
from factories.store import write as write_rows

from catalog.serve.server import BrowseServer
from catalog.store import lake, vectors
from embed.store.map_job import make_map

N = 300
NAMES = [f"2CXO J{i:06d}.0+000000" for i in range(N)]


def fill(store, n=N, dim=8, seed=0):
    """Give a store n detections of which each has a vector in the space `spectrum`."""
    ids = [f"{1 + i // 50}.0.{i % 50}" for i in range(n)]
    names = [f"2CXO J{i:06d}.0+000000" for i in range(n)]
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    written = vectors.write(store, "spectrum", vectors.rows(ids, names, x, ["spectrum"] * n, "e", ["h"] * n), None)
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection):
            vectors.publish(connection, vectors.Pin("spectrum", written.version, "e", n, dim))
        connection.close()
    return ids, names


@pytest.fixture(scope="session")
def browsed(empty_store, tmp_path_factory):
    """A store with 300 detections, a spectrum of the first, photons of the second, papers, types."""
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("browse") / "s")
    ids, names = fill(store)
    rows = [
        {"detection_id": d, "name": n, "obsid": int(d.split(".")[0]), "obi": 0, "region_id": i % 50, "hard_hs": i / N}
        | {"ra_aper": 295.86528 + i / N, "dec_aper": -10.5}
        for i, (d, n) in enumerate(zip(ids, names, strict=True))
    ]
    write_rows(store, "csc.observation_source", *rows)
    places = [{"name": n, "ra": 0.01 * i, "dec": 80.0} for i, n in enumerate(names[:3])]
    places.append({"name": names[3], "ra": 295.86528, "dec": -10.5})
    write_rows(store, "csc.master_source", *places)
    types = [{"name": n, "authority": "simbad", "otype": ("YSO", "QSO")[i % 2]} for i, n in enumerate(names)]
    write_rows(store, "csc.classification", *types[:200])
    write_rows(store, "lit.paper", {"bibcode": "2001ApJ...1A", "title": "<b>Löwe</b> & X-rays", "abstract": "Dips."})
    link = {"bibcode": "2001ApJ...1A", "name": names[0], "method": "test", "confidence": 1.0, "evidence": "Dips"}
    write_rows(store, "lit.paper_source", link)
    spectrum = {"spectrum_id": "s", "detection_id": ids[0], "counts": [3] * 1024, "exposure_s": 1e3, "rmf_id": "r"}
    spectrum |= {"backscal": 1e-6, "background_counts": [1] * 1024}
    write_rows(store, "product.spectrum", spectrum | {"background_backscal": 1e-6, "background_exposure_s": 1e3})
    header = {"file_id": 1, "kind": "events", "obsid": 1, "obi": 0, "n_rows": 100}
    header |= {"region_id": 1, "detection_id": ids[1], "tstart_s": 1000.0, "tstop_s": 5000.0}
    write_rows(store, "product.header", header)
    photon = {"file_id": 1, "obsid": 1, "obi": 0, "region_id": 1, "detection_id": ids[1], "ccd_id": 7}
    photons = (photon | {"row": i, "time_s": 1000.0 + 37.0 * i, "x": 1.0, "y": 1.0} for i in range(100))
    write_rows(store, "product.event_stored", *photons)
    circle = {"shape": "circle", "x": [1.0], "y": [1.0], "r": [4.0], "r_arcsec": [2.0], "include": True, "row": 0}
    circle |= {"x_region": 1.0, "y_region": 1.0, "r_region": 4.0, "r_region_arcsec": 2.0, "component": 1}
    where = {k: header[k] for k in ("obsid", "obi", "region_id", "detection_id")} | {"file_id": 2}
    write_rows(store, "product.region", circle | where | {"told_by": "reg3", "role": "source", "band": "b"})
    held = {"file_id": 3, "detection_id": ids[3], "obsid": 1, "band": "b", "count_rate_err": 0.1}
    write_rows(store, "product.header", {"file_id": 3, "kind": "light_curve", "detection_id": ids[3], "obsid": 1})
    bins = (held | {"row": i, "time_s": 10.0 * i, "count_rate": 1.0 + i} for i in range(5))
    write_rows(store, "product.light_curve", *bins)
    contents = {1: fits.events_file(n=3, compress=True), 2: fits.events_file(n=4), 3: fits.events_file(n=5)}
    kinds = {1: ("events", "e_evt3.fits.gz"), 2: ("papers", "p.json"), 3: ("light_curve", "l_lc3.fits")}
    for file_id, (kind, name) in kinds.items():
        (file := store.parent / name).write_bytes(contents[file_id])
        content = gzip.decompress(contents[1]) if file_id == 1 else contents[file_id]
        known = {"file_id": file_id, "path": str(file), "kind": kind, "status": "loaded"}
        known |= {"bytes": len(contents[file_id]), "sha256": hashlib.sha256(content).hexdigest()}
        write_rows(store, "meta.file", known)
    good = {"file_id": 1, "obsid": 1, "obi": 0, "ccd_id": 7, "start_s": 1000.0, "stop_s": 5000.0}
    write_rows(store, "product.good_time", good)
    low = [0.0146 * i for i in range(1024)]
    write_rows(store, "product.rmf", {"rmf_id": "r", "e_min": low, "e_max": [e + 0.0146 for e in low]})
    return store


@pytest.fixture(scope="session")
def server(browsed, tmp_path_factory):
    """The store, served."""
    with BrowseServer(browsed, jobs=tmp_path_factory.mktemp("jobs")) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="session")
def mapped(browsed, tmp_path_factory):
    """The store with a map by t-SNE, served."""
    store = shutil.copytree(browsed, tmp_path_factory.mktemp("mapped") / "s")
    make_map(store, "spectrum", "tsne", {"perplexity": 10})
    with BrowseServer(store, jobs=tmp_path_factory.mktemp("jobs_of_mapped")) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()
