"""Catalog: what users hold in their hands. Open a store, ask SQL, look around."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import duckdb
import numpy as np
import numpy.typing as npt

from catalog.errors import NotYet, PhotonlakeError, QueryError, UnknownName, command, suggestion
from catalog.formats.origin import Origin
from catalog.formats.plain_types import with_places
from catalog.query import functions
from catalog.query.admission import admit
from catalog.query.complaints import complaint, first_line
from catalog.query.known_names import MACROS, VIEWS, columns_of, relations, unknown
from catalog.query.near_names import Ask, why_empty, with_near_detections
from catalog.query.parameters import check_parameters, understood
from catalog.query.result import Result
from catalog.query.session import Session
from catalog.query.targets import vector_of_file
from catalog.schema import TABLES
from catalog.schema.columns import literal, quote
from catalog.schema.identifiers import whole_number
from catalog.store import frozen, lake, location
from catalog.store.confinement import EngineLimits
from catalog.store.vectors import Pin
from sql.guard import Statement
from sql.objects import Described

if TYPE_CHECKING:
    import networkx as nx

    from catalog.query.outside import Outside

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Relation:
    """A table, view or macro of a store, and how much it holds.

    Attributes
    ----------
    name : str
        'schema.table', or a macro with its parameters.
    kind : str
        table, view, scalar macro or table macro.
    description : str
        What one row is.
    n_rows, n_bytes : int or None
        Rows and bytes on disk; None for views and macros, which hold nothing.
    """

    name: str
    kind: str
    description: str
    n_rows: int | None = None
    n_bytes: int | None = None


@dataclass(frozen=True)
class ColumnInfo:
    """A column as `info` shows it: name, type, unit, UCD and meaning."""

    name: str
    type: str
    unit: str
    ucd: str
    description: str


@dataclass(frozen=True)
class Info:
    """What a table, view or macro is, column by column."""

    relation: Relation
    columns: tuple[ColumnInfo, ...]
    parameters: tuple[Described, ...] = ()


class Catalog:
    """A store, open for reading.

    Every query sees one snapshot whole: the newest when it begins, or the one it asks for. Nothing a query says can
    change the store or reach a file outside it.

    Parameters
    ----------
    path : path-like, optional
        The store's directory; else $PHOTONLAKE_STORE, else ./store.
    threads : int, optional
        Threads of the engine, at most; else one per processor. One is quickest for many small questions at a time.
    memory, spill : int or str, optional
        What a query may use, in bytes or as '8GB': of memory, else four fifths of the machine's; and of the disk for
        what does not fit there, else nine tenths of what is free. A query that needs more fails.
    copy : Path, optional
        A copy of the store's catalog, for a process that must not open that itself: see `catalog.store.frozen`.

    Raises
    ------
    StoreNotFound
        If there is no store there.
    UntrustedStore
        If its catalog names files outside it.

    Examples
    --------
    >>> cat = Catalog("demo")  # doctest: +SKIP
    >>> cat.sql("SELECT count(*) FROM cone(148.96, 69.68, $radius)", radius=60).fetchall()  # doctest: +SKIP
    [(3,)]
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        memory: int | str | None = None,
        spill: int | str | None = None,
        copy: Path | None = None,
    ) -> None:
        self.path = location.store_path(path)
        self._copy = copy
        self._limits = EngineLimits(threads, memory, spill)
        self._connections: dict[int | datetime | None, frozen.Reader] = {}
        self._connecting = threading.RLock()
        self._pins: dict[int, dict[str, Pin]] = {}
        self._outside: Outside | None = None
        self._connection(None)

    def sql(
        self,
        query: str,
        /,
        snapshot: int | str | date | None = None,
        timeout_s: float | None = None,
        parameters: Mapping[str, object] | None = None,
        **params: object,
    ) -> Result:
        """Ask one read-only query.

        Parameters
        ----------
        query : str
            SQL in DuckDB's dialect; `$name` stands for a parameter.
        snapshot : int, str, date or datetime, optional
            Ask the store as it was: a snapshot's number, or a time (ISO 8601, UTC if it does not say); a date means the
            end of that day.
        timeout_s : float, optional
            Stop the query, with a `QueryError`, when it has run so long, its rows read or not. It then runs in a
            process of its own, which is ended: so there is nothing that goes on.
        parameters : mapping, optional
            Values of the query's parameters, whatever their names.
        **params : object
            The same, one by one: numbers, texts, times, lists, arrays; also astropy's quantities, which take the unit
            of what they are compared with, and a SkyCoord, which stands for its ra and dec.

        Returns
        -------
        Result
            `.arrow()`, `.pl()`, `.df()`, `.table()`, `.fetchall()`, or iterate over rows.

        Raises
        ------
        ForbiddenStatement
            If it is not a single read-only query.
        UnknownName
            If it names a table, column, function or snapshot that does not exist.
        QueryError
            If the engine cannot make sense of it, or a parameter is missing.
        """
        query, values = understood(query, {**(parameters or {}), **params})
        _LOG.info("%s, snapshot %s: %s", self.path, snapshot or "newest", " ".join(query.split()))
        if timeout_s is not None:
            return self._sql_in_time(query, values, snapshot, timeout_s)
        cursor = self._cursor(snapshot)
        origin = self._origin(query, values, cursor)
        if named := functions.named_in(query):
            return self._sql_with_functions(origin, named, cursor, values)
        statement = admit(query, table_functions=functions.OURS)  # that a misspelt call of one is told as such
        check_parameters(statement, values)
        complain = self._complaints(origin)
        try:
            _run(cursor, statement, values)
        except duckdb.Error as error:
            raise complain(error, statement) from error
        return Result(cursor, statement, complain, origin=origin, why_empty=self._why_empty(origin))

    def nearest(
        self,
        space: str,
        target: str | npt.ArrayLike | None = None,
        *,
        text: str | None = None,
        k: int = 10,
        metric: str = "cosine",
        exact: bool = True,
        filter: str | None = None,  # noqa: A002 - the same word as in SQL
        exclude_self: bool = False,
        modality: str | None = None,
        snapshot: int | str | date | None = None,
    ) -> Result:
        """Find the rows of an embedding space nearest to a target; the same as `nearest()` in SQL.

        Parameters
        ----------
        space : str
            'spectrum', 'events', 'papers', 'properties', ...
        target : str or array of float, shape (d,)
            A source's name (the nearest to any of its detections), a detection id, a bibcode, or a vector.
        text : str, optional
            Words instead of a target, in spaces that have a text side.
        k : int
            So many neighbours.
        metric : {'cosine', 'l2', 'dot'}
            See `catalog.neighbours.search.distances`.
        exact : bool
            False takes the space's index; the column `recall` then says how good it was when it was measured.
        filter : str, optional
            SQL condition that neighbours must meet, applied before the search.
        exclude_self : bool
            Leave out the target's own rows.
        modality : str, optional
            Search the rows of this one; else the usual: 'both' where an id has several.
        snapshot : int, str, date or datetime, optional
            Search the store as it was.

        Raises
        ------
        UnknownName
            If the space does not exist, or the target has no vector in it; the message says why.
        QueryError
            If an argument makes no sense.
        """
        given = {"target": target, "text": text, "filter": filter, "modality": modality}
        values: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        options = "".join(f", {name} := ${name}" for name in values)
        fixed = (
            f"k := {int(k)}, metric := {literal(metric)}, exact := {bool(exact)}, exclude_self := {bool(exclude_self)}"
        )
        query = f"SELECT * FROM nearest({literal(space)}, {fixed}{options})"
        return self.sql(query, snapshot=snapshot, parameters=values)

    def nearest_to_file(
        self,
        file: str | os.PathLike[str],
        space: str = "spectrum",
        *,
        k: int = 10,
        metric: str = "cosine",
        filter: str | None = None,  # noqa: A002 - the same word as in SQL
        snapshot: int | str | date | None = None,
    ) -> Result:
        """Find the rows of a space nearest to a file of one's own, which stays where it is.

        Parameters
        ----------
        file : path-like
            A spectrum (.pi, .pha, pha3, gzipped or not). The response and background that its header names are taken
            from its folder; the result's `remarks` say which were found.
        space : str
            A space made of spectra.
        k, metric, filter, snapshot
            See `nearest`.

        Raises
        ------
        UnreadableFile
            If the file is no spectrum, or a broken one.
        UnknownName
            If there is no such space.

        Examples
        --------
        >>> cat.nearest_to_file("4736.pi", k=5).pl()  # doctest: +SKIP
        """
        with self._cursor(snapshot) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            session = Session(self.path, cursor, admit, self._pins)
            vector, remarks = vector_of_file(session, session.space(space), Path(file))
        return self.nearest(space, vector, k=k, metric=metric, filter=filter, snapshot=snapshot).noting(remarks)

    def vectors(
        self, space: str, snapshot: int | str | date | None = None, *, modality: str | None = None
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Return all vectors of a space.

        Parameters
        ----------
        space : str
        snapshot : int, str, date or datetime, optional
            The store as it was.
        modality : str, optional
            Rows of this one; else the usual: 'both' where an id has several, so that no id repeats.

        Returns
        -------
        ids : ndarray of str objects, shape (n,)
            Detection ids or bibcodes.
        vectors : ndarray of float32, shape (n, d)
            Read-only: it is the memory that searches use. Copy it to change it.

        Raises
        ------
        UnknownName
            If there is no such space.
        """
        with self._cursor(snapshot) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            held = Session(self.path, cursor, admit, self._pins).space(space)
        ids, rows = held.ids.to_numpy(zero_copy_only=False), held.rows_of(modality or held.usual_modality)
        return (ids, held.block.vectors) if rows is None else (ids[rows], held.block.vectors[rows])

    def graph(
        self, run: int | None = None, threshold: float | None = None, *, snapshot: int | str | date | None = None
    ) -> nx.Graph:
        """Return the graph of a network run as a networkx.Graph, nodes and edges with their attributes.

        Parameters
        ----------
        run : int, optional
            A network run: analysis.run. Else the newest.
        threshold : float, optional
            One of the run's thresholds; else the lowest.
        snapshot : int, str, date or datetime, optional
            The store as it was.

        Returns
        -------
        networkx.Graph
            Nodes are ids, with name, otype and the other columns of analysis.node. Edges have similarity, and the same
            as weight.

        Raises
        ------
        UnknownName
            If there is no such run, or it has no such threshold.

        Examples
        --------
        >>> cat.graph(3).nodes["4736.0.12"]["otype"]  # doctest: +SKIP
        'HMXB'
        """
        return functions.method("graph")(self, run, threshold, snapshot)

    def snapshots(self) -> list[lake.Snapshot]:
        """List the store's snapshots, oldest first."""
        with self._cursor(None) as cursor:
            return lake.snapshots(cursor)

    @property
    def snapshot(self) -> int:
        """The number of the newest snapshot: it changes with every commit."""
        with self._cursor(None) as cursor:
            try:
                return int(cursor.execute("SELECT id FROM lake.current_snapshot()").fetchall()[0][0])
            except duckdb.Error as error:
                raise QueryError(first_line(str(error))) from error

    def tables(self) -> list[Relation]:
        """List tables with their rows and bytes on disk, then views, macros and table functions."""
        with self._cursor(None) as cursor:
            n_bytes = dict(cursor.execute(_BYTES).fetchall())
            counts = " UNION ALL ".join(f"SELECT {literal(n)}, count(*) FROM {_quoted(n)}" for n in n_bytes)
            n_rows = dict(cursor.execute(counts).fetchall()) if counts else {}
        found = [Relation(n, "table", _description(n), n_rows[n], n_bytes[n]) for n in sorted(n_bytes)]
        found += [Relation(n, "view", VIEWS[n].purpose) for n in sorted(VIEWS)]
        found += [Relation(m.signature, m.kind, m.purpose) for _, m in sorted(MACROS.items())]
        ours = [functions.table_function(n) for n in sorted(functions.OURS)]
        found += [Relation(f.signature.text, "table function", f.purpose) for f in ours]
        # What a package publishes is loaded when it is named.
        return found + [
            Relation(f"{n}(...)", "function", f"Of a package: info {n}") for n in functions.published_names()
        ]

    def info(self, name: str) -> Info:
        """Tell what a table, view, macro or function is: its columns with type, unit, UCD and meaning.

        Parameters
        ----------
        name : str
            'schema.table', 'schema.table.column', 'embedding.space', or the name of a macro or a function.

        Raises
        ------
        UnknownName
            If there is none of that name, with the nearest that there is.
        """
        name = name.lower().partition("(")[0].removeprefix("lake.")
        if name in MACROS:
            macro = MACROS[name]
            columns = tuple(ColumnInfo(c.name, "", c.unit, c.ucd, c.description) for c in macro.columns)
            return Info(Relation(macro.signature, macro.kind, macro.purpose), columns, macro.parameters)
        if name in functions.table_function_names() or functions.is_scalar(name):
            return _info_of_function(name)
        table, _, column = name.rpartition(".")
        if name.count(".") == 2:  # noqa: PLR2004 - schema.table.column
            about = self.info(table)
            if not (found := tuple(c for c in about.columns if c.name.lower() == column)):
                hint = suggestion(column, [c.name for c in about.columns])
                raise UnknownName(f"there is no column {column} in {table}{hint}")
            return Info(about.relation, found)
        described = {c.name: c for c in columns_of(name)}
        nothing = Described("", "")
        columns = tuple(
            ColumnInfo(column, type_, known.unit, known.ucd, known.description)
            for column, type_ in self._types(name)
            for known in [described.get(column, nothing)]
        )
        kind = "view" if name in VIEWS else "table" if name in TABLES else "vectors"
        return Info(Relation(name, kind, _description(name)), columns)

    def columns_like(self, text: str) -> list[tuple[str, ColumnInfo]]:
        """Find columns of all tables and views by a part of their name, unit, UCD or meaning.

        Parameters
        ----------
        text : str
            Small or capital letters.

        Returns
        -------
        list of (str, ColumnInfo)
            Table or view, and its column.
        """
        found = []
        for name in _usual_first(relations()):
            with contextlib.suppress(NotYet):  # an older store lacks it
                found += [(name, c) for c in like(self.info(name).columns, text)]
        return found

    def _types(self, name: str) -> list[tuple[str, str]]:
        """Return the columns of a table, view or space with their types."""
        if name.startswith("embedding."):
            rows = self.sql(f"DESCRIBE {_quoted(name)}").fetchall()
        else:
            with self._cursor(None) as cursor:
                try:
                    rows = cursor.execute(f"DESCRIBE {_quoted(name)}").fetchall()
                except duckdb.Error as error:
                    raise self._no_relation(name) from error
        return [(str(row[0]), str(row[1])) for row in rows]

    def _no_relation(self, name: str) -> UnknownName:
        """Say that there is no such table; where it is a column of some, which these are."""
        holding = [r for r in _usual_first(relations()) if any(c.name.lower() == name for c in columns_of(r))]
        if not holding:
            found = unknown(name)
            return type(found)(self._with_store(found))
        return UnknownName(f"{name} is no table but a column of {', '.join(holding)}; ask for {holding[0]}.{name}")

    def close(self) -> None:
        """Close the store; results not yet fetched are lost."""
        with self._connecting:
            for reader in self._connections.values():
                reader.connection.close()
            self._connections.clear()
            outside, self._outside = self._outside, None
        if outside is not None:
            outside.close()

    def __enter__(self) -> Self:
        """Return the catalog itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Say which store this is."""
        return f"Catalog({str(self.path)!r})"

    def _sql_in_time(
        self, query: str, params: dict[str, object], snapshot: int | str | date | None, seconds: float
    ) -> Result:
        """Answer a query in a process that can be ended."""
        from catalog.query.outside import Limits, Outside  # noqa: PLC0415 - for those who set a time alone

        memory, spill = self._limits.memory_bytes, self._limits.spill_bytes
        limits = Limits(seconds, rows=None, answer_bytes=None, memory=memory, spill=spill)
        with self._connecting:
            if self._outside is None:
                self._outside = Outside(self.path, limits)
        answer = self._outside.ask(query, params, snapshot=parse_snapshot(snapshot, self.path), limits=limits)
        origin = Origin(query, params, answer.snapshot, str(self.path), self.store_id)
        return Result.of(answer.table, Statement(answer.text, answer.query), origin, answer.why_empty)

    @cached_property
    def store_id(self) -> str:
        """The store's UUID, made with it; a copy of the store has the same."""
        with self._cursor(None) as cursor:
            return lake.identity(cursor)

    def _origin(self, query: str, params: dict[str, object], cursor: duckdb.DuckDBPyConnection) -> Origin:
        """Hold the cursor to one snapshot, and say which: the query, and all calls in it, see this one."""
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        try:
            ((number,),) = cursor.execute("SELECT id FROM lake.current_snapshot()").fetchall()
        except duckdb.Error as error:
            raise QueryError(first_line(str(error))) from error
        return Origin(query, params, int(number), str(self.path), self.store_id)

    def _sql_with_functions(
        self,
        origin: Origin,
        named: functions.Named,
        cursor: duckdb.DuckDBPyConnection,
        params: dict[str, object],
    ) -> Result:
        """Answer a query that names table functions, vectors, or functions of other packages."""
        query = origin.query
        session = Session(self.path, cursor, admit, self._pins)
        complain_of_engine = self._complaints(origin)
        try:
            prepared = functions.resolve(query, named, session, params)
        except duckdb.Error as error:
            raise complain_of_engine(error, Statement(query, query)) from error
        check_parameters(prepared.statement, params)
        statement = admit(prepared.text, prepared.called)
        values = {name: value for name, value in params.items() if name in statement.parameters}

        def complain(error: duckdb.Error, statement: Statement) -> PhotonlakeError:
            return complain_of_engine(type(error)(prepared.as_written(str(error))), statement)

        try:
            _run(cursor, statement, values, prepared.called)
        except duckdb.Error as error:
            raise complain(error, statement) from error
        return Result(cursor, prepared.statement, complain, prepared.as_written, origin, self._why_empty(origin))

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
        newest = self.snapshot
        if origin.snapshot != newest:
            name = str(error).split()[1]
            return UnknownName(
                f"snapshot {origin.snapshot} has no {name}; ask the newest, {newest}: leave out the snapshot"
            )
        return UnknownName(self._with_store(error))

    def _with_store(self, error: UnknownName) -> str:
        """Return a message with the store's own path in its command."""
        return str(error).replace("--store STORE", f"--store {shlex.quote(str(self.path))}")

    def _asking(self, origin: Origin) -> Ask:
        """Return what answers further queries of the snapshot that a query saw."""

        def ask(query: str, given: Mapping[str, object]) -> list[tuple[object, ...]]:
            cursor = self._cursor(None if origin.snapshot == self.snapshot else origin.snapshot)
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
                held = frozen.connect(self.path, snapshot=number, at=at, limits=self._limits, copy=self._copy)
                self._connections[snapshot] = held
            return held.connection

    def _cursor(self, snapshot: int | str | date | None) -> duckdb.DuckDBPyConnection:
        if not self._connections:
            raise QueryError(f"this catalog is closed; open it again: catalog.open({str(self.path)!r})")
        cursor = self._connection(parse_snapshot(snapshot, self.path)).cursor()
        cursor.execute("USE lake")
        return cursor


_PATIENCE_S = 5.0
"""So long a query may run that only says more about another."""
_BYTES = """
SELECT s.schema_name || '.' || t.table_name, coalesce(t.file_size_bytes, 0)::BIGINT
FROM ducklake_table_info('lake') AS t
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""


def open_(
    path: str | os.PathLike[str] | None = None, *, memory: int | str | None = None, spill: int | str | None = None
) -> Catalog:
    """Open a store for reading; also `catalog.open`.

    Parameters
    ----------
    path : path-like, optional
        The store's directory; else $PHOTONLAKE_STORE, else ./store.
    memory, spill : int or str, optional
        See `Catalog`.

    Raises
    ------
    StoreNotFound
        If there is no store there; the message says what to type.
    """
    return Catalog(path, memory=memory, spill=spill)


def parse_snapshot(snapshot: int | str | date | None, store: object = "STORE") -> int | datetime | None:
    """Understand a snapshot's number or time; a date means the end of that day.

    Raises
    ------
    UnknownName
        If a text is neither.

    Examples
    --------
    >>> parse_snapshot("12"), parse_snapshot("2026-01-31T12:00")
    (12, datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc))
    >>> str(parse_snapshot("2026-01-31"))
    '2026-01-31 23:59:59.999999+00:00'
    """
    if isinstance(snapshot, str):
        text = snapshot.strip()
        if (number := whole_number(text)) is not None:
            return number
        try:
            snapshot = datetime.fromisoformat(text)
        except ValueError as error:
            advice = (
                f"give a number, or a time like 2026-01-31T12:00; list them with: {command('catalog snapshots', store)}"
            )
            raise UnknownName(f"{text!r} is no snapshot; {advice}") from error
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{4}-W\d{2}-\d", text, re.ASCII):
            snapshot = snapshot.date()
    if isinstance(snapshot, date) and not isinstance(snapshot, datetime):
        snapshot = datetime.combine(snapshot, time.max)
    if isinstance(snapshot, datetime) and snapshot.tzinfo is None:
        return snapshot.replace(tzinfo=UTC)
    return snapshot


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


def like(columns: Iterable[ColumnInfo], text: str) -> tuple[ColumnInfo, ...]:
    """Return the columns whose name, then those whose unit, UCD or meaning has a text in it, small or capital.

    Examples
    --------
    >>> theta = ColumnInfo("theta", "DOUBLE", "arcmin", "pos.angDistance", "Off-axis angle")
    >>> like([theta], "off-AXIS") == like([theta], "arcmin") == (theta,), like([theta], "phi")
    (True, ())
    """
    wanted = text.lower()
    found = [c for c in columns if any(wanted in t.lower() for t in (c.name, c.unit, c.ucd, c.description))]
    return tuple(sorted(found, key=lambda c: wanted not in c.name.lower()))


def _usual_first(names: Iterable[str]) -> list[str]:
    """Sort tables and views: those that a question begins with, then the others."""
    return sorted(names, key=lambda n: (not n.startswith("csc."), not n.startswith("product."), n))


def _info_of_function(name: str) -> Info:
    """Tell what a function of ours, or of a package, takes and gives."""
    if name in functions.table_function_names():
        table = functions.table_function(name)
        parameters = tuple(Described(a.name, a.description) for a in table.signature.arguments)
        relation, given = Relation(table.signature.text, "table function", table.purpose), table.columns
    else:
        scalar = functions.scalar_function(name)
        parameters = tuple(Described(f"argument {n}", kind) for n, kind in enumerate(scalar.parameters, 1))
        relation = Relation(f"{name}({', '.join(scalar.parameters)})", "scalar function", scalar.purpose)
        given = scalar.columns
    return Info(relation, tuple(ColumnInfo(c.name, "", c.unit, c.ucd, c.description) for c in given), parameters)


def _description(name: str) -> str:
    return TABLES[name].description if name in TABLES else VIEWS[name].purpose if name in VIEWS else ""


def _quoted(name: str) -> str:
    return ".".join(quote(part) for part in name.split("."))
