"""What is shown is what is sent."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from factories.survey import Survey, small_survey

from catalog.schema import TABLES
from catalog.schema.columns import FLOAT64, Column
from ingest.remote import queries
from ingest.remote.http import Client
from ingest.remote.queries import column_list, detections_query
from ingest.remote.selection import Selection
from ingest.remote.services import release_named
from ingest.remote.tables import fetch_tables, table_requests


def test_nothing_goes_over_the_wire(serve, ingest):
    server = serve()
    text = ingest("csc", "--cone", "M 82", "--products", "usual", "--show-requests").text
    assert "getProperties" not in text
    assert "packageset={obsid}.{obi}.{region_id}/lightcurve/{band}" in text
    assert "asked of Sesame" in text
    assert server.seen == []


def test_jobs_are_sent_as_they_are_shown(serve, tmp_path):
    server = serve(small_survey(130, products=False, dec=10.0))
    for selection in (
        Selection(adql="SELECT name, ra FROM csc21.master_source"),
        Selection(cone=(148.97, 10.0, 5.0)),
        Selection(obsids=(10542,), where="theta < 5"),
        Selection(names=tuple(s["name"] for s in server.survey.sources)),
    ):
        server.seen.clear()
        shown = [r for r in table_requests(selection) if r.url.endswith("/async")]
        with Client() as client:
            fetch_tables(client, selection, tmp_path)
        sent = [s for s in server.seen if s.method == "POST" and s.path.endswith("/async")]
        assert len(shown) == len(sent)
        for a, b in zip(shown, sent, strict=True):
            assert set(a.values) == set(b.values)
            assert {k: v for k, v in a.values.items() if k != "QUERY"} == {
                k: v for k, v in b.values.items() if k != "QUERY"
            }
            where = " WHERE ", "(m.name IN "
            ours, theirs = (x.values["QUERY"].partition(where[0])[2] for x in (a, b))
            if where[1] not in ours:
                assert ours == theirs


def test_the_columns_are_asked_for_as_shown(serve, tmp_path):
    server = serve(small_survey(1, products=False))
    selection = Selection(obsids=(10542,))
    shown = next(r for r in table_requests(selection) if r.method == "GET")
    with Client() as client:
        fetch_tables(client, selection, tmp_path)
    sent = server.requests("/tap/sync")[0]
    assert dict(parse_qsl(urlsplit(shown.address).query)) == sent.values


def test_csccli_is_sent_as_shown(serve, tmp_path):
    server = serve(small_survey(2, products=False))
    selection = Selection(cone=(148.97, 69.68, 2.0), service="csccli", where="var_prob_b > 0.1")
    (shown,) = table_requests(selection)
    with Client() as client:
        fetch_tables(client, selection, tmp_path)
    (sent,) = server.requests("getProperties")
    assert shown.values == sent.values


def test_the_token_is_not_shown(serve, ingest):
    serve(Survey())
    assert "Authorization: Bearer (your token)" in ingest("ads", "--query", "x", "--show-requests").text


def test_releases_have_their_own_addresses(monkeypatch):
    monkeypatch.delenv("PHOTONLAKE_TAP_URL", raising=False)
    assert release_named("2.1").tap_url == "https://cda.cfa.harvard.edu/csc21tap"
    assert release_named("2.0").tap_url == "https://cda.cfa.harvard.edu/csc2tap"


def test_a_column_added_to_the_schema_is_asked_for(monkeypatch):
    master = TABLES["csc.master_source"]
    added = [Column(f"new_{fetch}", FLOAT64, "New", fetch=fetch) for fetch in ("usual", "first", "all")]
    with_more = replace(master, columns=(*master.columns, *added))
    monkeypatch.setattr(queries, "TABLES", {**TABLES, master.full_name: with_more})
    service = {master.full_name: ["name", "ra", *(c.name for c in added)], "csc.observation_source": ["obsid"]}

    def asked(known, which):
        query = detections_query(column_list(known, which), [], unique=False, schema="csc21")
        return {word for word in ("usual", "first", "all") if f"m.new_{word}," in query}

    assert asked(service, "usual") == {"usual", "first"}
    assert asked(service, "all") == {"usual", "first", "all"}
    assert asked(None, "usual") == {"first"}
    assert asked({"csc.master_source": ["name"]}, "all") == set()  # no service is asked for what it does not have
