"""Tell whether a statement is a single read-only query, and what it touches.

It is checked against lists of what is allowed, never of what is forbidden: kinds of syntax nodes, names of
functions, names of table functions. Two parsers look at every query: sqlglot here (`check`), and DuckDB's own,
whose syntax tree `check_engine_tree` reads. What one of them takes for a comment or a string, the other may take
for SQL; a query passes only where both trees pass. Text in, verdict out: no database, no files but our own lists.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TypeAlias

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sql.objects import OBJECTS

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class Refused(PermissionError):
    """A statement that is not a single read-only query; the text says why and what to do.

    Attributes
    ----------
    function : str
        The function that is not on the list, where that is the reason.
    """

    def __init__(self, reason: str, function: str = "") -> None:
        self.function = function
        super().__init__(reason)


class NotUnderstood(Refused):
    """sqlglot cannot parse the statement; DuckDB may be able to."""


@dataclass(frozen=True)
class Statement:
    """A statement that passed.

    Attributes
    ----------
    text : str
        What to run: as given, without blanks and semicolons around it.
    query : str
        The query inside EXPLAIN; else the same as `text`.
    tables : frozenset of str
        Tables and views it names, as written; names of its own CTEs are not among them.
    functions, table_functions : frozenset of str
        Functions it calls, lower case.
    parameters : frozenset of str
        Its $parameters.
    pivots : bool
        It has a PIVOT; without a list of values DuckDB runs that as two statements.
    """

    text: str
    query: str
    tables: frozenset[str]
    functions: frozenset[str]
    table_functions: frozenset[str]
    parameters: frozenset[str]
    pivots: bool = False

    @property
    def explains(self) -> bool:
        """Whether it asks for the plan instead of the rows."""
        return self.query != self.text


class _Plain(DuckDB):
    """DuckDB's dialect with no function known to it, so that each call keeps the name it has in the text."""

    class Parser(DuckDBParser):
        FUNCTIONS = {}  # noqa: RUF012 - sqlglot's own way to declare it
        FUNCTION_PARSERS = {  # noqa: RUF012 - only calls whose arguments are separated by words
            name: DuckDBParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "OVERLAY", "POSITION")
        }


def _read_allowed() -> dict[str, frozenset[str]]:
    """Read allowed.txt: section -> words."""
    sections: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in resources.files("sql").joinpath("allowed.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), set())
        elif not line.startswith("#"):
            current.update(line.split())
    return {name: frozenset(words) for name, words in sections.items()}


_ALLOWED = _read_allowed()

FUNCTIONS: frozenset[str] = _ALLOWED["functions"] | {o.full_name for o in OBJECTS if o.kind == "scalar macro"}
"""Scalar, aggregate and window functions that a query may call."""

TABLE_FUNCTIONS: frozenset[str] = _ALLOWED["table functions"] | {
    o.full_name for o in OBJECTS if o.kind == "table macro"
}
"""Table functions that a query may call."""

_ROOTS = (exp.Query, exp.Values, exp.Describe, exp.Summarize, exp.Show, exp.Pivot)
_SHOWN = (["TABLES"], ["ALL", "TABLES"], ["SCHEMAS"])
_PLAIN_NAME = re.compile(r"^\w[\w$ +-]*$")
_READ_ONLY = (
    "only one read-only query is answered at a time: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, PIVOT, EXPLAIN"
)
_NO_FILES = "files come in through python -m ingest files PATH"
_REMEMBERED = 256
"""Verdicts on so many texts are kept: the same text, with the same lists, is always judged alike."""


def check(sql: str, *, functions: Iterable[str] = (), table_functions: Iterable[str] = ()) -> Statement:
    """Let exactly one read-only statement through.

    Parameters
    ----------
    sql : str
        The statement, in DuckDB's dialect.
    functions, table_functions : iterable of str, optional
        Names allowed besides `FUNCTIONS` and `TABLE_FUNCTIONS`.

    Returns
    -------
    Statement
        What it touches.

    Raises
    ------
    Refused
        If it writes, is several statements, reads files, or calls a function that is not on the list.
    NotUnderstood
        If sqlglot cannot parse it.

    Examples
    --------
    >>> sorted(check("SELECT o.name FROM csc.observation_source o JOIN cone(83.8, -5.4, 60) USING (name)").tables)
    ['csc.observation_source']
    >>> check("DROP TABLE csc.master_source")
    Traceback (most recent call last):
    ...
    sql.guard.Refused: DROP is not a query; only one read-only query is answered at a time: SELECT, WITH, ...
    """
    return _check(sql, frozenset(f.lower() for f in functions), frozenset(f.lower() for f in table_functions))


@lru_cache(_REMEMBERED)
def _check(sql: str, functions: frozenset[str], table_functions: frozenset[str]) -> Statement:
    explain, query = _split_explain(sql.strip())
    query = query.rstrip("; \t\r\n")
    root = parse(query)
    allowed = FUNCTIONS | functions
    allowed_tables = TABLE_FUNCTIONS | table_functions
    tables: set[str] = set()
    called: set[str] = set()
    called_tables: set[str] = set()
    parameters: set[str] = set()
    for node in root.walk():
        _check_node(node)
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Func):
                called_tables.add(_allowed(_function_name(node.this), allowed_tables, "table function"))
            elif node.name:
                tables.add(_plain_table([p.name for p in node.parts]))
        elif isinstance(node, exp.Anonymous):
            if not isinstance(node.parent, exp.Table):
                called.add(_allowed(node.name.lower(), allowed, "function"))
        elif isinstance(node, exp.Placeholder | exp.Parameter) and node.name:
            parameters.add(node.name)
    own = {cte.alias for cte in root.find_all(exp.CTE)}
    own_names = {name.lower() for name in own}
    return Statement(
        explain + query,
        query,
        frozenset(t for t in tables if t.lower() not in own_names),
        frozenset(called),
        frozenset(called_tables),
        frozenset(parameters),
        root.find(exp.Pivot) is not None,
    )


