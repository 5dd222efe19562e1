"""Where the columns of a result come from: which unit, UCD and meaning they carry.

A column that a query hands through keeps what the registry says of it, however it is renamed, through subqueries,
CTEs and stars. An aggregate or rounding that keeps the unit keeps it; any other expression has none: better no
unit than a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa
from sqlglot import exp

from catalog.query.names import MACROS, columns_of
from sql.objects import Described
from sql.syntax import NotUnderstood, parse

Outputs = list[tuple[str, Described | None]]
"""Columns in order: name -> what is known of it."""

_KEEP_UNIT = frozenset(
    {"any_value", "approx_quantile", "arg_max", "arg_min", "avg", "first", "first_value", "lag", "last", "last_value"}
    | {"lead", "mad", "max", "mean", "median", "min", "mode", "quantile", "quantile_cont", "quantile_disc", "sum"}
    | {"stddev", "stddev_pop", "stddev_samp", "abs", "ceil", "floor", "round", "trunc", "coalesce", "ifnull", "list"}
)


def trace(
    sql: str, names: Sequence[str], own: Mapping[str, Sequence[Described]] | None = None
) -> list[Described | None]:
    """Tell for each column of a query's result what it is.

    Parameters
    ----------
    sql : str
        The query.
    names : sequence of str
        The result's column names, in order.
    own : mapping of str to sequence of Described, optional
        Tables that the user registered, and their columns.

    Returns
    -------
    list of Described or None
        In the result's order and under its names; None where nothing is known.

    Examples
    --------
    >>> [c and c.unit for c in trace("SELECT obsid, max(energy_ev) m, 2 * x FROM product.event GROUP BY 1", "abc")]
    ['', 'eV', None]
    """
    return list(_trace(sql, tuple(names), tuple((name, tuple(columns)) for name, columns in (own or {}).items())))


@lru_cache(256)  # a program asks the same again and again, for other parameters
def _trace(
    sql: str, names: tuple[str, ...], own: tuple[tuple[str, tuple[Described, ...]], ...]
) -> tuple[Described | None, ...]:
    try:
        outputs = _outputs(parse(sql), {name: [(c.name, c) for c in columns] for name, columns in own})
    except (NotUnderstood, RecursionError):
        return (None,) * len(names)
    by_name = {name.lower(): column for name, column in reversed(outputs)}
    if len(outputs) == len(names):
        # A store that got columns later has them in another order than the registry.
        places = zip(names, outputs, strict=True)
        found = [
            column if name.lower() == out.lower() else by_name.get(name.lower(), column)
            for name, (out, column) in places
        ]
    else:  # a star over something unknown: only names can tell
        found = [by_name.get(name.lower()) for name in names]
    return tuple(replace(column, name=name) if column else None for name, column in zip(names, found, strict=True))


def described(table: pa.Table) -> tuple[Described, ...]:
    """Return the columns of a table that the user registered, with unit, UCD and meaning where it has them."""
    found = []
    for field in table.schema:
        unit, ucd, meaning = _about(field)
        found.append(Described(field.name, meaning, unit, ucd))
    return tuple(found)


def _about(field: pa.Field) -> tuple[str, str, str]:
    about = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
    return about.get("unit", ""), about.get("ucd", ""), about.get("description", "")


@lru_cache(256)
def has_star(sql: str) -> bool:
    """Tell whether a query takes all columns of something, without naming them.

    Examples
    --------
    >>> has_star("FROM lit.paper"), has_star("SELECT p.* FROM lit.paper p"), has_star("SELECT count(*) FROM lit.paper")
    (True, True, False)
    """
    try:
        root = parse(sql)
    except PermissionError:
        return False
    select = root if isinstance(root, exp.Select) else root.find(exp.Select)
    listed = select.expressions if select else []
    return any(isinstance(p.this if isinstance(p, exp.Column) else p, exp.Star) for p in listed)


def meaning(node: exp.Expr) -> Described | None:
    """Tell what an expression within a parsed query is, where it is a column or keeps the unit of one.

    Examples
    --------
    >>> from sql.syntax import parse
    >>> meaning(parse("SELECT 1 FROM product.event AS e WHERE e.energy_ev > 5").find(exp.GT).this).unit
    'eV'
    """
    select = node.find_ancestor(exp.Select)
    if select is None:
        return None
    ctes: dict[str, Outputs] = {}
    for cte in select.root().find_all(exp.CTE):
        ctes[cte.alias.lower()] = _renamed(_outputs(cte.this, ctes), cte.args.get("alias"))
    return _meaning(node, _sources(select, ctes))


def _outputs(node: exp.Expr, ctes: Mapping[str, Outputs]) -> Outputs:
    """Return the columns a query gives."""
    with_ = node.args.get("with_") or node.args.get("with")
    if with_ is not None:
        own = dict(ctes)
        for cte in with_.expressions:
            own[cte.alias.lower()] = _renamed(_outputs(cte.this, own), cte.args.get("alias"))
        ctes = own
    if isinstance(node, exp.SetOperation):
        return _outputs(node.this, ctes)
    if isinstance(node, exp.Subquery):
        return _outputs(node.this, ctes)
    if not isinstance(node, exp.Select):
        return []
    sources = _sources(node, ctes)
    outputs: Outputs = []
    for projection in node.expressions:
        outputs += _projected(projection, sources)
    return outputs


def _sources(select: exp.Select, ctes: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Return what stands in FROM and JOIN: alias -> columns. The columns that USING merges appear once."""
    sources: dict[str, Outputs] = {}
    from_ = select.args.get("from_") or select.args.get("from")
    joins = select.args.get("joins") or []
    for item in [*([from_] if from_ is not None else []), *joins]:
        relation = item.this
        columns = _relation(relation, ctes)
        if isinstance(item, exp.Join):
            if str(item.args.get("kind") or item.args.get("side") or "").upper() in {"SEMI", "ANTI"}:
                continue
            merged = {i.name.lower() for i in item.args.get("using") or []}
            columns = [(n, c) for n, c in columns if n.lower() not in merged] if merged else columns
        sources[(relation.alias_or_name or f"#{len(sources)}").lower()] = columns
        for join in relation.args.get("joins") or []:
            sources[join.this.alias_or_name.lower()] = _relation(join.this, ctes)
    return sources


