"""A query made ready for the engine: what calls of our functions give stands in it as relations."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import FunctionNullHandling, PythonUDFType

from catalog.errors import QueryError, ValuesMissing
from catalog.query.functions import OURS, ScalarFunction, is_scalar, published_tables, scalar_function, table_function
from catalog.query.pivots import listed
from catalog.query.session import Session
from catalog.query.table_relation import held
from catalog.store.engine import with_quoted_where, without_explain
from sql import guard
from sql.guard import Statement
from sql.rewrite import Rewritten, mentions, rewrite
from sql.signatures import BadCall, Parameter, bind
from sql.syntax import NotUnderstood

# In the engine a function has a name of its own in each query: so it is the one of that query's snapshot and spaces,
# and two queries at once do not meet.
_SERIAL = itertools.count(1)
# Words that stand before a parenthesis and are no functions: a query with these alone needs no look at packages.
_WORDS = frozenset(
    {"all", "and", "any", "as", "between", "by", "case", "cross", "cube", "distinct", "else", "except", "exclude"}
    | {"exists", "explain", "filter", "from", "grouping", "having", "ilike", "in", "inner", "intersect", "join", "like"}
    | {"lateral", "limit", "materialized", "not", "on", "or", "over", "pivot", "qualify", "recursive", "replace"}
    | {"rollup", "select", "semi", "sets", "then", "union", "unpivot", "using", "values", "when", "where", "window"}
    | {"with", "within", "decimal", "varchar", "numeric", "struct", "map"}
)


@dataclass(frozen=True)
class Named:
    """What a query may name that must be worked out before the engine sees it: functions, vectors, pivots."""

    table_functions: frozenset[str]
    functions: frozenset[str]
    vectors: bool
    pivots: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return self.rewrites or self.pivots

    @property
    def rewrites(self) -> bool:
        """Whether relations or functions of this query's own take the places of some of its text."""
        return bool(self.table_functions or self.functions or self.vectors)


def named_in(query: str) -> Named:
    """Tell which of our functions, and those of other packages, a query may name.

    Examples
    --------
    >>> sorted(named_in("SELECT * FROM nearest('spectrum', '1575.1.85')").table_functions)
    ['nearest']
    >>> bool(named_in("SELECT count(*) FROM product.event WHERE energy_ev BETWEEN 500 AND (7000)"))
    False
    """
    called = {w.lower() for w in _CALLED.findall(query)} - _WORDS - guard.FUNCTIONS - guard.TABLE_FUNCTIONS
    others = called - OURS.keys()
    tables = called & OURS.keys()
    scalars: set[str] = set()
    if others:  # reading what packages publish takes a tenth of a second, once
        tables |= others & published_tables()
        scalars = {name for name in others if is_scalar(name)}
    pivots = _PIVOT.search(query) is not None
    return Named(frozenset(tables), frozenset(scalars), mentions(query, ()), pivots)


# A word is taken whole and at once, so that a long one is read once, not from each of its letters anew.
_CALLED = re.compile(r'(?<!\w)(\w++)"?+\s*+\(')
_PIVOT = re.compile(r"\bpivot", re.IGNORECASE)


@dataclass(frozen=True)
class Prepared:
    """A query ready for the engine.

    Attributes
    ----------
    statement : Statement
        The query as it was written, checked: what results and errors are told by.
    text : str
        What to run: relations stand in the places of calls.
    parameters : frozenset of str
        The $parameters that calls used.
    called : mapping of str to str
        Scalar functions: name in the engine -> name in the query.
    """

    statement: Statement
    text: str
    parameters: frozenset[str]
    called: Mapping[str, str] = field(default_factory=dict)

    def as_written(self, text: str) -> str:
        """Return a text of the engine (an error, a column's name) with functions named as in the query."""
        for engines, written in self.called.items():
            text = text.replace(engines, written)
        return text


