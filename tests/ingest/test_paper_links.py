"""Links in a store: made once, replaced where papers or sources change, others left alone, made by a refresh itself."""

from __future__ import annotations

import json

import pytest
from factories.store import NAMES, make_store, write

import catalog
from catalog.errors import StoreNotFound
from catalog.store.manifest import Source
from ingest import paper_links
from ingest.paper_links import link
from ingest.refresh import refresh

LINKS = "SELECT bibcode, name, method, round(confidence, 2) FROM lit.paper_source ORDER BY ALL"


def rows(store, query=LINKS):
    with catalog.open(store) as cat:
        return cat.sql(query).fetchall()


def n_snapshots(store):
    with catalog.open(store) as cat:
        return len(cat.snapshots())


@pytest.fixture
def told(store):
    """A store with a paper that names a source, and a link that a file brought."""
    make_store(store)
    paper = {"bibcode": "2020ApJ...2B", "title": f"Pulsations of CXOU {NAMES[2][5:]}", "abstract": "ObsID 732."}
    write(store, "lit.paper", paper)
    link_ = {"bibcode": "2020ApJ...2B", "name": NAMES[0], "method": "class reference", "file_ids": [1]}
    write(store, "lit.paper_source", link_)
    return store


def test_linking_twice_is_linking_once(told):
    first = link(told)
    assert (first.added, first.removed, dict(first.used)) == (1, 0, {"name in text": 1})
    assert rows(told) == [
        ("2020ApJ...2B", NAMES[0], "class reference", None),
        ("2020ApJ...2B", NAMES[2], "name in text", 0.98),
    ]
    before = n_snapshots(told)
    again = link(told)
    assert (again.added, again.removed, n_snapshots(told)) == (0, 0, before)


def test_links_follow_the_store(told):
    link(told)
    write(told, "csc.observation_source", {"detection_id": "732.0.1", "obsid": 732, "name": NAMES[1]})
    assert link(told).added == 1
    assert (NAMES[1], "observation in text") in rows(told, "SELECT name, method FROM lit.paper_source")
    connection = catalog.store.lake.connect(told, read_only=False)
    connection.execute("DELETE FROM lake.lit.paper WHERE bibcode = '2020ApJ...2B'")
    connection.close()
    assert link(told).removed == 2
    assert rows(told) == [("2020ApJ...2B", NAMES[0], "class reference", None)]


def test_a_refresh_links_when_papers_arrive_and_only_then(told, tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    record = {"bibcode": "2021ApJ...900....1Z", "title": ["A source"], "abstract": f"On {NAMES[1]}.", "year": "2021"}
    (folder / "a.jsonl").write_text(json.dumps(record) + "\n")
    report = refresh(told, [Source("files", str(folder))])
    assert report.linked is not None
    assert ("2021ApJ...900....1Z", NAMES[1], "name in text", 0.78) in rows(told)
    assert refresh(told).linked is None
    (folder / "a.jsonl").write_text(json.dumps(record | {"abstract": "On nothing."}) + "\n")
    assert refresh(told).linked.removed == 1
    assert "2021ApJ...900....1Z" not in {r[0] for r in rows(told)}


def test_links_that_a_killed_refresh_did_not_make_are_made_by_the_next(told, tmp_path, monkeypatch):
    record = {"bibcode": "2021ApJ...900....1Z", "title": ["A source"], "abstract": f"On {NAMES[1]}.", "year": "2021"}
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n")
    with monkeypatch.context() as killed:
        killed.setattr(paper_links, "relink", lambda _: 1 / 0)  # everything is committed but the links
        with pytest.raises(ZeroDivisionError):
            refresh(told, [Source("files", str(tmp_path / "a.jsonl"))])
    assert "2021ApJ...900....1Z" not in {r[0] for r in rows(told)}
    assert refresh(told).linked.added >= 1
    assert ("2021ApJ...900....1Z", NAMES[1], "name in text", 0.78) in rows(told)
    assert refresh(told).linked is None


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(StoreNotFound):
        link(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.real
def test_real_abstracts_and_catalog_tables(real, store):
    wanted = ("papers/arxiv_high_energy.jsonl", "tables/csc2_sources_literature_class.csv")
    refresh(store, [Source("files", str(real / w)) for w in wanted])
    held = set(rows(store, "SELECT bibcode, name FROM lit.paper_source WHERE confidence >= 0.5"))
    assert ("2023arXiv230715486P", "2CXO J165400.1-395044") in held  # GRO J1655-40, in the title
    assert ("2024arXiv240106645Y", "2CXO J191149.5+045857") in held  # SS 433
    assert 60 < len(held) < 150
    assert paper_links.link(store).added == 0
