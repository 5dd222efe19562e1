"""What a file is, by its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.detect_text import detect_text, why_not

HTML = b"<!DOCTYPE html>\n<html><head>"


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"name,ra,dec\n2CXO J031948.1+413046,1,2", "anything", "source_table"),
        (b" m.name\to.obsid\to.theta\n", "x.txt", "source_table"),
        (b"#Column\tname\t(A22)\t\t(master_source.name)\n", "x", "source_table"),
        (b'<?xml version="1.0"?>\n<!-- by\n hand --><VOTABLE version="1.4">', "x.xml", "source_table"),
        (b"PAR1\x15\x04", "x", "source_table"),
        (b'{"responseHeader": {}, "response": {"docs": []}}', "x", "papers"),
        (b'{"bibcode": "2023arXiv230500019B"}\n', "x", "papers"),
        (b'{"error": {"msg": "no"}}', "x.json", "papers"),
        (b"% comment\n@ARTICLE{2020A&A...633A...1X,\n", "x", "papers"),
        (b'[{"obsid": 943, "source_name": "", "event_list": []}]', "x", "corpus"),
        (b"Error executing query: no such table", "x", "source_table"),
        (HTML, "x.csv", "source_table"),
        (HTML, "x.bib", "papers"),
        (b"<<<<<<< HEAD\nname,ra\n", "x.csv", "source_table"),
        (HTML, "x.html", None),
        (b"<svg></svg>", "x.svg", None),
        (b"a,b,c\n1,2,3\n", "x.csv", None),
        (b"name,email\nBob,b@c.d\n", "x.csv", None),
        (b'{"name": "package", "version": 1}', "package.json", None),
        (b"# Title\n\nSome words, and more.\n", "README.md", None),
        (b"import os\n@decorator\ndef f(name, ra):\n", "x.py", None),
        (b"\x7fELF\0\0", "x", None),
        (b"", "x", None),
    ],
)
def test_kind_by_content(head, name, kind):
    assert detect_text(head, name) == kind
    if kind is None:
        assert why_not(head, name)


@given(
    st.binary(max_size=300) | st.text(alphabet='name,obsid\t{}[]"<#@\n ', max_size=80).map(str.encode),
    st.text(max_size=8),
)
def test_any_bytes_are_of_some_kind_or_none(head, name):
    assert detect_text(head, name) in {"source_table", "papers", "corpus", None}
    assert why_not(head, name)


@pytest.mark.real
def test_real_files(real):
    kinds = {
        p.name: detect_text(p.read_bytes()[: 1 << 16], p.name)
        for d in ("tables", "papers")
        for p in (real / d).iterdir()
    }
    assert {name for name, kind in kinds.items() if kind != "source_table"} == {
        "arxiv_high_energy.jsonl",
        "ads_search_response.json",
    }
    assert kinds["arxiv_high_energy.jsonl"] == kinds["ads_search_response.json"] == "papers"
    head = (real / "events" / "axia_sample_corpus.json").read_bytes()[: 1 << 16]
    assert detect_text(head, "x.json") == "corpus"
