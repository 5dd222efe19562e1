"""Ways in which a sum on record could be wrong about a file that is right, or lead out of the store."""

from __future__ import annotations

import os
import shutil
import time

import numpy as np
import pytest
from factories.seen import pin
from factories.tiny_encoder import add_papers

from catalog.store import checksums, lake, vectors
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
