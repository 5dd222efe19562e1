"""Ways in which a sum on record could be wrong about a file that is right, or lead out of the store."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from factories.seen import pin
from factories.tiny_encoder import add_papers

from catalog.store import checksums, lake, sqlite_catalog, vectors
from catalog.store.verification import mend, verify

IDS = [f"P{n:05d}" for n in range(40)]


@pytest.fixture
def own(made_store, tmp_path):
    store = shutil.copytree(made_store, tmp_path / "a" / "s")
    add_papers(store, 0, 40)
    pin(store, IDS, 0, None)
    return store


def test_what_a_job_that_ended_before_its_commit_left_is_no_damage(own):
    with lake.writer(own, "test"):
        vectors.write(
            own, "tiny", vectors.rows(IDS[:3], IDS[:3], np.ones((3, 4), np.float32), ["papers"] * 3, "e", ["h"] * 3), 1
        )
    assert not verify(own).damaged


def test_vectors_that_are_made_again_in_an_empty_folder_are_whole(own):
    (folder,) = (own / "vectors").glob("*.lance")
    shutil.rmtree(folder)
    folder.mkdir()
    assert verify(own).damaged
    pin(own, IDS, 1, None)
    assert not verify(own).damaged


def test_a_name_on_record_never_leads_out_of_the_store(own, tmp_path):
    evil = tmp_path / "b" / "runs" / ".." / ".." / "evil"
    (tmp_path / "b" / "runs").mkdir(parents=True)
    (tmp_path / "evil").write_text("x")
    with (own / checksums.SUMS).open("a") as sums:
        sums.write(f"{checksums.sum_of(evil)}  runs/../../evil\n")
    found = verify(own)
    mend(own, found, tmp_path / "b")
    assert not (tmp_path / "a" / "evil").exists()


def test_new_files_of_a_table_are_recorded_however_old_the_table_is(own):
    long_ago = time.time_ns() - 10**12
    for folder in (own / "lake").rglob("*"):
        if folder.is_dir():
            os.utime(folder, ns=(long_ago, long_ago))
    add_papers(own, 100, 1500)
    assert set(checksums.listed(own)) == set(checksums.recorded(own))
    assert not verify(own).unknown


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell who has locks")
def test_a_reader_keeps_its_locks_while_its_own_process_hashes_the_catalog(own):
    def locks():
        files = [own / "catalog.sqlite", own / "catalog.sqlite-shm"]
        numbers = {str(file.stat().st_ino) for file in files if file.exists()}
        held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        return sum(f[4] == str(os.getpid()) and f[5].rpartition(":")[2] in numbers for f in held if len(f) > 5)

    with sqlite_catalog.opened(own / "catalog.sqlite") as cursor:
        cursor.execute("SELECT count(*) FROM ducklake_snapshot").fetchall()
        before = locks()
        assert before
        checksums.sum_of_catalog(own)
        assert locks() == before
