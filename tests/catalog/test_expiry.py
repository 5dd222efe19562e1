"""Old snapshots end, and give their room back; named ones stay as they are, bit for bit, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from factories.seen import PAPERS, pin, seen
from factories.tiny_encoder import add_papers, write
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.store import expiry, lake, unreferenced, vectors

ALL = timedelta(0)


@pytest.fixture(scope="module")
def many_commits(made_store, tmp_path_factory):
    """A store of many commits: rows that come and go, vectors that change, a snapshot that is cited."""
    store = shutil.copytree(made_store, tmp_path_factory.mktemp("many") / "s")
    version = None
    for turn in range(4):
        add_papers(store, turn * 200, turn * 200 + 200)
        version = pin(store, [f"P{n:05d}" for n in range(turn * 20, turn * 20 + 50)], turn, version)
        write(store, "DELETE FROM lake.lit.paper WHERE bibcode < ?", [f"P{turn * 200:05d}"])
    with Catalog(store) as cat:
        middle = cat.snapshots()[len(cat.snapshots()) // 2].number
    expiry.name_snapshot(store, "paper-2026", middle)
    return store


@pytest.fixture
def busy(many_commits, tmp_path):
    return shutil.copytree(many_commits, tmp_path / "busy")


def files(store):
    return sorted(p for folder in ("lake", "vectors") for p in (store / folder).rglob("*") if p.is_file())


def numbers(store):
    with Catalog(store) as cat:
        return [s.number for s in cat.snapshots()]


def test_all_but_the_newest_and_the_named_ones_end_and_these_stay_as_they_are(busy):
    cited, newest, before = seen(busy, "paper-2026"), seen(busy), numbers(busy)
    done = expiry.expire(busy, ALL)
    left = numbers(busy)
    with Catalog(busy) as cat:
        assert cat.snapshot_names()["paper-2026"] in left
    assert set(done.snapshots) == set(before) - set(left)
    assert done.n_kept == 2
    assert done.n_bytes > 0
    assert seen(busy, "paper-2026") == cited
    assert seen(busy) == newest


def test_vectors_of_ended_snapshots_go_and_those_of_kept_ones_do_not(busy):
    expiry.expire(busy, ALL)
    with lake.writer(busy, "test") as connection:
        pinned = unreferenced.pinned_versions(connection)
    for space, versions in pinned.items():
        there = {int(v["version"]) for v in vectors.table_at(busy, space).list_versions()}
        assert there == versions


def test_a_trial_changes_nothing_and_tells_what_would_end(busy):
    before, snapshots = files(busy), numbers(busy)
    told = expiry.expire(busy, ALL, dry_run=True)
    assert numbers(busy) == snapshots
    assert files(busy) == before
    done = expiry.expire(busy, ALL)
    assert done.snapshots == told.snapshots
    assert done.n_bytes >= told.n_bytes > 0


def test_young_snapshots_stay_and_so_do_the_last_ones(busy):
    before = numbers(busy)
    assert expiry.expire(busy, timedelta(days=1)).snapshots == ()
    assert numbers(busy)[: len(before)] == before
    expiry.expire(busy, ALL, keep_last=3)
    assert numbers(busy)[-3:] == before[-3:]


def test_what_expires_twice_does_nothing_the_second_time(busy):
    expiry.expire(busy, ALL)
    seen_then = seen(busy)
    assert expiry.expire(busy, ALL).snapshots == ()
    assert seen(busy) == seen_then


def test_refreshing_and_repairing_go_on_after_expiry(busy):
    expiry.expire(busy, ALL)
    add_papers(busy, 99990, 99991)
    unreferenced.repair_tables(busy)
    assert unreferenced.repair_vectors(busy) == []
    assert ("P99990",) in [row[:1] for row in seen(busy)[0]]
    seen(busy, "paper-2026")


def test_a_name_holds_until_it_is_taken_away(busy):
    with Catalog(busy) as cat:
        number = cat.snapshot_names()["paper-2026"]
    expiry.name_snapshot(busy, "paper-2026", number)
    with pytest.raises(QueryError, match=f"name of snapshot {number}"):
        expiry.name_snapshot(busy, "paper-2026", number + 1)
    with pytest.raises(UnknownName, match="no snapshot 9999"):
        expiry.name_snapshot(busy, "other", 9999)
    expiry.unname(busy, "paper-2026")
    with pytest.raises(UnknownName, match="no snapshot is called"):
        expiry.unname(busy, "paper-2026")
    assert number in expiry.expire(busy, ALL).snapshots


@pytest.mark.parametrize("name", ["", "12", "2026-01-31", "a b", "a/b", "é", "a" * 65, "../x"])
def test_a_name_that_could_be_a_number_a_time_or_a_path_is_refused(store, name):
    with pytest.raises(QueryError, match="cannot name a snapshot"):
        expiry.name_snapshot(store, name, 1)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "90 days", "100000w"])
def test_an_age_that_is_none_is_refused(text):
    with pytest.raises(QueryError, match="is no age"):
        expiry.parse_age(text)


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing(busy):
    cited, newest = seen(busy, "paper-2026"), seen(busy)
    code = (
        "from catalog.store import expiry; from datetime import timedelta; from pathlib import Path; "
        f"print(1, flush=True); expiry.expire(Path({str(busy)!r}), timedelta(0))"
    )
    for wait in (0.02, 0.1, 0.15, 0.25):
        job = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        job.stdout.readline()
        time.sleep(wait)
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
        job.stdout.close()
        assert seen(busy, "paper-2026") == cited
        assert seen(busy) == newest
    expiry.expire(busy, ALL)
    assert seen(busy, "paper-2026") == cited
    assert seen(busy) == newest
    assert len(numbers(busy)) <= 3


def test_a_reader_who_has_the_store_open_reads_on(busy):
    newest = seen(busy)[0]
    with Catalog(busy) as cat:
        assert cat.sql(PAPERS).fetchall() == newest
        expiry.expire(busy, ALL)
        assert cat.sql(PAPERS).fetchall() == newest


def test_small_files_become_one_and_no_row_is_lost(store):
    n_before = len(seen(store)[0])
    for n in range(4):
        add_papers(store, n * 1000, n * 1000 + 1000)
    rows = seen(store)[0]
    with Catalog(store) as cat:
        before = [s.number for s in cat.snapshots()]
    expiry.expire(store, timedelta(days=1))
    assert seen(store)[0] == rows
    with lake.writer(store, "test") as connection:
        held = "SELECT file_count FROM ducklake_table_info('lake') WHERE table_name = 'paper'"
        ((n_files,),) = connection.execute(held).fetchall()
    assert n_files == 1
    assert [len(seen(store, number)[0]) for number in before[-4:]] == [n_before + 1000 * (n + 1) for n in range(4)]


def test_the_commands_name_list_and_expire(busy):
    def call(*words):
        return CliRunner().invoke(app, [*map(str, words), "--store", str(busy)])

    assert call("snapshots", "--name", "release").exit_code == 0
    listed = call("snapshots")
    assert "paper-2026" in listed.stdout
    assert "release" in listed.stdout
    assert "of files and vectors are there for older snapshots alone" in call("info").stdout
    told = call("expire", "--older-than", "0d", "--dry-run").stdout
    done = call("expire", "--older-than", "0d").stdout
    assert "would end" in told
    assert "came back" in done
    cited = call("sql", "SELECT count(*) AS n FROM lit.paper", "--snapshot", "paper-2026")
    assert cited.exit_code == 0
    with pytest.raises(QueryError, match="is no age"):
        raise call("expire", "--older-than", "long").exception


def test_the_longest_age_ends_nothing(busy):
    assert expiry.expire(busy, expiry.parse_age("99999w")).snapshots == ()
