"""One store, asked: every question sees one snapshot whole, and errors are told in the store's words."""

from __future__ import annotations

import logging
import os
import re
import shlex
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from catalog.errors import NotYet, PhotonlakeError, QueryError, UnknownName, suggestion
from catalog.formats.origin import Origin
from catalog.formats.plain_types import with_places
from catalog.query import functions, preparation
from catalog.query.admission import admit
from catalog.query.complaints import complaint, first_line
from catalog.query.names import MACROS, Ask, why_empty, with_near_detections
from catalog.query.parameters import check_parameters, understood
from catalog.query.result import Result
from catalog.query.session import Session
from catalog.query.snapshot_names import parse_snapshot
from catalog.schema import SCHEMAS
from catalog.store import expiry, frozen, lake
from catalog.store.confinement import EngineLimits
from catalog.store.vectors import Pin
from sql.guard import Statement

if TYPE_CHECKING:
    from catalog.query.outside import Outside

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 5.0
"""So long a query may run that only says more about another."""


class Questions:
    """What holds a store open for questions: one confined connection for each snapshot that was asked.

    Parameters
    ----------
    store : Path
        The store's directory.
    limits : EngineLimits
        What a query may use.
    copy : Path, optional
        A copy of the store's catalog: see `catalog.store.frozen`.

    Attributes
    ----------
    own : dict of str to pyarrow.Table
        Tables that the user registered: each query sees them under these names.
    """

    def __init__(self, store: Path, limits: EngineLimits, copy: Path | None) -> None:
        self.store = store
        self.own: dict[str, pa.Table] = {}
        self._copy, self._limits = copy, limits
        self._connections: dict[int | datetime | None, frozen.Reader] = {}
        self._connecting = threading.RLock()
        self._pins: dict[int, dict[str, Pin]] = {}
        self._outside: Outside | None = None
        self._connection(None)

    def answer(
        self, query: str, given: Mapping[str, object], snapshot: int | str | date | None, timeout_s: float | None
    ) -> Result:
        """Answer one read-only query; see `catalog.Catalog.sql`."""
        query, values = understood(query, given)
        _LOG.info("%s, snapshot %s: %s", self.store, snapshot or "newest", " ".join(query.split()))
        if timeout_s is not None:
            return self._answer_in_time(query, values, snapshot, timeout_s)
        cursor = self.cursor(snapshot)
        origin = self._origin(query, values, cursor)
        if named := preparation.named_in(query):
            return self._answer_with_functions(origin, named, cursor, values)
        statement = admit(query, table_functions=functions.OURS)  # that a misspelt call of one is told as such
        check_parameters(statement, values)
        complain = self._complaints(origin)
        try:
            _run(cursor, statement, values)
        except duckdb.Error as error:
            raise complain(error, statement) from error
        return Result(cursor, statement, complain, origin=origin, why_empty=self._why_empty(origin), own=self.own)

    def register(self, name: str, table: object) -> None:
        """Let queries read a table of the user's; see `catalog.Catalog.register`."""
        from catalog.formats import own_tables  # noqa: PLC0415 - for those who bring a table

        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise QueryError(f"{name!r} cannot name a table: letters, digits and underscores can, as in mine")
        if name.lower() in (*SCHEMAS, *MACROS, *functions.table_function_names()):
            raise QueryError(f"{name} is taken by the store; take another name, as in my_{name.lower()}")
        if isinstance(table, str | os.PathLike):
            self.own[name.lower()] = own_tables.read(table)
        else:
            self.own[name.lower()] = own_tables.from_frame(table)

    def unregister(self, name: str) -> None:
        """Let go of a table of the user's.

        Raises
        ------
        UnknownName
            If none is registered under the name.
        """
        if self.own.pop(name.lower(), None) is None:
            raise UnknownName(f"no table is registered as {name}{suggestion(name, self.own)}")

    def session(self, cursor: duckdb.DuckDBPyConnection) -> Session:
        """Begin a transaction, and return what a table function sees in it."""
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return Session(self.store, cursor, admit, self._pins, self.own)

    def cursor(self, snapshot: int | str | date | None = None) -> duckdb.DuckDBPyConnection:
        """Return a cursor on a snapshot, with the user's own tables."""
        if not self._connections:
            raise QueryError(f"this catalog is closed; open it again: catalog.open({str(self.store)!r})")
        cursor = self._connection(parse_snapshot(snapshot, self.store, self.snapshot_names)).cursor()
        cursor.execute("USE lake")
        for name, table in self.own.items():
            cursor.register(name, table)
        return cursor

    def snapshot_names(self) -> dict[str, int]:
        """Return the snapshots that have a name: name -> number."""
        with self.cursor() as cursor:
            return expiry.names(cursor)

    @property
    def newest(self) -> int:
        """The number of the newest snapshot."""
        with self.cursor() as cursor:
            return _current_snapshot(cursor)

    @cached_property
    def store_id(self) -> str:
        """The store's UUID, made with it; a copy of the store has the same."""
        with self.cursor() as cursor:
            return lake.identity(cursor)

    def close(self) -> None:
        """Close all connections."""
        with self._connecting:
            for reader in self._connections.values():
                reader.connection.close()
            self._connections.clear()
            outside, self._outside = self._outside, None
        if outside is not None:
            outside.close()

    def _answer_in_time(
        self, query: str, values: dict[str, object], snapshot: int | str | date | None, seconds: float
    ) -> Result:
        """Answer a query in a process that can be ended."""
        from catalog.query.limited_process import Limits  # noqa: PLC0415 - for those who set a time alone
        from catalog.query.outside import Outside  # noqa: PLC0415 - for those who set a time alone

        memory, spill = self._limits.memory_bytes, self._limits.spill_bytes
        limits = Limits(seconds, rows=None, answer_bytes=None, memory=memory, spill=spill)
        with self._connecting:
            if self._outside is None:
                self._outside = Outside(self.store, limits)
        at = parse_snapshot(snapshot, self.store, self.snapshot_names)
        answer = self._outside.ask(query, values, snapshot=at, limits=limits, own=self.own)
        origin = Origin(query, values, answer.snapshot, str(self.store), self.store_id)
        return Result.of(answer.table, Statement(answer.text, answer.query), origin, answer.why_empty)

    def _answer_with_functions(
        self,
        origin: Origin,
        named: preparation.Named,
        cursor: duckdb.DuckDBPyConnection,
        values: dict[str, object],
    ) -> Result:
        """Answer a query that names table functions, vectors, or functions of other packages."""
        query = origin.query
        session = Session(self.store, cursor, admit, self._pins, self.own)
        complain_of_engine = self._complaints(origin)
        try:
            prepared = preparation.resolve(query, named, session, values)
        except duckdb.Error as error:
            raise complain_of_engine(error, Statement(query, query)) from error
        check_parameters(prepared.statement, values)
        statement = admit(prepared.text, prepared.called)
        needed = {name: value for name, value in values.items() if name in statement.parameters}

        def complain(error: duckdb.Error, statement: Statement) -> PhotonlakeError:
            return complain_of_engine(type(error)(prepared.as_written(str(error))), statement)

        try:
            _run(cursor, statement, needed, prepared.called)
        except duckdb.Error as error:
            raise complain(error, statement) from error
        why = self._why_empty(origin)
        return Result(cursor, prepared.statement, complain, prepared.as_written, origin, why, self.own)

    def _origin(self, query: str, values: dict[str, object], cursor: duckdb.DuckDBPyConnection) -> Origin:
        """Hold the cursor to one snapshot, and say which: the query, and all calls in it, see this one."""
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return Origin(query, values, _current_snapshot(cursor), str(self.store), self.store_id)

    def _complaints(self, origin: Origin) -> Callable[[duckdb.Error, Statement], PhotonlakeError]:
        """Return what makes an error of the engine one of ours, with what this store and snapshot can add to it."""

        def told(error: duckdb.Error, statement: Statement) -> PhotonlakeError:
            found = complaint(error, statement)
            if isinstance(found, NotYet):
                return self._not_yet(found, origin)
            more = with_near_detections(self._asking(origin), str(found))
            return found if more == str(found) else type(found)(more)

        return told

    def _not_yet(self, error: NotYet, origin: Origin) -> UnknownName:
        newest = self.newest
        if origin.snapshot != newest:
            name = str(error).split()[1]
            return UnknownName(
                f"snapshot {origin.snapshot} has no {name}; ask the newest, {newest}: leave out the snapshot"
            )
        return UnknownName(self.with_store(error))

    def with_store(self, error: UnknownName) -> str:
        """Return a message with the store's own path in its command."""
        return str(error).replace("--store STORE", f"--store {shlex.quote(str(self.store))}")

    def _asking(self, origin: Origin) -> Ask:
        """Return what answers further queries of the snapshot that a query saw."""

        def ask(query: str, given: Mapping[str, object]) -> list[tuple[object, ...]]:
            cursor = self.cursor(None if origin.snapshot == self.newest else origin.snapshot)
            clock = threading.Timer(_PATIENCE_S, cursor.interrupt)
            clock.start()
            try:
                return list(cursor.execute(admit(query).text, dict(given) or None).fetchall())
            except duckdb.Error as error:
                raise QueryError(first_line(str(error))) from error
            finally:
                clock.cancel()
                cursor.close()

        return ask

    def _why_empty(self, origin: Origin) -> Callable[[], list[str]]:
        return lambda: why_empty(self._asking(origin), origin.query, origin.parameters)

    def _connection(self, snapshot: int | datetime | None) -> duckdb.DuckDBPyConnection:
        """Return the confined connection to a snapshot; None is whatever is newest now."""
        with self._connecting:
            held = self._connections.get(snapshot)
            if held is None or (snapshot is None and not held.is_newest()):
                number = snapshot if isinstance(snapshot, int) else None
                at = snapshot if isinstance(snapshot, datetime) else None
                # The one before is not closed: that would end its cursors, and results that are still read.
                held = frozen.connect(self.store, snapshot=number, at=at, limits=self._limits, copy=self._copy)
                self._connections[snapshot] = held
            return held.connection


def _current_snapshot(cursor: duckdb.DuckDBPyConnection) -> int:
    try:
        return int(cursor.execute("SELECT id FROM lake.current_snapshot()").fetchall()[0][0])
    except duckdb.Error as error:
        raise QueryError(first_line(str(error))) from error


def _run(
    cursor: duckdb.DuckDBPyConnection,
    statement: Statement,
    values: Mapping[str, object],
    called: Collection[str] = frozenset(),
) -> None:
    """Run what was judged; where a column has a type that Arrow lacks, once more with another in its place."""
    cursor.execute(statement.text, dict(values) or None)
    columns = cursor.description or []
    if not statement.explains and (
        better := with_places(statement.text, [c[0] for c in columns], [c[1] for c in columns])
    ):
        cursor.execute(admit(better, called).text, dict(values) or None)
