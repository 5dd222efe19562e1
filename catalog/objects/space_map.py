"""The map of a space: a point per row, and what colours it; the page, the report and notebooks draw the same."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, UnknownName, suggestion
from catalog.neighbours.principal_axes import principal_axes
from catalog.objects.light_curve import with_units
from catalog.objects.product import Asks, Product
from catalog.objects.stored_map import HasVectors, stored_map
from catalog.palette import CLASS_COLOURS, OTHER_COLOUR
from catalog.schema import TABLES
from catalog.schema.columns import quote

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

_SAMPLE_ROWS = 50_000
_N_RAMP = 255
_COLUMNS = TABLES["csc.observation_source"].column_names
SHOWN = 1.25
"""So far from its middle a map is shown at first; farther out is at most one row in fifty, on each axis."""
N_CLASSES = 12
OTHERS = "others"
_OF_SOURCE = {
    "otype": "SELECT o.detection_id AS id, min(t.otype) AS value FROM csc.observation_source AS o "
    "JOIN csc.object_type AS t ON t.name = o.name AND t.authority = 'simbad' GROUP BY o.detection_id",
    **{
        f"{axis}": f"SELECT o.detection_id AS id, coalesce(o.{axis}_aper, m.{quote(axis)}) AS value "
        "FROM csc.observation_source AS o LEFT JOIN csc.master_source AS m USING (name)"
        for axis in ("ra", "dec")
    },
}
"""What is not a column of a detection: the type that SIMBAD gives its source, and where it is."""


def projected(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the first two principal components, scaled so that 98 % of the rows lie within -1...1 on each axis.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, 2)
        The same vectors give the same map.

    Examples
    --------
    >>> points = projected(np.array([[0, 0, 1], [2, 0, 1], [4, 0, 1]], np.float32))
    >>> points[:, 0].round(2).tolist(), float(points[:, 1].max())
    ([-1.0, 0.0, 1.0], 0.0)
    """
    n, dim = vectors.shape
    out = np.zeros((n, 2), np.float32)
    if n < 2 or dim == 0:  # noqa: PLR2004 - one point has no direction
        return out
    step = max(1, n // _SAMPLE_ROWS)
    sample = vectors[::step].astype(np.float64)
    mean = sample.mean(axis=0)
    centred = sample - mean
    axes = principal_axes(centred.T @ centred, 2)
    seen = (vectors - mean.astype(np.float32)) @ axes.astype(np.float32)
    width = np.quantile(np.abs(seen[::step]), 0.98, axis=0)
    out[:, : seen.shape[1]] = np.divide(
        seen, width, out=np.zeros_like(seen), where=width > 1e-6 * max(width.max(), 1e-30)
    )
    return out


def values(cat: Asks, ids: pa.Array, column: str) -> pa.Array:
    """Return a value per row of a map.

    Parameters
    ----------
    ids : pyarrow.Array of str, shape (n,)
        Detection ids.
    column : str
        A column of csc.observation_source; or otype (of SIMBAD), ra, dec.

    Returns
    -------
    pyarrow.Array, shape (n,)
        Float64 of a number, text of anything else; NULL where the catalog has none.

    Raises
    ------
    UnknownName
        If there is no such column.
    """
    if column in _OF_SOURCE:
        query = _OF_SOURCE[column]
    elif column in _COLUMNS:
        query = f"SELECT detection_id AS id, {quote(column)} AS value FROM csc.observation_source"
    else:
        known = [*_OF_SOURCE, *_COLUMNS]
        raise UnknownName(f"csc.observation_source has no column {column!r}{suggestion(column, known)}")
    found = cat.sql(query).arrow()
    value = found["value"].combine_chunks()
    is_number = pa.types.is_floating(value.type) or pa.types.is_integer(value.type)
    if not (is_number or pa.types.is_boolean(value.type) or pa.types.is_string(value.type)):
        raise QueryError(f"{column} is {value.type}; a map is coloured by numbers, texts, or true and false")
    return value.take(pc.index_in(ids, found["id"].combine_chunks())).cast(pa.float64() if is_number else pa.string())


def classes(value: pa.Array, most: int = N_CLASSES) -> tuple[list[str], npt.NDArray[np.int8]]:
    """Return the commonest texts, and which of them each row has.

    Returns
    -------
    names : list of str
        At most `most`, the commonest first; then others, where there are any.
    place : ndarray of int8, shape (n,)
        -1 for NULL.

    Examples
    --------
    >>> names, place = classes(pa.array(["b", "a", "b", None, "c"]), most=2)
    >>> names, place.tolist()
    (['b', 'a', 'others'], [0, 1, 0, -1, 2])
    """
    counted = value.drop_null().value_counts()
    order = sorted(counted.to_pylist(), key=lambda row: (-row["counts"], row["values"]))
    names = [row["values"] for row in order[:most]]
    place = np.asarray(pc.fill_null(pc.index_in(value, pa.array(names, pa.string())), -1), np.int8)
    if len(order) > most:
        place[(place < 0) & np.asarray(pc.is_valid(value))] = most
        names.append(OTHERS)
    return names, place


def _limits(value: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2 % and 98 % quantiles of what is known."""
    known = value[np.isfinite(value)]
    low, high = np.quantile(known, [0.02, 0.98]) if len(known) else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1.0)


class SpaceMap(Product):
    """The map of a space, to be drawn, or lassoed in a notebook.

    Columns: id, name, x, y, and the column that colours it. A notebook shows it with jupyter-scatter.

    Attributes
    ----------
    space : str
    colour : str
        The column that colours it; empty for none.
    axis : str
        What an axis is called, before its number.
    """

    def __init__(self, rows: pa.Table, space: str, colour: str, about: str = "", axis: str = "component") -> None:
        super().__init__(rows, about or f"the space {space}")
        self.space, self.colour, self.axis = space, colour, axis

    @cached_property
    def scatter(self) -> Any:  # noqa: ANN401 - jscatter.Scatter, not everyone's
        """The map as a jscatter.Scatter, to be changed as one likes.

        Raises
        ------
        QueryError
            If jupyter-scatter is not installed.
        """
        try:
            import jscatter  # noqa: PLC0415 - not everyone's
            from matplotlib import colormaps  # noqa: PLC0415 - it brings Matplotlib
            from matplotlib.colors import to_hex  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise QueryError(
                "a map in a notebook needs jupyter-scatter; type: pip install 'photonlake[notebook]'"
            ) from error
        frame = self.rows.replace_schema_metadata(None).to_pandas()
        limits = {"x_scale": (-SHOWN, SHOWN), "y_scale": (-SHOWN, SHOWN)}
        if self.colour and pa.types.is_string(self.rows[self.colour].type):
            names, place = classes(self.rows[self.colour].combine_chunks())
            labels = [*names, "not known"]
            frame[self.colour] = np.array(labels, object)[place]
            colours = {n: CLASS_COLOURS[i % len(CLASS_COLOURS)] for i, n in enumerate(names) if n != OTHERS}
            made = jscatter.Scatter("x", "y", data=frame, color_by=self.colour, **limits)
            made.color(map=colours | {OTHERS: OTHER_COLOUR, "not known": OTHER_COLOUR})
        elif self.colour:
            # jscatter takes what is missing for 0: so it gets a value below all others, and a colour of its own.
            low, high = _limits(np.asarray(self[self.colour], np.float64))
            step = (high - low) / _N_RAMP
            frame[self.colour] = frame[self.colour].clip(low, high).fillna(low - step)
            ramp = [OTHER_COLOUR, *(to_hex(c) for c in colormaps["cividis"](np.linspace(0, 1, _N_RAMP)))]
            made = jscatter.Scatter("x", "y", data=frame, **limits)
            made.color(by=self.colour, map=ramp, norm=(low - step, high))
        else:
            made = jscatter.Scatter("x", "y", data=frame, **limits)
        return made.legend(bool(self.colour)).tooltip(
            True, properties=["name", *([self.colour] if self.colour else [])]
        )

    def selection(self) -> pl.DataFrame:
        """Return the rows that are selected in the notebook, as a polars frame."""
        rows = np.asarray(self.scatter.selection(), np.int64)
        return self.pl().filter(np.isin(np.arange(len(self)), rows))

    def select(self, rows: npt.ArrayLike) -> None:
        """Select rows of the map, by number from 0: they are marked in the notebook.

        Parameters
        ----------
        rows : array_like of int
        """
        self.scatter.selection(np.asarray(rows, np.int64))

    def _ipython_display_(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - a notebook has it

        display(self.scatter.show())  # type: ignore[no-untyped-call, unused-ignore]  # IPython has no types

    def _draw(self, axes: Axes) -> None:
        x, y = (np.asarray(self[name], np.float64) for name in ("x", "y"))
        size = float(np.clip(3e4 / max(len(x), 1), 0.2, 12))
        if not self.colour:
            axes.scatter(x, y, s=size, color=CLASS_COLOURS[0], linewidths=0)
        elif pa.types.is_string(self.rows[self.colour].type):
            names, place = classes(self.rows[self.colour].combine_chunks())
            for i in range(-1, len(names)):
                mine = place == i
                known = 0 <= i < N_CLASSES
                colour = CLASS_COLOURS[i] if known else OTHER_COLOUR
                label = f"{names[i] if i >= 0 else 'not known'} ({mine.sum():,})"
                axes.scatter(
                    x[mine], y[mine], s=size, color=colour, linewidths=0, label=label, zorder=3 if known else 2
                )
            axes.legend(fontsize="small", markerscale=2)
        else:
            value = np.asarray(self[self.colour], np.float64)
            axes.scatter(x[np.isnan(value)], y[np.isnan(value)], s=size, color=OTHER_COLOUR, linewidths=0)
            has = np.isfinite(value)
            low, high = _limits(value)
            dots = axes.scatter(x[has], y[has], c=value[has], s=size, vmin=low, vmax=high, linewidths=0)
            axes.figure.colorbar(dots, ax=axes, label=" ".join(filter(None, (self.colour, self.unit(self.colour)))))
        n_out = int(((np.abs(x) > SHOWN) | (np.abs(y) > SHOWN)).sum())
        outside = f", {n_out:,} of {len(x):,} outside" if n_out else ""
        axes.set(xlim=(-SHOWN, SHOWN), ylim=(-SHOWN, SHOWN), xlabel=f"{self.axis} 1", ylabel=f"{self.axis} 2")
        axes.set_title(f"{self.about}{outside}")


def space_map(cat: HasVectors, space: str, colour: str = "", method: str = "") -> SpaceMap:
    """Return the map of a space; see `catalog.Catalog.map`."""
    about, axis = "", "component"
    if method:
        kept = stored_map(cat, space, method)
        keys, points, about = kept.ids, kept.points, kept.said
        axis = axis if method == "pca" else "axis"
    else:
        ids, vectors = cat.vectors(space)
        keys, points = pa.array(ids, pa.string()), projected(vectors)
    names = cat.sql("SELECT detection_id AS id, name FROM csc.observation_source").arrow()
    name = names["name"].combine_chunks().take(pc.index_in(keys, names["id"].combine_chunks()))
    columns = {"id": keys, "name": name, "x": pa.array(points[:, 0]), "y": pa.array(points[:, 1])}
    units = {}
    if colour:
        columns[colour] = values(cat, keys, colour)
        if colour in _COLUMNS:
            units[colour] = next(c.unit for c in TABLES["csc.observation_source"].columns if c.name == colour)
    return SpaceMap(with_units(pa.table(columns), units), space, colour, about, axis)