def _relation(relation: exp.Expr, ctes: Mapping[str, Outputs]) -> Outputs:
    if isinstance(relation, exp.Table):
        if isinstance(relation.this, exp.Func):
            columns: Outputs = [(c.name, c) for c in columns_of(relation.this.name)]
        elif not relation.db and relation.name.lower() in ctes:
            columns = list(ctes[relation.name.lower()])
        else:
            columns = [(c.name, c) for c in columns_of(".".join(p.name for p in relation.parts))]
    else:
        columns = _outputs(relation, ctes)
    return _renamed(columns, relation.args.get("alias"))


def _renamed(columns: Outputs, alias: exp.Expr | None) -> Outputs:
    """Apply the column names of an alias: t(a, b)."""
    new = [i.name for i in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    return [(new[i] if i < len(new) else name, column) for i, (name, column) in enumerate(columns)]


def _projected(projection: exp.Expr, sources: Mapping[str, Outputs]) -> Outputs:
    """Return the columns that one item of a SELECT list gives: several for a star."""
    star = projection.this if isinstance(projection, exp.Column) else projection
    if isinstance(star, exp.Star):
        table = projection.table.lower() if isinstance(projection, exp.Column) else ""
        columns = [c for name, s in sources.items() if not table or name == table for c in s]
        left_out = {e.name.lower() for e in star.args.get("except_") or star.args.get("except") or []}
        replaced = {e.alias.lower() for e in star.args.get("replace") or []}
        return [(n, None if n.lower() in replaced else c) for n, c in columns if n.lower() not in left_out]
    return [(projection.alias_or_name, _meaning(projection, sources))]


def _meaning(node: exp.Expr, sources: Mapping[str, Outputs]) -> Described | None:
    """Tell what an expression is, where it is a column or keeps the unit of one."""
    if isinstance(node, exp.Alias | exp.Paren | exp.Neg | exp.Window | exp.Filter | exp.WithinGroup | exp.Cast):
        return _meaning(node.this, sources)
    if isinstance(node, exp.Column):
        table, name = node.table.lower(), node.name.lower()
        for alias, columns in sources.items():
            if table in {"", alias}:
                for column_name, column in columns:
                    if column_name.lower() == name:
                        return column
        return None
    if isinstance(node, exp.Anonymous):
        function = node.name.lower()
        if function in MACROS and MACROS[function].kind == "scalar macro":
            return MACROS[function].columns[0]
        if function in _KEEP_UNIT and node.expressions:
            of = _meaning(node.expressions[0], sources)
            return Described(of.name, f"{function} of: {of.description}", of.unit) if of else None
    return None
