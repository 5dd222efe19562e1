"""Vectors of other spaces as relations of a connection, at the versions that its snapshot pins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from catalog.errors import UnknownName
from catalog.store import lake, vectors
from catalog.store.pinned import pinned
from embed.inputs.pairs import relation
from embed.store.status import next_step


def register(connection: lake.Connection, store: Path, spaces: Iterable[str]) -> None:
    """Register each space under `embed.inputs.pairs.relation(space)`.

    Parameters
    ----------
    connection : catalog.store.lake.Connection
        Its snapshot tells the versions.
    store : Path
    spaces : iterable of str

    Raises
    ------
    UnknownName
        If a space has no vectors in this snapshot; the message says how to make them.
    """
    pins = vectors.pins(connection)
    for space in spaces:
        if space not in pins:
            raise UnknownName(next_step(lambda query: connection.execute(query).fetchall(), store, space))
        pinned(store, pins[space]).register(connection, relation(space))
