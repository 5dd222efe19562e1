"""Answers to TOPCAT and tables from it, by a hub of SAMP on this machine."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request

import pytest
from astropy.table import Table
from pyvo import samp
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import QueryError
from catalog.publish.samp_messages import receive, send
from catalog.serve.address import Address
from catalog.serve.page_routes import PageRoutes
from catalog.serve.server import BrowseServer

pytestmark = pytest.mark.filterwarnings("ignore")  # threads of the hub close their sockets when they like


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    lockfile = tmp_path / "samp"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lockfile.as_uri()}")
    with samp.conf.set_temp("use_internet", False):
        yield lockfile


@pytest.fixture
def topcat(no_hub):
    """A hub, and a program that takes tables: what it was sent stands in `topcat.took`."""
    hub = samp.SAMPHubServer(web_profile=False, lockfile=str(no_hub), addr="127.0.0.1")
    hub.start()
    client = samp.SAMPIntegratedClient("topcat", addr="127.0.0.1")
    client.connect()
    client.took = []

    def take(_key, _sender, id_, _mtype, parameters, _extra):
        client.took.append(Table.read(parameters["url"].removeprefix("file://"), format="votable"))
        client.reply(id_, {"samp.status": "samp.ok", "samp.result": {}})

    client.bind_receive_call("table.load.votable", take)
    yield client
    client.disconnect()
    hub.stop()


def test_an_answer_goes_to_topcat_with_its_units(topcat, made_store):
    with Catalog(made_store) as cat:
        query = "SELECT name, ra, significance FROM csc.master_source ORDER BY name"
        assert send(cat.sql(query).arrow(), "TOPCAT") == ["topcat"]
        done = CliRunner().invoke(app, ["sql", "--store", str(made_store), query, "--samp", "all"])
        assert done.output.split() == ["sent", "to", "topcat"]
        assert [len(t) for t in topcat.took] == [3, 3]
        assert topcat.took[0]["ra"].unit == "deg"
        assert list(topcat.took[0]["name"]) == [r[0] for r in cat.sql(query).fetchall()]
        with pytest.raises(QueryError, match=r"no program 'aladin'.*there are topcat"):
            send(cat.sql(query).arrow(), "aladin")


@pytest.mark.parametrize("kind", ["votable", "fits"])
def test_a_table_that_topcat_sends_can_be_joined(topcat, made_store, tmp_path, kind):
    mine = Table({"RAJ2000": [83.75], "DEJ2000": [-5.4]}, units={"RAJ2000": "deg", "DEJ2000": "deg"})
    mine.write(tmp_path / "no suffix", format=kind)
    message = {
        "samp.mtype": f"table.load.{kind}",
        "samp.params": {"url": (tmp_path / "no suffix").as_uri(), "name": "mine"},
    }

    def sends():
        topcat.notify_all(message) if kind == "fits" else topcat.call_all("tag", message)

    with Catalog(made_store) as cat:
        cat.register("mine", receive(30, lambda: threading.Thread(target=sends).start()))
        assert cat.sql("SELECT count(*) FROM crossmatch('mine', 'csc.master_source', 1)").fetchall() == [(1,)]


def test_what_cannot_come_is_told(topcat, tmp_path):
    (tmp_path / "broken").write_text("no table")
    for url, said in (
        ("http://example.org/t.vot", "address of this machine"),
        ((tmp_path / "broken").as_uri(), "broken"),
    ):
        message = {"samp.mtype": "table.load.votable", "samp.params": {"url": url}}
        with pytest.raises((QueryError, ValueError), match=said):
            receive(30, lambda m=message: threading.Thread(target=topcat.notify_all, args=(m,)).start())
    with pytest.raises(QueryError, match="no table came"):
        receive(0.1)


def test_without_a_hub_it_says_what_to_start(no_hub, made_store):
    assert not no_hub.exists()
    with Catalog(made_store) as cat, pytest.raises(QueryError, match="start TOPCAT"):
        send(cat.sql("SELECT 1").arrow())


def test_the_page_sends_to_topcat_where_all_are_on_one_machine(topcat, made_store, tmp_path):
    def post(server, given, **headers):
        headers = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        request = urllib.request.Request(f"{server.url}api/samp", json.dumps(given).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310 - of this machine
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    query = {"query": "SELECT name, ra FROM csc.master_source ORDER BY name"}
    with BrowseServer(made_store, jobs=tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert post(server, query) == (200, {"sent": ["topcat"], "rows": 3})
        assert post(server, query, Origin="http://evil.example")[0] == 403
        assert post(server, query, Sec_Fetch_Site="cross-site")[0] == 403
        assert post(server, query, Content_Type="text/plain")[0] == 400
        assert "did you mean name" in post(server, {"query": "SELECT nme FROM csc.master_source"})[1]["error"]
        assert "there are topcat" in post(server, query | {"program": "ds9"})[1]["error"]
        server.shutdown()
    assert [(len(t), str(t["ra"].unit)) for t in topcat.took] == [(3, "deg")]
    addresses = (Address(), Address("0.0.0.0"), Address(public="https://data.example.org"))  # noqa: S104
    assert [a.is_here for a in addresses] == [True, False, False]
    assert asyncio.run(PageRoutes(None)._samp(None)).status_code == 403
