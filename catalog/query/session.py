"""What a table function sees of a store while it answers one query: one snapshot, rows by SQL, vectors by space."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from catalog.errors import UnknownName, command, suggestion
from catalog.store import vectors
from catalog.store.pinned import Pinned, pinned
from catalog.store.vectors import Pin
from sql.guard import Statement


class Admit(Protocol):
    """Lets a single read-only query through; see `catalog.query.admission.admit`."""

    def __call__(
        self, query: str, extra: Collection[str] = ..., table_functions: Collection[str] = ..., /
    ) -> Statement:
        """Return the statement, or raise."""


class Session:
    """One query's view of a store. Its cursor is in a transaction, so that all it reads is of one snapshot.

    Parameters
    ----------
    store : Path
        The store's directory.
    cursor : duckdb.DuckDBPyConnection
        Of a sandboxed, read-only connection.
    admit : callable
        Lets the text of a single read-only query through, or raises: `catalog.query.admission.admit`.
    known_pins : dict, optional
        Pins by snapshot, kept by whoever holds the store open: a snapshot never changes.
    own : mapping of str to pyarrow.Table, optional
        Tables that the user registered, by their names in small letters: the cursor sees them under these.

    Attributes
    ----------
    spaces : tuple of str
        Embedding spaces that the call which is answered is about, by what the query names; often one, or none.
    """

    def __init__(
        self,
        store: Path,
        cursor: duckdb.DuckDBPyConnection,
        admit: Admit,
        known_pins: dict[int, dict[str, Pin]] | None = None,
        own: Mapping[str, pa.Table] | None = None,
    ) -> None:
        self.store = store
        self.cursor = cursor
        self.admit = admit
        self.own = {} if own is None else own
        self._known_pins = {} if known_pins is None else known_pins
        self.spaces: tuple[str, ...] = ()

    def about(self, spaces: tuple[str, ...]) -> Session:
        """Return the same view for one call that is about some spaces."""
        other = copy.copy(self)
        other.spaces = spaces
        return other

    def rows(self, query: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run a query of our own, in the same snapshot."""
        return self.cursor.execute(query, dict(parameters) if parameters else None).to_arrow_table()

    @cached_property
    def snapshot(self) -> int:
        """The number of the snapshot that all is read of."""
        return int(self.rows("SELECT id FROM lake.current_snapshot()")["id"][0].as_py())

    @cached_property
    def pins(self) -> dict[str, Pin]:
        """The spaces that have vectors in this snapshot."""
        if self.snapshot not in self._known_pins:
            self._known_pins[self.snapshot] = vectors.pins(self.cursor)
        return self._known_pins[self.snapshot]

    def space(self, name: str) -> Pinned:
        """Return a space's vectors at the version that this snapshot pins.

        Raises
        ------
        UnknownName
            If there is no such space, with the nearest that there is; or one that has no vectors yet.
        """
        if name in self.pins:
            return pinned(self.store, self.pins[name])
        raise self._without_vectors(name)

    def _without_vectors(self, name: str) -> UnknownName:
        """Say why a space cannot be searched: there is none of the name, or it has no vectors (here, or at all)."""
        there = f"; there are {', '.join(self.pins)}" if self.pins else ""

        def ask(query: str) -> list[tuple[object, ...]]:
            return list(self.cursor.execute(query).fetchall())

        for entry in entry_points(group="photonlake.targets", name="space"):
            try:
                advice = str(entry.load()(ask, self.store, name))
            except UnknownName as error:  # no encoder makes such a space
                return UnknownName(f"there is {error}") if not self.pins else self._misspelt(name, there)
            newest = self.rows("SELECT max(snapshot_id) AS id FROM lake.snapshots()")["id"][0].as_py()
            if newest != self.snapshot:
                return UnknownName(
                    f"space {name} has no vectors in snapshot {self.snapshot}{there}; ask the newest, {newest}: leave "
                    "out the snapshot"
                )
            return UnknownName(f"{advice}{there}")
        return self._misspelt(name, there or f"; see {command('embed status', self.store)}")

    def _misspelt(self, name: str, there: str) -> UnknownName:
        return UnknownName(f"there is no embedding space {name!r}{suggestion(name, self.pins)}{there}")
