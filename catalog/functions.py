"""Functions that queries may call besides the engine's own, and how a query that calls them is answered.

Table functions (`nearest`) take their place in a query as relations: see `sql.rewrite`. Other packages publish
functions as entry points, and one is loaded only when a query names it:

* group `photonlake.table_functions`: a `TableFunction`, under the name it is called by;
* group `photonlake.functions`: a `ScalarFunction`, likewise.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from catalog.errors import QueryError
from catalog.session import Session
from sql import guard
from sql.guard import NotUnderstood, Statement
from sql.objects import Described
from sql.rewrite import BadCall, Parameter, Signature, bind, mentions, rewrite

TABLE_GROUP = "photonlake.table_functions"
SCALAR_GROUP = "photonlake.functions"
OURS = {"nearest": "catalog.nearest:NEAREST"}
# Words that stand before a parenthesis and are no functions: a query with these alone needs no look at packages.
_WORDS = frozenset(
    {"all", "and", "any", "as", "between", "by", "case", "cross", "cube", "distinct", "else", "except", "exclude"}
    | {"exists", "explain", "filter", "from", "grouping", "having", "ilike", "in", "inner", "intersect", "join", "like"}
    | {"lateral", "limit", "materialized", "not", "on", "or", "over", "pivot", "qualify", "recursive", "replace"}
    | {"rollup", "select", "semi", "sets", "then", "union", "unpivot", "using", "values", "when", "where", "window"}
    | {"with", "within", "decimal", "varchar", "numeric", "struct", "map"}
)


@dataclass(frozen=True)
class TableFunction:
    """A function that stands in FROM and gives rows.

    Attributes
    ----------
    signature : Signature
        Its name and arguments.
    run : callable
        (session, arguments by name) -> Arrow table.
    columns : tuple of Described
        What it returns: unit, UCD, meaning.
    purpose : str
        One sentence for the reference page.
    """

    signature: Signature
    run: Callable[[Session, Mapping[str, object]], pa.Table]
    columns: tuple[Described, ...]
    purpose: str


@dataclass(frozen=True)
class ScalarFunction:
    """A function of values, vectorised over Arrow.

    Attributes
    ----------
    name : str
    parameters : tuple of str
        DuckDB types: 'FLOAT[]', 'VARCHAR', ...
    returns : str
        DuckDB type.
    make : callable
        session -> the function from Arrow arrays (of at most 2,048 rows) to an Arrow array. Made once per open
        catalog and snapshot; a NULL argument gives NULL without a call.
    columns : tuple of Described
        One: what the value is.
    purpose : str
        One sentence for the reference page.
    """

    name: str
    parameters: tuple[str, ...]
    returns: str
    make: Callable[[Session], Callable[..., pa.Array]]
    columns: tuple[Described, ...] = ()
    purpose: str = ""


@dataclass(frozen=True)
class Named:
    """Functions and vectors that a query may name."""

    table_functions: frozenset[str]
    functions: frozenset[str]
    vectors: bool

    def __bool__(self) -> bool:
        """Whether there are any."""
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
    called = {w.lower() for w in re.findall(r'(\w+)"?\s*\(', query)} - _WORDS - guard.FUNCTIONS - guard.TABLE_FUNCTIONS
    others = called - OURS.keys()
    tables = called & OURS.keys()
    scalars: set[str] = set()
    if others:  # reading what packages publish takes a tenth of a second, once
        tables |= others & _published(TABLE_GROUP).keys()
        scalars = others & _published(SCALAR_GROUP).keys()
    return Named(frozenset(tables), frozenset(scalars), mentions(query, ()))


def table_function(name: str) -> TableFunction:
    """Load a table function by its name."""
    if name in OURS:
        module, _, attribute = OURS[name].partition(":")
        loaded = getattr(importlib.import_module(module), attribute)
    else:
        loaded = _published(TABLE_GROUP)[name].load()
    if not isinstance(loaded, TableFunction):
        raise QueryError(f"{name}: the package that publishes it gives {type(loaded).__name__}, not a TableFunction")
    return loaded


def table_function_names() -> tuple[str, ...]:
    """Return the names of all table functions, ours and those of other packages."""
    return tuple(sorted({*OURS, *_published(TABLE_GROUP)}))


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
    """

    statement: Statement
    text: str
    parameters: frozenset[str]


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
    sql.guard.Refused
        If the query is not a single read-only one.
    QueryError
        If a call is wrong.
    UnknownName
        If it names a space, source or detection that does not exist.
    """
    try:
        statement = guard.check(query, functions=named.functions, table_functions=named.table_functions)
        rewritten = rewrite(statement.query, named.table_functions)
    except NotUnderstood as error:
        what = ", ".join(sorted(named.table_functions | named.functions)) or "embedding"
        raise QueryError(
            f"{error}; a query with {what} must be read before it is run: write it more plainly"
        ) from error
    except BadCall as error:
        raise QueryError(str(error)) from error
    values = [v for c in rewritten.calls for v in (*c.arguments, *c.options.values())]
    used = {v.name for v in values if isinstance(v, Parameter)}
    for name in named.functions & statement.functions:
        _create(_published(SCALAR_GROUP)[name], session)
    for relation, space in rewritten.spaces.items():
        session.cursor.register(relation, session.space(space).relation())
    for call in rewritten.calls:
        function = table_function(call.function)
        try:
            arguments = bind(call, function.signature, parameters)
        except BadCall as error:
            raise QueryError(str(error)) from error
        session.cursor.register(call.relation, function.run(session, arguments))
    explain = statement.text.removesuffix(statement.query)
    # A call's parameters are the query's too, wherever sqlglot sees them.
    statement = replace(statement, parameters=statement.parameters | used)
    return Prepared(statement, explain + rewritten.query, frozenset(used))


def _create(entry: EntryPoint, session: Session) -> None:
    function = entry.load()
    if not isinstance(function, ScalarFunction):
        raise QueryError(f"{entry.name}: its package gives {type(function).__name__}, not a ScalarFunction")
    try:
        session.cursor.create_function(
            entry.name,
            function.make(session),
            list(function.parameters),
            function.returns,
            type=PythonUDFType.ARROW,
        )
    except duckdb.CatalogException:
        return  # an earlier query of this catalog made it


@functools.cache
def _published(group: str) -> dict[str, EntryPoint]:
    return {e.name.lower(): e for e in entry_points(group=group)}
