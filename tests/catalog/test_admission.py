"""Texts that are let through, and texts that are not: whatever stands in them, DuckDB's own tree decides."""

from __future__ import annotations

import random

import duckdb
import pytest
import sqlglot
from factories.queries import ALLOWED, FORBIDDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.dialects.duckdb import DuckDB

from catalog.errors import ForbiddenStatement, PhotonlakeError, QueryError, UnknownName, ValuesMissing
from catalog.query import pivots
from catalog.query.admission import admit
from catalog.query.filtering import checked
from catalog.store.engine import tree_of, without_explain, words_of
from sql.guard import nodes

CANARY = "getvariable"  # a function of the engine that no query may call
PIECES = r"""
SELECT FROM WHERE WITH AS ( ) , ; * 1 'x' "y" t csc.master_source DELETE INSERT INTO VALUES DROP TABLE COPY TO
read_csv('x') getvariable('x') EXPLAIN ANALYZE -- /* */ $$ $a e'\' ' " [ ] { } :: -> UNION ALL JOIN ON ORDER BY LIMIT
DESCRIBE SUMMARIZE PIVOT UNPIVOT USING IN FOR SET ATTACH PRAGMA CALL \u00e9 \u2603 'f.csv' RETURNING sum(a) OVER FILTER
{# #} {#1: {{ }} {% %} # -- #} MAP {'a': 1} $x$ $x$ U&'x' x'00' b'1' E' \\ \' `a` ` [[ ]] //* /*+ */* */ --+
!! := => lambda x: x ->
"""
WORDS = [*PIECES.encode().decode("unicode_escape").split(), "\n", "\x00", "\r", "\u2028", "\u00a0", "\ufeff", "\t"]


def passes(text):
    try:
        return admit(text)
    except PhotonlakeError:
        return None


@pytest.mark.parametrize("query", ALLOWED)
def test_a_single_read_only_query_is_let_through(query):
    try:
        admit(query)
    except ValuesMissing:
        assert query.startswith("PIVOT product.event ON ccd_id USING")


@pytest.mark.parametrize("query", FORBIDDEN)
def test_everything_else_is_refused_in_one_line(query):
    with pytest.raises((ForbiddenStatement, UnknownName, QueryError)) as caught:
        admit(query)
    # a PIVOT without a list of values never runs as it is: its query for them is refused, see below
    assert query.startswith("PIVOT (FROM read_csv") or not isinstance(caught.value, ValuesMissing)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        # one parser's comment is the other's SQL
        f"PIVOT (SELECT 'k' AS k, MAP {{#1: (SELECT {CANARY}('x')) -- #}} {{'a': 1\n}} AS v) ON k USING first(v)",
        f"SELECT MAP {{#1: {CANARY}('x') -- #}} {{'a': 1\n}}",
        f"SELECT {{# {CANARY}('x') #}} 1",
        f"SELECT 1 --x\r, {CANARY}('x')",
        f"SELECT 1 /* /* */ */ , {CANARY}('x') --*/",
        f"SELECT 1 // {CANARY}('x')",
        f"SELECT $q$ ' $q$, {CANARY}('x'), $q$ ' $q$",
        f"SELECT e'\\\\', {CANARY}('x') --'",
        f"SELECT 1 `, {CANARY}('x') `",
        # statements inside statements
        f"SUMMARIZE SELECT {CANARY}('x')",
        f"DESCRIBE (FROM (SELECT {CANARY}('x')))",
        f"EXPLAIN ANALYZE SELECT {CANARY}('x')",
        f"EXPLAIN (ANALYZE, FORMAT json) (SELECT {CANARY}('x'))",
        f"FROM (PIVOT (SELECT {CANARY}('x') AS a) ON a IN ('x') USING count(*))",
        f"SELECT * FROM t AT (TIMESTAMP => {CANARY}('x'))",
        f"SELECT * FROM t LIMIT {CANARY}('x')",
        f"SELECT * FROM t TABLESAMPLE ({CANARY}('x')::INT ROWS)",
        f"WITH RECURSIVE r AS (SELECT 1 UNION SELECT {CANARY}('x') FROM r) FROM r",
        f"VALUES ({CANARY}('x'))",
        f"SELECT sum(1) OVER (ORDER BY {CANARY}('x') ROWS BETWEEN {CANARY}('y') PRECEDING AND CURRENT ROW)",
        f"SELECT list_transform([1], lambda x: {CANARY}('x'))",
        f"SELECT * REPLACE ({CANARY}('x') AS a) FROM t",
        f"SELECT COLUMNS(c -> {CANARY}('x')) FROM t",
        f"SELECT [x FOR x IN [1] IF {CANARY}('x')]",
        f"SELECT a FROM t GROUP BY GROUPING SETS (({CANARY}('x')))",
        f"SELECT sum(1) FILTER ({CANARY}('x')), list(1 ORDER BY {CANARY}('x'))",
        f"FROM range(1) t(a), LATERAL (SELECT {CANARY}('x'))",
        f"FROM range({CANARY}('x'))",
        f"SELECT CASE WHEN {CANARY}('x') THEN 1 END",
        f"SELECT 1 QUALIFY {CANARY}('x')",
        f"UNPIVOT (SELECT {CANARY}('x') AS a) ON a INTO NAME n VALUE v",
        f"SELECT main.{CANARY}('x')",
        f"SELECT system.main.{CANARY}('x')",
        f"SELECT \"{CANARY.upper()}\"('x')",
        f"SELECT 'x'.{CANARY}()",
        f"SELECT 1 UNION ALL (SELECT 2 INTERSECT SELECT {CANARY}('x'))",
        f"FROM t JOIN u ON {CANARY}('x')",
        # names of tables that are files
        "FROM histogram('/etc/passwd.csv', a)",
        "FROM histogram(source := 'x.parquet', col_name := a)",
        "FROM histogram_values(col_name := a, source := 'x.csv')",
        "FROM histogram($t, a)",
        "FROM pragma_table_info('/tmp/x.csv')",
        "SHOW 'x.csv'",
        "DESCRIBE 'x.csv'",
        'SUMMARIZE "/etc/passwd"',
        "TABLE 'x.csv'",
        "FROM x.csv",
        'FROM "a/b"',
        # not a text of SQL
        "SELECT 1\x00; DROP TABLE t",
        "SELECT '\ud800'",
        "EXPLAIN",
        "EXPLAIN (FORMAT json)",
        "EXPLAIN EXPLAIN SELECT 1",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO 'x'",
        "EXPLAIN (FORMAT json) DELETE FROM t",
        "EXPLAIN PIVOT t ON a IN (SELECT 1) USING sum(b)",
        "SELECT " + "NOT " * 20000 + "true",
    ],
)
def test_what_only_one_of_two_parsers_sees_is_not_let_through(text):
    with pytest.raises((ForbiddenStatement, UnknownName, QueryError)):
        admit(text)


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "1" + ")" * 5000, "[" * 900 + "]" * 900, " || ".join("'a'" * 1 for _ in range(5000))]
)
def test_a_deep_query_is_answered(text):
    passes(f"SELECT {text}")


