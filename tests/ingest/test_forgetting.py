"""A user's table never overwrites the catalog; what a file said goes with it, and what others say is back, exactly."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from factories import archive
from typer.testing import CliRunner

from catalog.errors import UnknownName
from catalog.store import lake
from catalog.store.manifest import Source
from ingest.__main__ import app
from ingest.forgetting import forget
from ingest.ledger import status
from ingest.refresh import refresh

NAME, ONLY_LISTED = "2CXO J140515.6+542458", "2CXO J140515.6+542459"
CATALOG = f"""#Column\tname\t(A22)\tName\t(master_source.name)\t[""]\t[]
#Column\tra\t(F9)\tRight ascension\t(master_source.ra)\t["deg"]\t[]
#Column\tdec\t(F9)\tDeclination\t(master_source.dec)\t["deg"]\t[]
#Column\tsignificance\t(F9)\tSignificance\t(master_source.significance)\t[""]\t[]
name\tra\tdec\tsignificance
{NAME}\t211.3151912\t54.4161363\t9.5
"""
LIST = f"name,ra,dec,mood\n{NAME},99,9,good\n{ONLY_LISTED},1,2,bad\n"
SOURCE = f"SELECT ra, dec, significance, extra['mood'] FROM csc.master_source WHERE name = '{NAME}'"
RIGHT = (211.3151912, 54.4161363, 9.5)


def ask(store, query):
    with contextlib.closing(lake.connect(store)) as connection:
        return connection.execute(query).fetchall()


def rows(store):
    """Every row of the merged tables, and of what the files say."""
    tables = ("csc.master_source", "csc.observation_source", "lit.paper", "lit.paper_source")
    return {t: ask(store, f"SELECT * FROM {t} ORDER BY ALL") for m in tables for t in (m, f"{m}_said")}


def load(store, *paths, **options):
    return refresh(store, [Source("files", str(p)) for p in paths], workers=1, **options)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "catalog.tsv").write_text(CATALOG, "utf-8")
    (folder / "zz_list.csv").write_text(LIST, "utf-8")
    return folder


@pytest.mark.slow
def test_a_list_never_moves_a_source_of_the_catalog_and_the_conflict_is_said(store, empty_store, files, tmp_path):
    load(store, files / "catalog.tsv")
    before = rows(store)
    report = load(store, files / "zz_list.csv")
    assert ask(store, SOURCE) == [(*RIGHT, "good")]
    (said,) = report.disagreements
    assert (Path(said.path).name, said.table, said.n_rows, said.columns) == (
        "zz_list.csv", "csc.master_source", 1, {"dec": 1, "ra": 1})  # fmt: skip
    assert status(store).disagreements == [said]
    conflicts = "SELECT key, column_name, value, kept, path FROM meta.conflict ORDER BY 2"
    assert [(k, c, float(v), float(kept), Path(p).name) for k, c, v, kept, p in ask(store, conflicts)] == [
        (NAME, "dec", 9.0, RIGHT[1], "zz_list.csv"),
        (NAME, "ra", 99.0, RIGHT[0], "zz_list.csv"),
    ]
    listed = (
        "SELECT ra, regexp_extract(path, '[^/]*$') FROM csc.master_source_said, meta.file WHERE file_id = file_ids[1]"
    )
    assert sorted(ask(store, listed)) == [(99.0, "zz_list.csv"), (211.3151912, "catalog.tsv")]
    for option in ({}, {"again": True}):
        assert not refresh(store, **option).changed
    other = shutil.copytree(empty_store, tmp_path / "other")
    load(other, files / "zz_list.csv")
    assert ask(other, SOURCE) == [(99.0, 9.0, None, "good")]
    load(other, files / "catalog.tsv")
    assert rows(other) == rows(store)
    (files / "zz_list.csv").unlink()
    assert refresh(store).missing_sources == [str(files / "zz_list.csv")]
    forget(store, [str(files / "zz_list.csv")])
    assert rows(store) == before
    assert ask(
        store, "SELECT path FROM meta.file WHERE path LIKE '%list%' UNION SELECT specification FROM meta.source"
    ) == [(str(files / "catalog.tsv"),)]
    assert archive.keys_repeat(store) == []


@pytest.mark.slow
def test_a_forgotten_file_in_a_folder_is_passed_over_until_it_is_named_or_changes(store, files):
    load(store, files)
    report = forget(store, [str(files / "zz_list.csv")])
    assert (report.n_files, report.n_rows, report.kept_out) == (1, 2, [str(files / "zz_list.csv")])
    assert ask(store, SOURCE) == [(*RIGHT, None)]
    (entry,) = status(store).problems
    assert (entry.status, entry.n_rows) == ("forgotten", 0)
    assert f"ingest files {files / 'zz_list.csv'}" in entry.error
    assert not refresh(store).changed
    assert not load(store, files, again=True).changed
    load(store, files / "zz_list.csv")
    assert ask(store, SOURCE) == [(*RIGHT, "good")]
    forget(store, [str(files / "zz_list.csv")])
    (files / "zz_list.csv").write_text(LIST.replace("good", "fine"), "utf-8")
    refresh(store)
    assert ask(store, SOURCE) == [(*RIGHT, "fine")]


def test_a_copy_of_a_forgotten_file_takes_its_place(store, files):
    shutil.copy(files / "catalog.tsv", files / "copy.tsv")
    load(store, files)
    report = forget(store, [str(files / "catalog.tsv")])
    assert report.report.kinds["source_table"].files == 1
    assert ask(store, SOURCE) == [(*RIGHT, "good")]


@pytest.mark.slow
def test_a_folder_is_forgotten_with_its_source_and_can_come_back(store, files, tmp_path):
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "a.jsonl").write_text(archive.paper(1), "utf-8")
    load(store, papers)
    before = rows(store)
    load(store, files)
    result = CliRunner().invoke(app, ["forget", str(files), "--store", str(store)])
    assert result.exit_code == 0, result.output
    assert "Forgotten: 2 files" in result.output
    assert rows(store) == before
    assert ask(store, "SELECT specification FROM meta.source") == [(str(papers),)]
    load(store, files)
    assert ask(store, SOURCE) == [(*RIGHT, "good")]


def test_what_was_never_there_cannot_be_forgotten(store, files):
    load(store, files / "catalog.tsv")
    with pytest.raises(UnknownName, match=r"knows no file .*catalog\.tvs; did you mean .*catalog\.tsv"):
        forget(store, [str(files / "catalog.tvs")])


@pytest.mark.slow
def test_a_release_is_told_once_for_a_file_or_a_folder_and_read_into_what_is_there(store, files):
    def releases():
        return dict(ask(store, "SELECT name, release FROM csc.master_source"))

    (files / "csc21_more.csv").write_text("name,significance\n2CXO J000001.0+000000,5\n", "utf-8")
    report = load(store, files)
    assert releases() == {NAME: None, ONLY_LISTED: None, "2CXO J000001.0+000000": "2.1"}
    assert {Path(p).name for p in report.without_release} == {"catalog.tsv", "zz_list.csv"}
    folder = Source("files", str(files), "2.0")
    refresh(store, [folder], workers=1)
    assert releases() == {NAME: "2.0", ONLY_LISTED: "2.0", "2CXO J000001.0+000000": "2.1"}
    refresh(store, [Source("files", str(files / "zz_list.csv"), "2.1")], workers=1)  # the nearest that is told counts
    assert releases() == {NAME: "2.0", ONLY_LISTED: "2.1", "2CXO J000001.0+000000": "2.1"}
    assert ask(store, SOURCE) == [(*RIGHT, None)]  # releases never mix
    assert not load(store, files).changed  # a release that is not told again stays
    assert not refresh(store).changed
    assert releases()[NAME] == "2.0"


def test_only_catalog_rows_are_asked_for_their_release_and_the_hint_names_all_of_them(store, files):
    (files / "classes.csv").write_text(
        "name_cat,Class,ref,name,ra,dec\nX-1,HMXB,2020A&A...633A...1X,2CXO J000001.0+000000,0.004,0\n", "utf-8"
    )
    result = CliRunner().invoke(app, ["files", str(files), "--store", str(store), "--workers", "1"])
    said = " ".join(result.output.split())
    assert "do not state their CSC release (2)" in said
    assert f"ingest files {files} --release 2.1" in said
    assert {Path(p).name for p in status(store).without_release} == {"catalog.tsv", "zz_list.csv"}
    assert ask(store, "SELECT count(*) FROM csc.classification") == [(1,)]
