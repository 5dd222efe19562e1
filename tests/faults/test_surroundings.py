"""What is around the program: time zone, language, a reader that goes away, a polite request to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from factories import archive

from catalog.store.manifest import Source
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


def test_a_refresh_that_is_told_to_end_loses_nothing(folder, store):
    refreshing = subprocess.Popen(
        command("ingest", "files", folder, "--store", store, "--workers", 1),
        env=os.environ | {"PHOTONLAKE_FAULT": "any:1:delay"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while refreshing.poll() is None and not (store / "writer.json").exists():
        time.sleep(0.01)
    refreshing.send_signal(signal.SIGTERM)
    assert refreshing.wait() in {0, -signal.SIGTERM}
    refresh(store, [Source("files", str(folder))], workers=1)
    assert archive.keys_repeat(store) == []
    assert archive.contents(store)["product.event_stored"][0] == 210 + 220 + 230
