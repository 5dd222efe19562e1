"""Conditions that users give: one SQL expression that does no more than read, and the rows that meet it."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from catalog.errors import PhotonlakeError, QueryError
from catalog.neighbours.closeness import Mask
from catalog.query.admission import admit
from catalog.query.complaints import complaint
from catalog.query.session import Session
from catalog.store.engine import tree_of
from catalog.store.pinned import Pinned
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


_KEYS = "__space_keys"
_DETECTIONS = f"""
SELECT k."row", k.id, k.modality, k.id AS detection_id, coalesce(o.name, k.name) AS name,
  o.* EXCLUDE (detection_id, name)
FROM {_KEYS} AS k LEFT JOIN csc.observation_source AS o ON o.detection_id = k.id
"""
_PAPERS = f"""
SELECT k."row", k.id, k.modality, k.name, k.id AS bibcode, p.* EXCLUDE (bibcode)
FROM {_KEYS} AS k LEFT JOIN lit.paper AS p ON p.bibcode = k.id
"""

_HELD_MASKS = 32
_VOLATILE = frozenset({"random", "uuid", "gen_random_uuid", "now", "current_timestamp", "current_date", "today"})
_held: dict[tuple[int, int, str], tuple[Pinned, Mask]] = {}
"""Masks of the last conditions; each keeps its space alive, so that `id` stays its own."""


def rows_that_meet(session: Session, space: Pinned, condition: str, argument: str = "nearest: filter") -> Mask:
    """Return which rows of a space meet a condition.

    Parameters
    ----------
    session : Session
        The snapshot.
    space : Pinned
        n rows.
    condition : str
        SQL over id, name, modality and the columns of csc.observation_source; in a space of papers over those of
        lit.paper. It may hold subqueries. NULL is not true.
    argument : str
        What the user gave it as, for the message.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    QueryError
        If it is no condition.
    ForbiddenStatement
        If it does more than read.
    UnknownName
        If it names a column that does not exist.
    """
    relation = _PAPERS if space.holds_papers_only else _DETECTIONS
    here = f"{argument} := {condition!r}"
    checked(condition, f"{argument} :=")
    key = (id(space), session.snapshot, condition)
    if key in _held:
        return _held[key][1]
    statement = session.admit(f'SELECT "row" FROM ({relation}) WHERE ({condition}\n)')
    keys = space.keys.append_column("row", pa.array(np.arange(space.pin.n_vectors)))
    session.cursor.register(_KEYS, keys)
    try:
        rows = session.rows(statement.text)["row"]
    except duckdb.Error as error:
        known = complaint(error, statement)
        raise type(known)(f"{here}: {known}") from error
    finally:
        session.cursor.unregister(_KEYS)
    allowed = np.zeros(space.pin.n_vectors, np.bool_)
    allowed[rows.to_numpy()] = True
    if not statement.functions & _VOLATILE:
        while len(_held) >= _HELD_MASKS:
            _held.pop(next(iter(_held)), None)
        _held[key] = space, allowed  # a snapshot never changes, so neither does what meets a condition in it
    return allowed
