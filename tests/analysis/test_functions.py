"""SQL functions of vectors: which model answers, and what a user reads when none can."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest

import catalog
from analysis.study.models import of_vector
from analysis.study.runs import Answer, Evidence, Model, Question, once
from catalog.errors import QueryError, UnknownName
from catalog.query.session import Session
from catalog.store import lake, vectors
from catalog.store.vectors import Pin
from sql.objects import Described

ADVICE = "python -m analysis weigh --space {space} --store {store}"
WEIGHED = of_vector(
    "weight_of",
    "DOUBLE",
    lambda model, x: pa.array(x.astype(float) @ model.tensors()["weights"] + model.run_id),
    ADVICE,
    Described("weight", "Weight of a vector"),
)


def add_space(store, space, dim, encoder="e1"):
    rows = vectors.rows(["1.0.1"], [None], np.ones((1, dim), np.float32), [space], encoder, ["h"])
    written = vectors.write(store, space, rows, None)
    with (
        lake.lock(store, "test"),
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        lake.transaction(connection, "pin"),
    ):
        vectors.publish(connection, Pin(space, written.version, encoder, 1, dim))


def add_model(store, space, dim, encoder="e1", function="weight_of"):
    model = Model(function, space, encoder, dim, {"k": dim}, {"weights": np.full(dim, 10.0)})
    evidence = Evidence(1, "abc", np.array(["a"]))
    return once(Question(store, "weigh", {}, again=True), evidence, lambda: Answer({}, models=[model])).run_id


@contextlib.contextmanager
def asking(store, *spaces, snapshot=None):
    """What a query of the store gives the function."""
    with catalog.open(store) as cat, cat._questions.cursor(snapshot) as cursor:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        yield WEIGHED.make(Session(store, cursor, lambda _: None).about(spaces))


def ask(store, vectors_, *spaces, snapshot=None):
    with asking(store, *spaces, snapshot=snapshot) as function:
        return function(pa.array(vectors_, pa.list_(pa.float32()))).to_pylist()


@pytest.fixture
def filled(store):
    """Two spaces of 2 dimensions, one of 3; models of the first and the last."""
    for space, dim in (("spectrum", 2), ("events", 2), ("papers", 3)):
        add_space(store, space, dim)
    for space, dim in (("spectrum", 2), ("papers", 3)):
        add_model(store, space, dim)
    return store


def test_the_model_of_the_named_space_answers(filled):
    assert ask(filled, [[1, 1], [0, 2]], "spectrum") == [21, 21]
    assert ask(filled, [[1, 1, 1]], "papers") == [32]
    assert ask(filled, [[1, 1, 1], [1, 1], [1, 0, 0]], "papers", "spectrum") == [32, 21, 12]


def test_a_vector_from_elsewhere_is_answered_by_the_newest_model_of_its_length(filled):
    assert ask(filled, [[1, 1]]) == [21]
    add_model(filled, "events", 2)
    assert ask(filled, [[1, 1]]) == [23]
    assert ask(filled, []) == []


def test_the_newest_run_of_the_snapshot_answers(filled):
    with catalog.open(filled) as cat:
        before = cat.snapshots()[-1].number
    add_model(filled, "spectrum", 2)
    assert ask(filled, [[1, 1]], "spectrum") == [23]
    assert ask(filled, [[1, 1]], "spectrum", snapshot=before) == [21]


def test_what_cannot_be_answered_says_what_to_type(filled):
    command = f"make one: python -m analysis weigh --space {{}} --store {filled}"
    with pytest.raises(QueryError, match=r"space events has no model .*models of spectrum, papers; ") as told:
        ask(filled, [[1, 1]], "events")
    assert command.format("events") in str(told.value)
    with pytest.raises(
        QueryError, match=r"no model takes vectors of 5 dimensions; there are models of spectrum \(2\), papers \(3\)"
    ):
        ask(filled, [[1] * 5])
    with pytest.raises(QueryError, match="vectors of papers have 3 dimensions, found one of 2"):
        ask(filled, [[1, 1]], "papers")
    with pytest.raises(QueryError, match="holds NULL"):
        ask(filled, [[1, None]], "spectrum")
    add_model(filled, "events", 2)
    with pytest.raises(QueryError, match=r"names events and spectrum, .*weight_of\(e.vector\), where e is the alias"):
        ask(filled, [[1, 1]], "events", "spectrum")


def test_a_model_of_another_encoder_does_not_answer(filled):
    add_model(filled, "events", 2, encoder="e0")
    with pytest.raises(QueryError, match=r"run 3\) was learnt from vectors of e0, and events now has"):
        ask(filled, [[1, 1]], "events")


def test_without_any_model_the_nearest_name_is_told(store):
    add_space(store, "spectrum", 2)
    with pytest.raises(UnknownName, match="has no model in this snapshot; make one: python -m analysis weigh"):
        ask(store, [[1, 1]], "spectrum")
    add_model(store, "spectrum", 2, function="weigth_of")
    with pytest.raises(UnknownName, match="did you mean weigth_of"):
        ask(store, [[1, 1]], "spectrum")


def test_lost_weights_are_told(filled):
    for path in (filled / "models").iterdir():
        path.unlink()
    with pytest.raises(QueryError, match="the model of run 1 has lost its weights"):
        ask(filled, [[1, 1]], "spectrum")
