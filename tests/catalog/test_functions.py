"""Scalar functions of packages: published as entry points, made for the snapshot and the spaces of each query."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from factories.tiny_encoder import write

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.query import functions
from catalog.store import lake, vectors
from catalog.store.vectors import Pin

PACKAGE = """
    import pyarrow as pa
    import pyarrow.compute as pc
    from catalog.errors import UnknownName, suggestion
    from catalog.query.functions import ScalarFunction

    def length(session):
        return lambda v: pc.list_value_length(v).cast(pa.int32())

    def told(session):
        text = f"{session.snapshot}:{','.join(session.spaces)}"
        return lambda v: pa.array([text] * len(v))

    def total(session):
        # NULL for what it has no answer to
        return lambda v, w: pa.array([a + b if a < 5 else None for a, b in zip(v.to_pylist(), w.to_pylist())])

    def fails(session):
        def call(v):
            raise ValueError("no such thing; did you mean another?")
        return call

    LENGTH = ScalarFunction("length_of", ("FLOAT[]",), "INTEGER", length)
    TOLD = ScalarFunction("told_of", ("FLOAT[]",), "VARCHAR", told)
    TOTAL = ScalarFunction("total_of", ("DOUBLE", "DOUBLE"), "DOUBLE", total)
    FAILS = ScalarFunction("fails_of", ("FLOAT[]",), "DOUBLE", fails)
    NONE = "no function"

    def guess(name):
        column = name.removeprefix("guess_")
        known = ["hard_hs", "hard_ms"]
        if column not in known:
            raise UnknownName(f"{name}: no column {column}{suggestion(column, known)}")
        return ScalarFunction(name, ("FLOAT[]",), "VARCHAR", lambda s: lambda v: pa.array([column] * len(v)))
"""
ENTRY_POINTS = """\
[photonlake.functions]
length_of = third_party_functions:LENGTH
told_of = third_party_functions:TOLD
total_of = third_party_functions:TOTAL
fails_of = third_party_functions:FAILS
broken_of = third_party_functions:NONE
guess_ = third_party_functions:guess
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A package of somebody else's, installed."""
    folder = tmp_path_factory.mktemp("site")
    made = folder / "third_party_functions-1.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-functions\nVersion: 1\n")
    (made / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "third_party_functions.py").write_text(textwrap.dedent(PACKAGE))
    return folder


@pytest.fixture
def cat(site, store, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    functions._published.cache_clear()
    add_space(store, "spectrum", 4)
    add_space(store, "events", 6)
    with Catalog(store) as cat:
        yield cat
    functions._published.cache_clear()


def add_space(store, space, dim, n=3000):
    ids = [f"{i}.1.1" for i in range(n)]
    x = np.ones((n, dim), np.float32)
    written = vectors.write(store, space, vectors.rows(ids, [None] * n, x, [space] * n, "e", ["h"] * n), None)
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection, "pin"):
            vectors.publish(connection, Pin(space, written.version, "e", n, dim))
        connection.close()


def only(result):
    ((value,),) = set(result.fetchall())
    return value


def test_vectors_and_lists_of_any_numbers_are_taken(cat):
    assert only(cat.sql("SELECT length_of(vector) FROM embedding.spectrum")) == 4
    assert only(cat.sql("SELECT length_of([1, 2, 3.5])")) == 3
    assert only(cat.sql("SELECT length_of($v)", v=[1.0, 2.0])) == 2
    assert only(cat.sql("SELECT length_of($v)", v=np.ones(5, np.float32))) == 5


