"""What has a name in a store, and what is like a name that is not there: tables, columns, ids, values.

A query without rows is no error; but a misspelt name gives none, too. So an answer without rows is told why, where
that can be told: a table is empty, or has no row with a value that the query wants, and which are near to it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from catalog.errors import NotYet, PhotonlakeError, UnknownName, suggestion
from catalog.query import functions
from catalog.schema import SCHEMAS, TABLES
from catalog.schema.columns import quote
from catalog.schema.identifiers import is_source_name, source_name
from sql.objects import OBJECTS, Described, SqlObject
from sql.syntax import NotUnderstood, parse

_LONG_ENOUGH = 4
_ALIKE = 0.75

VIEWS: dict[str, SqlObject] = {o.full_name: o for o in OBJECTS if o.kind == "view"}
MACROS: dict[str, SqlObject] = {o.full_name: o for o in OBJECTS if o.kind != "view"}

VECTOR_COLUMNS = (
    Described("id", "detection_id or bibcode; spectrum_id of a spectrum that is of no detection", ucd="meta.id"),
    Described("name", "Source the detection belongs to; the bibcode of a paper", ucd="meta.id;src"),
    Described("modality", "What the vector was made from: spectrum, events, papers, properties"),
    Described("encoder_id", "Encoder that made it: meta.encoder", ucd="meta.id"),
    Described("input_sha256", "Hash of what the encoder read"),
    Described("vector", "The vector"),
    Described("vector_sigma", "Standard deviation of each number of the vector; NULL where the encoder tells none"),
)
"""Columns of every embedding.<space>."""


def relations() -> tuple[str, ...]:
    """Return the names of all tables and views, sorted."""
    return tuple(sorted({*TABLES, *VIEWS}))


def columns_of(name: str) -> tuple[Described, ...]:
    """Return the columns of a table, view or table macro; nothing for a name that is none.

    Examples
    --------
    >>> next(c.unit for c in columns_of("product.event") if c.name == "energy_ev")
    'eV'
    """
    name = name.lower().removeprefix("lake.")
    if name in TABLES:
        return tuple(Described(c.name, c.description, c.unit, c.ucd) for c in TABLES[name].columns)
    if name == "cone":
        return (*columns_of("csc.master_source"), *MACROS["cone"].columns)
    if name in functions.OURS:
        return functions.table_function(name).columns
    if name.startswith("embedding."):
        return VECTOR_COLUMNS
    item = VIEWS.get(name) or MACROS.get(name)
    return item.columns if item else ()


def known_columns(names: tuple[str, ...] | frozenset[str]) -> tuple[str, ...]:
    """Return the names of the columns of several relations."""
    return tuple(c.name for name in names for c in columns_of(name))


def unknown(name: str, what: str = "table or view") -> UnknownName:
    """Make the error for a name that does not exist, with the nearest that does.

    Examples
    --------
    >>> print(unknown("product.evnt"))
    there is no table or view product.evnt; did you mean product.event?; SHOW TABLES lists them all
    >>> print(str(unknown("sources")).partition("; ")[2])
    did you mean csc.master_source or csc.observation_source?; SHOW TABLES lists them all
    >>> print(unknown("product.event"))
    no product.event here: store or snapshot is older; bring the store up to date: python -m catalog init --store STORE
    """
    asked_for = (n for n in relations() if n not in TABLES or not TABLES[n].merged_into)
    known = (*asked_for, *MACROS)
    if name.lower() in SCHEMAS and what != "schema":
        there = ", ".join(k for k in relations() if k.startswith(f"{name.lower()}."))
        return UnknownName(f"{name} is a schema; name one of its tables or views: {there}")
    if name.lower() in (*known, *SCHEMAS):
        return not_yet(name)
    return UnknownName(f"there is no {what} {name}{_meant(name.lower(), known)}; SHOW TABLES lists them all")


def _meant(name: str, known: tuple[str, ...]) -> str:
    """Suggest what was meant: a name without its schema or with another, a part of one, or a misspelt one."""
    last, stem = name.rpartition(".")[2], name.rpartition(".")[2].removesuffix("s")
    if same := [k for k in known if k.rpartition(".")[2] == last]:
        return f"; did you mean {same[0]}?"
    if hint := suggestion(name, known, n=1, cutoff=_ALIKE):
        return hint
    if len(last) < _LONG_ENOUGH:  # of very short names anything would be near
        return ""
    part = [k for k in known if stem in k.rpartition(".")[2]]
    part.sort(key=lambda k: (not k.startswith("csc."), not k.startswith("product."), k.rpartition(".")[2] != stem, k))
    lasts = {k.rpartition(".")[2]: k for k in reversed(known)}
    near = part[:2] or [lasts[m] for m in difflib.get_close_matches(last, lasts, n=1)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def not_yet(name: str) -> NotYet:
    """Make the error for a name of this version that an older store, or an older snapshot, does not have."""
    return NotYet(
        f"no {name} here: store or snapshot is older; bring the store up to date: python -m catalog init --store STORE"
    )


Ask = Callable[[str, Mapping[str, object]], list[tuple[object, ...]]]
"""Answers a query with its rows, given the values of its $parameters."""

_FEW = 3
_DETECTIONS = (
    "SELECT detection_id AS id, obsid, name FROM csc.observation_source WHERE detection_id IS NOT NULL UNION ALL "
    "SELECT detection_id, obsid, NULL FROM product.header WHERE detection_id IS NOT NULL"
)
_NO_DETECTION = re.compile(r"no detection '?(.+?)'?(?:;|$)")


def instead_of_detection(ask: Ask, text: str) -> str:
    """Return '; did you mean ...?' for what is no detection of a store, or an empty text.

    Parameters
    ----------
    ask : callable
    text : str
        An id that is not there, a source's name, or an ObsID.
    """
    if is_source_name(text):
        given = {"text": source_name(text)}
        found = _texts(ask, f"SELECT DISTINCT id FROM ({_DETECTIONS}) WHERE name = $text ORDER BY id", given)
        listed = ", ".join(found[:_FEW]) + (f" and {len(found) - _FEW} more" if len(found) > _FEW else "")
        return f"; {given['text']} is a source, with the detections {listed}" if found else ""
    given = {"text": text, "obsid": text.partition(".")[0]}
    nearest = (
        f"SELECT id FROM (SELECT DISTINCT id, obsid FROM ({_DETECTIONS})) "
        "WHERE obsid = TRY_CAST($obsid AS BIGINT) OR levenshtein(id, $text) <= 2 "
        f"ORDER BY obsid IS DISTINCT FROM TRY_CAST($obsid AS BIGINT), levenshtein(id, $text), id LIMIT {_FEW}"
    )
    found = _texts(ask, nearest, given)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def with_near_detections(ask: Ask, message: str) -> str:
    """Add to a message that there is no such detection which ones are near."""
    match = _NO_DETECTION.search(message)
    return message + (instead_of_detection(ask, match[1]) if match else "")


def why_empty(ask: Ask, query: str, given: Mapping[str, object]) -> list[str]:
    """Say why a query may have no rows.

    Parameters
    ----------
    ask : callable
        Answers further queries of the same snapshot.
    query : str
    given : mapping of str to object
        Values of its $parameters.

    Returns
    -------
    list of str
        A sentence each; empty where nothing can be told.
    """
    try:
        root = parse(query)
    except NotUnderstood:
        return []
    said = []
    own = {cte.alias.lower() for cte in root.find_all(exp.CTE)}
    tables = [t for t in root.find_all(exp.Table) if _name(t) in relations() and _name(t) not in own]
    wanted = list(_wanted(root, given))
    said += [f"{c} = NULL is never true; write {c} IS NULL" for c in (c.sql("duckdb") for c, v in wanted if v is None)]
    try:
        if empty := [t for t in dict.fromkeys(map(_name, tables)) if not ask(f"SELECT 1 FROM {t} LIMIT 1", {})]:
            return [f"{name} has no rows" for name in empty]
        if said:
            return said[:_FEW]
        placed = [(table, c.name) for c in _compared(root) if (table := _table_of(c, tables))]
        if nulls := [p for p in placed if _is_empty(ask, *p)]:
            return [f"{table} has no value of {column}: it is NULL in every row" for table, column in nulls[:_FEW]]
        for column, value in wanted:
            if (table := _table_of(column, tables)) and (sentence := _not_there(ask, table, column.name, value)):
                said.append(sentence)
    except PhotonlakeError:  # to say more is not worth an error
        pass
    return said[:_FEW]


def _not_there(ask: Ask, table: str, column: str, value: object) -> str:
    """Say that no row of a table has a value, and which are near; an empty text where one has."""
    name = quote(column)
    if ask(f"SELECT 1 FROM {table} WHERE {name} = $value LIMIT 1", {"value": value}):
        return ""
    if column.lower() == "detection_id":
        return f"{table} has no {column} {value!r}{instead_of_detection(ask, str(value))}"
    nearest = (
        "SELECT v, n, levenshtein(lower(v), lower($value)) AS apart FROM (SELECT v, count(*) OVER () AS n FROM "
        f"(SELECT DISTINCT {name}::VARCHAR AS v FROM {table} WHERE {name} IS NOT NULL)) ORDER BY apart, v LIMIT {_FEW}"
    )
    rows = ask(nearest, {"value": str(value)})
    alike = max(1, min(3, len(str(value)) // 4))
    near = [str(v) for v, n, apart in rows if n == len(rows) or int(str(apart)) <= alike]
    shown = ", ".join(repr(v) if isinstance(value, str) else v for v in near)
    return f"{table} has no {column} {value!r}{f'; nearest: {shown}' if near else ''}"


def _is_empty(ask: Ask, table: str, column: str) -> bool:
    return not ask(f"SELECT 1 FROM {table} WHERE {quote(column)} IS NOT NULL LIMIT 1", {})


def _compared(root: exp.Expr) -> list[exp.Column]:
    """Return the columns that a query compares with something, each once."""
    sides = (s for n in root.find_all(exp.Predicate, exp.Between, exp.In) for s in n.iter_expressions())
    return list({c.sql(): c for c in sides if isinstance(c, exp.Column)}.values())


def _wanted(root: exp.Expr, given: Mapping[str, object]) -> Iterator[tuple[exp.Column, object]]:
    """Yield the columns that a query compares with a value by = or IN, and the value; None for NULL."""
    for node in root.find_all(exp.EQ, exp.In):
        sides = [node.this, *(node.expressions if isinstance(node, exp.In) else [node.expression])]
        columns = [s for s in sides if isinstance(s, exp.Column)]
        if len(columns) == 1 and not isinstance(node.parent, exp.Not | exp.Or):
            if isinstance(node, exp.EQ) and any(isinstance(s, exp.Null) for s in sides):
                yield columns[0], None
            for value in _values(sides, given):
                yield columns[0], value


def _values(nodes: list[exp.Expr], given: Mapping[str, object]) -> list[object]:
    """Return the texts and whole numbers among expressions: literals, and values of $parameters."""
    found: list[object] = []
    for node in nodes:
        if isinstance(node, exp.Literal) and (node.is_string or str(node.this).isdigit()):
            found.append(str(node.this) if node.is_string else int(node.this))
        elif isinstance(node, exp.Placeholder | exp.Parameter) and isinstance(value := given.get(node.name), str | int):
            found.append(value)
    return found


def _table_of(column: exp.Column, tables: list[exp.Table]) -> str:
    """Return the table or view that a column is of: by its alias, else the one that has it."""
    for table in tables:
        if column.table and column.table.lower() != table.alias_or_name.lower():
            continue
        if any(c.name.lower() == column.name.lower() for c in columns_of(_name(table))):
            return _name(table)
    return ""


def _name(table: exp.Table) -> str:
    return ".".join(p.name for p in table.parts).lower().removeprefix("lake.")


def _texts(ask: Ask, query: str, given: Mapping[str, object]) -> list[str]:
    return [str(row[0]) for row in ask(query, given)]
