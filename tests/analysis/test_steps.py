"""Steps of a study are kept one by one, and a run that was killed goes on after the last of them."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.study.runs import Answer, Evidence, Model, Question, once, unfinished
from analysis.study.steps import Steps, joined

EVIDENCE = Evidence(1, "abc", np.array(["a", "b"]))


def step(number):
    model = Model("predict_x", "events", "e1", 2, {"n": number}, {"weights": np.arange(number + 1.0)})
    rows = [{"column_name": f"c{number}", "gain": np.float64(0.5), "masked": np.bool_(True), "gain_low": float("nan")}]
    return Answer({"analysis.regression_gain": rows}, models=[model])


def test_a_step_is_made_once_and_read_back_as_it_was(tmp_path):
    told = []
    made = Steps(tmp_path / "u", told.append).answer("one", lambda: step(1))
    read = Steps(tmp_path / "u", told.append).answer("one", lambda: pytest.fail("made again"))
    assert told == ["one: kept from a run that was stopped"]
    for found in (made, read):
        ((row,),) = found.tables.values()
        assert (row["column_name"], row["gain"], row["masked"]) == ("c1", 0.5, True)
        assert np.isnan(row["gain_low"])
        (model,) = found.models
        assert model.configuration == {"n": 1}
        assert model.tensors["weights"].tolist() == [0.0, 1.0]


def test_arrays_are_kept_too_and_a_broken_file_is_made_again(tmp_path):
    steps = Steps(tmp_path / "u", print)
    steps.arrays("drawn", lambda: {"vectors": np.eye(2)})
    (path,) = (tmp_path / "u").iterdir()
    path.write_bytes(path.read_bytes()[:20])
    assert steps.arrays("drawn", lambda: {"vectors": np.ones(3)})["vectors"].tolist() == [1, 1, 1]


def test_what_is_unfinished_is_gone_when_the_run_is_kept(store):
    question = Question(store, "regress", {"columns": ["c1", "c2"]})
    folder = unfinished(question, EVIDENCE)
    made = []

    def answer(stop):
        steps = Steps(folder, print)
        parts = []
        for number in (1, 2):
            parts.append(steps.answer(f"c{number}", lambda n=number: (made.append(n), step(n))[1]))
            if stop:
                raise KeyboardInterrupt
        return joined(parts)

    with pytest.raises(KeyboardInterrupt):
        once(question, EVIDENCE, lambda: answer(stop=True))
    assert len(list(folder.iterdir())) == 1
    assert once(question, EVIDENCE, lambda: answer(stop=False)).made
    assert made == [1, 2]
    assert not folder.exists()


def test_figures_are_of_a_whole_run(tmp_path):
    with pytest.raises(ValueError, match="figures belong to a whole run"):
        Steps(tmp_path, print).answer("one", lambda: Answer({}, {"a.svg": b""}))
