"""Find calls of our table functions, and vectors' relations, in a query; put relations in their places.

DuckDB has no table functions in Python. So `FROM nearest('spectrum', '1575.1.85', k := 20) AS n` becomes
`FROM __nearest_1 AS n`, and whoever runs the query registers a relation of that name first. Only the call's own text
is replaced: the rest of the query reaches the engine as it was written. Text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB

from sql.signatures import BadCall, Call, Parameter, Value
from sql.syntax import parse

EMBEDDING = "embedding"
"""Schema under which vectors stand in a query: embedding.<space>."""


@dataclass(frozen=True)
class ScalarCall:
    """A scalar function as one query calls it.

    Attributes
    ----------
    function : str
        Lower case.
    name : str
        What takes its place; calls of one function about the same spaces share one.
    spaces : tuple of str
        Embedding spaces that its arguments can come from: that of the relation an argument is qualified with, else
        those of the nearest SELECT around it that names any.
    """

    function: str
    name: str
    spaces: tuple[str, ...]


@dataclass(frozen=True)
class Rewritten:
    """A query with relations in the places of calls.

    Attributes
    ----------
    query : str
        What the engine runs.
    calls : tuple of Call
        In the order of the text.
    spaces : dict of str to str
        Relation -> embedding space whose vectors it is to hold.
    scalar_calls : tuple of ScalarCall
        In the order of the text.
    """

    query: str
    calls: tuple[Call, ...] = ()
    spaces: Mapping[str, str] = field(default_factory=dict)
    scalar_calls: tuple[ScalarCall, ...] = ()


def mentions(query: str, names: Collection[str]) -> bool:
    """Tell cheaply whether a query may name one of the functions, or vectors; a false alarm costs one parse.

    Examples
    --------
    >>> mentions("SELECT * FROM Nearest ('a', 'b')", ["nearest"]), mentions("SELECT 1", ["nearest"])
    (True, False)
    """
    words = set(re.findall(r"\w+", query.lower()))
    return EMBEDDING in words or not words.isdisjoint(names)


def rewrite(
    query: str, table_functions: Collection[str], functions: Collection[str] = (), suffix: str = ""
) -> Rewritten:
    """Put relations in the places of calls of table functions and of embedding.<space>, and new names on functions.

    Parameters
    ----------
    query : str
        One query, in DuckDB's dialect, without EXPLAIN.
    table_functions : collection of str
        Names to look for, lower case.
    functions : collection of str
        Scalar functions to give a name of this query's own, lower case.
    suffix : str
        End of those names.

    Returns
    -------
    Rewritten

    Raises
    ------
    BadCall
        If an argument is neither a literal nor a $parameter.
    sql.syntax.NotUnderstood
        If the query cannot be parsed.

    Examples
    --------
    >>> done = rewrite("SELECT id FROM nearest('events', $t, k := 3) JOIN embedding.events e USING (id)", ["nearest"])
    >>> done.query
    'SELECT id FROM __nearest_1 AS nearest JOIN __embedding_events e USING (id)'
    >>> done.calls[0].arguments, dict(done.calls[0].options)
    (('events', Parameter(name='t')), {'k': 3})
    >>> done = rewrite("SELECT cluster_of(vector) FROM embedding.events", [], ["cluster_of"], "_7")
    >>> done.query, done.scalar_calls[0].spaces
    ('SELECT __cluster_of_1_7(vector) FROM __embedding_events AS "events"', ('events',))
    """
    root = parse(query)
    edits: list[tuple[int, int, str]] = []
    calls: list[Call] = []
    spaces: dict[str, str] = {}
    found = sorted(_calls(root, frozenset(table_functions)), key=lambda pair: _start(pair[0]))
    for node, holder in found:
        call = _call(node, query, calls)
        if call not in calls:
            calls.append(call)
        start, end = _span(node, query)
        lateral = isinstance(holder, exp.Lateral)
        text = f"(SELECT * FROM {call.relation})" if lateral else call.relation
        edits.append((start, end, text if _is_named(holder) else f"{text} AS {call.function}"))
    for table in root.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and table.db.lower() == EMBEDDING:
            relation = _free(f"__{EMBEDDING}_" + re.sub(r"\W", "_", table.name), query)
            spaces[relation] = table.name
            first = table.args.get("catalog") or table.args["db"]
            named = relation if _is_named(table) else f'{relation} AS "{table.name}"'
            edits.append((_start(first), table.this.meta["end"] + 1, named))
    if spaces:
        # embedding.spectrum.vector -> spectrum.vector
        edits += [
            (_start(c.args["db"]), _start(c.args["table"]), "")
            for c in root.find_all(exp.Column)
            if c.db.lower() == EMBEDDING and "start" in c.args["table"].meta
        ]
    scalar_calls: dict[tuple[str, tuple[str, ...]], ScalarCall] = {}
    for node in _scalar_nodes(root, frozenset(functions)):
        key = node.name.lower(), _spaces_of(node)
        made = scalar_calls.setdefault(key, ScalarCall(key[0], f"__{key[0]}_{len(scalar_calls) + 1}{suffix}", key[1]))
        edits.append((_start(node), int(node.meta["end"]) + 1, made.name))
    return Rewritten(_edited(query, edits), tuple(calls), spaces, tuple(scalar_calls.values()))


def _scalar_nodes(root: exp.Expr, names: frozenset[str]) -> list[exp.Anonymous]:
    """Return the calls of scalar functions in the order of the text."""
    found = (n for n in root.find_all(exp.Anonymous) if n.name.lower() in names and "start" in n.meta)
    return sorted((n for n in found if not isinstance(n.parent, exp.Table | exp.Lateral)), key=_start)


def _spaces_of(call: exp.Expr) -> tuple[str, ...]:
    """Return the embedding spaces that a call's arguments can come from."""
    qualifiers = {c.table.lower() for c in call.find_all(exp.Column) if c.table}
    scope: exp.Expr | None = call
    while scope is not None:
        scope = scope.find_ancestor(exp.Select) or (None if scope is scope.root() else scope.root())
        tables = _embeddings(scope)
        if own := [t.name for t in tables if t.alias_or_name.lower() in qualifiers] or [t.name for t in tables]:
            return tuple(sorted(set(own)))
    return ()


