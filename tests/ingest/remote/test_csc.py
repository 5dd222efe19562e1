"""From `python -m ingest csc` to SQL, against the services on loopback."""

from __future__ import annotations

import json
import math
import shutil

import pytest
from factories.server import Fault
from factories.survey import Survey, product, product_name, small_survey

from catalog.errors import Transient, UnknownName
from ingest.remote.errors import NameUnknown, QueryRefused
from ingest.remote.http import Client
from ingest.remote.selection import NothingAsked, Selection
from ingest.remote.tables import fetch_tables

CONE = ("csc", "--cone", "148.97 69.68", "--radius")


def test_from_a_cone_to_sql(serve, ingest, sql, store):
    serve(small_survey(3, per_source=2))
    outcome = ingest(*CONE, "1.5arcmin", "--products", "regevt,pha,arf,rmf,lc")
    assert outcome.code == 0, outcome.text
    assert "2 sources, 4 detections" in outcome.text
    assert "20 files fetched" in outcome.text
    rows = sql("SELECT name, hard_hs, release FROM csc.master_source ORDER BY dec")
    assert [r[1:] for r in rows] == [(0.25, "2.1")] * 2
    found = sql("SELECT detection_id, hard_hs, theta, match_type, release FROM csc.observation_source ORDER BY 1")
    assert [f[0] for f in found] == ["10542.0.1", "10542.0.2", "10543.0.1", "10543.0.2"]
    assert {f[1:] for f in found} == {(-0.5, 3.0, "u", "2.1")}
    assert sql("SELECT count(*) FROM product.event") == [(80,)]
    assert sql("SELECT count(*) FROM product.spectrum WHERE arf_id IS NOT NULL AND rmf_id IS NOT NULL") == [(4,)]
    assert sql("SELECT DISTINCT release FROM product.header") == [("2.1",)]
    folder = store / "files" / "2CXOJ095552.8+694048" / "10542_000"
    assert (folder / "acisf10542_000N027_r0001_pha3.fits.gz").is_file()
    assert not list(store.rglob("*.part"))


def test_a_second_time_fetches_nothing(serve, ingest, sql):
    server = serve()
    ingest(*CONE, "5arcmin", "--products", "usual")
    snapshots = sql("SELECT count(*) FROM lake.snapshots()")
    n = len(server.requests("retrieveFile"))
    assert n == 18
    outcome = ingest(*CONE, "5arcmin", "--products", "usual")
    assert "18 were here" in outcome.text
    assert "Nothing new" in outcome.text
    assert len(server.requests("retrieveFile")) == n
    assert sql("SELECT count(*) FROM lake.snapshots()") == snapshots


def test_a_bare_refresh_asks_again_and_fetches_only_what_is_new(serve, ingest, sql):
    server = serve(small_survey(2))
    ingest(*CONE, "5arcmin", "--products", "pha,arf,rmf")
    name = server.survey.add_source(148.97, 69.70)
    server.survey.add_products(server.survey.add_detection(name, 777, 4))
    server.reload()
    before = len(server.requests("retrieveFile"))
    outcome = ingest()
    assert outcome.code == 0, outcome.text
    assert "asking again" in outcome.text
    assert len(server.requests("retrieveFile")) == before + 3
    assert sql("SELECT count(*) FROM csc.master_source") == [(3,)]
    assert sql("SELECT count(*) FROM product.spectrum") == [(3,)]


def test_a_higher_version_replaces_and_old_snapshots_keep_the_old(serve, ingest, sql, store):
    server = serve(small_survey(2))
    ingest(*CONE, "5arcmin", "--products", "regevt")
    before = sql("SELECT max(snapshot_id) FROM lake.snapshots()")[0][0]
    row = server.survey.detections[0]
    old = product_name(row, "regevt3", 27)
    del server.survey.files[old]
    server.survey.files[product_name(row, "regevt3", 28)] = product(row, "regevt3", n=33)
    outcome = ingest()
    assert "1 of an older version gave way" in outcome.text
    assert sql("SELECT obsid, region_id, count(*) FROM product.event GROUP BY ALL ORDER BY ALL") == [
        (10542, 1, 33),
        (10542, 2, 20),
    ]
    assert sql("SELECT count(*) FROM meta.file WHERE kind = 'events'") == [(2,)]
    assert not list(store.rglob(f"{old}*"))
    assert sql(f"SELECT count(*) FROM product.event_stored AT (VERSION => {before})") == [(40,)]
    assert "Nothing new" in ingest().text


def test_the_query_is_remembered_as_json(serve, ingest, sql):
    serve()
    ingest("csc", "--cone", "M 82", "--radius", "90arcsec", "--products", "pha")
    kinds = dict(sql("SELECT kind, specification FROM meta.source"))
    said = json.loads(kinds["csc"])
    assert said["object"] == "M 82"
    assert said["cone"] == [pytest.approx(148.96846), pytest.approx(69.6797), 1.5]
    assert said["products"] == ["pha"]
    assert kinds["files"].endswith("/files")


