"""The inputs' SQL on a real store: one row per id, the right spectrum, the right name, a hash that tells of change."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from catalog.schema import TABLES
from catalog.store import lake
from embed.inputs.modalities import INPUTS

COUNTS = np.random.default_rng(0).poisson(3.0, 1024).tolist()
EDGES = (0.0146 * np.arange(1025)).tolist()


def insert(connection, table, **values):
    """Insert one row; columns not named are NULL."""
    assert set(values) <= set(TABLES[table].column_names)
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO lake.{table} ({columns}) VALUES ({marks})", list(values.values()))


def spectrum(connection, spectrum_id, detection_id, **values):
    obsid, obi, region_id = (int(x) for x in detection_id.split("."))
    base = {
        "role": "source", "hduclas2": "TOTAL", "first_channel": 1, "counts": COUNTS, "exposure_s": 1000.0,
        "backscal": 1e-6, "areascal": 1.0, "obsid": obsid, "obi": obi, "region_id": region_id, "file_id": 1,
    }  # fmt: skip
    insert(connection, "product.spectrum", **{"spectrum_id": spectrum_id, "detection_id": detection_id} | base | values)
    where = {k: base[k] for k in ("obsid", "obi", "region_id", "file_id")}
    insert(connection, "product.header", kind="spectrum", detection_id=detection_id, **where)


def detection(connection, detection_id, obi, name, **values):
    obsid, _, region_id = detection_id.split(".")
    where = {"obsid": int(obsid), "obi": obi, "region_id": int(region_id), "name": name}
    insert(connection, "csc.observation_source", **{"detection_id": detection_id} | where | values)


def region(connection, file_id, radius=3.0, **where):
    """A circle about the pixel (1, 1), as the header of a spectrum tells it."""
    circle = {"x": [1.0], "y": [1.0], "r": [radius], "r_arcsec": [radius / 2], "shape": "circle"}
    circle |= {"x_region": 1.0, "y_region": 1.0, "r_region": radius, "r_region_arcsec": radius / 2}
    said = {"told_by": "spectrum", "role": "source", "component": 1, "include": True, "row": 0}
    insert(connection, "product.region", file_id=100 + file_id, **where, **said, **circle)


@pytest.fixture
def filled(store):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        detection(connection, "10.0.1", 0, "2CXO J000001.0+000000", hard_hs=0.5)
        detection(connection, "11.0.1", 0, "2CXO J000002.0+000000")
        spectrum(connection, "a", "10.0.1", rmf_id="r")
        spectrum(connection, "longer", "11.0.1", exposure_s=9000.0)
        spectrum(connection, "shorter", "11.0.1", exposure_s=100.0)
        spectrum(connection, "own", "12.0.1", background_id="b")
        spectrum(connection, "b", "12.0.1", role="background", counts=[2] * 1024, backscal=1e-5)
        spectrum(connection, "grating", "13.0.1", grating_order=1)
        insert(connection, "product.rmf", rmf_id="r", e_min=EDGES[:-1], e_max=EDGES[1:], n_channels=1024, valid=True)
        insert(connection, "lit.paper", bibcode="2014Natur.514..202B", title="A pulsar", abstract="It <SUB>is</SUB>.")
        for file_id, obsid in ((7, 20), (8, 21), (9, 22)):
            where = {"file_id": file_id, "obsid": obsid, "obi": 0, "region_id": 1, "detection_id": f"{obsid}.0.1"}
            insert(connection, "product.header", kind="events", n_rows=2, **where)
            insert(connection, "meta.file", file_id=file_id, path=f"/{obsid}.fits", sha256=f"{obsid}" * 32)
            insert(connection, "product.good_time", file_id=file_id, obsid=obsid, obi=0, start_s=0.0, stop_s=30_000.0)
            region(connection, **where)
            for row in range(2 * (obsid < 22)):
                values = {"energy_ev": 1000.0} if obsid == 20 else {}
                values |= {"row": row, "time_s": 100.0 * (2 - row), "x": 1.0, "y": 1.0}
                insert(connection, "product.event_stored", **where, **values)
        yield connection


def ids_of(relation):
    return f"(SELECT DISTINCT {'bibcode' if 'paper' in relation else 'detection_id'} AS id FROM {relation})"


SELECTED = {
    "spectrum": ids_of("product.spectrum"),
    "events": ids_of("product.header"),
    "papers": ids_of("lit.paper"),
    "properties": ids_of("csc.observation_source"),
}


def rows_of(connection, modality, selected=None):
    return connection.execute(INPUTS[modality].query(selected or SELECTED[modality])).to_arrow_table()


def fingerprints(connection, modality):
    rows = connection.execute(INPUTS[modality].fingerprints(SELECTED[modality])).fetchall()
    assert len({id_ for id_, _, _ in rows}) == len(rows)
    return {id_: digest for id_, _, digest in rows}


def test_each_detection_has_one_spectrum_and_its_name(filled):
    rows = rows_of(filled, "spectrum")
    found = {r["id"]: r for r in rows.to_pylist()}
    assert sorted(found) == ["10.0.1", "11.0.1", "12.0.1"]
    assert found["10.0.1"]["name"] == "2CXO J000001.0+000000"
    assert found["10.0.1"]["e_max"] == EDGES[1:]
    assert found["11.0.1"]["exposure_s"] == 9000
    assert found["12.0.1"]["name"] is None
    assert found["12.0.1"]["background_counts"] == [2] * 1024
    assert found["12.0.1"]["background_backscal"] == 1e-5
    prepared = INPUTS["spectrum"].prepare(rows)
    assert len(prepared.ids) == 3
    assert prepared.arrays["values"].shape == (3, 400)


def test_spectra_without_a_whole_response_are_told(filled):
    prepared = INPUTS["spectrum_counts"].prepare(rows_of(filled, "spectrum_counts", SELECTED["spectrum"]))
    assert prepared.ids == []
    assert set(prepared.skipped.values()) == {"no redistribution matrix with channel energies; ingest the RMF"}


def test_events_come_with_good_times_and_hrc_is_told(filled):
    prepared = INPUTS["events"].prepare(rows_of(filled, "events"))
    assert sorted(prepared.ids) == ["20.0.1", "22.0.1"]  # the second has no photon at all
    assert list(prepared.skipped) == ["21.0.1"]
    counts = dict(zip(prepared.ids, prepared.arrays["counts"].sum((1, 2)), strict=True))
    assert counts == {"20.0.1": 2, "22.0.1": 0}
    assert (prepared.arrays["exposure"] > 0.9).all()


def test_photons_of_no_known_region_and_cut_lists_are_told(filled):
    filled.execute("DELETE FROM lake.product.region WHERE obsid = 20")
    insert(filled, "meta.file", file_id=30, path="/c.json", sha256="c" * 64, kind="corpus", status="loaded")
    listed = {"file_id": 30, "obsid": 23, "obi": 0, "region_id": 1, "detection_id": "23.0.1"}
    insert(filled, "product.event_stored", row=0, time_s=1.0, energy_ev=900.0, **listed)
    insert(filled, "product.event_list", n_events=1, **listed)
    whole = fingerprints_of(filled, "23.0.1")
    selected = "(SELECT '20.0.1' AS id UNION ALL SELECT '23.0.1')"
    prepared = INPUTS["events"].prepare(rows_of(filled, "events", selected))
    assert prepared.ids == ["23.0.1"]
    assert "source region is not known" in prepared.skipped["20.0.1"]
    filled.execute("UPDATE lake.product.event_list SET n_observed = 800, capped = true")
    prepared = INPUTS["events"].prepare(rows_of(filled, "events", selected))
    assert "was cut" in prepared.skipped["23.0.1"]
    assert fingerprints_of(filled, "23.0.1") != whole


def test_both_files_of_interleaved_exposures_are_one_input(filled):
    where = {"obsid": 20, "obi": 0, "region_id": 1, "detection_id": "20.0.1", "file_id": 31}
    before = fingerprints_of(filled, "20.0.1")
    filled.execute("UPDATE lake.product.header SET interleaved = 1 WHERE file_id = 7")
    insert(filled, "product.header", kind="events", n_rows=1, interleaved=2, **where)
    insert(filled, "meta.file", file_id=31, path="/e2.fits", sha256="e" * 64)
    insert(filled, "product.good_time", file_id=31, start_s=10.0, stop_s=30_010.0)
    insert(filled, "product.event_stored", row=0, time_s=150.0, energy_ev=900.0, x=1.0, y=1.0, **where)
    (row,) = rows_of(filled, "events", "(SELECT '20.0.1' AS id)").to_pylist()
    assert len(row["photon"]) == 3
    assert len(row["good"]) == 2  # joined by `merged`
    assert INPUTS["events"].prepare(rows_of(filled, "events", "(SELECT '20.0.1' AS id)")).ids == ["20.0.1"]
    assert fingerprints_of(filled, "20.0.1") != before


def fingerprints_of(connection, id_):
    ((found, _, digest),) = connection.execute(INPUTS["events"].fingerprints(f"(SELECT '{id_}' AS id)")).fetchall()
    assert found == id_
    return digest


def test_without_good_times_events_come_with_the_span_of_the_header(filled):
    filled.execute("DELETE FROM lake.product.good_time")
    filled.execute("UPDATE lake.product.header SET tstart_s = -5000, tstop_s = 25000 WHERE file_id = 7")
    arrays = INPUTS["events"].prepare(rows_of(filled, "events", "(SELECT '20.0.1' AS id)")).arrays
    assert arrays["exposure"].sum() * 450 == 28_800  # the window of 8 h
    assert arrays["counts"][0].sum((1,)).nonzero()[0].tolist() == [11]  # 5,100 s after the start
    filled.execute("UPDATE lake.meta.file SET flags = ['exposure_exceeds_span'] WHERE file_id = 7")
    arrays = INPUTS["events"].prepare(rows_of(filled, "events", "(SELECT '20.0.1' AS id)")).arrays
    assert arrays["exposure"].sum() * 450 == 100  # from the first photon to the last


def test_papers_and_properties(filled):
    papers = INPUTS["papers"].prepare(rows_of(filled, "papers"))
    assert papers.arrays["text"].tolist() == ["A pulsar. It is."]
    properties = INPUTS["properties"].prepare(rows_of(filled, "properties"))
    assert properties.ids == ["10.0.1"]
    assert list(properties.skipped) == ["11.0.1"]


def test_the_fingerprint_changes_with_the_input_and_only_with_it(filled):
    before = {m: fingerprints(filled, m) for m in SELECTED}
    assert before == {m: fingerprints(filled, m) for m in SELECTED}
    assert {len(d) for m in before.values() for d in m.values()} == {64}
    filled.execute("UPDATE lake.product.spectrum SET rmf_id = 'r' WHERE spectrum_id = 'longer'")
    filled.execute("UPDATE lake.csc.observation_source SET hard_hs = 0.6, theta = 3 WHERE detection_id = '10.0.1'")
    filled.execute("UPDATE lake.csc.observation_source SET theta = 4 WHERE detection_id = '11.0.1'")
    filled.execute("UPDATE lake.lit.paper SET citation_count = 9")
    filled.execute("UPDATE lake.meta.file SET sha256 = 'other' WHERE file_id = 8")
    filled.execute("DELETE FROM lake.product.region WHERE obsid = 22")
    region(filled, 9, 4.0, obsid=22, obi=0, region_id=1, detection_id="22.0.1")
    after = {m: fingerprints(filled, m) for m in SELECTED}
    changed = {id_ for m, digests in after.items() for id_, d in digests.items() if before[m][id_] != d}
    assert changed == {"11.0.1", "10.0.1", "21.0.1", "22.0.1"}
    assert before["properties"]["11.0.1"] == after["properties"]["11.0.1"]


@pytest.mark.parametrize("modality", SELECTED)
def test_a_selection_of_nothing_gives_no_rows(filled, modality):
    rows = rows_of(filled, modality, "(SELECT 'none' AS id)")
    assert rows.num_rows == 0
    assert INPUTS[modality].prepare(rows).ids == []
