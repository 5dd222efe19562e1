"""Benchmarks that go on where they were stopped: what they kept is of the same data, and of whole steps."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest


@pytest.fixture
def benchmark_of(monkeypatch):
    """Import a benchmark by name."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    return import_module


def test_ranks_are_kept_by_the_rows_that_they_are_of(benchmark_of):
    mark_of = benchmark_of("retrieval_exam").mark_of
    paper = {"bibcode": "B", "title": None, "abstract": "a pulsar"}
    rows = [
        {"id": i, "name": f"s{i}", "data": [v], "learned_from": {"events": "e1"}, "papers": [paper]}
        for i, v in (("b", 1.0), ("a", 2.0))
    ]
    told = mark_of(pa.Table.from_pylist(rows))
    assert told == mark_of(pa.Table.from_pylist(rows[::-1]))
    others = [
        {"id": "c"},
        {"name": "other"},
        {"data": [1.5]},
        {"learned_from": {"events": "e2"}},
        {"papers": [paper | {"abstract": "a quasar"}]},
    ]
    marks = [mark_of(pa.Table.from_pylist([rows[0] | other, rows[1]])) for other in others]
    assert len({told, *marks}) == 1 + len(others)


def test_a_look_up_that_was_not_kept_is_no_empty_one(benchmark_of, tmp_path):
    exam = benchmark_of("retrieval_exam")
    kept = exam.Kept(tmp_path / "exam.json")
    with pytest.raises(SystemExit, match="without its look-up"):
        kept.get("a key", exam.absent)
    assert not kept.path.exists()


@pytest.mark.parametrize(("begun", "stays"), [("train spectrum", False), ("ingest", True), ("", False)])
def test_an_interrupted_step_is_measured_from_its_start(benchmark_of, tmp_path, monkeypatch, begun, stays):
    archive = benchmark_of("archive")
    monkeypatch.setattr(archive, "STEPS", {})  # only what is done before the first step
    before = archive.Rehearsal(
        tmp_path / "results_5.json", {"ingest": archive.Step(1.0, 1.0, 1.0, 1, 1)}, {"q": [1.0]}, [5], begun
    )
    before.keep()
    store = tmp_path / "store_5"
    store.mkdir()
    if not stays:
        monkeypatch.setattr(archive, "ASK", "print('{\"q\": [2.0]}')")
        monkeypatch.setattr(archive, "COUNT", "print([5])")
    done = archive.rehearse(tmp_path, None, 5)  # no file of the survey is asked for
    assert (store.exists(), "ingest" in done.steps) == (stays, stays)