def test_names_are_resolved_and_coordinates_ask_nobody(serve, ingest):
    server = serve()
    assert "1 sources" in ingest("csc", "--cone", "M 82", "--radius", "30arcsec", "--dry-run").text
    assert len(server.requests("sesame")) == 1
    assert "1 sources" in ingest("csc", "--cone", "09h55m52.8s +69d40m48s", "--radius", "30arcsec", "--dry-run").text
    assert len(server.requests("sesame")) == 1
    outcome = ingest("csc", "--cone", "Nowhere 7", "--radius", "1arcmin")
    assert isinstance(outcome.error, NameUnknown)


def around(ra: float, dec: float, angle: float, distance: float) -> tuple[float, float]:
    """The place at a distance and position angle; all in degrees."""
    phi, theta, a, r = map(math.radians, (dec, ra, angle, distance))
    up = math.sin(phi) * math.cos(r) + math.cos(phi) * math.sin(r) * math.cos(a)
    turn = math.atan2(math.sin(a) * math.sin(r) * math.cos(phi), math.cos(r) - math.sin(phi) * up)
    return math.degrees(theta + turn) % 360, math.degrees(math.asin(up))


@pytest.mark.parametrize("service", ["tap", "csccli"])
def test_cones_hold_what_they_should(serve, tmp_path, service):
    places = [(0.0, 0.0), (359.995, -30.0), (0.01, 60.0), (120.0, 89.98), (10.0, -89.98)]
    survey, inside = Survey(), {}
    for p, (ra, dec) in enumerate(places):
        for k in range(12):
            name = survey.add_source(*around(ra, dec, 30 * k, (1.9 if k % 2 else 2.1) / 60))
            survey.add_detection(name, 100 * p + k, 1)
            if k % 2:
                inside.setdefault(p, set()).add(name)
    serve(survey)
    with Client() as client:
        for p, (ra, dec) in enumerate(places):
            selection = Selection(cone=(ra, dec, 2.0), service=service)
            answer, _ = fetch_tables(client, selection, tmp_path, keys_only=True)
            assert set(answer.names) == inside[p], (ra, dec)
            assert len(answer.detections) == 6


def test_obsids_names_conditions_and_adql(serve, ingest, sql, tmp_path):
    survey = small_survey(4, per_source=2, products=False)
    survey.detections[3]["var_prob_b"] = 0.99
    serve(survey)
    assert "4 sources, 4 detections" in ingest("csc", "--obsid", "10543,99", "--dry-run").text
    name = survey.sources[1]["name"]
    assert "1 sources, 2 detections" in ingest("csc", "--name", name, "--dry-run").text
    listed = tmp_path / "names.txt"
    listed.write_text("\n".join(s["name"].lower() for s in survey.sources[:3]))
    assert "3 sources, 6 detections" in ingest("csc", "--name", f"@{listed}", "--dry-run").text
    where = "var_prob_b > 0.9 and flux_significance_b > 5"
    assert "1 sources, 1 detections" in ingest("csc", "--where", where, "--dry-run").text
    adql = f"SELECT name, ra, dec, hard_hs FROM csc21.master_source WHERE name = '{name}'"
    assert ingest("csc", "--adql", adql).code == 0
    assert sql("SELECT name, hard_hs FROM csc.master_source") == [(name, 0.25)]


def test_adql_that_names_sources_still_finds_their_products(serve, ingest, sql):
    serve(small_survey(2))
    adql = "SELECT name, ra, dec FROM csc21.master_source WHERE dec > 69.69"
    outcome = ingest("csc", "--adql", adql, "--products", "pha")
    assert "1 files fetched" in outcome.text
    assert sql("SELECT count(*) FROM product.spectrum") == [(1,)]


def test_ambiguous_matches_only_where_asked_for(serve, ingest):
    survey = small_survey(2, products=False)
    survey.detections[1]["match_type"] = "a"
    serve(survey)
    assert "1 sources, 1 detections" in ingest("csc", "--obsid", "10542", "--dry-run").text
    assert "2 sources, 2 detections" in ingest("csc", "--obsid", "10542", "--ambiguous", "--dry-run").text


def test_one_file_of_two_sources_is_fetched_once(serve, ingest):
    survey = small_survey(1)
    other = survey.add_source(148.98, 69.68)
    survey.detections[0]["match_type"] = "a"
    survey.detections.append({**survey.detections[0], "name": other})
    server = serve(survey)
    ingest("csc", "--obsid", "10542", "--ambiguous", "--products", "pha")
    assert len(server.requests("retrieveFile")) == 1


@pytest.mark.parametrize("uploads", [True, False])
def test_long_lists_of_names_go_up_as_tables_or_spelled_out(serve, tmp_path, uploads):
    survey = small_survey(130, products=False, dec=10.0)
    server = serve(survey)
    server.uploads = uploads
    with Client() as client:
        selection = Selection(names=tuple(s["name"] for s in survey.sources))
        answer, files = fetch_tables(client, selection, tmp_path)
    assert len(answer.names) == len(answer.detections) == 130
    assert len(files) == (1 if uploads else 2)
    assert any("UPLOAD" in s.values for s in server.requests("/tap/async"))
    assert any("IN ('2CXO" in s.values.get("QUERY", "") for s in server.requests("/tap/async")) != uploads


