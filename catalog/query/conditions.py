"""Conditions that users give to select rows: one SQL expression, which does no more than read."""

from __future__ import annotations

from catalog.errors import PhotonlakeError, QueryError
from catalog.query.admission import admit
from catalog.store.engine_parser import tree_of
from sql.guard import Json


def checked(condition: str, what: str) -> str:
    """Return a condition, if it is one expression that does no more than read.

    Parameters
    ----------
    condition : str
        SQL, as it may stand between WHERE and the end.
    what : str
        What the user gave it as, for the message: '--where', 'nearest: filter :='.

    Raises
    ------
    QueryError
        If it is no condition, or closes a parenthesis that it did not open.
    ForbiddenStatement
        If it does more than read.

    Examples
    --------
    >>> checked("var_prob_b > 0.9", "--where")
    'var_prob_b > 0.9'
    >>> checked("true) OR (1 = 1; DROP TABLE x", "--where")
    Traceback (most recent call last):
    ...
    catalog.errors.QueryError: --where 'true) OR (1 = 1; DROP TABLE x' is no SQL condition
    >>> checked("a) OR (b", "--where")
    Traceback (most recent call last):
    ...
    catalog.errors.QueryError: --where 'a) OR (b' is no SQL condition: it closes a parenthesis that it did not open
    """
    said = f"{what} {condition!r} is no SQL condition"
    alone = _only_node(tree_of(f"SELECT {condition}\n"))
    if alone is None and _only_node(tree_of(f"SELECT ({condition}\n)")) is not None:
        raise QueryError(f"{said}: it closes a parenthesis that it did not open")
    if alone is None or not _is_one_expression(alone):
        raise QueryError(said)
    try:
        admit(f"SELECT 1 FROM csc.observation_source WHERE ({condition}\n)")
    except PhotonlakeError as error:
        raise type(error)(f"{what} {condition!r}: {error}") from error
    return condition


def _only_node(tree: Json) -> dict[str, Json] | None:
    """Return the query of a tree that has one; None for bad syntax, or several."""
    statements = tree.get("statements") if isinstance(tree, dict) else None
    first = statements[0] if isinstance(statements, list) and len(statements) == 1 else None
    node = first.get("node") if isinstance(first, dict) else None
    return node if isinstance(node, dict) else None


def _is_one_expression(node: dict[str, Json]) -> bool:
    """Tell whether a query is SELECT, one expression without a name, and nothing else."""
    selected, source = node.get("select_list"), node.get("from_table")
    one = selected[0] if isinstance(selected, list) and len(selected) == 1 else None
    others = [node.get(k) for k in ("modifiers", "where_clause", "group_expressions", "having", "sample", "qualify")]
    return (
        isinstance(one, dict)
        and not one.get("alias")
        and one.get("class") != "STAR"
        and isinstance(source, dict)
        and source.get("type") == "EMPTY"
        and not any(others)
    )
