"""What a query answers: rows that can be taken as Arrow, polars, pandas, an astropy table, or plain Python.

Rows stream from the engine until something asks for all of them. NULL stays NULL in every form.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Self

import duckdb
import pyarrow as pa

from catalog.complaints import complaint
from catalog.errors import PhotonlakeError, QueryError
from catalog.provenance import trace
from catalog.types import check_values, has_times, plain, plain_type
from sql.guard import Statement
from sql.objects import Described

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from astropy.table import Table

BATCH_ROWS = 1 << 16
_SHOWN_ROWS = 20


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
    ) -> None:
        self._cursor: duckdb.DuckDBPyConnection | None = cursor
        self._complain = complain
        self._table: pa.Table | None = None
        self.statement = statement
        self._names = _unique([as_written(str(d[0])) for d in (cursor.description if cursor else None) or []])

    @classmethod
    def of(cls, table: pa.Table, statement: Statement) -> Self:
        """Make the result of a query that was answered elsewhere.

        Parameters
        ----------
        table : pyarrow.Table
            With unit, UCD and description in the fields' metadata.
        statement : Statement
        """
        made = cls(None, statement)
        made._table, made._names = table, list(table.column_names)
        return made

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; a repeated one gets a number."""
        return tuple(self._names)

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

    def head(self, n_rows: int, most_counted: int = 100_000) -> tuple[pa.Table, int, bool]:
        """Return the first rows, and how many there are, without fetching a billion.

        Parameters
        ----------
        n_rows : int
            So many are returned, at most.
        most_counted : int
            Count no further than about so many; the rest is not fetched.

        Returns
        -------
        rows : pyarrow.Table
        n_counted : int
            How many rows there are, or more.
        all_counted : bool
            Whether that is all.
        """
        if self._table is not None:
            return self._table.slice(0, n_rows), self._table.num_rows, True
        reader = self.reader()
        batches: list[pa.RecordBatch] = []
        n_counted = 0
        for batch in reader:
            if n_counted < n_rows:
                batches.append(batch.slice(0, n_rows - n_counted))
            n_counted += batch.num_rows
            if n_counted > max(most_counted, n_rows):
                return pa.Table.from_batches(batches, reader.schema), n_counted, False
        return pa.Table.from_batches(batches, reader.schema), n_counted, True

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

    def __repr__(self) -> str:
        """Show the first rows as text."""
        table = self.arrow()
        shown = duckdb.from_arrow(table.slice(0, _SHOWN_ROWS)).__repr__() if table.num_columns else ""
        more = table.num_rows - _SHOWN_ROWS
        return f"{shown}{f'... {more:,} more rows' if more > 0 else ''}"

    def _repr_html_(self) -> str:
        """Show the first rows as a table in a notebook, with units in the heading."""
        table = self.arrow()
        heads = "".join(
            f"<th title='{html.escape(d.description if d else '')}'>{html.escape(n)}"
            f"{f'<br><i>{html.escape(d.unit)}</i>' if d and d.unit else ''}</th>"
            for n, d in zip(self._names, self.described, strict=True)
        )
        rows = zip(*(c.to_pylist() for c in table.slice(0, _SHOWN_ROWS).columns), strict=True)
        body = "".join(
            "<tr>" + "".join(f"<td>{'' if v is None else html.escape(str(v))}</td>" for v in row) + "</tr>"
            for row in rows
        )
        return f"<table><tr>{heads}</tr>{body}</table><p>{table.num_rows:,} rows</p>"

    def _schema(self, source: pa.Schema) -> pa.Schema:
        fields = []
        for name, field, known in zip(self._names, source, self.described, strict=True):
            metadata = {k: v for k in ("unit", "ucd", "description") if known and (v := str(getattr(known, k)))}
            fields.append(pa.field(name, plain_type(field.type), metadata=metadata or None))
        return pa.schema(fields)

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
