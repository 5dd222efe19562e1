"""A study killed at any moment and typed again ends with the tables of one that nobody disturbed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import catalog
from analysis.papers import regression_study
from analysis.study.options import Ways

ROOT = Path(__file__).resolve().parents[3]
COLUMNS = ("hard_hs", "hard_hm", "flux_aper_b", "powlaw_gamma")
SCORES = """SELECT column_name, representation, learner, masked, mae, mae_low, mae_high, validation_mae, best
    FROM analysis.regression JOIN analysis.run USING (run_id) WHERE parameters LIKE '%powlaw_gamma%' ORDER BY ALL"""
TABLES = {
    "regress": SCORES,
    "retrieve": """SELECT * EXCLUDE (run_id) FROM analysis.retrieval
        WHERE run_id = (SELECT max(run_id) FROM analysis.retrieval) ORDER BY ALL""",
    "neighbours": "SELECT * EXCLUDE (run_id) FROM analysis.neighbour ORDER BY space, detection_id",
    "anomalies": "SELECT space, detection_id, score, rank FROM analysis.anomaly ORDER BY ALL",
}
OPTIONS = {
    "regress": [f"--columns={','.join(COLUMNS)}", "--splits=1"],
    "retrieve": ["--again"],
    "neighbours": ["--k=4"],
    "anomalies": ["--space=aligned", "--draws=1"],
}


def start(kind, store):
    command = [sys.executable, "-m", "analysis", kind, *OPTIONS[kind], f"--store={store}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def kill_after_line(kind, store, word):
    """Kill a study once a line of its progress holds a word; return whether it did."""
    with start(kind, store) as process:
        told = any(word in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return told


def finish(kind, store):
    with start(kind, store) as process:
        out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err
    return out, err


def tables(kind, store):
    with catalog.open(store) as cat:
        return cat.sql(TABLES[kind]).fetchall(), cat.sql("SELECT count(*) FROM analysis.run").fetchall()


@pytest.fixture
def fresh(aligned_once, tmp_path):
    def copy(name):
        return shutil.copytree(aligned_once, tmp_path / name)

    return copy


@pytest.mark.slow
def test_a_regression_that_is_stopped_goes_on_after_the_columns_it_had_done(fresh):
    asked, said = regression_study.RegressionQuestion(("hard_hm", "powlaw_gamma")), []

    def stop(line):
        if line.startswith("powlaw_gamma: "):
            raise KeyboardInterrupt

    def answer(store, say):
        with catalog.open(store) as cat:
            run = regression_study.run(cat, asked, Ways(say=say))
        with catalog.open(store) as cat:
            query = "SELECT * EXCLUDE (run_id) FROM analysis.regression WHERE run_id = $id ORDER BY ALL"
            return cat.sql(query, id=run.run_id).fetchall()

    calm, store = fresh("calm"), fresh("stopped")
    with pytest.raises(KeyboardInterrupt):
        answer(store, stop)
    assert answer(store, said.append) == answer(calm, lambda _: None) != []
    assert "hard_hm: kept from a run that was stopped" in "\n".join(said)
    assert not any(line.startswith("powlaw_gamma: kept") for line in said)
    assert not (store / "analysis" / "unfinished").exists() or not any((store / "analysis" / "unfinished").iterdir())


@pytest.mark.slow
def test_a_killed_regression_goes_on_after_the_columns_it_had_done(fresh):
    calm, store = fresh("calm"), fresh("killed")
    finish("regress", calm)
    assert kill_after_line("regress", store, "hard_hm: ")
    _, err = finish("regress", store)
    assert "hard_hs: kept from a run that was stopped" in err
    assert "flux_aper_b: kept" not in err
    assert tables("regress", store) == tables("regress", calm)
    assert not (store / "analysis" / "unfinished").exists() or not any((store / "analysis" / "unfinished").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIONS)
def test_a_study_killed_at_any_moment_ends_as_if_nothing_had_been(kind, fresh):
    calm, store = fresh("calm"), fresh("killed")
    begin = time.monotonic()
    finish(kind, calm)
    seconds = time.monotonic() - begin
    for share in (0.3, 0.6, 0.8, 0.95):
        process = start(kind, store)
        time.sleep(share * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    out, _ = finish(kind, store)
    assert tables(kind, store)[0] == tables(kind, calm)[0]
    if "--again" not in OPTIONS[kind]:
        runs = tables(kind, store)[1]
        assert finish(kind, store)[0].splitlines()[:3] == out.splitlines()[:3]
        assert tables(kind, store)[1] == runs  # twice is once
