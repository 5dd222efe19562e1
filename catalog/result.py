"""What a query answers: rows that can be taken as Arrow, polars, pandas, an astropy table, or plain Python.

Rows stream from the engine until something asks for all of them. NULL stays NULL in every form. Every form that has
room for it says where the rows come from: `Origin`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

import duckdb
import pyarrow as pa

from catalog.cells import json_text
from catalog.errors import PhotonlakeError, QueryError
from catalog.provenance import has_star, trace
from sql.guard import Statement
from sql.objects import Described

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from astropy.table import Table

BATCH_ROWS = 1 << 16
_SHOWN_ROWS = 20


NOTE = "photonlake."
"""The keys of an Arrow schema's metadata that tell of the whole table begin so."""


@dataclass(frozen=True)
class Origin:
    """Where an answer comes from: all that is needed to ask the same again.

    Attributes
    ----------
    query : str
        As it was typed.
    parameters : mapping of str to object
        Values of its $parameters.
    snapshot : int
        The snapshot that it saw.
    store : str
        The store's directory.
    store_id : str
        The store's UUID: `catalog.lake.identity`.

    Examples
    --------
    >>> Origin("SELECT $n", {"n": 1}, 12, "/data/s", "186dbe6a").notes["parameters"]
    '{"n": 1}'
    """

    query: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    snapshot: int = 0
    store: str = ""
    store_id: str = ""

    @property
    def notes(self) -> dict[str, str]:
        """The same as texts, with photonlake's version: what exports say of their whole table."""
        given = {"parameters": json_text(dict(self.parameters))} if self.parameters else {}
        where = {"snapshot": str(self.snapshot), "store": self.store, "store_id": self.store_id}
        return {"query": self.query.strip()} | given | where | {"version": f"photonlake {version('photonlake')}"}


