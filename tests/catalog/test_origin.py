"""Every answer says where it comes from, whatever form it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
from astropy.io import fits, votable
from astropy.table import Table
from factories.store import write
from typer.testing import CliRunner

import catalog
from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.formats.export import beside, export
from catalog.store import lake

QUERY = "SELECT name, ra -- of Löwe\nFROM csc.master_source WHERE ra < $limit"


@pytest.fixture(scope="module")
def notes(made_store):
    with Catalog(made_store) as cat:
        return {
            "query": QUERY,
            "parameters": '{"limit": 90}',
            "snapshot": str(cat.snapshot),
            "store": str(made_store),
            "store_id": cat.store_id,
            "version": f"photonlake {version('photonlake')}",
        }


def test_a_result_says_what_was_asked_of_which_snapshot(opened, notes):
    result = opened.sql(QUERY, limit=90)
    assert (result.query, dict(result.parameters), result.snapshot) == (QUERY, {"limit": 90}, opened.snapshot)
    assert result.origin.notes == notes
    assert result.table().meta == notes | {"snapshot": opened.snapshot}
    assert opened.sql(QUERY, limit=-1).table().meta["query"] == QUERY


def test_a_query_with_functions_says_so_too(opened):
    result = opened.sql("SELECT count(*) FROM range($n) t(i)", n=3)
    assert result.parameters == {"n": 3}
    assert result.snapshot == opened.snapshot


@pytest.mark.parametrize("name", ["a.vot", "a.parquet", "a.csv", "a.json"])
def test_an_export_says_it_exactly(opened, notes, tmp_path, name):
    file = tmp_path / name
    export(opened.sql(QUERY, limit=90).reader(), file)
    if name == "a.vot":
        document = votable.parse(file, verify="exception")
        found = {i.name: i.value for i in document.resources[0].infos}
    elif name == "a.parquet":
        found = {k.decode(): v.decode() for k, v in pq.read_schema(file).metadata.items()}
        found = {k.removeprefix("photonlake."): v for k, v in found.items()}
    else:
        about = json.loads(beside(file).read_text("utf-8"))
        assert about["url"] == name
        columns = {c["name"]: c for c in about["tableSchema"]["columns"]}
        assert columns["ra"]["schema:unitText"] == "deg"
        (found,) = about["notes"]
    assert found | notes == found


def test_a_fits_file_says_it_where_astropy_looks(opened, notes, tmp_path):
    file = tmp_path / "a.fits"
    export(opened.sql(QUERY, limit=90).reader(), file)
    meta = Table.read(file).meta
    assert meta["QUERY"] == r"SELECT name, ra -- of L\xf6we\nFROM csc.master_source WHERE ra < $limit"
    assert (meta["SNAPSHOT"], meta["PARAMS"]) == (opened.snapshot, notes["parameters"])
    assert (meta["STORE_ID"], meta["VERSION"]) == (notes["store_id"], notes["version"])
    with fits.open(file) as hdus:
        hdus.verify("exception")


def test_a_table_for_people_says_it_below(made_store, notes, tmp_path):
    file = tmp_path / "a.txt"
    arguments = ["sql", "--store", str(made_store), "SELECT 1 AS one", "-f", "table", "-o", str(file)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert f"snapshot: {notes['snapshot']}\n" in file.read_text()


def test_the_snapshot_that_is_told_gives_the_same_rows_again(store):
    with Catalog(store) as cat:
        query = "SELECT bibcode FROM lit.paper ORDER BY 1"
        before = cat.sql(query)
        rows = before.fetchall()
        write(store, "lit.paper", {"bibcode": "2002ApJ...1A"})
        after = cat.sql(query)
        assert after.snapshot == before.snapshot + 1
        again = cat.sql(query, snapshot=before.snapshot)
        assert (again.fetchall(), again.snapshot) == (rows, before.snapshot)
        at = cat.sql(query, snapshot=cat.snapshots()[-1].time)
        assert at.snapshot == after.snapshot


def test_a_store_has_an_identity_of_its_own_that_a_copy_keeps(store, made_store, tmp_path):
    lake.create(tmp_path / "other")
    ids = {}
    for path in (store, made_store, tmp_path / "other"):
        with Catalog(path) as cat:
            ids[path] = cat.store_id
    assert ids[store] == ids[made_store] != ids[tmp_path / "other"]
    assert len(ids[store]) == 36


def test_the_version_is_told():
    said = f"photonlake {version('photonlake')}\n"
    assert catalog.__version__ == version("photonlake")
    assert CliRunner().invoke(app, ["--version"]).output == said
    command = [sys.executable, "-m", "analysis.photonlake", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == said


def test_a_graph_says_it(made_store):
    from catalog.serve.graphs import _gexf, _graphml  # noqa: PLC0415 - what a run of a study is needed for otherwise

    with Catalog(made_store) as cat:
        nodes = cat.sql("SELECT 'a' AS id, 1 AS degree").arrow()
        for lines in (_graphml, _gexf):
            edges = cat.sql("SELECT 'a' AS id_1, 'a' AS id_2, 1.0::DOUBLE AS similarity").reader()
            text = "".join(lines(nodes, edges, "snapshot: 7; query: a < b"))
            assert "snapshot: 7; query: a < b" in "".join(ET.fromstring(text).itertext())  # noqa: S314 - our own
