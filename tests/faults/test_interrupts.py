"""Kill a refresh at any moment, fill its disk, read while it writes: nothing half, nothing twice, nothing lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from factories import archive

from catalog.console import EXIT_INTERRUPTED
from catalog.store import lake, unreferenced
from catalog.store.manifest import Source
from ingest.refresh import refresh


def start(store, folder, workers=2):
    command = [sys.executable, "-m", "ingest", "files", str(folder), "--store", str(store), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def finish(process):
    output, _ = process.communicate(timeout=120)
    return output.decode()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, empty_store):
    """An archive, the tables an undisturbed refresh makes of it, and how long that takes."""
    root = tmp_path_factory.mktemp("undisturbed")
    folder = archive.write_archive(root / "archive", 8)
    store = shutil.copytree(empty_store, root / "s")
    begin = time.monotonic()
    process = start(store, folder)
    assert "all" in finish(process)
    return folder, archive.contents(store), time.monotonic() - begin


def kill_and_go_on(store, folder, delays):
    """Start a refresh once per delay and kill it -9 then; at last let one run to its end."""
    for delay in delays:
        process = start(store, folder)
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    refresh(store, [Source("files", str(folder))], workers=1)


def test_a_killed_refresh_goes_on_where_it_was(undisturbed, store):
    folder, expected, seconds = undisturbed
    kill_and_go_on(store, folder, [seconds * f for f in (0.5, 0.7, 0.85)])
    assert archive.contents(store) == expected
    assert archive.keys_repeat(store) == []


@pytest.mark.slow
def test_fifty_kills_at_random_moments(undisturbed, empty_store, tmp_path):
    folder, expected, seconds = undisturbed
    rng = random.Random(1)  # noqa: S311 - moments, not secrets
    for trial in range(25):
        store = shutil.copytree(empty_store, tmp_path / f"s{trial}")
        kill_and_go_on(store, folder, [rng.uniform(0.2, 1.0) * seconds for _ in range(2)])
        assert archive.contents(store) == expected, f"trial {trial}"
        unreferenced.repair_tables(store)
        assert archive.contents(store) == expected
        shutil.rmtree(store)


def test_workers_die_with_their_parent(undisturbed, store):
    folder, _, seconds = undisturbed
    process = start(store, folder)
    time.sleep(seconds * 0.6)
    process.send_signal(signal.SIGKILL)  # the parent alone, not its group
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        listed = subprocess.run(["ps", "-eo", "pgid="], capture_output=True, text=True, check=True).stdout.split()  # noqa: S607
        if str(process.pid) not in listed:
            return
        time.sleep(0.1)
    pytest.fail("worker processes outlive their parent")


def test_an_interrupt_from_the_keyboard_says_how_to_go_on(undisturbed, store):
    folder, expected, seconds = undisturbed
    process = start(store, folder)
    time.sleep(seconds * 0.6)
    process.send_signal(signal.SIGINT)
    output = finish(process)
    if "all" not in output:  # else it had told all when the signal came
        assert process.returncode == EXIT_INTERRUPTED
        assert "run the same again to go on" in output
        assert "Traceback" not in output
    refresh(store, [Source("files", str(folder))], workers=1)
    assert archive.contents(store) == expected


def test_a_reader_sees_whole_commits_only(undisturbed, store):
    folder, expected, _ = undisturbed
    seen, errors, done = [], [], threading.Event()
    whole = """
        SELECT f.file_id FROM meta.file f
        LEFT JOIN (SELECT file_id, count(*) AS n FROM product.event GROUP BY 1) e ON e.file_id = f.file_id
        WHERE f.kind = 'events' AND f.status = 'loaded' AND coalesce(e.n, 0) <> f.n_rows"""
    known = "SELECT file_id FROM meta.file WHERE status = 'loaded'"
    stray = f"SELECT count(*) FROM product.event WHERE file_id NOT IN ({known})"

    def poll():
        while not done.is_set():
            try:
                with contextlib.closing(lake.connect(store)) as connection:
                    n = connection.execute("SELECT count(*) FROM product.event").fetchone()[0]
                    seen.append((n, connection.execute(whole).fetchall(), connection.execute(stray).fetchone()[0]))
            except Exception as error:  # noqa: BLE001 - whatever a reader meets is the test's finding
                errors.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    finish(start(store, folder))
    done.set()
    reader.join()
    assert errors == []
    assert len(seen) > 1
    assert all(torn == [] and strays == 0 for _, torn, strays in seen)
    assert [n for n, _, _ in seen] == sorted(n for n, _, _ in seen)
    assert archive.contents(store) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_keeps_what_was_committed_and_says_so(undisturbed, empty_store, tmp_path):
    folder, expected, _ = undisturbed
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(f.stat().st_size for f in empty_store.rglob("*") if f.is_file())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size + 300_000}", "tmpfs", str(disk)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        store = shutil.copytree(empty_store, disk / "s")
        process = start(store, folder, workers=2)
        output = finish(process)
        assert process.returncode == 1, output
        assert "disk is full" in output
        assert "Traceback" not in output
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)  # noqa: S607
        refresh(store, [Source("files", str(folder))], workers=1)
        assert archive.contents(store) == expected
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607
