"""Answers ADQL: translated, then asked of the limited process that answers all queries from outside."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
from astropy import units as u

from catalog.catalog import Catalog
from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.astropy_table import parse_unit
from catalog.formats.origin import NOTE, placeless
from catalog.query import functions
from catalog.query.limited_process import Answer, Limits
from catalog.query.names import MACROS
from catalog.query.outside import Outside
from catalog.serve.obscore import CIRCLES, ON_DISK, PUBLISHER_DID, STANDS_FOR, descriptor, with_utypes
from catalog.serve.products import Products
from catalog.serve.tap_formats import AFTER
from catalog.serve.tap_schema import RENAMED, TapSchema, tap_schema
from sql.adql import Offered, to_duckdb
from sql.adql_geometry import NotAdql

SYNC_S = 60.0
ASYNC_S = 600.0
LONGEST_S = 3600.0
USUAL_ROWS = 1_000_000
MOST_ROWS = 20_000_000
MOST_BYTES = 2 << 30
UPLOAD_BYTES = 256 << 20
_PROCESSES = max(3, min(16, os.cpu_count() or 1))
_UPLOADED = "__tap_upload_"
_ONE_OF_FAMILY = "hard_hs"
# ADQL has no named arguments: so many by place, those that are given most often first.
_BY_PLACE = {
    "nearest": ("space", "target", "k", "metric"),
    "similar_pairs": ("space", "threshold", "k", "metric"),
    "crossmatch": ("table_1", "table_2", "radius_arcsec", "find"),
}


class _ScalarFunctions(Container[str]):
    """Names of the functions of values that a query may call besides ADQL's: our macros, and what packages publish."""

    def __contains__(self, name: object) -> bool:
        text = str(name)
        return (text in MACROS and MACROS[text].kind == "scalar macro") or functions.is_scalar(text)


@dataclass
class TapService:
    """Answers ADQL queries on a store; safe for several threads.

    Parameters
    ----------
    store : Path
    catalog : Catalog
        Of the same store, for what it tells of its tables.
    snapshot : int, optional
        The snapshot that all queries see; else the newest at the time.
    sync_s : float
        So long a query may run whose answer is waited for [s].
    url : str
        Where the server is that hands out product files; ends in a slash. '' hands out none.
    """

    store: Path
    catalog: Catalog
    snapshot: int | None = None
    sync_s: float = SYNC_S
    url: str = ""
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _schema: tuple[int, TapSchema] | None = None

    def __post_init__(self) -> None:
        """Get ready to ask; no process is started yet."""
        self._outside = Outside(self.store, processes=_PROCESSES)
        self.products = Products(self.catalog, self.snapshot, self.url and f"{self.url}file")

    def close(self) -> None:
        """End the processes."""
        self._outside.close()

    def schema(self) -> TapSchema:
        """Return what the store has, read again when it has a new snapshot."""
        number = self.catalog.snapshot if self.snapshot is None else self.snapshot
        with self._reading:
            if self._schema is None or self._schema[0] != number:
                self._schema = number, tap_schema(self.catalog, self.snapshot)
            return self._schema[1]

    def ask(
        self,
        query: str,
        *,
        rows: int = USUAL_ROWS,
        seconds: float | None = None,
        uploads: Mapping[str, pa.Table] | None = None,
        stop: threading.Event | None = None,
    ) -> Answer:
        """Answer one ADQL query.

        Parameters
        ----------
        query : str
        rows : int
            At most so many; the answer says whether there are more.
        seconds : float, optional
            So long it may run; else `sync_s`.
        uploads : mapping of str to pyarrow.Table, optional
            Tables that the query names as TAP_UPLOAD.<name>.
        stop : threading.Event, optional
            Who sets it ends the query.

        Raises
        ------
        OutOfTime
            If it takes longer.
        QueryError
            If it is not ADQL, or cannot be answered.
        """
        schema = self.schema()
        own = {f"{_UPLOADED}{name.lower()}": table for name, table in (uploads or {}).items()}
        text = self.translated(query, schema, own)
        words = set(re.findall(r"\w+", text))
        own |= {name: table for name, table in schema.relations.items() if name in words}
        if ON_DISK in words:
            own[ON_DISK] = self.products.on_disk()
        limits = Limits(self.sync_s if seconds is None else seconds, min(rows, MOST_ROWS), MOST_BYTES, stop=stop)
        try:
            answer = self._outside.ask(text, snapshot=self.snapshot, limits=limits, own=own)
        except PhotonlakeError as error:
            raise type(error)(_as_written(str(error))) from error
        return self._told(answer, query, of_products=ON_DISK in words)

    def _told(self, answer: Answer, query: str, *, of_products: bool) -> Answer:
        """Return an answer that says the query as asked, how to follow its data sets, and not where the store is."""
        schema = placeless(answer.table).schema
        schema = with_utypes(schema) if of_products else schema
        about = dict(schema.metadata or {})
        about[f"{NOTE}query".encode()] = query.encode()
        place = schema.get_field_index(PUBLISHER_DID)
        if of_products and self.url and place >= 0:
            known = schema.field(place).metadata or {}
            schema = schema.set(place, schema.field(place).with_metadata({**known, b"id": PUBLISHER_DID.encode()}))
            about[AFTER] = descriptor(f"{self.url}datalink", PUBLISHER_DID).encode()
        return replace(answer, table=answer.table.cast(schema.with_metadata(about)))

    def translated(self, query: str, schema: TapSchema, own: Mapping[str, pa.Table]) -> str:
        """Return a query in our dialect."""
        names = {f"tap_upload.{name.removeprefix(_UPLOADED)}": name for name in own}

        def kinds(table: str) -> Mapping[str, tuple[str, str]]:
            return _kinds_of(own[names[table]]) if table in names else schema.kinds(table)

        try:
            offered = Offered(
                _ScalarFunctions(), table_functions(), RENAMED | names, STANDS_FOR, CIRCLES, kinds, _factor
            )
            return to_duckdb(query, offered)
        except NotAdql as error:
            raise QueryError(str(error)) from error


