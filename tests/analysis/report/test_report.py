"""The report: one file, whole, of whatever is in the store; nothing of the store's texts is obeyed as markup."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from factories.store import make_store, write

from analysis.report.page import Section, Shown, page
from analysis.report.store import label
from analysis.report.write import study
from analysis.report.write import write as write_report
from analysis.score_tables import StudySection, StudyTable
from analysis.study.runs import Answer, Evidence, Question, once
from catalog import Catalog
from catalog.errors import StoreNotFound

VOID = {"meta", "link", "img", "br"}


class Tags(HTMLParser):
    """Checks that tags close in order, and collects attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.links += [v for k, v in attrs if k in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


@pytest.fixture
def small(empty_store, tmp_path):
    return make_store(shutil.copytree(empty_store, tmp_path / "s"))


def test_an_empty_store_has_a_report(store, tmp_path):
    write_report(store, tmp_path / "r.html")
    tags = read((tmp_path / "r.html").read_text("utf-8"))
    assert "What the store holds" in "".join(tags.text)


def test_the_report_is_one_file_that_asks_for_nothing(small, tmp_path):
    n_bytes = write_report(small, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert len(text.encode()) == n_bytes
    tags = read(text)
    assert all(link.startswith(("#", "data:")) for link in tags.links)
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", re.sub(r"data:[^\"]+", "", text))


def test_what_is_simulated_says_so(small, tmp_path):
    write_report(small, tmp_path / "r.html")
    assert 'class="simulated"' not in (tmp_path / "r.html").read_text("utf-8")
    write(small, "simulated.truth", {"file_id": 1, "name": "2CXO J053500.0-052400", "class": "YSO"})
    write_report(small, tmp_path / "r.html")
    assert '<p class="simulated">1 of 3 sources simulated</p>' in (tmp_path / "r.html").read_text("utf-8")
    assert label(3, 3) == "simulated"


def test_a_study_is_shown_with_run_figure_and_sql(small):
    answer = Answer({}, {"latent_map.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"})
    names = np.array(["2CXO J053500.0-052400"])
    runs = StudyTable("Runs", "SELECT run_id FROM analysis.run WHERE run_id = $run")
    how = StudySection("try", "A try", "About it.", "python -m analysis try", (runs,))
    with Catalog(small) as cat:
        assert study(cat, how) is None
    once(Question(small, "try", {"k": [1, 2]}, seed=5), Evidence(1, "x", names), lambda: answer)
    with Catalog(small) as cat:
        made = study(cat, how)
    assert made.figures[0].caption == "latent map"
    assert made.figures[0].source.startswith("data:image/svg+xml;base64,")
    assert "run 1, snapshot 1, seed 5, 1 rows of 1 sources; k [1, 2]" in made.source
    assert "WHERE run_id = 1" in made.commands[1]
    assert made.tables[0].rows == [(1,)]


def test_texts_of_the_store_are_shown_not_obeyed():
    table = Shown("<i>", ("a<b",), [("<script>alert(1)</script>",)], n_more=3)
    text = page("<t>", ["a & b"], [Section("One", "x\n\ny", tables=(table,), commands=('sql "<"',))])
    read(text)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "and 3 more rows" in text
    assert text.count("<p>") == 3


def test_without_a_store_nothing_is_written(tmp_path):
    with pytest.raises(StoreNotFound):
        write_report(tmp_path / "none", tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
