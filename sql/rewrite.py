"""Find calls of our table functions, and vectors' relations, in a query; put relations in their places.

DuckDB has no table functions in Python. So `FROM nearest('spectrum', '1575.1.85', k := 20) AS n` becomes
`FROM __nearest_1 AS n`, and whoever runs the query registers a relation of that name first. Only the call's own text
is replaced: the rest of the query reaches the engine as it was written. Text in, text out.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB

from sql.syntax import parse

EMBEDDING = "embedding"
"""Schema under which vectors stand in a query: embedding.<space>."""


class BadCall(ValueError):
    """A call that cannot be run; the text says where it stands, what is wrong, and how it is written."""


@dataclass(frozen=True)
class Parameter:
    """A `$name` among a call's arguments."""

    name: str


Constant: TypeAlias = "bool | int | float | str | list[Constant] | None"
Value: TypeAlias = "Constant | Parameter"


@dataclass(frozen=True)
class Call:
    """One call of a table function.

    Attributes
    ----------
    function : str
        Lower case.
    arguments : tuple
        By position: constants or `Parameter`.
    options : dict
        By name.
    relation : str
        Name of the relation that takes its place; equal calls share one.
    line, column : int
        Where it stands in the query, from 1.
    """

    function: str
    arguments: tuple[Value, ...]
    options: Mapping[str, Value]
    relation: str
    line: int = 1
    column: int = 1

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"{self.function}() at line {self.line}, column {self.column}"


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


@dataclass(frozen=True)
class Argument:
    """One argument that a table function takes.

    Attributes
    ----------
    name : str
    kind : str
        What it is, in words: 'text', 'integer', 'number', 'boolean', 'text or vector'.
    default : object
        `REQUIRED` if it must be given.
    description : str
        For the reference page.
    """

    name: str
    kind: str
    default: object
    description: str = ""


REQUIRED = object()


@dataclass(frozen=True)
class Signature:
    """How a table function is called: the first `n_by_position` arguments by position, any by name."""

    function: str
    arguments: tuple[Argument, ...]
    n_by_position: int

    @property
    def text(self) -> str:
        """The call as one types it: "nearest(space, target, k := 10)"."""
        shown = [
            a.name if a.default is REQUIRED or i < self.n_by_position else f"{a.name} := {_shown(a.default)}"
            for i, a in enumerate(self.arguments)
        ]
        return f"{self.function}({', '.join(shown)})"


def bind(call: Call, signature: Signature, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the value of every argument of a call.

    Parameters
    ----------
    call : Call
    signature : Signature
        What its function takes.
    parameters : mapping
        Values of $parameters.

    Raises
    ------
    BadCall
        If there are too many, an unknown one, one twice, one missing, or one of the wrong kind.

    Examples
    --------
    >>> k = Argument("k", "integer", 10)
    >>> bind(Call("f", (), {"k": Parameter("n")}, "__f_1"), Signature("f", (k,), 0), {"n": 3})
    {'k': 3}
    """
    given = _given(call, signature)
    bound: dict[str, object] = {}
    for argument in signature.arguments:
        name = argument.name
        if name not in given:
            if argument.default is REQUIRED:
                raise BadCall(f"{call.place} lacks {name}: {signature.text}")
            bound[name] = argument.default
            continue
        value = given[name]
        if isinstance(value, Parameter):
            if value.name not in parameters:
                raise BadCall(f"{call.place}: no value is given for ${value.name}")
            bound[name] = _kind(_from_text(parameters[value.name], argument.kind), argument, call)
        else:
            bound[name] = _kind(value, argument, call)
    return bound


def _given(call: Call, signature: Signature) -> dict[str, Value]:
    """Return the arguments that a call gives, by name."""
    if len(call.arguments) > signature.n_by_position:
        extra = signature.arguments[signature.n_by_position :][:1]
        hint = f"; write {extra[0].name} := ..." if extra else ""
        raise BadCall(
            f"{call.place} has {len(call.arguments)} arguments by position, it takes {signature.n_by_position}{hint}: "
            f"{signature.text}"
        )
    names = [a.name for a in signature.arguments]
    given = dict(zip(names, call.arguments, strict=False))
    for name, value in call.options.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise BadCall(f"{call.place} has no option {name}{hint}: {signature.text}")
        if name in given:
            raise BadCall(f"{call.place} has {name} twice: {signature.text}")
        given[name] = value
    return given


def _from_text(value: object, kind: str) -> object:
    """Read a number or a truth value from text: a command line has only text to give."""
    if not isinstance(value, str):
        return value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    with contextlib.suppress(ValueError):
        if kind in {"integer", "number"}:
            return int(value) if kind == "integer" else float(value)
    return value


def _kind(value: object, argument: Argument, call: Call) -> object:
    """Return a value if it is of the kind its argument is."""
    if value is None and argument.default is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    right = {
        "text": isinstance(value, str),
        "integer": is_number and isinstance(value, int),
        "number": is_number,
        "boolean": isinstance(value, bool),
        "text or vector": isinstance(value, str) or hasattr(value, "__len__"),
    }[argument.kind]
    if not right:
        raise BadCall(f"{call.place}: {argument.name} is to be {argument.kind}, found {value!r}")
    return value


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


def _shown(value: object) -> str:
    return {"None": "NULL", "True": "true", "False": "false"}.get(repr(value), repr(value))
