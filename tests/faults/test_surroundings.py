"""What is around the program: time zone, language, a reader that goes away, a polite request to end."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from factories import archive

from catalog.catalog import Catalog
from catalog.store.manifest import Source
from catalog.store.verification import verify
from ingest.refresh import refresh

pytestmark = pytest.mark.slow


def command(*arguments):
    return [sys.executable, "-m", *map(str, arguments)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archive.write_archive(tmp_path_factory.mktemp("around") / "archive", 3)


def test_time_zone_and_language_change_no_row(folder, store, empty_store, tmp_path):
    refresh(store, [Source("files", str(folder))], workers=1)
    expected = archive.contents(store)
    for number, variables in enumerate([{"TZ": "Pacific/Apia"}, {"LANG": "C", "LC_ALL": "C", "TZ": "Asia/Kathmandu"}]):
        other = tmp_path / f"other {number}"
        subprocess.run(["cp", "-r", str(empty_store), str(other)], check=True)  # noqa: S607
        ingest = command("ingest", "files", folder, "--store", other, "--workers", 1)
        done = subprocess.run(ingest, env=os.environ | variables, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert archive.contents(other) == expected


def test_a_reader_that_goes_away_gets_no_complaint(store):
    long = "SELECT * FROM range(100000)"
    asked = subprocess.Popen(
        command("catalog", "sql", long, "--store", store, "--output", "/dev/stdout", "--quiet"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    asked.stdout.close()
    assert b"Traceback" not in asked.stderr.read()
    assert asked.wait() in {0, 1, -signal.SIGPIPE}
    asked.stderr.close()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_a_refresh_that_is_told_to_end_loses_nothing(folder, store, told):
    refreshing = subprocess.Popen(
        command("ingest", "files", folder, "--store", store, "--workers", 1),
        env=os.environ | {"PHOTONLAKE_FAULT": "any:1:delay"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while refreshing.poll() is None and not (store / "writer.json").exists():
        time.sleep(0.01)
    refreshing.send_signal(told)
    assert refreshing.wait() in {0, -told}
    refresh(store, [Source("files", str(folder))], workers=1)
    assert archive.keys_repeat(store) == []
    assert archive.contents(store)["product.event_stored"][0] == 210 + 220 + 230


def test_a_command_whose_output_is_closed_makes_no_traceback(store):
    line = f"{sys.executable} -m catalog sql 'SELECT 1' --store '{store}' >&-"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr


PHOTONS = "SELECT count(*) FROM product.event_stored"


def n_photons(store):
    with Catalog(store) as cat:
        return cat.sql(PHOTONS).fetchall()[0][0]


@pytest.mark.parametrize("name", ['it\'s a "store" 100%; --', "ümläut ☆", "x" * 250, "a\\b", "[ab]*?", "#1 &amp;"])
def test_a_store_of_any_name_is_moved_and_copied(name, folder, store, tmp_path):
    """What is written under one name is read, verified, and written to under another."""
    refresh(store, [Source("files", str(folder))], workers=1)
    moved = store.rename(tmp_path / name)
    assert n_photons(moved) == 660
    assert verify(moved).faults == []
    copied = shutil.copytree(moved, tmp_path / f"{name[:200]} copied")
    files = tmp_path / f"{name[:200]} files"
    files.mkdir()
    shutil.copy(next(folder.rglob("*regevt3.fits.gz")), files / f"{name[:200].replace('/', '')}.fits.gz")
    (files / "p.jsonl").write_text(archive.paper(77))
    assert refresh(copied, [Source("files", str(files))], workers=1).problems == []
    assert verify(copied).faults == [] == verify(moved).faults
    with Catalog(moved) as one, Catalog(copied) as other:  # two stores in one process
        there = "SELECT count(*) FROM lit.paper WHERE bibcode LIKE '%.0077.%'"
        assert one.sql(there).fetchall() == [(0,)]
        assert other.sql(there).fetchall() == [(1,)]
        assert one.sql(PHOTONS).fetchall() == other.sql(PHOTONS).fetchall()


@pytest.mark.parametrize("way", ["spawn", "fork", "forkserver"])
def test_a_child_reads_a_store_that_its_parent_has_read(way, folder, store):
    refresh(store, [Source("files", str(folder))], workers=1)
    assert n_photons(store) == 660
    with multiprocessing.get_context(way).Pool(2) as pool:
        assert pool.map_async(n_photons, [store] * 4).get(120) == [660] * 4
