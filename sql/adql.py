"""ADQL 2.1 to our dialect: a tree in, a tree out, and nothing that is not on a list of what is offered.

sqlglot reads ADQL best as T-SQL, which has TOP; it then accepts anything, so each part of the tree is looked up here.
What comes out is judged once more, by DuckDB's own tree of it (`sql.guard`), as every query from outside is.

Source: ADQL 2.1 (IVOA Recommendation, 15 December 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from sql.adql_geometry import CONE_DISTANCE, GEOMETRY, SHAPES, NotAdql, geometry, is_argument, shown, sql_of
from sql.adql_grammar import check, parsed
from sql.objects import OBJECTS
from sql.spherical import NoShape

_RENAMED = {"LOG": "ln", "CEILING": "ceil", "TRUNCATE": "trunc"}
_NUMBERS = frozenset(
    {"ABS", "CEILING", "DEGREES", "EXP", "FLOOR", "LOG", "LOG10", "MOD", "PI", "POWER", "RADIANS", "RAND", "ROUND"}
    | {"SQRT", "TRUNCATE", "ACOS", "ASIN", "ATAN", "ATAN2", "COS", "COT", "SIN", "TAN"}
)
_AGGREGATES = frozenset({"AVG", "COUNT", "MAX", "MIN", "SUM"})
_OTHERS = frozenset({"LOWER", "UPPER", "COALESCE", "IN_UNIT", "NULLIF"})
_KEEPS_KIND = frozenset({"ABS", "MAX", "MIN", "SUM", "MOD", "COALESCE"})
FUNCTIONS = _NUMBERS | _AGGREGATES | _OTHERS | GEOMETRY
"""What ADQL has and is offered here, in capitals."""
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "UBIGINT", "HUGEINT", "UTINYINT"})
_INTEGERS |= {"USMALLINT", "UINTEGER"}
_WHOLE = f"IN ({', '.join(repr(k) for k in sorted(_INTEGERS))})"
# Names that no table and no column has: the engine looks for these first.
_QUOTIENT = f"""list_transform([struct_pack(__l := l, __r := r)], lambda __q : CASE WHEN typeof(__q.__l) {_WHOLE}
AND typeof(__q.__r) {_WHOLE} THEN __q.__l // __q.__r ELSE __q.__l / __q.__r END)[1]"""
_FLOATS = frozenset({"FLOAT", "DOUBLE", "REAL"})
_CASTS = {"ROWVERSION": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP", "INT": "INTEGER", "SMALLINT": "SMALLINT"}
_CASTS |= {"BIGINT": "BIGINT", "FLOAT": "REAL", "DOUBLE": "DOUBLE", "CHAR": "VARCHAR", "VARCHAR": "VARCHAR"}
Kinds = Mapping[str, tuple[str, str]]
"""Of a table: column in lower case -> its type as DuckDB spells it, and its unit."""


@dataclass(frozen=True)
class Offered:
    """What a service offers besides ADQL's own.

    Attributes
    ----------
    functions : container of str
        Scalar functions, lower case.
    table_functions : mapping of str to tuple of str
        Functions that stand in FROM, lower case -> names of their arguments, in the order of ADQL.
    renamed : mapping of str to str
        Tables that have another name in the engine, lower case: 'tap_schema.tables' -> '__tap_schema_tables'.
    views : mapping of str to str
        Tables that are a query in the engine, lower case: 'ivoa.obscore' -> 'SELECT ...' in our dialect.
    circles : mapping of str to tuple of str
        Columns that hold a circle of the sky, by full name -> the columns of its centre and of its diameter [deg].
    kinds : callable
        Full name of a table in lower case -> its columns' types and units; none for one that is not known.
    factor : callable
        (from unit, to unit) -> what to multiply with; raises ValueError where there is no such.
    """

    functions: Container[str] = ()
    table_functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    circles: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    kinds: Callable[[str], Kinds] = lambda _: {}
    factor: Callable[[str, str], float] | None = None


def to_duckdb(query: str, offered: Offered | None = None) -> str:
    """Translate one ADQL query.

    Parameters
    ----------
    query : str
    offered : Offered, optional

    Returns
    -------
    str
        The same in DuckDB's dialect.

    Raises
    ------
    NotAdql
        If it is not ADQL, or has a part that is not offered.

    Examples
    --------
    >>> to_duckdb("SELECT TOP 3 ra, 7 / 2 AS three FROM csc.master_source ORDER BY ra")
    'SELECT "ra", 7 // 2 AS "three" FROM "csc"."master_source" ORDER BY "ra" NULLS FIRST LIMIT 3'
    >>> to_duckdb("DROP TABLE csc.master_source")
    Traceback (most recent call last):
    ...
    sql.adql_geometry.NotAdql: ADQL has queries alone: SELECT, or WITH ... SELECT; found DROP
    """
    try:
        root = parsed(query)
        return _Translation(offered or Offered()).of(root).sql(dialect="duckdb", identify=True, comments=False)
    except NoShape as error:
        raise NotAdql(str(error)) from error
    except RecursionError as error:
        raise NotAdql("this query is nested too deep; write IN (...) for many OR") from error


class _Translation:
    def __init__(self, offered: Offered) -> None:
        self._offered = offered

    def of(self, root: exp.Expr) -> exp.Expr:
        """Translate a whole tree, in place; parts before the whole."""
        holder = exp.Paren(this=root)
        self._visit(root)
        made: exp.Expr = holder.this
        first = made
        while not isinstance(first, exp.Select):
            first = first.this
        _name_columns(first)
        return made

    def _visit(self, node: exp.Expr) -> None:
        check(node)
        for child in list(node.iter_expressions()):
            self._visit(child)
        new = self._translated(node)
        if new is not node:
            if isinstance(node, exp.Anonymous):
                new.meta["named"] = node.name.lower()
            node.replace(new)

    def _translated(self, node: exp.Expr) -> exp.Expr:  # noqa: C901, PLR0911 - one line for each kind of node
        match node:
            case exp.Anonymous() if isinstance(node.parent, exp.Table):
                return self._table_call(node)
            case exp.Anonymous():
                return self._call(node)
            case exp.Table():
                return self._table(node)
            case exp.Column():
                return self._column_of(node)
            case exp.EQ() | exp.NEQ():
                return _unwrapped(node)
            case exp.Div():
                return self._quotient(node)
            case exp.DataType():
                return _type(node)
            case exp.HexString():
                return exp.Literal.number(int(str(node.this), 16))
            case exp.SetOperation():
                for side in ("this", "expression"):  # TOP of one side is a LIMIT at its end
                    part = node.args[side]
                    if isinstance(part, exp.Select) and (part.args.get("limit") or part.args.get("offset")):
                        node.set(side, exp.Subquery(this=part))
        return node

    def _table(self, node: exp.Table) -> exp.Expr:
        name = ".".join(p.name for p in node.parts).lower()
        new, query = self._offered.renamed.get(name), self._offered.views.get(name)
        if not new and not query:
            return node
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
        made = exp.Subquery(this=sql_of(query)) if query else exp.Table(this=exp.to_identifier(new))
        made.set("alias", alias)
        made.set("joins", node.args.get("joins"))
        made.meta["adql"] = name
        return made

    def _column_of(self, node: exp.Column) -> exp.Expr:
        """Write a column: without the schema of a table that has another name here; a circle as the shape it is."""
        full = f"{node.db}.{node.table}".lower()
        if node.db and (full in self._offered.renamed or full in self._offered.views):
            node.set("db", None)
        table = node.args.get("table")
        if isinstance(node.parent, exp.Anonymous) and node.parent.name.upper() in GEOMETRY:
            circle = self._offered.circles.get(f"{(self._source(node) or ('', ''))[0]}.{node.name.lower()}")
            if circle:
                ra, dec, width = (exp.column(c, table and table.copy(), quoted=True) for c in circle)
                return exp.Anonymous(this="CIRCLE", expressions=[ra, dec, exp.Div(this=width, expression=sql_of("2"))])
        return node

    def _table_call(self, node: exp.Anonymous) -> exp.Expr:
        name = node.name.lower()
        names = self._offered.table_functions.get(name)
        if names is None:
            there = ", ".join(sorted(self._offered.table_functions)) or "none"
            raise NotAdql(f"there is no table function {name}; there are {there}")
        given = node.expressions
        if len(given) > len(names):
            raise NotAdql(f"{name}({', '.join(names)}) has no place for {len(given)} arguments")
        for part in given:  # a function may be told a table by its name
            if part.is_string and (new := self._offered.renamed.get(part.name.lower())):
                part.replace(exp.Literal.string(new))
        given = node.expressions
        return exp.Anonymous(
            this=name,
            expressions=[
                exp.PropertyEQ(this=exp.to_identifier(n), expression=g) for n, g in zip(names, given, strict=False)
            ]
            if _takes_names(name)
            else given,
        )

    def _call(self, node: exp.Anonymous) -> exp.Expr:  # noqa: PLR0911 - one line for each kind of function
        name, given = node.name.upper(), node.expressions
        if name in GEOMETRY or name == CONE_DISTANCE:
            return node if name in {*SHAPES, "CENTROID"} and is_argument(node) else geometry(name, node)
        if name == "IN_UNIT":
            return self._in_unit(node)
        if name == "RAND":
            if given:
                raise NotAdql("RAND takes no seed here; write RAND()")
            return exp.Anonymous(this="random", expressions=[])
        if name == "TRUNCATE" and len(given) > 1:
            x, n = (f"({g.sql('duckdb')})" for g in given)
            return sql_of(f"trunc({x} * power(10, {n})) / power(10, {n})")
        if name == "COUNT" and len(given) == 1 and isinstance(given[0], exp.Star):
            return exp.Count(this=exp.Star())
        if name in _AGGREGATES and given and isinstance(given[0], exp.Distinct):
            return node
        if name in FUNCTIONS:
            return exp.Anonymous(this=_RENAMED.get(name, name.lower()), expressions=given)
        if node.name.lower() in self._offered.functions:
            return node
        raise NotAdql(f"there is no function {name} here; ADQL's are {', '.join(sorted(FUNCTIONS))}")

    def _in_unit(self, node: exp.Anonymous) -> exp.Expr:
        if len(node.expressions) != 2 or not node.expressions[1].is_string:  # noqa: PLR2004 - value and unit
            raise NotAdql("IN_UNIT takes a column and a unit: IN_UNIT(flux_aper_b, 'W.m**-2')")
        value, wanted = node.expressions[0], node.expressions[1].name
        inner = value.unnest() if isinstance(value, exp.Paren) else value
        known = self._column(inner) if isinstance(inner, exp.Column) else None
        if known is None or self._offered.factor is None:
            raise NotAdql(f"IN_UNIT takes a column of a table, found {shown(value)}")
        if not known[1]:
            raise NotAdql(f"IN_UNIT: {shown(value)} has no unit")
        try:
            factor = self._offered.factor(known[1], wanted)
        except ValueError as error:
            raise NotAdql(f"IN_UNIT: {shown(value)} is in {known[1]}: {error}") from error
        return sql_of(f"(({value.sql('duckdb')}) * {float(factor)!r})")

    def _quotient(self, node: exp.Div) -> exp.Expr:
        """Write a division: of integers it is one of integers, as ADQL has it."""
        kinds = {self._kind(node.left), self._kind(node.right)}
        form = "l // r" if kinds == {"integer"} else "l / r" if "float" in kinds else _QUOTIENT
        made = sql_of(form)
        # Each side is put in once, as a tree: a quotient of quotients stays short, and is not parsed again.
        sides = {"l": node.left, "r": node.right}
        for place in [c for c in made.find_all(exp.Column) if not c.table]:
            side = sides[place.name]
            place.replace(exp.Paren(this=side) if isinstance(side, exp.Binary) else side)
        return made

    def _kind(self, node: exp.Expr) -> str:  # noqa: PLR0911 - as above
        """Return 'integer', 'float', or '' where that is not known before the query runs."""
        match node:
            case exp.Literal():
                return "" if node.is_string else "integer" if node.name.isdigit() else "float"
            case exp.Paren() | exp.Neg():
                return self._kind(node.this)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.IntDiv():
                kinds = {self._kind(node.left), self._kind(node.right)}
                return "float" if "float" in kinds else kinds.pop() if len(kinds) == 1 else ""
            case exp.Cast():
                return _kind_of(node.to.sql("duckdb"))
            case exp.Count():
                return "integer"
            case exp.Anonymous() if node.name.upper() == "COUNT":
                return "integer"
            case exp.Anonymous() if node.name.upper() in _KEEPS_KIND and node.expressions:
                return self._kind(node.expressions[0])
            case exp.Anonymous() if node.name.upper() in {"AVG", *_NUMBERS, "LN"}:
                return "float"
            case exp.Column():
                return _kind_of((self._column(node) or ("", ""))[0])
            case _:
                return ""

    def _column(self, node: exp.Column) -> tuple[str, str] | None:
        """Return the type and unit of a column, where it is one of a table that is known."""
        found = self._source(node)
        return found and found[1]

    def _source(self, node: exp.Column) -> tuple[str, tuple[str, str]] | None:
        """Return the full name of the table that a column is of, and its type and unit."""
        scope = node.find_ancestor(exp.Select)
        while scope is not None:
            sources = [scope.args.get("from_"), *(scope.args.get("joins") or [])]
            tables = [
                t
                for s in sources
                if s is not None
                for t in s.find_all(exp.Table, exp.Subquery)
                if t.find_ancestor(exp.Select) is scope and (isinstance(t, exp.Table) or "adql" in t.meta)
            ]
            for table in tables:
                if not node.table or table.alias_or_name.lower() == node.table.lower():
                    full = table.meta.get("adql") or _full_name(table)
                    if (known := self._offered.kinds(full).get(node.name.lower())) is not None:
                        return full, known
            scope = scope.find_ancestor(exp.Select)
        return None


def _full_name(table: exp.Table) -> str:
    if not isinstance(table.this, exp.Identifier):  # a function that gives rows
        return str(table.this.name).lower()
    return ".".join(p.name for p in table.parts).lower()


def _takes_names(function: str) -> bool:
    """Tell whether a function's arguments have names in the engine; those of a macro have places."""
    return not any(o.full_name == function and o.kind == "table macro" for o in OBJECTS)


def _unwrapped(node: exp.EQ | exp.NEQ) -> exp.Expr:
    """Write 1 = CONTAINS(...) as the bare condition: scans can then skip."""
    for side, other in ((node.left, node.right), (node.right, node.left)):
        if side.meta.get("condition") and isinstance(other, exp.Literal) and other.name in {"0", "1"}:
            wanted = (other.name == "1") == isinstance(node, exp.EQ)
            return side.this if wanted else exp.Not(this=side.this)
    return node


def _type(node: exp.DataType) -> exp.Expr:
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if name not in _CASTS:
        raise NotAdql(f"CAST to {name} is not ADQL; there are {', '.join(sorted(set(_CASTS.values())))}")
    return exp.DataType.build(_CASTS[name], dialect="duckdb")


def _name_columns(select: exp.Select) -> None:
    """Name what is computed: a file's column needs a name that is one."""
    for place, column in enumerate(select.expressions, 1):
        if not isinstance(column, exp.Alias | exp.Column | exp.Star):
            name = column.meta.get("named") or (column.name.lower() if isinstance(column, exp.Anonymous) else "")
            name = name or ("count" if isinstance(column, exp.Count) else f"column_{place}")
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def _kind_of(type_: str) -> str:
    return "integer" if type_ in _INTEGERS else "float" if type_ in _FLOATS else ""
