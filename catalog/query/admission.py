"""Whether a query may be run: DuckDB parses it, `sql.guard` judges the tree, and what was judged is what runs.

DuckDB does not show its tree of two kinds of statement. EXPLAIN is taken off, its query judged alone, and put before
it again in words of our own. A PIVOT without a list of values is given one first: see `catalog.query.pivots`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import duckdb

from catalog.errors import ForbiddenStatement, PhotonlakeError, QueryError, UnknownName, ValuesMissing, suggestion
from catalog.query import functions
from catalog.query.complaints import call_in_from, complaint, first_line
from catalog.store.engine import is_engines, parser, tree_of, without_explain, words_of
from sql import guard, habits
from sql.guard import READ_ONLY, Json, Refused, Statement

_SHOW_TABLES = """
SELECT schema_name || '.' || table_name AS name, comment AS description
FROM duckdb_tables() WHERE database_name = 'lake'
UNION ALL
SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE database_name = 'lake'
ORDER BY name
"""
_LIST_VALUES = "a PIVOT must say which values it makes columns of: PIVOT t ON c IN ('a', 'b') ..."
_MAX_ADMITTED = 256
_ADMITTED: dict[tuple[str, frozenset[str], frozenset[str]], Statement] = {}
"""Texts that were let through lately: the same text, with the same lists, is always judged alike."""


def admit(
    query: str, extra: Collection[str] = frozenset(), table_functions: Collection[str] = frozenset()
) -> Statement:
    """Let a single read-only query through.

    Parameters
    ----------
    query : str
        As the user wrote it.
    extra, table_functions : collection of str, optional
        Functions and table functions allowed besides the guard's own.

    Returns
    -------
    Statement
        Its `text` is what to run.

    Raises
    ------
    ValuesMissing
        If it has a PIVOT that does not list its values.
    ForbiddenStatement
        If it is not a single read-only query.
    UnknownName
        If it calls a function that does not exist.
    QueryError
        If DuckDB cannot parse it.

    Examples
    --------
    >>> sorted(admit("SELECT o.name FROM csc.observation_source o JOIN cone(83.8, -5.4, 60) USING (name)").tables)
    ['csc.observation_source']
    >>> admit("DROP TABLE csc.master_source")
    Traceback (most recent call last):
    ...
    catalog.errors.ForbiddenStatement: DROP is not a query; only one read-only query is answered at a time: SELECT, ...
    """
    key = query, frozenset(extra), frozenset(table_functions)
    known = _ADMITTED.get(key)
    if known is None:
        known = _judged(query, key[1], key[2])
        if len(_ADMITTED) >= _MAX_ADMITTED:
            _ADMITTED.clear()
        _ADMITTED[key] = known
    return known


def _judged(query: str, extra: frozenset[str], table_functions: frozenset[str]) -> Statement:
    prefix, text = without_explain(query.strip().rstrip("; \t\r\n"))
    tree = tree_of(text)
    if isinstance(tree, dict) and tree.get("error"):
        raise _unparsed(tree, text)
    try:
        # nearest and its like pass so far that they can be suggested; one that is left in the text is no function
        statement = guard.judge(text, tree, functions=extra, table_functions=table_functions)
    except Refused as error:
        raise refusal(error, query) from error
    if guard.shows_tables(tree):  # the engine would show those of the schema `main`: none
        return replace(statement, text=prefix + _SHOW_TABLES)
    return replace(statement, text=prefix + text)


def _unparsed(tree: dict[str, Json], text: str) -> PhotonlakeError:
    """Tell why DuckDB shows no tree: bad syntax, several statements, or one that is no query."""
    message = str(tree.get("error_message") or "the query cannot be parsed")
    if "pivot elements extracted" in message:
        return ValuesMissing(_LIST_VALUES)
    if tree.get("error_type") not in {"not implemented", "parser"} or "SELECT statements" not in message:
        return complaint(duckdb.ParserException(f"Parser Error: {message}"), Statement(text, text))
    try:
        parsed = parser().extract_statements(text)
        first = next((word for _, word in words_of(text)), "this")
    except (UnicodeError, duckdb.Error) as error:
        return QueryError(first_line(str(error)))
    kinds = [p.type for p in parsed]
    own_texts = [p for p in parsed if p.query.strip()]
    if kinds[-1:] == [duckdb.StatementType.SELECT] and not own_texts:
        # DuckDB has made several statements of one, and gives none of them a text
        return ValuesMissing(_LIST_VALUES)
    if len(own_texts) > 1:
        return ForbiddenStatement(f"{len(own_texts)} statements at once; {READ_ONLY}")
    return ForbiddenStatement(f"{first.upper()} is not a query; {READ_ONLY}")


def refusal(error: Refused, query: str = "") -> PhotonlakeError:
    """Tell what may not be done from what does not exist, and from other dialects' habits."""
    if told := habits.advice(query):
        return QueryError(told)
    if not error.function:
        return ForbiddenStatement(str(error))
    if call := call_in_from(error.function):
        return QueryError(f"{error.function}() gives rows, and stands where a table stands: FROM {call}")
    if is_engines(error.function):
        return ForbiddenStatement(str(error))
    if hint := suggestion(error.function, functions.scalar_function_names()):
        return UnknownName(f"there is no function {error.function}{hint}")
    return UnknownName(str(error))