def test_a_call_is_about_the_space_that_its_argument_comes_from(cat):
    def spaces(query):
        return [text.partition(":")[2] for text in cat.sql(query).fetchall()[0]]

    assert spaces("SELECT told_of(vector) FROM embedding.events") == ["events"]
    assert spaces("SELECT told_of([1, 2])") == [""]
    joined = "FROM embedding.spectrum AS s JOIN embedding.events AS e USING (id)"
    assert spaces(f"SELECT told_of(s.vector), told_of(e.vector), TOLD_OF(s.vector) {joined}") == [
        "spectrum",
        "events",
        "spectrum",
    ]
    assert spaces(f"SELECT told_of([1.0]) {joined}") == ["events,spectrum"]
    subqueries = "SELECT (SELECT told_of(any_value(vector)) FROM embedding.events), told_of(vector)"
    assert spaces(f"{subqueries} FROM embedding.spectrum") == ["events", "spectrum"]
    assert spaces("WITH c AS (FROM embedding.events) SELECT told_of(c.vector) FROM c") == ["events"]
    assert spaces("SELECT told_of(embedding.events.vector) FROM embedding.events") == ["events"]
    assert spaces("EXPLAIN SELECT told_of(vector) FROM embedding.events")


def test_a_function_sees_the_snapshot_of_its_query_even_after_others(cat, store):
    query = "SELECT told_of(vector) FROM embedding.spectrum"
    before = int(only(cat.sql(query)).partition(":")[0])
    write(store, "INSERT INTO lake.lit.paper BY NAME SELECT 'P' AS bibcode")
    assert int(only(cat.sql(query)).partition(":")[0]) == before + 1
    assert int(only(cat.sql(query, snapshot=before)).partition(":")[0]) == before


def test_queries_at_once_do_not_meet(cat, store):
    query = "SELECT told_of(vector) AS said FROM embedding.spectrum"
    first = iter(cat.sql(query))
    text = next(first)
    write(store, "INSERT INTO lake.lit.paper BY NAME SELECT 'P' AS bibcode")
    other = only(cat.sql("SELECT told_of(vector) FROM embedding.events"))
    assert {text, *first} == {text}
    assert other != text[0]


def test_null_goes_in_and_comes_out_as_null(cat):
    rows = "(VALUES (1.0, 1.0), (NULL, 1.0), (9.0, 1.0), (2.0, 1.0), (2.0, NULL)) AS t(a, b)"
    assert cat.sql(f"SELECT total_of(a, b) FROM {rows}").fetchall() == [(2.0,), (None,), (None,), (3.0,), (None,)]
    assert cat.sql("SELECT total_of(a, a) FROM (SELECT NULL::DOUBLE AS a FROM range(3))").fetchall() == [(None,)] * 3
    assert cat.sql("SELECT length_of(vector) FROM embedding.spectrum WHERE false").fetchall() == []


def test_results_are_named_as_the_query_says(cat):
    result = cat.sql("SELECT length_of(vector), length_of(vector) AS n FROM embedding.spectrum LIMIT 1")
    assert result.columns == ("length_of(vector)", "n")
    with pytest.raises(QueryError, match=r"types 'length_of\(DATE\)'"):
        cat.sql("SELECT length_of(DATE '2020-01-01')")


def test_a_family_answers_to_every_name_that_begins_with_its_own(cat):
    assert only(cat.sql("SELECT guess_hard_hs(vector) FROM embedding.spectrum")) == "hard_hs"
    assert only(cat.sql('SELECT "Guess_Hard_MS"(vector) FROM embedding.spectrum')) == "hard_ms"
    with pytest.raises(UnknownName, match="no column hard_sh; did you mean hard_ms or hard_hs"):
        cat.sql("SELECT guess_hard_sh(vector) FROM embedding.spectrum")
    with pytest.raises(UnknownName, match="there is no function guess_"):
        cat.sql("SELECT guess_(vector) FROM embedding.spectrum")


def test_errors_say_what_is_wrong(cat):
    with pytest.raises(UnknownName, match="there is no function lenght_of; did you mean length_of"):
        cat.sql("SELECT lenght_of(vector) FROM embedding.spectrum")
    with pytest.raises(QueryError, match=r"^no such thing; did you mean another\?$"):
        cat.sql("SELECT fails_of(vector) FROM embedding.spectrum").fetchall()
    with pytest.raises(QueryError, match="gives str, not a ScalarFunction"):
        cat.sql("SELECT broken_of(vector) FROM embedding.spectrum")
    with pytest.raises(QueryError, match="no package publishes a function length_off; did you mean length_of"):
        functions.scalar_function("length_off")
