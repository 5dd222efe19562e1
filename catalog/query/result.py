"""What a query answers: rows that can be taken as Arrow, polars, pandas, an astropy table, or plain Python.

Rows stream from the engine until something asks for all of them. NULL stays NULL in every form. Every form that has
room for it says where the rows come from: `Origin`.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import duckdb
import pyarrow as pa

from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.origin import NOTE, Origin
from catalog.formats.plain_types import check_values, has_times, plain, plain_type
from catalog.query.complaints import complaint
from catalog.query.provenance import described, has_star, trace
from sql.guard import Statement
from sql.objects import Described

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from astropy.table import Table

BATCH_ROWS = 1 << 16
_SHOWN_ROWS = 20
_MOST_COUNTED = 100_000  # no more rows are fetched to show the first


class Head(NamedTuple):
    """The first rows of an answer.

    Attributes
    ----------
    rows : pyarrow.Table
        With the columns that are worth to be seen.
    n_counted : int
        How many rows there are, or more.
    all_counted : bool
        Whether that is all.
    n_empty : int
        Columns left out: of `SELECT *`, those that are empty in all counted rows.
    """

    rows: pa.Table
    n_counted: int
    all_counted: bool
    n_empty: int


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
        cursor: duckdb.DuckDBPyConnection | None,
        statement: Statement,
        complain: Callable[[duckdb.Error, Statement], PhotonlakeError] = complaint,
        as_written: Callable[[str], str] = str,
        origin: Origin | None = None,
        why_empty: Callable[[], list[str]] = list,
        own: Mapping[str, pa.Table] | None = None,
    ) -> None:
        self._own = dict(own or {})
        self.origin = origin or Origin(statement.text)
        self._why_empty = why_empty
        self._remarks: list[str] = []
        self._cursor: duckdb.DuckDBPyConnection | None = cursor
        self._complain = complain
        self._table: pa.Table | None = None
        self._ahead: tuple[pa.Schema, list[pa.RecordBatch], pa.RecordBatchReader] | None = None
        self.statement = statement
        self._names = _unique([as_written(str(d[0])) for d in (cursor.description if cursor else None) or []])

    @classmethod
    def of(cls, table: pa.Table, statement: Statement, origin: Origin, why_empty: Iterable[str] = ()) -> Self:
        """Make the result of a query that was answered elsewhere.

        Parameters
        ----------
        table : pyarrow.Table
            With unit, UCD and description in the fields' metadata.
        statement : Statement
        origin : Origin
        why_empty : iterable of str
            What to say of an answer without rows.
        """
        made = cls(None, statement, origin=origin, why_empty=lambda: list(why_empty))
        made._table, made._names = table, list(table.column_names)
        return made

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
        return self._remarks if self._fetched()[0].num_rows else [*self._remarks, *self.why_empty()]

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
        return trace(self.statement.query, self._names, {name: described(t) for name, t in self._own.items()})

    def reader(self, n_rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
        """Stream the rows as Arrow batches, with unit, UCD and description in the fields' metadata.

        Raises
        ------
        QueryError
            If the rows were streamed already; `arrow` keeps them.
        """
        if self._table is not None:
            return self._table.to_reader(n_rows)
        if self._ahead is not None:
            (schema, batches, rest), self._ahead = self._ahead, None
            return pa.RecordBatchReader.from_batches(schema, itertools.chain(batches, rest))
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

    def head(self, n_rows: int, *, every: bool = False) -> Head:
        """Return the first rows, and how many there are; no more than some are fetched, and all can still be read.

        Parameters
        ----------
        n_rows : int
            So many are returned, at most.
        every : bool
            Keep columns of `SELECT *` too that are empty in the answer.
        """
        table, all_counted = self._fetched()
        rows, filled = table.slice(0, n_rows), list(range(table.num_columns))
        if not every and table.num_rows and has_star(self.statement.query):
            filled = [i for i, column in enumerate(table.columns) if column.null_count < len(column)] or filled
        return Head(rows.select(filled), table.num_rows, all_counted, table.num_columns - len(filled))

    def _fetched(self) -> tuple[pa.Table, bool]:
        """Return the rows that are at hand, some at least, and whether these are all."""
        if self._table is not None:
            return self._table, True
        reader = self.reader()
        batches, n_fetched = [], 0
        for batch in reader:
            batches.append(batch)
            n_fetched += batch.num_rows
            if n_fetched > _MOST_COUNTED:
                self._ahead = reader.schema, batches, reader
                return pa.Table.from_batches(batches, reader.schema), False
        self._table = pa.Table.from_batches(batches, reader.schema)
        return self._table, True

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
        from catalog.formats.astropy_table import to_astropy  # noqa: PLC0415 - astropy is heavy

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

    def _told(self, head: Head) -> list[str]:
        """Say what is not shown, and what to know of the answer."""
        rows = f"{'' if head.all_counted else 'more than '}{head.n_counted:,} row{'' if head.n_counted == 1 else 's'}"
        counted = [f"the first {_SHOWN_ROWS} of {rows}" if head.n_counted > _SHOWN_ROWS else rows]
        counted += (
            [f"{head.n_empty} of {len(self.columns)} columns are empty here and left out"] if head.n_empty else []
        )
        return [", ".join(counted), *self.remarks]

    def __repr__(self) -> str:
        """Show the first rows as text."""
        if self._table is None and self._cursor is None and self._ahead is None:
            return "<Result: its rows were streamed already>"
        head = self.head(_SHOWN_ROWS)
        shown = duckdb.from_arrow(head.rows).__repr__() if head.rows.num_columns else ""
        return shown + "\n".join(self._told(head))

    def _repr_html_(self) -> str:
        """Show the first rows as a table in a notebook, with units in the heading."""
        head = self.head(_SHOWN_ROWS)
        table = head.rows
        known = dict(zip(self._names, self.described, strict=True))
        heads = "".join(
            f"<th title='{html.escape(_hint(d), quote=True)}'>{html.escape(n)}"
            f"{f'<br><i>{html.escape(d.unit)}</i>' if d and d.unit else ''}</th>"
            for n, d in ((n, known[n]) for n in table.column_names)
        )
        rows = zip(*(c.to_pylist() for c in table.columns), strict=True)
        body = "".join(
            "<tr>" + "".join(f"<td>{'' if v is None else html.escape(str(v))}</td>" for v in row) + "</tr>"
            for row in rows
        )
        told = "".join(f"<p>{html.escape(line)}</p>" for line in self._told(head))
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
        times = [place for place, field in enumerate(target) if has_times(field.type)]
        while True:
            try:
                batch = source.read_next_batch()
            except StopIteration:
                cursor.close()
                return
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                raise self._said(error) from error
            columns = [plain(c, f.type, f.name) for c, f in zip(batch.columns, target, strict=True)]
            for place in times:
                check_values(columns[place], target[place].name)
            yield pa.RecordBatch.from_arrays(columns, schema=target)

    def _guarded(self, call: Callable[[], pa.RecordBatchReader]) -> pa.RecordBatchReader:
        try:
            return call()
        except duckdb.Error as error:
            raise self._said(error) from error

    def _said(self, error: BaseException) -> PhotonlakeError:
        return self._complain(error if isinstance(error, duckdb.Error) else duckdb.Error(str(error)), self.statement)


def _hint(column: Described | None) -> str:
    """Return what a notebook tells of a column where the mouse rests: meaning, unit, UCD."""
    if column is None:
        return ""
    told = (column.description, column.unit and f"[{column.unit}]", column.ucd and f"UCD {column.ucd}")
    return " · ".join(part for part in told if part)


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
