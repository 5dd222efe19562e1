"""A backup is the store as it was at one moment, whoever reads and writes meanwhile; what is damaged is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import get_args

import pytest
from factories.seen import pin, seen
from factories.tiny_encoder import add_papers
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.errors import StoreLocked, StoreNotFound
from catalog.store import expiry, fault_points, unreferenced
from catalog.store.backup import CONTENTS, BackupDamaged, backup, restore


@pytest.fixture(scope="module")
def store(made_store, tmp_path_factory):
    """A store with rows and with two versions of vectors."""
    store = shutil.copytree(made_store, tmp_path_factory.mktemp("backed") / "s")
    add_papers(store, 0, 50)
    version = pin(store, [f"P{n:05d}" for n in range(50)], 0, None)
    pin(store, [f"P{n:05d}" for n in range(10)], 1, version)
    return store


@pytest.fixture
def own(store, tmp_path):
    return shutil.copytree(store, tmp_path / "own")


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_backup_opens_as_a_store_and_comes_back_as_one(store, tmp_path):
    done = backup(store, tmp_path / "b")
    restored = restore(tmp_path / "b", tmp_path / "back")
    assert seen(tmp_path / "b") == seen(tmp_path / "back") == seen(store)
    assert done.n_files == done.n_new + 1 == restored.n_files  # the catalog is copied each time
    came = {name: content for name, content in bytes_of(tmp_path / "back").items() if not name.endswith(".sha256")}
    assert came.items() <= bytes_of(tmp_path / "b").items()


def test_the_second_backup_copies_what_is_new_and_forgets_what_is_gone(own, tmp_path):
    first = backup(own, tmp_path / "b")
    assert backup(own, tmp_path / "b").n_new == 0
    add_papers(own, 50, 450)  # a few rows would stand in the catalog itself
    second = backup(own, tmp_path / "b")
    assert 0 < second.n_new < first.n_new
    expiry.expire(own, timedelta(0))
    backup(own, tmp_path / "b")
    names = set(json.loads((tmp_path / "b" / CONTENTS).read_text())["files"])
    assert {n for n in bytes_of(tmp_path / "b") if n.split("/")[0] in {"lake", "vectors"}} <= names
    assert seen(tmp_path / "b") == seen(own)


@pytest.mark.slow
def test_a_backup_while_a_writer_works_is_one_moment_of_the_store(own, tmp_path):
    stop = threading.Event()
    failed = []

    def write():
        turn = 100
        try:
            while not stop.is_set():
                add_papers(own, turn, turn + 5)
                turn += 5
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(4):
            done = backup(own, tmp_path / f"b{n}")
            copied = seen(tmp_path / f"b{n}")
            assert copied == seen(own, done.snapshot)
    finally:
        stop.set()
        writer.join()
    assert not failed
    assert unreferenced.repair_tables(tmp_path / "b0") is not None
    assert seen(tmp_path / "b0")


@pytest.mark.parametrize("point", get_args(fault_points.Point)[-4:])
def test_a_backup_that_is_cut_short_at_any_point_can_be_restored(own, tmp_path, point):
    shelf = own / "files" / "papers" / "2020.jsonl"
    shelf.parent.mkdir(parents=True)
    shelf.write_text("one")
    backup(own, tmp_path / "b")
    before = seen(own)
    add_papers(own, 50, 450)
    shelf.write_text("two, in the same place")
    fault_points.arm(f"{point}:1:eio")
    try:
        with pytest.raises(OSError, match=point):
            backup(own, tmp_path / "b")
    finally:
        fault_points.arm("")
    restore(tmp_path / "b", tmp_path / "back")
    is_before = point in {"backup-file", "backup-catalog"}
    assert seen(tmp_path / "back") == (before if is_before else seen(own))
    told = "files/papers/2020.jsonl"
    assert (tmp_path / "back" / told).read_text() == ("one" if is_before else shelf.read_text())
    backup(own, tmp_path / "b")
    assert seen(tmp_path / "b") == seen(own)
    assert (tmp_path / "b" / told).read_text() == shelf.read_text()
    assert not list((tmp_path / "b").rglob("*.part"))


def test_linked_folders_are_copied_damage_is_mended_and_what_others_put_there_stays(own, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "weights").write_text("some")
    shutil.rmtree(own / "models", ignore_errors=True)
    (own / "models").symlink_to(tmp_path / "disk")
    (own / "draft.part").write_text("of a fetch")
    backup(own, tmp_path / "b")
    assert (tmp_path / "b" / "models" / "weights").read_text() == "some"
    assert not (tmp_path / "b" / "draft.part").exists()
    (tmp_path / "b" / "models" / "weights").write_text("")
    (tmp_path / "b" / "notes.txt").write_text("mine")
    assert backup(own, tmp_path / "b").n_new == 1
    assert (tmp_path / "b" / "notes.txt").read_text() == "mine"
    restore(tmp_path / "b", tmp_path / "back")
    assert (tmp_path / "back" / "models" / "weights").read_text() == "some"


def test_one_flipped_bit_is_found_in_any_file(store, tmp_path):
    backup(store, tmp_path / "b")
    files = [
        n for n in json.loads((tmp_path / "b" / CONTENTS).read_text())["files"] if (tmp_path / "b" / n).stat().st_size
    ]
    for name in [files[0], files[len(files) // 2], files[-1]]:
        path = tmp_path / "b" / name
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(BackupDamaged, match="found others"):
            restore(tmp_path / "b", tmp_path / "back")
        path.write_bytes(whole)
    path.unlink()
    with pytest.raises(BackupDamaged, match="is missing"):
        restore(tmp_path / "b", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_names_that_lead_out_of_a_backup_are_refused(store, tmp_path):
    backup(store, tmp_path / "b")
    contents = json.loads((tmp_path / "b" / CONTENTS).read_text())
    contents["files"]["../stolen"] = [1, "0", 0]
    (tmp_path / "b" / CONTENTS).write_text(json.dumps(contents))
    with pytest.raises(BackupDamaged, match="stolen"):
        restore(tmp_path / "b", tmp_path / "back")


def test_a_folder_that_is_something_else_is_left_alone(store, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"x")
    with pytest.raises(BackupDamaged, match=r"cat\.png"):
        backup(store, tmp_path / "photos")
    with pytest.raises(BackupDamaged, match="outside the store"):
        backup(store, store / "b")
    with pytest.raises(BackupDamaged, match=r"backup\.json"):
        restore(tmp_path / "photos", tmp_path / "back")
    with pytest.raises(StoreNotFound):
        backup(tmp_path / "no_store", tmp_path / "b")
    backup(store, tmp_path / "b")
    with pytest.raises(BackupDamaged, match="new folder"):
        restore(tmp_path / "b", tmp_path / "photos")
    (tmp_path / "b" / CONTENTS).write_text("[]")
    with pytest.raises(BackupDamaged, match="expected the names"):
        backup(store, tmp_path / "b")


def test_one_backup_at_a_time(store, tmp_path):
    import filelock  # noqa: PLC0415 - for this test alone

    (tmp_path / "b").mkdir()
    with filelock.FileLock(tmp_path / "b" / "backup.lock"), pytest.raises(StoreLocked, match="another backup"):
        backup(store, tmp_path / "b")


@pytest.mark.slow
def test_a_backup_that_is_killed_at_any_moment_leaves_the_one_before_and_goes_on(own, tmp_path):
    target = tmp_path / "b"
    backup(own, target)
    before = seen(target)
    work = f"backup(Path({str(own)!r}), Path({str(target)!r}))"
    code = f"from pathlib import Path; from catalog.store.backup import backup; {work}"
    for turn in range(8):
        add_papers(own, 200 + turn, 201 + turn)
        after = seen(own)
        running = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(0.4 + 0.1 * turn)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert seen(target) in (before, after)
        backup(own, target)
        before = seen(target)
        assert before == after


def test_the_commands_say_what_they_did(store, tmp_path):
    runner = CliRunner()
    for said in ("were new", "0 were new"):
        result = runner.invoke(app, ["backup", str(tmp_path / "b"), "--store", str(store)])
        assert result.exit_code == 0, result.output
        assert said in result.output
    result = runner.invoke(app, ["restore", str(tmp_path / "b"), "--store", str(tmp_path / "back")])
    assert result.exit_code == 0, result.output
    assert os.fspath(tmp_path / "back") in result.output.replace("\n", "")