def resolve(query: str, named: Named, session: Session, parameters: Mapping[str, object]) -> Prepared:
    """Run the table functions that a query calls, and register their rows, and vectors, as relations of the session.

    Parameters
    ----------
    query : str
        As the user wrote it.
    named : Named
        See `named_in`.
    session : Session
        Its cursor is in a transaction.
    parameters : mapping
        Values of $parameters.

    Raises
    ------
    ForbiddenStatement
        If the query is not a single read-only one.
    QueryError
        If a call is wrong.
    UnknownName
        If it names a space, source or detection that does not exist.
    """
    explain, inner = without_explain(with_quoted_where(query.strip().rstrip("; \t\r\n")))
    statement = _admitted_as_written(inner, named, session)
    try:
        rewritten = rewrite(inner, named.table_functions, named.functions, f"_{next(_SERIAL)}")
    except NotUnderstood as error:
        if named.rewrites:
            what = ", ".join(sorted(named.table_functions | named.functions)) or "embedding"
            raise QueryError(
                f"{error}; a query with {what} must be read before it is run: write it more plainly"
            ) from error
        rewritten = Rewritten(inner)
    except BadCall as error:
        raise QueryError(str(error)) from error
    values = [v for c in rewritten.calls for v in (*c.arguments, *c.options.values())]
    used = {v.name for v in values if isinstance(v, Parameter)}
    for call in rewritten.scalar_calls:
        _create(call.name, scalar_function(call.function), session.about(call.spaces))
    for relation, space in rewritten.spaces.items():
        session.space(space).register(session.cursor, relation)
    for table_call in rewritten.calls:
        function = table_function(table_call.function)
        try:
            arguments = bind(table_call, function.signature, parameters)
        except BadCall as error:
            raise QueryError(str(error)) from error
        session.cursor.register(table_call.relation, held(function.run(session, arguments)))
    called = {c.name: c.function for c in rewritten.scalar_calls}

    def ask(values: str) -> list[str]:
        admitted = session.admit(values, called)
        given = {name: parameters[name] for name in admitted.parameters if name in parameters}
        return list(session.rows(admitted.text, given).column(0).to_pylist())

    text = listed(rewritten.query, ask) if named.pivots else rewritten.query
    if statement is None:
        statement = replace(session.admit(text, called), query=inner)
    # A call's parameters are the query's too.
    statement = replace(statement, text=explain + statement.query, parameters=statement.parameters | used)
    return Prepared(statement, explain + text, frozenset(used), called)


def _admitted_as_written(query: str, named: Named, session: Session) -> Statement | None:
    """Judge a query before anything is run for it; None if it has a PIVOT that must get its list of values first."""
    try:
        return session.admit(query, named.functions, named.table_functions)
    except ValuesMissing:
        return None


def _create(name: str, function: ScalarFunction, session: Session) -> None:
    """Make a function in the engine, within the query's transaction: it goes with it."""
    try:
        session.cursor.create_function(
            name,
            _on_values(function.make(session), function.parameters),
            # The engine turns FLOAT into DOUBLE by itself, and never the other way: so `f($vector)` works too.
            [parameter.replace("FLOAT[]", "DOUBLE[]") for parameter in function.parameters],
            function.returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )
    except duckdb.Error as error:
        raise QueryError(f"{function.name}(): {error}") from error


def _on_values(answer: Callable[..., pa.Array], parameters: tuple[str, ...]) -> Callable[..., pa.Array]:
    """Return a function that calls another for rows without NULL alone, and lets it answer NULL."""
    floats = [p == "FLOAT[]" for p in parameters]

    @functools.wraps(answer)  # the engine counts its parameters
    def call(*columns: pa.Array) -> pa.Array:
        columns = tuple(pa.concat_arrays(c.chunks) if isinstance(c, pa.ChunkedArray) else c for c in columns)
        columns = tuple(c.cast(pa.list_(pa.float32())) if f else c for c, f in zip(columns, floats, strict=True))
        there = functools.reduce(pc.and_, (pc.is_valid(c) for c in columns))
        if pc.all(there, min_count=0).as_py():
            return answer(*columns)
        # Each row's place among those without NULL; NULL for the others.
        place = pc.if_else(
            there, pc.subtract(pc.cumulative_sum(there.cast(pa.int64())), 1), pa.scalar(None, pa.int64())
        )
        return answer(*(c.filter(there) for c in columns)).take(place)

    return call
