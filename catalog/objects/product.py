"""What all objects of a source share: rows with units, and one way to be drawn."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnknownName, suggestion
from catalog.palette import STYLE

if TYPE_CHECKING:
    import polars as pl
    from astropy.table import Table
    from matplotlib.axes import Axes

    from catalog.query.result import Result

_SHOWN_ROWS = 10


class Asks(Protocol):
    """What answers queries: `catalog.Catalog`."""

    def sql(self, query: str, /, **params: Any) -> Result:  # noqa: ANN401 - whatever a query takes
        """Ask one query."""

    def nearest(self, space: str, target: str, *, k: int, exclude_self: bool) -> Result:
        """Find the rows of a space that are nearest to a target."""


class Product:
    """Rows of one kind about one source or detection.

    ``product["rate"]`` is the column as an array: NaN stands for NULL in numbers, None in anything else.

    Parameters
    ----------
    rows : pyarrow.Table
        With unit, UCD and description in the fields' metadata.
    about : str
        The source or detection.

    Attributes
    ----------
    about : str
    rows : pyarrow.Table

    Examples
    --------
    >>> rate = pa.field("rate", pa.float64(), metadata={"unit": "count/s"})
    >>> made = Product(pa.table([[1.5, None]], pa.schema([rate])), "a source")
    >>> made["rate"].tolist(), made.unit("rate"), len(made)
    ([1.5, nan], 'count/s', 2)
    """

    def __init__(self, rows: pa.Table, about: str) -> None:
        self.rows, self.about = rows, about

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.rows.column_names)

    def __getitem__(self, column: str) -> npt.NDArray[np.generic]:
        """Return a column as an array, shape (n,).

        Raises
        ------
        UnknownName
            If there is no such column.
        """
        self._check(column)
        values: npt.NDArray[np.generic] = self.rows[column].to_numpy()
        return values

    def unit(self, column: str) -> str:
        """Return the unit of a column, in the spelling of VOUnits; empty where it has none."""
        self._check(column)
        metadata = self.rows.schema.field(column).metadata or {}
        return str(metadata.get(b"unit", b"").decode())

    def table(self) -> Table:
        """Return the rows as an astropy table, with units; NULL is masked."""
        from catalog.formats.astropy_table import to_astropy  # noqa: PLC0415 - astropy is heavy

        return to_astropy(self.rows)

    def pl(self) -> pl.DataFrame:
        """Return the rows as a polars data frame."""
        import polars as pl  # noqa: PLC0415 - heavy, and not everyone's

        return pl.DataFrame(self.rows.replace_schema_metadata(None))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; else a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        QueryError
            If Matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot as plt  # noqa: PLC0415 - not everyone's
        except ImportError as error:
            raise QueryError("to draw needs Matplotlib; type: pip install 'photonlake[analysis]'") from error
        with plt.style.context(STYLE):
            axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")[1] if ax is None else ax
            self._draw(axes)
        return axes

    def _draw(self, axes: Axes) -> None:
        raise NotImplementedError

    def _check(self, column: str) -> None:
        if column not in self.rows.column_names:
            known = self.rows.column_names
            hint = suggestion(column, known) or f"; it has {', '.join(known)}"
            raise UnknownName(f"{type(self).__name__} of {self.about} has no column {column!r}{hint}")

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.rows.num_rows)

    def __repr__(self) -> str:
        """Say what it is."""
        units = ", ".join(f"{c} [{self.unit(c)}]" if self.unit(c) else c for c in self.columns)
        return f"<{type(self).__name__} of {self.about}: {len(self):,} rows; {units}>"

    def _repr_html_(self) -> str:
        """Show the first rows in a notebook."""
        shown = self.table()[:_SHOWN_ROWS]
        return f"<p>{html.escape(type(self).__name__)} of {html.escape(self.about)}, {len(self):,} rows</p>" + str(
            shown._repr_html_()
        )
