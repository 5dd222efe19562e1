"""Runs: asked twice is answered once; all of a run or nothing is kept."""

from __future__ import annotations

import numpy as np
import pytest

import catalog
from analysis.study.runs import Answer, Evidence, Model, Question, find, once

EVIDENCE = Evidence(1, "abc", np.array(["2CXO J000001.0+000000", "2CXO J000001.0+000000", "b"]))


def answer() -> Answer:
    model = Model("cluster_of", "spectrum", "e1", 2, {"k": 2}, {"centres": np.eye(2)})
    return Answer({}, {"a.svg": b"<svg/>"}, [model])


def test_the_same_question_of_the_same_data_is_one_run(store):
    question = Question(store, "cluster", {"k": [2, 3]}, seed=4)
    first = once(question, EVIDENCE, answer)
    second = once(question, EVIDENCE, lambda: pytest.fail("made again"))
    assert (first.run_id, first.made, second.run_id, second.made) == (1, True, 1, False)
    assert once(Question(store, "cluster", {"k": [2, 3]}, seed=5), EVIDENCE, answer).run_id == 2
    assert once(question, Evidence(1, "other", EVIDENCE.sources), answer).run_id == 3
    assert once(Question(store, "cluster", {"k": [2, 3]}, seed=4, again=True), EVIDENCE, answer).made


def test_a_run_says_what_it_read_and_keeps_figures_and_models(store):
    run = once(Question(store, "cluster", {}), EVIDENCE, answer)
    with catalog.open(store) as cat:
        (row,) = cat.sql("SELECT n_rows, n_sources, n_simulated, figures FROM analysis.run").fetchall()
        assert row == (3, 2, 0, [f"analysis/{run.run_id}/a.svg"])
        (weights,) = cat.sql("SELECT weights_sha256 FROM analysis.model").fetchall()[0]
    assert (store / row[3][0]).read_bytes() == b"<svg/>"
    assert (store / "models" / f"{weights}.safetensors").is_file()


def test_a_run_that_fails_to_commit_leaves_no_row(store):
    question = Question(store, "cluster", {})
    with pytest.raises(ValueError, match="has no column"):
        once(question, EVIDENCE, lambda: Answer({"analysis.model": [{"nonsense": 1}]}))
    assert find(question, EVIDENCE) is None