def test_hrc_has_no_spectra_and_its_own_band(serve, ingest):
    survey = Survey()
    row = survey.add_detection(survey.add_source(10.0, 10.0), 55, 1, instrument="HRC")
    survey.add_products(row, ("regevt3", "lc3"))
    server = serve(survey)
    outcome = ingest("csc", "--obsid", "55", "--products", "pha,rmf,lc,regevt")
    assert "2 files fetched" in outcome.text
    asked = ",".join(s.values["packageset"] for s in server.requests("browse"))
    assert "lightcurve/w" in asked
    assert "spectrum" not in asked


def test_a_dry_run_counts_and_writes_nothing(serve, ingest, store):
    server = serve(small_survey(2))
    shutil.rmtree(store)
    outcome = ingest(*CONE, "5arcmin", "--products", "pha,rmf", "--dry-run")
    assert "2 sources, 2 detections" in outcome.text
    assert "4 files to fetch, about 2.6 MB" in outcome.text
    assert not store.exists()
    assert not server.requests("csccli")


def test_release_two_point_nought_lies_apart(serve, ingest, sql, store):
    server = serve(small_survey(1))
    ingest("csc", "--obsid", "10542", "--products", "pha", "--release", "2.0")
    assert sql("SELECT DISTINCT release FROM csc.master_source") == [("2.0",)]
    assert sql("SELECT DISTINCT release FROM csc.observation_source") == [("2.0",)]
    assert {s.values["version"] for s in server.requests("csccli")} == {"rel2.0"}
    assert (store / "files-2.0" / "tables").is_dir()
    assert "Nothing new" in ingest().text


@pytest.mark.slow
def test_the_newest_release_is_asked_for_and_others_are_where_they_were(serve, ingest, sql, store):
    server = serve(small_survey(1, products=False))
    assert ingest("csc", "--obsid", "10542").code == 0
    assert sql("SELECT DISTINCT release FROM csc.master_source") == [("2.1",)]
    server.sky.announce("csc22")
    server.reload()
    ingest("csc", "--obsid", "10542", "--service", "csccli")
    assert sql("SELECT release, count(*) FROM csc.observation_source GROUP BY 1") == [("2.2", 1)]
    assert {s.values["version"] for s in server.requests("csccli")} == {"rel2.2"}
    assert (store / "files" / "tables").is_dir()
    assert (store / "files-2.2" / "tables").is_dir()
    adql = "SELECT name, ra, dec FROM csc21.master_source"
    assert "csc21" in ingest("csc", "--adql", adql, "--show-requests").text
    assert "2.1 stands for it here" in ingest("csc", "--obsid", "10542", "--show-requests").text


def test_a_release_that_is_not_there_is_told_by_the_service(serve, ingest):
    serve(small_survey(1, products=False))
    outcome = ingest("csc", "--obsid", "10542", "--release", "2.7")
    assert isinstance(outcome.error, QueryRefused)
    assert "csc27" in str(outcome.error)
    with pytest.raises(UnknownName, match=r"one is called 2\.1"):
        Selection(obsids=(1,), release="two")


def test_where_the_service_is_down_the_release_is_the_one_we_know(serve, ingest, sql):
    server = serve(small_survey(1, products=False))
    server.faults = [Fault("503", path="^/tap/")]
    assert ingest("csc", "--obsid", "10542", "--service", "csccli").code == 0
    assert sql("SELECT DISTINCT release FROM csc.master_source") == [("2.1",)]
    assert len(server.requests("/tap/")) == 1


def test_nothing_found_is_no_error(serve, ingest):
    serve()
    outcome = ingest("csc", "--cone", "10 10", "--radius", "1arcmin", "--products", "pha")
    assert outcome.code == 0
    assert "0 sources, 0 detections" in outcome.text


def test_too_many_rows_are_refused_not_cut(serve, ingest, store):
    serve(small_survey(5, products=False))
    outcome = ingest("csc", "--obsid", "10542", "--max-rows", "3")
    assert "more than 3 rows" in str(outcome.error)
    assert not list(store.rglob("*.vot"))


def test_options_that_do_not_go_together(serve, ingest):
    serve()
    assert isinstance(ingest("csc").error, NothingAsked)
    assert isinstance(ingest("csc", "--adql", "SELECT 1", "--obsid", "1").error, NothingAsked)
    assert "did you mean regevt" in str(ingest("csc", "--obsid", "1", "--products", "regevnt").error)


def test_no_more_is_begun_than_the_disk_holds(serve, ingest, monkeypatch):
    serve(small_survey(2))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    outcome = ingest("csc", "--obsid", "10542", "--products", "rmf")
    assert isinstance(outcome.error, Transient)
    assert "are to come and 0.00 GB are free" in str(outcome.error.strerror)
