"""The refresh: what is in a folder comes in once, whatever it is; what changes replaces; one bad file stops nothing."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from pathlib import Path

import pytest
from factories import archive, fits

from catalog.errors import StoreLocked
from catalog.store import lake
from catalog.store.manifest import Source
from ingest import gathering
from ingest.committer import Committer
from ingest.follow_up import LINKS
from ingest.ledger import status, verify
from ingest.planning import FolderNotFound
from ingest.products.linking import rules
from ingest.refresh import refresh


@pytest.fixture
def folder(tmp_path):
    return archive.write_archive(tmp_path / "archive", 3)


@pytest.fixture(scope="module")
def once(empty_store, tmp_path_factory):
    """A folder with an archive and its store, loaded once; a copy of both aside; and what the refresh said."""
    root = tmp_path_factory.mktemp("refresh")
    folder = archive.write_archive(root / "here" / "archive", 3)
    store = Path(shutil.copytree(empty_store, root / "here" / "s"))
    report = load(store, folder)
    shutil.copytree(root / "here", root / "aside", symlinks=True)
    return root, report


@pytest.fixture
def loaded(once):
    """The store and its archive as they were after the first refresh, at the paths that the store knows."""
    root, _ = once
    shutil.rmtree(root / "here")
    shutil.copytree(root / "aside", root / "here", symlinks=True)
    return root / "here" / "s", root / "here" / "archive"


def load(store, folder, **options):
    return refresh(store, [Source("files", str(folder))], workers=1, **options)


def query(store, sql):
    with contextlib.closing(lake.connect(store)) as connection:
        return connection.execute(sql).fetchall()


def events(store):
    return dict(query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1"))


def test_everything_in_a_folder_comes_in(loaded, once):
    store, report = loaded[0], once[1]
    assert {kind: total.files for kind, total in report.kinds.items()} == {
        "events": 3,
        "spectrum": 3,
        "arf": 3,
        "rmf": 1,
        "papers": 1,
        "source_table": 1,
    }
    assert events(store) == {1: 210, 2: 220, 3: 230}
    linked = "SELECT count(*), count(arf_id), count(rmf_id), count(background_counts) FROM product.spectrum"
    assert query(store, linked) == [(3, 3, 3, 3)]
    assert archive.keys_repeat(store) == []
    assert verify(store) == []


def test_links_that_other_rules_made_are_made_anew(store, tmp_path):
    with contextlib.closing(lake.connect(store, read_only=False)) as connection, lake.transaction(connection):
        lake.remember(connection, LINKS, "current")  # what earlier versions wrote
    load(store, tmp_path / "s")
    assert query(store, f"SELECT value FROM meta.state WHERE name = '{LINKS}'") == [(rules(),)]


def test_bad_files_are_named_with_a_reason_and_stop_nothing(loaded, once):
    store, report = loaded[0], once[1]
    reasons = {Path(e.path).name: (e.status, e.error) for e in report.problems}
    assert reasons["truncated_evt2.fits.gz"][0] == "failed"
    assert "truncated" in reasons["truncated_evt2.fits.gz"][1]
    assert reasons["text_pha3.fits"][0] == "skipped"
    assert "broken link" in reasons["text_pha3.fits"][1]
    assert {Path(e.path).name for e in status(store).problems} == set(reasons)


def test_the_same_content_twice_is_loaded_once_gzipped_or_not(loaded, once):
    store, report = loaded[0], once[1]
    duplicates = {Path(e.path).name for e in report.duplicates}
    assert duplicates == {"copy_of_1.fits", "acisf00002_000N001_r0002_rmf3.fits", "acisf00003_000N001_r0003_rmf3.fits"}
    assert events(store)[1] == 210


def test_a_second_run_does_nothing_and_makes_no_snapshot(loaded):
    store, _ = loaded
    before = archive.contents(store), len(query(store, "SELECT * FROM lake.snapshots()".replace("*", "snapshot_id")))
    report = refresh(store)
    assert not report.changed
    assert report.unchanged == 17
    after = archive.contents(store), len(query(store, "SELECT snapshot_id FROM lake.snapshots()"))
    assert after == before


def test_a_second_run_opens_no_file(loaded):
    store, folder = loaded
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            path.write_bytes(b"\0" * stat.st_size)  # whoever reads it now fails
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not refresh(store).changed


def test_a_changed_file_replaces_its_rows(loaded):
    store, folder = loaded
    path = next(folder.rglob("acisf00002*regevt3*"))
    path.write_bytes(fits.events_file(n=50, seed=9, obs_id="2", compress=True))
    report = refresh(store)
    assert report.kinds["events"].files == 1
    assert events(store) == {1: 210, 2: 50, 3: 230}
    assert archive.keys_repeat(store) == []


def test_a_touched_file_is_read_and_found_unchanged(loaded):
    store, folder = loaded
    before = archive.contents(store)
    path = next(folder.rglob("acisf00002*regevt3*"))
    os.utime(path, ns=(1, 1))
    refresh(store)
    after = archive.contents(store)
    assert {t for t in after if after[t] != before[t]} == {"meta.file"}  # its mtime, nothing else
    assert not refresh(store).changed


def test_a_file_that_breaks_keeps_its_rows_until_it_is_mended(loaded):
    store, folder = loaded
    path = next(folder.rglob("acisf00002*regevt3*"))
    whole = path.read_bytes()
    path.write_bytes(whole[:400])
    report = refresh(store)
    assert "earlier content are kept" in report.problems[0].error
    assert events(store)[2] == 220
    path.write_bytes(gzip.compress(gzip.decompress(whole), 1))
    refresh(store)
    assert events(store)[2] == 220
    assert archive.keys_repeat(store) == []


def test_when_the_holder_of_a_content_changes_its_copy_is_loaded(loaded):
    store, folder = loaded
    holder = next(folder.rglob("acisf00001*regevt3*"))
    holder.write_bytes(fits.events_file(fits.random_events(7, seed=3), obs_id="99", compress=True))
    refresh(store)
    assert sum(events(store).values()) == 210 + 220 + 230 + 7
    assert archive.keys_repeat(store) == []


def test_a_file_that_becomes_a_copy_of_another_loses_its_rows(loaded):
    store, folder = loaded
    second, third = (next(folder.rglob(f"acisf0000{n}*regevt3*")) for n in (2, 3))
    shutil.copy(third, second)
    refresh(store)
    assert events(store) == {1: 210, 3: 230}
    assert archive.keys_repeat(store) == []


def test_a_file_renamed_and_replaced_between_two_runs_loses_nothing(loaded):
    store, folder = loaded
    second = next(folder.rglob("acisf00002*regevt3*"))
    second.rename(second.with_name("acisf00001_000N009_r0002_regevt3.fits.gz"))  # comes before it in the plan
    second.write_bytes(fits.events_file(n=50, seed=9, obs_id="77", compress=True))
    refresh(store)
    assert events(store) == {1: 210, 2: 220, 3: 230, 77: 50}
    assert archive.keys_repeat(store) == []


def test_a_file_replaced_by_something_else_keeps_its_rows_until_it_is_back(loaded):
    store, folder = loaded
    second = next(folder.rglob("acisf00002*regevt3*"))
    whole = second.read_bytes()
    second.write_text("moved away", encoding="utf-8")
    assert "earlier content are kept" in refresh(store).problems[0].error
    second.write_bytes(gzip.compress(gzip.decompress(whole), 1))
    refresh(store)
    assert events(store) == {1: 210, 2: 220, 3: 230}
    assert archive.keys_repeat(store) == []


def test_columns_of_one_detection_come_together_from_several_tables(loaded):
    store, folder = loaded
    more = folder / "more.csv"
    more.write_text("name,obsid,obi,region_id,hard_hm\n2CXO J000001.0+000000,1,0,1,0.25\n", encoding="utf-8")
    refresh(store)
    row = "SELECT hard_hs, hard_hm, theta, len(file_ids) FROM csc.observation_source WHERE detection_id = '1.0.1'"
    assert query(store, row) == [(0.1, 0.25, 1.5, 2)]
    more.write_text("name,obsid,obi,region_id,hard_hm\n2CXO J000001.0+000000,1,0,1,0.75\n", encoding="utf-8")
    refresh(store)
    assert query(store, row) == [(0.1, 0.75, 1.5, 2)]
    more.write_text("name,obsid,obi,region_id,hard_hm\n2CXO J000009.0+000000,9,0,9,0.5\n", encoding="utf-8")
    refresh(store)
    assert query(store, row) == [(0.1, None, 1.5, 1)]  # the other file was read again
    assert query(store, "SELECT count(*) FROM csc.observation_source") == [(4,)]


def rows_of(folder, name, column, values):
    lines = [f"2CXO J00000{n}.0+000000,{n},0,{n},{value}" for n, value in values.items()]
    (folder / name).write_text(f"name,obsid,obi,region_id,{column}\n" + "\n".join(lines) + "\n", "utf-8")


def merged(store):
    return query(store, "SELECT obsid, theta, hard_hs, hard_ms, len(file_ids) FROM csc.observation_source ORDER BY 1")


@pytest.mark.slow
def test_tables_that_share_rows_end_as_if_read_for_the_first_time(store, empty_store, tmp_path, monkeypatch):
    """A table that gains a source which another has: each that is read again must not drive the other out for ever."""
    tables = tmp_path / "tables"
    tables.mkdir()
    rows_of(tables, "a.csv", "theta", {1: 1.5, 2: 2.5})
    rows_of(tables, "b.csv", "hard_hs", {1: 0.1, 2: 0.2, 3: 0.3})
    rows_of(tables, "c.csv", "theta", {2: 9.5, 4: 4.5})
    load(store, tables)
    rows_of(tables, "a.csv", "theta,hard_ms", {1: "1.5,0.7", 2: "3.5,0.8", 3: "5.5,0.9"})
    commits = []
    done = Committer._commit

    def counted(self, loaded):
        commits.append(loaded)
        assert len(commits) < 20, "the refresh does not end"
        done(self, loaded)

    monkeypatch.setattr(Committer, "_commit", counted)
    load(store, tables)
    anew = shutil.copytree(empty_store, tmp_path / "anew")
    load(anew, tables)
    assert merged(store) == merged(anew)
    # The file that says more has the last word, whichever came last.
    assert merged(store)[1] == (2, 3.5, 0.2, 0.8, 3)
    assert not load(store, tables).changed


def test_a_response_that_arrives_later_is_linked(store, folder, tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    path = next(folder.rglob("acisf00003*arf3*"))
    shutil.move(path, aside / path.name)
    load(store, folder)
    unlinked = "SELECT count(*) FROM product.spectrum WHERE arf_id IS NULL"
    assert query(store, unlinked) == [(1,)]
    shutil.move(aside / path.name, path)
    refresh(store)
    assert query(store, unlinked) == [(0,)]


def test_workers_and_one_process_give_the_same_tables(loaded, store):
    one, folder = loaded
    refresh(store, [Source("files", str(folder))], workers=2)
    assert archive.contents(one) == archive.contents(store)


def test_sources_are_remembered_and_new_files_found(loaded):
    store, folder = loaded
    (folder / "new_evt2.fits").write_bytes(fits.events_file(fits.random_events(5, seed=8), obs_id="77"))
    report = refresh(store)
    assert report.kinds["events"].files == 1
    assert events(store)[77] == 5


def test_a_source_that_is_gone_is_said_and_the_rest_goes_on(store, folder, tmp_path):
    other = archive.write_archive(tmp_path / "other", 1)
    refresh(store, [Source("files", str(folder)), Source("files", str(other))], workers=1)
    shutil.rmtree(other)
    (folder / "late.jsonl").write_text(archive.paper(77), encoding="utf-8")
    report = refresh(store)
    assert report.missing_sources == [str(other)]
    assert report.kinds["papers"].files == 1


def test_a_path_that_does_not_exist_makes_no_store(tmp_path):
    with pytest.raises(FolderNotFound, match="name a folder or file"):
        load(tmp_path / "s", tmp_path / "nowhere")
    assert not (tmp_path / "s").exists()


def test_the_store_may_lie_inside_the_folder(store, folder):
    inside = folder / "s"
    shutil.move(store, inside)
    load(inside, folder)
    assert not refresh(inside).changed


def test_another_writer_is_waited_for_or_not(loaded):
    store, folder = loaded
    (folder / "late.jsonl").write_text(archive.paper(78), encoding="utf-8")
    with lake.lock(store, "a test"), pytest.raises(StoreLocked, match="a test"):
        refresh(store, wait=False)


def test_a_link_whose_file_is_gone_is_said_and_its_rows_stay(store, folder):
    kept = folder / "kept.jsonl"
    (folder / "papers.jsonl").rename(folder.parent / "papers.jsonl")
    kept.symlink_to(folder.parent / "papers.jsonl")
    load(store, folder)
    kept.unlink()
    kept.symlink_to(folder / "nowhere.jsonl")
    (problem,) = refresh(store).problems
    assert "where nothing can be read" in problem.error
    assert "earlier content are kept" in problem.error
    assert query(store, "SELECT count(*) FROM lit.paper") == [(3,)]
    assert not refresh(store).changed


def test_old_rows_stay_in_old_snapshots(loaded):
    store, folder = loaded
    with contextlib.closing(lake.connect(store)) as connection:
        then = lake.snapshots(connection)[-1].number
    next(folder.rglob("acisf00002*regevt3*")).write_bytes(fits.events_file(n=50, seed=9, obs_id="2", compress=True))
    refresh(store)
    with contextlib.closing(lake.connect(store, snapshot=then)) as connection:
        assert connection.execute("SELECT count(*) FROM product.event WHERE obsid = 2").fetchone() == (220,)


@pytest.mark.slow
def test_large_files_get_parts_of_their_own_and_give_the_same_tables(store, folder, tmp_path, monkeypatch):
    other = Path(shutil.copytree(store, tmp_path / "other"))
    (folder / "later.csv").write_text("name,obsid,obi,region_id,theta\n2CXO J000001.0+000000,1,0,1,9.5\n", "utf-8")
    load(other, folder)
    monkeypatch.setattr(gathering, "HELD_BYTES", 1)  # every file is large
    monkeypatch.setattr(gathering, "CHUNK_ROWS", 50)
    load(store, folder)
    assert archive.contents(store) == archive.contents(other)
    assert query(store, "SELECT theta FROM csc.observation_source WHERE detection_id = '1.0.1'") == [(1.5,)]


def test_events_are_stored_in_order_of_observation_region_and_time(store, folder):
    unsorted = fits.random_events(300, seed=4)
    unsorted["time"] = unsorted["time"][::-1].copy()
    (folder / "acisf00009_000N001_evt3.fits").write_bytes(fits.events_file(unsorted, obs_id="9"))
    report = load(store, folder)
    assert ["unsorted_time" in e.flags for e in report.notes if "acisf00009" in e.path] == [True]
    rows = query(store, "SELECT obsid, coalesce(region_id, 0), time_s FROM product.event_stored")
    assert rows == sorted(rows)
    back = query(store, 'SELECT time_s FROM product.event WHERE obsid = 9 ORDER BY "row"')
    assert [t for (t,) in back] == list(unsorted["time"])