def test_what_runs_is_what_was_judged():
    assert admit("  SELECT 1 ; ").text == "SELECT 1"
    statement = admit("/* \u00e9 \U0001d11e */ EXPLAIN  ANALYZE (FORMAT json) SELECT 1 AS x;")
    assert (statement.text, statement.query) == ("EXPLAIN (ANALYZE, FORMAT json) SELECT 1 AS x", "SELECT 1 AS x")
    assert statement.explains
    assert admit("explain select 1").text == "EXPLAIN (FORMAT text) select 1"
    assert "duckdb_tables" in admit("show tables").text
    assert admit("SELECT $b + $a").parameters == {"a", "b"}


def test_an_explained_query_cannot_be_read_as_options():
    for query in ("(SELECT 1)", "(VALUES (1))", "(FROM range(3)) UNION ALL (SELECT 1)", "(TABLE t)"):
        prefix, rest = without_explain(f"EXPLAIN {query}")
        assert rest == query
        kinds = [s.type for s in duckdb.extract_statements(prefix + rest)]
        assert kinds == [duckdb.StatementType.EXPLAIN]


def test_words_are_those_of_the_engines_lexer():
    assert words_of("SELECT 'a, b' /* c, */ AS \u00e9, 2.5 -- d") == [
        (0, "SELECT"),
        (7, "'a, b'" + " /* c, */"),
        (23, "AS"),
        (26, "\u00e9"),
        (27, ","),
        (29, "2"),
    ]
    assert words_of("") == []


PIVOTED = (
    """
PIVOT t ON c USING count(*) GROUP BY r
PIVOT t ON d USING count(*) GROUP BY r
PIVOT t ON r, c USING sum(d)
PIVOT t ON r, /* b, */ c USING sum(d)
PIVOT t ON ( /* b, */ r) USING sum(d)
PIVOT t ON r || 'z' USING sum(d)
PIVOT t ON (r, c) USING sum(d)
PIVOT t ON r, c IN (3) USING sum(d)
PIVOT t ON r
PIVOT t ON r -- and no more
PIVOT t ON r USING sum(d) GROUP BY c ORDER BY c LIMIT 1
WITH a AS (FROM t), b AS (FROM a) PIVOT b ON r USING sum(d)
FROM (PIVOT t ON r USING sum(d)) WHERE c > 1
PIVOT t ON d > 2 USING count(*)
FROM t PIVOT (sum(d) FOR r IN ('x'))
SELECT * FROM (PIVOT t ON r USING sum(d)) a JOIN (PIVOT t ON c) b ON true
PIVOT (PIVOT t ON r USING sum(d) GROUP BY c) ON c USING sum(x)
PIVOT t ON c /* \u00e9, */ USING count(*) GROUP BY r
WITH p AS (PIVOT t ON r USING sum(d)) FROM p
SELECT 1 AS pivot
PIVOT t ON "r" USING sum(d)
PIVOT (SELECT r, 'it''s, (' AS s, d FROM t) ON s USING sum(d)
PIVOT_WIDER t ON r USING sum(d)
""".encode()
    .decode("unicode_escape")
    .strip()
    .splitlines()
)


