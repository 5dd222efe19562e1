"""Calls of table functions are found wherever a table may stand, and nothing else of a query is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sql.rewrite import mentions, rewrite
from sql.signatures import REQUIRED, Argument, BadCall, Call, Parameter, Signature, bind

NAMES = ["nearest", "similar_pairs"]
SIGNATURE = Signature(
    "nearest",
    (
        Argument("space", "text", REQUIRED),
        Argument("target", "text or vector", None),
        Argument("k", "integer", 10),
        Argument("exact", "boolean", True),
        Argument("threshold", "number", 0.5),
    ),
    2,
)


def only(query):
    (call,) = rewrite(query, NAMES).calls
    return call


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM nearest('a', 'b') n", "SELECT * FROM __nearest_1 n"),
        ("FROM nearest('a', 'b')", "FROM __nearest_1 AS nearest"),
        ("FROM t JOIN NEAREST ( 'a' ) AS n(x, y) USING (x)", "FROM t JOIN __nearest_1 AS n(x, y) USING (x)"),
        (
            "WITH c AS (SELECT 1 FROM nearest('a', ')')) SELECT (SELECT max(d) FROM nearest('b', 'c') n) FROM c",
            "WITH c AS (SELECT 1 FROM __nearest_1 AS nearest) SELECT (SELECT max(d) FROM __nearest_2 n) FROM c",
        ),
        ("FROM nearest('a') x, similar_pairs('a') y", "FROM __nearest_1 x, __similar_pairs_2 y"),
        ("FROM nearest('a', k := 3) x, nearest('a', k => 3) y", "FROM __nearest_1 x, __nearest_1 y"),
        ("FROM t, LATERAL nearest('a') x", "FROM t, LATERAL (SELECT * FROM __nearest_1) x"),
        ("SELECT 'nearest(1)' FROM t -- nearest('a')", "SELECT 'nearest(1)' FROM t -- nearest('a')"),
        ("SELECT nearest FROM t AS nearest", "SELECT nearest FROM t AS nearest"),
        ("FROM cone(1, 2, 3)", "FROM cone(1, 2, 3)"),
        (
            "SELECT 'é→' FROM nearest('ü', /* ) */ 'ß') WHERE x = 'é'",
            "SELECT 'é→' FROM __nearest_1 AS nearest WHERE x = 'é'",
        ),
        ("SELECT __nearest_1 FROM nearest('a')", "SELECT __nearest_1 FROM __nearest_1_ AS nearest"),
        (
            "SELECT embedding.spectrum.vector FROM embedding.spectrum",
            'SELECT spectrum.vector FROM __embedding_spectrum AS "spectrum"',
        ),
        ("DESCRIBE embedding.spectrum", "DESCRIBE __embedding_spectrum"),
        ("FROM lake.embedding.papers p", "FROM __embedding_papers p"),
    ],
)
def test_only_the_call_is_replaced(query, expected):
    assert rewrite(query, NAMES).query == expected


def test_arguments_are_literals_or_parameters():
    call = only("FROM nearest('a', [1, -2.5], k := 3, exact => FALSE, \"filter\" := $f, t := NULL)")
    assert call.arguments == ("a", [1, -2.5])
    assert call.options == {"k": 3, "exact": False, "filter": Parameter("f"), "t": None}


def test_the_place_of_a_call_is_told():
    call = only("SELECT *\nFROM t JOIN  nearest('a') n")
    assert (call.line, call.column) == (2, 14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("nearest('a', upper('b'))", "a literal or a \\$parameter, found UPPER"),
        ("nearest('a', (SELECT 1))", "literal or a"),
        ("nearest('a', [$p, 1])", "literal or a"),
        ("nearest('a', k = 3)", "written k := "),
        ("nearest(k := 3, 'a')", "by position come first"),
        ("nearest(k := 3, k := 4)", "k twice"),
    ],
)
def test_what_is_no_argument_is_refused_with_its_place(call, said):
    with pytest.raises(BadCall, match=said) as error:
        rewrite(f"SELECT * FROM {call}", NAMES)
    assert "line 1, column 15" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {}, "lacks space"),
        (("a", "b", 3), {}, "3 arguments by position, it takes 2; write k := "),
        (("a",), {"spce": "b"}, "no option spce; did you mean space"),
        (("a",), {"space": "b"}, "space twice"),
        (("a",), {"k": "many"}, "k must be integer, found 'many'"),
        (("a",), {"k": True}, "k must be integer"),
        (("a",), {"k": 1.5}, "k must be integer"),
        (("a",), {"k": None}, "k must be integer"),
        (("a",), {"k": Parameter("n")}, "no value is given for \\$n"),
        (("a", 3), {}, "target must be text or vector"),
    ],
)
def test_wrong_calls_are_told_what_is_right(arguments, options, said):
    with pytest.raises(BadCall, match=said):
        bind(Call("nearest", arguments, options, "__nearest_1"), SIGNATURE, {})


def test_parameters_from_a_command_line_are_text():
    call = Call("nearest", (Parameter("s"),), {n: Parameter(n) for n in ("k", "exact", "threshold")}, "r")
    given_ = {"s": "a", "k": "7", "exact": "False", "threshold": "0.25"}
    bound = bind(call, SIGNATURE, given_)
    assert bound == {"space": "a", "target": None, "k": 7, "exact": False, "threshold": 0.25}


def test_the_signature_reads_as_one_types_it():
    assert SIGNATURE.text == "nearest(space, target, k := 10, exact := true, threshold := 0.5)"


def test_queries_without_our_names_are_not_parsed():
    assert not mentions("SELECT * FROM product.event WHERE this is no SQL", NAMES)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
literals = st.one_of(texts, st.integers(0, 10**9), st.booleans(), st.none())


def shown(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {"True": "true", "False": "false", "None": "NULL"}.get(repr(value), repr(value))


@given(st.lists(literals, max_size=3), st.lists(literals, max_size=2))
@settings(max_examples=40, deadline=None)
def test_any_literals_come_through(first, second):
    one, two = (f"nearest({', '.join(map(shown, a))})" for a in (first, second))
    done = rewrite(f"SELECT * FROM {one} a JOIN {two} b USING (id) WHERE x = 'nearest('", NAMES)
    assert [list(c.arguments) for c in done.calls] == ([first, second] if one != two else [first])
    assert done.query.endswith("b USING (id) WHERE x = 'nearest('")
