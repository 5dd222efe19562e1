"""Tell whether a statement is a single read-only query, and what it touches.

DuckDB parses the text, and this module reads the tree that DuckDB made of it. A statement passes only if every part
of its tree is on a list of what is allowed: kinds of nodes, operators, functions, table functions (sql/allowed.txt).
What is not on a list is refused, so that what a new version of DuckDB adds is refused too until a person has looked at
it. No other parser has a say: two parsers that read a text differently leave a gap between them.

Tree in, verdict out: no database, no files but our own list.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import TypeAlias

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


@dataclass(frozen=True)
class Statement:
    """A statement that passed.

    Attributes
    ----------
    text : str
        What to run.
    query : str
        The query inside EXPLAIN; else the same as `text`.
    tables : frozenset of str
        Tables and views it names, as written; names of its own CTEs are not among them.
    functions, table_functions : frozenset of str
        Functions it calls, lower case.
    parameters : frozenset of str
        Its $parameters.
    """

    text: str
    query: str
    tables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    table_functions: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()

    @property
    def explains(self) -> bool:
        """Whether it asks for the plan instead of the rows."""
        return self.query != self.text


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

OPERATORS: frozenset[str] = _ALLOWED["operators"]
"""Functions that are written between or before their arguments."""

_PLAIN_NAME = re.compile(r"\w[\w$ +-]*")
READ_ONLY = (
    "only one read-only query is answered at a time: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, PIVOT, EXPLAIN"
)
_METADATA = "__ducklake_metadata"
NO_FILES = (
    "Chandra's files come in through: python -m ingest files PATH; a table of your own: --with mine=PATH, "
    "or cat.register('mine', PATH)"
)


def judge(text: str, tree: Json, *, functions: Iterable[str] = (), table_functions: Iterable[str] = ()) -> Statement:
    """Let exactly one read-only query through.

    Parameters
    ----------
    text : str
        The query, without EXPLAIN.
    tree : JSON
        DuckDB's tree of this very text: what `json_serialize_sql` answers, parsed.
    functions, table_functions : iterable of str, optional
        Names allowed besides `FUNCTIONS` and `TABLE_FUNCTIONS`.

    Returns
    -------
    Statement
        What it touches.

    Raises
    ------
    Refused
        If it is not one statement, names a file as a table, or has a part that is not on the lists.

    Examples
    --------
    >>> table = {"type": "BASE_TABLE", "catalog_name": "", "schema_name": "", "table_name": "a.csv"}
    >>> judge("FROM 'a.csv'", {"error": False, "statements": [{"node": table}]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    sql.guard.Refused: 'a.csv' is a file, not a table of the store; Chandra's files come in through: ...
    """
    statements = tree.get("statements") if isinstance(tree, dict) and tree.get("error") is False else None
    if not isinstance(statements, list) or len(statements) != 1:
        n = len(statements) if isinstance(statements, list) else 0
        raise Refused(f"{n} statements at once; {READ_ONLY}" if n else f"there is no statement; {READ_ONLY}")
    found = _Found(FUNCTIONS | _lower(functions), TABLE_FUNCTIONS | _lower(table_functions))
    for node in nodes(statements):
        found.look_at(node)
    return Statement(
        text,
        text,
        frozenset(t for t in found.tables if t.lower() not in found.own),
        frozenset(found.functions),
        frozenset(found.table_functions),
        frozenset(found.parameters),
    )


class _Found:
    """What a tree's nodes name so far; `look_at` refuses a node that is not on the lists."""

    def __init__(self, functions: frozenset[str], table_functions: frozenset[str]) -> None:
        self._allowed, self._allowed_tables = functions, table_functions
        self._table_calls: set[int] = set()
        self.tables: set[str] = set()
        self.own: set[str] = set()
        self.functions: set[str] = set()
        self.table_functions: set[str] = set()
        self.parameters: set[str] = set()

    def look_at(self, node: dict[str, Json]) -> None:
        kind, of_expression = node.get("type"), node.get("class")
        if "class" in node:
            if of_expression not in _ALLOWED["expressions"]:
                raise Refused(f"{of_expression} has no place in a query; {READ_ONLY}")
            if "function_name" in node and id(node) not in self._table_calls:
                self._call(str(node["function_name"] or "count").lower())
            elif of_expression == "PARAMETER":
                self.parameters.add(str(node.get("identifier")))
        elif isinstance(kind, str):
            if kind not in _ALLOWED["nodes"]:
                raise Refused(f"{kind} has no place in a query; {READ_ONLY}")
            self._relation(kind, node)
        own = node.get("cte_map")
        entries = own.get("map") if isinstance(own, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                self.own.add(str(entry.get("key")).lower())

    def _call(self, name: str) -> None:
        if name not in OPERATORS:
            self.functions.add(_allowed(name, self._allowed, "function"))

    def _relation(self, kind: str, node: dict[str, Json]) -> None:
        if kind == "BASE_TABLE":
            parts = [str(node.get(k) or "") for k in ("catalog_name", "schema_name", "table_name")]
            self.tables.add(_plain_table([p for p in parts if p]))
        elif kind == "TABLE_FUNCTION":
            call = node.get("function")
            if not isinstance(call, dict) or "function_name" not in call:
                raise Refused(f"a table function must be called by its name; {READ_ONLY}")
            self._table_calls.add(id(call))  # a node comes before what is in it
            name = str(call["function_name"]).lower()
            self.table_functions.add(_allowed(name, self._allowed_tables, "table function"))
            if name in _ALLOWED["of a named table"]:
                _check_named_table(name, call.get("children"))
        elif kind == "SHOW_REF" and node.get("query") is None and node.get("table_name") not in _ALLOWED["shown"]:
            raise Refused(f"SHOW shows TABLES, ALL TABLES or SCHEMAS alone; a table's columns: DESCRIBE; {READ_ONLY}")


def shows_tables(tree: Json) -> bool:
    """Tell whether a query is SHOW TABLES and nothing else.

    Examples
    --------
    >>> shows_tables({"statements": [{"node": {"from_table": {"type": "SHOW_REF", "table_name": '"tables"'}}}]})
    True
    """
    first: Json = tree
    for key in ("statements", 0, "node", "from_table"):
        if isinstance(first, dict) and isinstance(key, str):
            first = first.get(key)
        elif isinstance(first, list) and isinstance(key, int) and first:
            first = first[key]
    return isinstance(first, dict) and first.get("type") == "SHOW_REF" and first.get("table_name") == '"tables"'


def nodes(tree: Json) -> Iterator[dict[str, Json]]:
    """Yield every object of a tree, each before what is in it.

    Examples
    --------
    >>> [node["type"] for node in nodes({"type": "JOIN", "left": [{"type": "BASE_TABLE"}]})]
    ['JOIN', 'BASE_TABLE']
    """
    stack: list[Json] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _allowed(name: str, allowed: frozenset[str], what: str) -> str:
    if name in allowed:
        return name
    if re.search(r"read|scan|glob|sniff|parquet|copy|file|getenv|attach", name):
        raise Refused(f"{name} reads files or the environment; {NO_FILES}")
    close = difflib.get_close_matches(name, allowed, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else "see python -m catalog info"
    raise Refused(f"there is no {what} {name} that a query may call; {hint}", name)


def _check_named_table(function: str, arguments: Json) -> None:
    """Refuse a call that names its table, unless the name is a plain one: in quotes it could be a file's."""
    for place, argument in enumerate(arguments if isinstance(arguments, list) else []):
        if not isinstance(argument, dict) or (place and argument.get("alias") != "source"):
            continue
        value, columns = argument.get("value"), argument.get("column_names")
        if isinstance(columns, list):
            _plain_table([str(part) for part in columns])
        elif isinstance(value, dict) and isinstance(value.get("value"), str):
            _plain_table(str(value["value"]).split("."))
        else:
            raise Refused(f"{function}() takes a table by its name: {function}(product.event, energy_ev)", function)


def _plain_table(parts: list[str]) -> str:
    name = ".".join(parts)
    is_file = len(parts) > 1 and parts[-1].lower() in _ALLOWED["file kinds"]
    if is_file or not all(_PLAIN_NAME.fullmatch(p) for p in parts):
        raise Refused(f"{name!r} is a file, not a table of the store; {NO_FILES}")
    if parts[-1].lower() in _ALLOWED["kept from queries"] or parts[0].lower().startswith(_METADATA):
        raise Refused(f"{name} tells of the engine and its files, not of the store's data; see python -m catalog info")
    return name
