"""Conditions and queries that users type: parsed, held against a list of what is allowed, and written anew.

Nothing that a user types is pasted into a query. sqlglot reads ADQL best as T-SQL, and then accepts anything;
so each node of the tree is looked up in a list of what a condition may contain.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from catalog.errors import suggestion
from ingest.remote.errors import QueryRefused
from ingest.tables.column_names import COLUMNS, MASTER, OBSERVATION

_DIALECT = "tsql"

_CONNECTIVES: tuple[type[exp.Expression], ...] = (exp.And, exp.Or, exp.Not, exp.Paren)
_COMPARISONS: tuple[type[exp.Expression], ...] = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Between,
    exp.In,
    exp.Is,
    exp.Like,
)
_VALUES: tuple[type[exp.Expression], ...] = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Null,
    exp.Neg,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Abs,
)
_ALLOWED = _CONNECTIVES + _COMPARISONS + _VALUES

_QUERY_NODES: tuple[type[exp.Expression], ...] = (
    *_ALLOWED,
    exp.Select,
    exp.From,
    exp.Where,
    exp.Join,
    exp.Table,
    exp.TableAlias,
    exp.Alias,
    exp.Star,
    exp.Order,
    exp.Ordered,
    exp.Group,
    exp.Having,
    exp.Limit,
    exp.Distinct,
    exp.Subquery,
    exp.Exists,
    exp.Count,
    exp.Min,
    exp.Max,
    exp.Avg,
    exp.Sum,
    exp.Sqrt,
    exp.Pow,
    exp.Log,
    exp.Ln,
    exp.Exp,
    exp.Floor,
    exp.Ceil,
    exp.Round,
    exp.Cos,
    exp.Sin,
    exp.Tan,
    exp.Acos,
    exp.Asin,
    exp.Atan,
    exp.Atan2,
    exp.Radians,
    exp.Degrees,
    exp.Mod,
    exp.Pi,
    exp.Lower,
    exp.Upper,
    exp.Contains,
    exp.Anonymous,
)
_GEOMETRY = frozenset({"POINT", "CIRCLE", "BOX", "POLYGON", "INTERSECTS", "DISTANCE", "COORD1", "COORD2", "AREA"})
_GEOMETRY |= {"CONTAINS", "LOG10", "TRUNCATE", "CONE_DISTANCE"}

ALIASES = {MASTER: "m", OBSERVATION: "o"}
_TABLES = {"m": MASTER, "master_source": MASTER, "o": OBSERVATION, "observation_source": OBSERVATION}
_OF_SOURCES = frozenset({"name", "ra", "dec", "significance", "likelihood", "likelihood_class"})
"""Columns of both tables that mean the source where nothing else is said."""

_OTHER = {"match_type": "a", "detect_stack_id": "s"}


def parse_condition(text: str) -> str:
    """Read a condition on columns of the catalog and write it anew, each column with its table.

    Parameters
    ----------
    text : str
        'var_prob_b > 0.9 and flux_significance_b > 5'. A column that sources and detections both have needs
        its table: 'm.hard_hs' (of the source) or 'o.hard_hs' (of the detection).

    Returns
    -------
    str
        SQL with the aliases m, o, a, s of the five-table join.

    Raises
    ------
    QueryRefused
        If it is no condition, contains anything but comparisons, or a column that the catalog has not.

    Examples
    --------
    >>> parse_condition("var_prob_b > 0.9 and flux_significance_b > 5")
    'o.var_prob_b > 0.9 AND o.flux_significance_b > 5'
    >>> parse_condition("theta < 10; drop table x")
    Traceback (most recent call last):
    ingest.remote.errors.QueryRefused: --where takes one condition, not several statements
    """
    where = _parse_one(f"SELECT 1 WHERE {text}\n", "--where")
    if not isinstance(where, exp.Select) or set(_given(where)) != {"expressions", "where"}:
        raise QueryRefused(f"--where takes a condition such as 'theta < 10', not {text!r}")
    condition = where.args["where"].this
    for node in condition.walk():
        if not isinstance(node, _ALLOWED):
            raise QueryRefused(f"--where takes comparisons of columns; {node.sql(_DIALECT)[:80]!r} is none of these")
        node.comments = None
    if not isinstance(condition, _CONNECTIVES + _COMPARISONS):
        raise QueryRefused(f"--where takes a condition such as 'theta < 10', not {text!r}")
    for column in condition.find_all(exp.Column):
        _qualify(column)
    return str(condition.sql(_DIALECT, comments=False))


def check_query(text: str, schema: str) -> str:
    r"""Let a user's own ADQL through if it is one SELECT from the catalog's tables.

    Parameters
    ----------
    text : str
        ADQL.
    schema : str
        Schema of the release: 'csc21'.

    Returns
    -------
    str
        The query as typed, on one line, without a semicolon.

    Raises
    ------
    QueryRefused
        If it is anything else.

    Examples
    --------
    >>> check_query("SELECT TOP 5 name FROM csc21.master_source\nWHERE var_flag = 1", "csc21")
    'SELECT TOP 5 name FROM csc21.master_source WHERE var_flag = 1'
    """
    tree = _parse_one(text, "--adql")
    if not isinstance(tree, exp.Select):
        raise QueryRefused(f"--adql takes one SELECT, not {type(tree).__name__.upper()}")
    for node in tree.walk():
        if not isinstance(node, _QUERY_NODES):
            raise QueryRefused(f"--adql takes what ADQL has; {node.sql(_DIALECT)[:80]!r} is no part of it")
        if isinstance(node, exp.Anonymous) and str(node.this).upper() not in _GEOMETRY:
            raise QueryRefused(f"--adql: ADQL has no function {node.this}{suggestion(str(node.this), _GEOMETRY)}")
        if isinstance(node, exp.Select) and node.args.get("into"):
            raise QueryRefused("--adql takes one SELECT that writes nothing")
        if node.comments:
            raise QueryRefused("--adql takes no comments: leave them out")
    for table in tree.find_all(exp.Table):
        if table.db.lower() not in {schema, "tap_schema", "ivoa"} or table.catalog:
            raise QueryRefused(
                f"--adql asks tables of the release, such as {schema}.master_source; {table.sql(_DIALECT)!r} is none"
            )
    return _one_line(text)


def _one_line(text: str) -> str:
    """Fold blanks outside string literals."""
    parts = text.strip().rstrip(";").split("'")
    parts[::2] = [" ".join(f"|{p}|".split())[1:-1] if p.strip() else p[:1] for p in parts[::2]]
    return "'".join(parts)


def _parse_one(text: str, option: str) -> exp.Expression:
    try:
        trees = [t for t in sqlglot.parse(text, dialect=_DIALECT) if isinstance(t, exp.Expression)]
        if len(trees) == 1 and sum(1 for _ in trees[0].walk()) > 0:
            return trees[0]
    except (SqlglotError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else "too deep"
        raise QueryRefused(f"{option} cannot be read: {said.replace(chr(27), '')}") from None
    raise QueryRefused(f"{option} takes one {'condition' if option == '--where' else 'SELECT'}, not several statements")


def _given(tree: exp.Expression) -> list[str]:
    return [key for key, value in tree.args.items() if value]


def _qualify(column: exp.Column) -> None:
    """Give a column its table, or say what is wrong with it."""
    name, table = column.name.lower(), column.table.lower()
    if column.args.get("db"):
        table = f"{column.args['db'].name}.{table}".rpartition(".")[2]
    homes = [t for t, columns in COLUMNS.items() if name in columns and name not in {"release", "detection_id"}]
    if name in _OTHER and table in {"", _OTHER[name], "o"}:
        alias = _OTHER[name]
    elif table and table not in _TABLES:
        raise QueryRefused(f"--where: {table}.{name}: the tables are m (sources) and o (detections)")
    elif table:
        if _TABLES[table] not in homes:
            raise _unknown(name, COLUMNS[_TABLES[table]])
        alias = ALIASES[_TABLES[table]]
    elif not homes:
        raise _unknown(name, COLUMNS[MASTER] | COLUMNS[OBSERVATION])
    elif len(homes) > 1 and name not in _OF_SOURCES:
        raise QueryRefused(f"--where: sources and detections both have {name}: write m.{name} (source) or o.{name}")
    else:
        alias = ALIASES[homes[0]]
    column.replace(exp.column(exp.to_identifier(name), table=alias))


def _unknown(name: str, known: frozenset[str]) -> QueryRefused:
    return QueryRefused(f"--where: the catalog has no column {name}{suggestion(name, sorted(known))}")