def check_engine_tree(
    tree: Json, *, functions: Iterable[str] = (), table_functions: Iterable[str] = ()
) -> frozenset[str]:
    """Check DuckDB's own syntax tree of a query by the same lists.

    Parameters
    ----------
    tree : JSON
        What `json_serialize_sql` answers, parsed.
    functions, table_functions : iterable of str, optional
        As in `check`.

    Returns
    -------
    frozenset of str
        Tables it names.

    Raises
    ------
    Refused
        If it names a file as a table or calls a function that is not on the lists.

    Examples
    --------
    >>> check_engine_tree({"type": "BASE_TABLE", "catalog_name": "", "schema_name": "", "table_name": "a.csv"})
    Traceback (most recent call last):
    ...
    sql.guard.Refused: 'a.csv' is a file, not a table of the store; files come in through python -m ingest files PATH
    """
    allowed = FUNCTIONS | {f.lower() for f in functions}
    allowed_tables = TABLE_FUNCTIONS | {f.lower() for f in table_functions}
    tables = set()
    table_calls = set()
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            parts = [str(node.get(k) or "") for k in ("catalog_name", "schema_name", "table_name")]
            tables.add(_plain_table([p for p in parts if p]))
        elif kind == "TABLE_FUNCTION" and isinstance(call := node.get("function"), dict):
            table_calls.add(id(call))
            _allowed(str(call.get("function_name")).lower(), allowed_tables, "table function")
    for node in _nodes(tree):
        if node.get("class") in {"FUNCTION", "WINDOW"} and id(node) not in table_calls:
            name = str(node.get("function_name") or "count").lower()
            if re.match(r"[a-z]", name):  # the others are operators
                _allowed(name, allowed, "function")
    return frozenset(tables)