def table_functions() -> dict[str, tuple[str, ...]]:
    """Return the functions that stand in FROM, each with the names of its arguments in ADQL's order.

    Examples
    --------
    >>> table_functions()["nearest"], table_functions()["cone"]
    (('space', 'target', 'k', 'metric'), ('ra', 'dec', 'radius_arcsec'))
    """
    macros = {n: tuple(p.name for p in m.parameters) for n, m in MACROS.items() if m.kind == "table macro"}
    return macros | {n: _BY_PLACE.get(n) or _by_place(n) for n in functions.table_function_names()}


def _by_place(name: str) -> tuple[str, ...]:
    signature = functions.table_function(name).signature
    return tuple(a.name for a in signature.arguments[: signature.n_by_position])


def scalar_forms() -> Iterator[tuple[str, str]]:
    """Yield the functions of values, each as one declares it and with what it is for.

    Of a family, as predict_<column>, one stands for all.
    """
    for macro in MACROS.values():
        if macro.kind == "scalar macro":
            parameters = ", ".join(f"{p.name} {p.type}" for p in macro.parameters)
            yield f"{macro.full_name}({parameters}) -> {macro.columns[0].type}", macro.purpose
    for name in functions.scalar_function_names():
        function = functions.scalar_function(f"{name}{_ONE_OF_FAMILY}" if name.endswith("_") else name)
        parameters = ", ".join(f"a{n} {type_}" for n, type_ in enumerate(function.parameters, 1))
        yield f"{function.name}({parameters}) -> {function.returns}", function.purpose


def _kinds_of(table: pa.Table) -> dict[str, tuple[str, str]]:
    names = {pa.int16(): "SMALLINT", pa.int32(): "INTEGER", pa.int64(): "BIGINT"}
    names |= {pa.float32(): "FLOAT", pa.float64(): "DOUBLE"}
    return {f.name.lower(): (names.get(f.type, ""), _unit_of(f)) for f in table.schema}


def _unit_of(column: pa.Field) -> str:
    return str((column.metadata or {}).get(b"unit", b"").decode())


def _factor(unit: str, wanted: str) -> float:
    """Return what to multiply a value with; ValueError where the units do not fit."""
    one, other = parse_unit(unit), parse_unit(wanted)
    if one is None or other is None or isinstance(other, u.UnrecognizedUnit):
        raise ValueError(f"{wanted!r} is no unit")
    return float(one.to(other))  # astropy's error is a ValueError


def _as_written(text: str) -> str:
    """Return an error with the tables named as in the query."""
    known: Iterable[tuple[str, str]] = [(new, old.upper()) for old, new in RENAMED.items()]
    for new, old in known:
        text = text.replace(new, old)
    return text.replace(_UPLOADED, "TAP_UPLOAD.").replace(ON_DISK, "the files on disk")