class Result:
    """The answer to one query, seen at one snapshot.

    Made by `catalog.Catalog.sql`. Iterating gives rows as tuples.

    Examples
    --------
    >>> import catalog
    >>> with catalog.open("demo") as cat:  # doctest: +SKIP
    ...     cat.sql("SELECT name, ra, dec FROM csc.master_source").table()
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        statement: Statement,
        complain: Callable[[duckdb.Error, Statement], PhotonlakeError],
        as_written: Callable[[str], str] = str,
        origin: Origin | None = None,
        why_empty: Callable[[], list[str]] = list,
    ) -> None:
        self.origin = origin or Origin(statement.text)
        self._why_empty = why_empty
        self._remarks: list[str] = []
        self._cursor: duckdb.DuckDBPyConnection | None = cursor
        self._complain = complain
        self._table: pa.Table | None = None
        self.statement = statement
        self._names = _unique([as_written(str(d[0])) for d in cursor.description or []])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; a repeated one gets a number."""
        return tuple(self._names)

    @property
    def snapshot(self) -> int:
        """The number of the snapshot that the rows are of: `cat.sql(query, snapshot=...)` gives them again."""
        return self.origin.snapshot

    @property
    def query(self) -> str:
        """The query, as it was typed."""
        return self.origin.query

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values of the query's $parameters."""
        return self.origin.parameters

    @cached_property
    def remarks(self) -> list[str]:
        """What to know of the answer, in sentences; of one without rows, why it may have none."""
        return self._remarks if len(self) else [*self._remarks, *self.why_empty()]

    def why_empty(self) -> list[str]:
        """Say of an answer without rows why it may have none: a value that no row has, and what is near to it."""
        return self._why_empty()

    def noting(self, remarks: Iterable[str]) -> Self:
        """Return the same answer with something more to know of it."""
        self._remarks += remarks
        return self

    @cached_property
    def described(self) -> list[Described | None]:
        """What each column is, where it can be told: unit, UCD, meaning."""
        return trace(self.statement.query, self._names)

    def reader(self, n_rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
        """Stream the rows as Arrow batches, with unit, UCD and description in the fields' metadata.

        Raises
        ------
        QueryError
            If the rows were streamed already; `arrow` keeps them.
        """
        if self._table is not None:
            return self._table.to_reader(n_rows)
        if self._cursor is None:
            raise QueryError(
                "the rows of this result were streamed already; run the query again, or use .arrow() first"
            )
        cursor, self._cursor = self._cursor, None
        source = self._guarded(lambda: cursor.to_arrow_reader(n_rows))
        target = self._schema(source.schema)
        return pa.RecordBatchReader.from_batches(target, self._batches(source, target, cursor))

    def arrow(self) -> pa.Table:
        """Return all rows as an Arrow table, with unit, UCD and description in the fields' metadata."""
        if self._table is None:
            self._table = self.reader().read_all()
        return self._table

    def pl(self) -> pl.DataFrame:
        """Return all rows as a polars data frame."""
        import polars as pl  # noqa: PLC0415 - heavy, and not everyone's

        return pl.DataFrame(self.arrow().replace_schema_metadata(None))

    def df(self) -> pd.DataFrame:
        """Return all rows as a pandas data frame; integers with NULLs become pandas' nullable integers."""
        import pandas as pd  # noqa: PLC0415 - heavy, and not everyone's

        nullable = {
            pa.int8(): pd.Int8Dtype(),
            pa.int16(): pd.Int16Dtype(),
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
        }
        frame = {
            name: column.to_pandas(types_mapper=nullable.get if column.null_count else None)
            for name, column in zip(self._names, self.arrow().columns, strict=True)
        }
        return pd.DataFrame(frame, columns=list(self._names))

    def table(self) -> Table:
        """Return all rows as an astropy table: units, descriptions, and masked values for NULL."""
        from catalog.astropy_table import to_astropy  # noqa: PLC0415 - astropy is heavy

        return to_astropy(self.arrow())

    def fetchall(self) -> list[tuple[object, ...]]:
        """Return all rows as tuples of Python values."""
        return list(self)

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        """Iterate over rows as tuples of Python values."""
        for batch in self.reader():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def __len__(self) -> int:
        """Count the rows; this fetches them."""
        return int(self.arrow().num_rows)

    @cached_property
    def shown(self) -> pa.Table:
        """What is worth to be seen of the rows: of `SELECT *`, the columns that are not empty in this answer."""
        table = self.arrow()
        if not table.num_rows or not has_star(self.statement.query):
            return table
        filled = [i for i, column in enumerate(table.columns) if column.null_count < len(column)]
        return table.select(filled) if filled else table

    def _told(self) -> list[str]:
        """Say what is not shown, and what to know of the answer."""
        n_rows, n_empty = len(self), len(self.columns) - self.shown.num_columns
        rows = f"{n_rows:,} row{'' if n_rows == 1 else 's'}"
        counted = [f"the first {_SHOWN_ROWS} of {rows}" if n_rows > _SHOWN_ROWS else rows]
        counted += [f"{n_empty} of {len(self.columns)} columns are empty here and left out"] if n_empty else []
        return [", ".join(counted), *self.remarks]

    def __repr__(self) -> str:
        """Show the first rows as text."""
        if self._table is None and self._cursor is None:
            return "<Result: its rows were streamed already>"
        table = self.shown
        shown = duckdb.from_arrow(table.slice(0, _SHOWN_ROWS)).__repr__() if table.num_columns else ""
        return shown + "\n".join(self._told())

    def _repr_html_(self) -> str:
        """Show the first rows as a table in a notebook, with units in the heading."""
        table = self.shown
        known = dict(zip(self._names, self.described, strict=True))
        heads = "".join(
            f"<th title='{html.escape(d.description if d else '')}'>{html.escape(n)}"
            f"{f'<br><i>{html.escape(d.unit)}</i>' if d and d.unit else ''}</th>"
            for n, d in ((n, known[n]) for n in table.column_names)
        )
        rows = zip(*(c.to_pylist() for c in table.slice(0, _SHOWN_ROWS).columns), strict=True)
        body = "".join(
            "<tr>" + "".join(f"<td>{'' if v is None else html.escape(str(v))}</td>" for v in row) + "</tr>"
            for row in rows
        )
        told = "".join(f"<p>{html.escape(line)}</p>" for line in self._told())
        return f"<table><tr>{heads}</tr>{body}</table>{told}"

    def _schema(self, source: pa.Schema) -> pa.Schema:
        fields = []
        for name, given, known in zip(self._names, source, self.described, strict=True):
            metadata = {k: v for k in ("unit", "ucd", "description") if known and (v := str(getattr(known, k)))}
            fields.append(pa.field(name, plain_type(given.type), metadata=metadata or None))
        notes = self.origin.notes | ({"remarks": "; ".join(self._remarks)} if self._remarks else {})
        return pa.schema(fields, {f"{NOTE}{key}": text for key, text in notes.items()})

    def _batches(
        self, source: pa.RecordBatchReader, target: pa.Schema, cursor: duckdb.DuckDBPyConnection
    ) -> Iterator[pa.RecordBatch]:
        while True:
            try:
                batch = source.read_next_batch()
            except StopIteration:
                cursor.close()
                return
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                raise self._said(error) from error
            columns = [c if c.type == f.type else c.cast(f.type) for c, f in zip(batch.columns, target, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=target)

    def _guarded(self, call: Callable[[], pa.RecordBatchReader]) -> pa.RecordBatchReader:
        try:
            return call()
        except duckdb.Error as error:
            raise self._said(error) from error

    def _said(self, error: BaseException) -> PhotonlakeError:
        return self._complain(error if isinstance(error, duckdb.Error) else duckdb.Error(str(error)), self.statement)


def notes_of(schema: pa.Schema) -> dict[str, str]:
    """Return what an Arrow schema says of the whole table.

    Examples
    --------
    >>> notes_of(pa.schema([], {"photonlake.snapshot": "12"}))
    {'snapshot': '12'}
    """
    said = {key.decode(): text.decode() for key, text in (schema.metadata or {}).items()}
    return {key.removeprefix(NOTE): text for key, text in said.items() if key.startswith(NOTE)}


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Return the type a column is handed out as: sums of integers are int64, decimals are float64.

    Examples
    --------
    >>> plain_type(pa.decimal128(38, 0)), plain_type(pa.decimal128(4, 2)), plain_type(pa.int8())
    (DataType(int64), DataType(double), DataType(int8))
    """
    if pa.types.is_decimal(type_):
        return pa.int64() if type_.scale == 0 else pa.float64()
    if pa.types.is_dictionary(type_):
        return type_.value_type
    return type_


def _unique(names: list[str]) -> list[str]:
    """Give repeated names a number: name, name_1."""
    taken: set[str] = set()
    out = []
    for name in names:
        new, n = name, 0
        while new in taken:
            n += 1
            new = f"{name}_{n}"
        taken.add(new)
        out.append(new)
    return out