def _nodes(tree: Json) -> Iterator[dict[str, Json]]:
    stack: list[Json] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _split_explain(text: str) -> tuple[str, str]:
    """Split 'EXPLAIN ANALYZE (FORMAT json) SELECT ...' into what asks for the plan and the query; ('', text) else."""
    tokens = _tokens(text)
    if not tokens or _word(tokens[0]) != "EXPLAIN":
        return "", text
    rest = text[tokens[0].end + 1 :]  # sqlglot keeps the rest as one piece of text: read that once more
    tokens = _tokens(rest)
    words = [*(_word(t) for t in tokens), "", "", ""]
    n, analyze = (1, True) if words[0] == "ANALYZE" else (0, False)
    if words[n] == "(" and words[n + 1] in {"FORMAT", "ANALYZE"} and ")" in words:
        close = words.index(")")
        analyze |= "ANALYZE" in words[n:close]
        n = close + 1
    return ("EXPLAIN ANALYZE " if analyze else "EXPLAIN "), rest[tokens[n].start :] if n < len(tokens) else ""


def _tokens(text: str) -> list[Token]:
    try:
        return list(_Plain().tokenize(text))
    except SqlglotError as error:
        raise NotUnderstood(f"not SQL that can be read: {_first_line(error)}") from error


def _word(token: Token) -> str:
    """Return a token's text in upper case, marked if quoted so that it is no word."""
    quoted = token.token_type in {TokenType.IDENTIFIER, TokenType.STRING}
    return f"'{token.text}" if quoted else token.text.upper()


def parse(query: str) -> exp.Expr:
    """Parse one query into sqlglot's tree, with every function call under the name it has in the text.

    Raises
    ------
    Refused
        If it is no query, or several statements.
    NotUnderstood
        If sqlglot cannot parse it.

    Examples
    --------
    >>> parse("FROM csc.master_source").sql()
    'SELECT * FROM csc.master_source'
    """
    words = [_word(t) for t in _tokens(query)]
    if not words:
        raise Refused(f"there is no statement; {_READ_ONLY}")
    if words[0] not in _ALLOWED["first words"] or (words[0] == "SHOW" and words[1:] not in _SHOWN):
        raise Refused(f"{words[0]} is not a query; {_READ_ONLY}")
    try:
        roots = [root for root in sqlglot.parse(query, dialect=_Plain) if not isinstance(root, exp.Semicolon | None)]
    except (SqlglotError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        # sqlglot meets text it was not made for with whatever error that leads to; all mean the same here.
        raise NotUnderstood(f"not SQL that can be read: {_first_line(error)}") from error
    if len(roots) != 1:
        raise Refused(f"{len(roots)} statements at once; {_READ_ONLY}")
    if not isinstance(roots[0], _ROOTS):
        raise Refused(f"{words[0]} is not a query here; {_READ_ONLY}")
    return roots[0]


def _check_node(node: exp.Expr) -> None:
    kind = type(node).__name__
    if isinstance(node, exp.Anonymous | exp.Query):
        return
    if isinstance(node, exp.Describe | exp.Summarize) and isinstance(node.this, exp.Literal):
        raise Refused(f"{node.this.name!r} is a file, not a table of the store; {_NO_FILES}")
    if isinstance(node, exp.Func):
        if kind not in _ALLOWED["syntax functions"]:
            raise Refused(f"{node.sql_name().lower()} is not on the list of functions; {_READ_ONLY}")
    elif not isinstance(node, exp.Condition) and kind not in _ALLOWED["clauses"]:
        raise Refused(f"{kind.upper()} has no place in a query; {_READ_ONLY}")


def _function_name(call: exp.Func) -> str:
    return str(call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()


def _allowed(name: str, allowed: frozenset[str] | set[str], what: str) -> str:
    if name in allowed:
        return name
    if re.search(r"read|scan|glob|sniff|parquet|copy|file|getenv|attach", name):
        raise Refused(f"{name} reads files or the environment; {_NO_FILES}", name)
    close = difflib.get_close_matches(name, allowed, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else "see python -m catalog info"
    raise Refused(f"there is no {what} {name} that a query may call; {hint}", name)


def _plain_table(parts: list[str]) -> str:
    name = ".".join(parts)
    if not all(_PLAIN_NAME.match(p) for p in parts) or (len(parts) > 1 and parts[-1].lower() in _ALLOWED["file kinds"]):
        raise Refused(f"{name!r} is a file, not a table of the store; {_NO_FILES}")
    return name


def _first_line(error: BaseException) -> str:
    return re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()[0] if str(error) else type(error).__name__
