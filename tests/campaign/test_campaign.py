"""One run of the campaign in which nothing is found, and what the campaign is made of."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from campaign import mutations, store_checks
from campaign.drive import main
from campaign.model import Content, Model
from factories.store import make_store, write

from catalog.errors import QueryError
from catalog.store import fault_points

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_run_of_random_steps_and_faults_finds_nothing_and_is_not_made_twice(tmp_path):
    report = tmp_path / "report.json"
    assert main(["--runs", "1", "--steps", "8", "--report", str(report)]) == 0
    first = report.read_text()
    assert sum(json.loads(first)["0"]["asked"].values()) > 0
    assert main(["--runs", "1", "--steps", "8", "--report", str(report)]) == 0
    assert report.read_text() == first


@pytest.mark.slow
def test_damaged_files_of_every_kind_are_told_and_loaded_wholly_or_not_at_all(tmp_path):
    report = tmp_path / "report.json"
    assert mutations.main(["--files", "60", "--report", str(report)]) == 0
    told = json.loads(report.read_text())["0"]
    assert sum(told["statuses"].values()) == 60
    assert len(told["kinds"]) == len(mutations.KINDS)
    assert mutations.damaged(7) == mutations.damaged(7)
    assert mutations.main(["--weights", "100"]) == 0


def test_a_fault_kills_the_process_that_reaches_its_point():
    code = "from catalog.store import fault_points; fault_points.reach('commit'); print('before', flush=True); "
    code += "fault_points.reach('pin'); fault_points.reach('commit'); print('after')"
    variables = {"PHOTONLAKE_FAULT": "commit:2:kill", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"before\n")


@pytest.mark.parametrize("text", ["commit", "nowhere:1:kill", "commit:0:kill", "commit:x:kill", "commit:1:explode"])
def test_a_fault_that_is_none_is_told(text):
    with pytest.raises(QueryError, match="expected POINT:N:ACTION"):
        fault_points.arm(text)


@pytest.mark.slow
def test_the_checks_of_the_campaign_see_what_is_wrong(store):
    make_store(store)
    write(store, "meta.file", {"file_id": 1, "path": "/a", "kind": "events", "status": "loaded", "n_rows": 10})
    assert store_checks.faults_of(store) == []
    before = store_checks.snapshots(store)[-1]
    seen = store_checks.digest(store, before)
    write(store, "meta.file", {"file_id": 2, "path": "/b", "kind": "events", "status": "loaded", "n_rows": 3})
    write(store, "lit.paper", {"bibcode": "2001ApJ...1A"})
    write(store, "meta.embedded", {"space": "tiny", "id": "P1", "encoder_id": "e"})
    assert set(store_checks.faults_of(store)) == {
        "keys repeat in lit.paper",
        "not whole: /b",
        "vectors without a row, or rows without a vector: {'P1'}",
    }
    assert store_checks.digest(store, before) == seen != store_checks.digest(store, store_checks.snapshots(store)[-1])
    (store / "lake" / "product").mkdir(parents=True, exist_ok=True)
    (store / "lake" / "product" / "nobody.parquet").write_bytes(b"")
    assert store_checks.stray_files(store) == ["product/nobody.parquet"]


def test_the_model_follows_a_file_that_is_renamed_changed_and_forgotten():
    model, one, two = Model(), Content(1, "events", 5), Content(2, "events", 7)
    model.disk["a"] = one
    model.refresh()
    model.disk["b"] = model.disk.pop("a")
    model.refresh()
    assert model.photons == {1: 5}
    model.disk["a"] = two
    model.refresh()
    assert model.photons == {1: 5, 2: 7}
    model.disk["b"] = Content(3, "broken", 5)
    model.refresh()
    assert model.photons == {1: 5, 2: 7}
    model.forget("a")
    model.refresh()
    assert model.photons == {1: 5}


def test_steps_on_disk_are_the_same_for_the_same_seed():
    first, second = Model(), Model()
    one, other = random.Random(3), random.Random(3)  # noqa: S311 - steps, not secrets
    assert [first.change_disk(one) for _ in range(50)] == [second.change_disk(other) for _ in range(50)]