@pytest.fixture(scope="module")
def pivoting():
    with duckdb.connect() as connection:
        rows = "SELECT 7 c, 'x' r, 1.5 d UNION ALL SELECT 3, 'y', 2 UNION ALL SELECT NULL, 'x', 3.0"
        connection.execute(f"CREATE TABLE t AS {rows}")
        yield connection


@pytest.mark.parametrize("query", PIVOTED)
def test_a_pivot_with_its_values_looked_up_is_the_engines_own(pivoting, query):
    def ask(values):
        return [value for (value,) in pivoting.execute(admit(values).text).fetchall()]

    wanted = pivoting.execute(query)
    columns, rows = [d[0] for d in wanted.description], wanted.fetchall()
    found = pivoting.execute(admit(pivots.listed(query, ask)).text)
    assert [d[0] for d in found.description] == columns
    assert sorted(map(str, found.fetchall())) == sorted(map(str, rows))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("PIVOT (FROM t WHERE false) ON r USING sum(d)", "no values"),
        ("PIVOT (FROM range(20000) t(i)) ON i USING count(*)", "more than 10,000 columns"),
        (f"PIVOT (SELECT {CANARY}('x') AS a, 1 AS b) ON a USING sum(b)", CANARY),
        (f"PIVOT t ON {CANARY}('x') USING sum(d)", CANARY),
        ("PIVOT (FROM read_csv('x')) ON a USING sum(b)", "read_csv"),
        ("PIVOT 'x.csv' ON a USING sum(b)", "is a file"),
    ],
)
def test_a_pivot_is_refused_by_its_query_for_values(pivoting, query, says):
    def ask(values):
        return [value for (value,) in pivoting.execute(admit(values).text).fetchall()]

    with pytest.raises(PhotonlakeError, match=says):
        admit(pivots.listed(query, ask))


def test_a_pivot_over_a_query_must_list_its_values():
    with pytest.raises(ValuesMissing, match="must say which values"):
        admit("PIVOT t ON r IN (SELECT 'x') USING sum(d)")


@pytest.mark.parametrize("condition", ["a > 1", "x IN (SELECT 1)", "a -- c", "(a) OR (b)", "a = ')'"])
def test_a_condition_is_one_expression(condition):
    assert checked(condition, "--where") == condition


@pytest.mark.parametrize(
    "condition",
    [
        *("a) OR (b", "true) OR (1 = 1; DROP TABLE x", "1, 2", "1 FROM t", "a AS b", "a b", "a: 1", "*", "DISTINCT a"),
        *("", "1 ORDER BY 1", "a WHERE b", "1) FROM t WHERE (1", "a) UNION (SELECT 1", "1 LIMIT 1", "a; --"),
        f"{CANARY}('x')",
    ],
)
def test_what_is_no_condition_is_refused(condition):
    with pytest.raises(PhotonlakeError, match="--where"):
        checked(condition, "--where")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_whatever_the_text_it_is_answered(text):
    statement = passes(text)
    if statement is not None and "duckdb_tables()" not in statement.text:
        kinds = [s.type for s in duckdb.extract_statements(statement.text)]
        assert kinds in ([duckdb.StatementType.SELECT], [duckdb.StatementType.EXPLAIN]), text


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ALLOWED), st.integers(0, 200), st.sampled_from(["", ";", "'", '"', "--", "/*", "(", "DROP", "\\"])
)
def test_a_damaged_query_is_answered_too(query, place, piece):
    place = min(place, len(query))
    passes(query[:place] + piece + query[place + 1 :])


def test_lexers_that_disagree_change_nothing():
    _fuzz(4_000, seed=1)


@pytest.mark.slow
def test_lexers_that_disagree_change_nothing_in_half_a_million_texts():
    assert _fuzz(500_000, seed=2) > 100


def _fuzz(n_texts, seed):
    """Make texts in which one lexer sees a canary and the other does not; the canary never gets through.

    Returns
    -------
    int
        How many texts the lexers disagreed about.
    """
    random_ = random.Random(seed)  # noqa: S311 - texts to try, no secrets
    canary = f"{CANARY}('x')"
    sqlglots = DuckDB()
    n_disagreed = 0
    for _ in range(n_texts):
        words = random_.choices(WORDS, k=random_.randint(1, 8))
        words.insert(random_.randint(0, len(words)), canary)
        text = "SELECT " + random_.choice(["", " "]).join(words)
        try:
            engines = CANARY in [word for _, word in words_of(text)]
        except UnicodeError:
            continue
        try:
            others = CANARY in [token.text for token in sqlglots.tokenize(text)]
        except sqlglot.errors.SqlglotError:
            others = False
        if engines == others:
            continue
        n_disagreed += 1
        statement = passes(text)
        if statement is not None:
            parts = list(nodes(tree_of(statement.query)))
            assert CANARY not in {str(node.get("function_name")) for node in parts}, text
            # type('x') $$text$$ is a cast: no function of that name is called
            assert not engines or CANARY in {str(node.get("name")) for node in parts}, text
    return n_disagreed
