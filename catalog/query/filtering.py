"""nearest(filter := '...') and its like: which rows meet a condition on the catalog's columns, before any search."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from catalog.neighbours.closeness import Mask
from catalog.query.complaints import complaint
from catalog.query.conditions import checked
from catalog.query.session import Session
from catalog.store.pinned import Pinned

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