def _embeddings(scope: exp.Expr | None) -> list[exp.Table]:
    """Return the embedding.<space> in a SELECT's FROM and JOINs, else anywhere in it."""
    if scope is None:
        return []
    sources = [scope.args.get("from_") or scope.args.get("from"), *(scope.args.get("joins") or [])]
    for places in ([s for s in sources if s is not None], [scope]):
        tables = [t for place in places for t in place.find_all(exp.Table) if t.db.lower() == EMBEDDING]
        if tables:
            return tables
    return []


def _calls(root: exp.Expr, names: frozenset[str]) -> Iterator[tuple[exp.Anonymous, exp.Expr]]:
    """Yield the calls that stand where a table stands, each with the node that holds it."""
    for holder in root.find_all(exp.Table, exp.Lateral):
        node = holder.this
        if isinstance(node, exp.Anonymous) and node.name.lower() in names and not holder.args.get("db"):
            yield node, holder


def _call(node: exp.Anonymous, query: str, before: Sequence[Call]) -> Call:
    start = _start(node)
    name = node.name.lower()
    line, column = query.count("\n", 0, start) + 1, start - query.rfind("\n", 0, start)
    place = f"{name}() at line {line}, column {column}"
    arguments: list[Value] = []
    options: dict[str, Value] = {}
    for item in node.expressions:
        if isinstance(item, exp.PropertyEQ | exp.Kwarg):
            key = item.this.name.lower()
            if key in options:
                raise BadCall(f"{place} has {key} twice")
            options[key] = _value(item.expression, place)
        elif options:
            raise BadCall(f"{place}: arguments by position come first, named ones (k := 10) after them")
        elif isinstance(item, exp.EQ) and isinstance(item.this, exp.Column):
            raise BadCall(f"{place}: a named argument is written {item.this.name} := ..., not with = alone")
        else:
            arguments.append(_value(item, place))
    for call in before:
        # by their text: to Python 1 equals true
        if repr((call.function, call.arguments, call.options)) == repr((name, tuple(arguments), options)):
            return call
    relation = _free(f"__{name}_{len(before) + 1}", query)
    return Call(name, tuple(arguments), options, relation, line, column)


def _value(node: exp.Expr, place: str) -> Value:
    """Return what a literal says, or the parameter it is."""
    value: Value | object = _NOT_CONSTANT
    if isinstance(node, exp.Literal):
        value = str(node.this) if node.is_string else _number(str(node.this))
    elif isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        value = -_number(str(node.this.this))
    elif isinstance(node, exp.Boolean):
        value = bool(node.this)
    elif isinstance(node, exp.Null):
        value = None
    elif isinstance(node, exp.Array):
        if not node.find(exp.Placeholder, exp.Parameter):
            value = [_value(item, place) for item in node.expressions]
    elif isinstance(node, exp.Placeholder | exp.Parameter) and node.name:
        value = Parameter(node.name)
    if value is _NOT_CONSTANT:
        raise BadCall(f"{place}: an argument is a literal or a $parameter, found {node.sql(dialect='duckdb')}")
    return cast("Value", value)


_NOT_CONSTANT = object()


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"\d+", text) else float(text)


def _start(node: exp.Expr) -> int:
    return int(node.meta["start"])


def _span(node: exp.Anonymous, query: str) -> tuple[int, int]:
    """Return where a call's text begins and ends, its parentheses included."""
    start = _start(node)
    depth = 0
    for token in DuckDB().tokenize(query):
        if token.start < start:
            continue
        if token.token_type is TokenType.L_PAREN:
            depth += 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
            if depth == 0:
                return start, token.end + 1
    raise BadCall(f"the call at character {start} has no end")  # a query that parsed has one


def _is_named(holder: exp.Expr) -> bool:
    """Tell whether a relation has an alias, or stands where none may: DESCRIBE t, SUMMARIZE t."""
    return bool(holder.args.get("alias")) or isinstance(holder.parent, exp.Describe | exp.Summarize)


def _free(name: str, query: str) -> str:
    """Return a name that the query does not use."""
    while name.lower() in query.lower():
        name += "_"
    return name


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
