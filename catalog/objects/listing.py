"""Papers about a source, and what is near to it in a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catalog.objects.product import Asks, Product
from catalog.palette import CLASS_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Papers(Product):
    """Papers about a source, the surest link first: bibcode, year, title, abstract, methods, confidence."""

    def _draw(self, axes: Axes) -> None:
        """Draw how many appeared in each year."""
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - as in `plot`

        years = np.asarray(self["year"], np.float64)
        year, n = np.unique(years[np.isfinite(years)].astype(int), return_counts=True)
        axes.bar(year, n, color=CLASS_COLOURS[0])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="year", ylabel="papers", title=self.about)


class Neighbours(Product):
    """Rows of a space nearest to a source or detection: rank, id, name, distance, otype.

    Attributes
    ----------
    space : str
    """

    def __init__(self, rows: pa.Table, about: str, space: str) -> None:
        super().__init__(rows, about)
        self.space = space

    def _draw(self, axes: Axes) -> None:
        """Draw the distance of each, the nearest on top."""
        distance = np.asarray(self["distance"], np.float64)
        labels = [f"{i} ({t})" if t else str(i) for i, t in zip(self["id"], self["otype"], strict=True)]
        axes.barh(np.arange(len(self)), distance, color=CLASS_COLOURS[0])
        axes.set_yticks(np.arange(len(self)), labels, fontsize="small")
        axes.invert_yaxis()
        axes.set(xlabel=f"cosine distance in {self.space}", title=self.about)


def papers(cat: Asks, name: str | None, about: str) -> Papers:
    """Return the papers about a source; see `catalog.objects.source.Source.papers`."""
    rows = cat.sql(
        "SELECT p.bibcode, p.year, p.title, p.abstract, l.methods, l.confidence FROM lit.paper AS p "
        "JOIN lit.confident_link AS l USING (bibcode) WHERE l.name = $name "
        "ORDER BY l.confidence DESC NULLS FIRST, p.year DESC, p.bibcode",
        name=name,
    )
    return Papers(rows.arrow(), about)


def neighbours(cat: Asks, target: str, space: str, k: int) -> Neighbours:
    """Return what is nearest; see `catalog.objects.source.Detection.neighbours`."""
    near = cat.nearest(space, target, k=k, exclude_self=True).arrow()
    types = cat.sql(
        "SELECT name, min(otype) AS otype FROM csc.object_type WHERE authority = 'simbad' "
        "AND list_contains($names, name) GROUP BY name",
        names=[n for n in near["name"].to_pylist() if n is not None],
    )
    otype = {str(name): str(otype) for name, otype in types.fetchall()}
    column = pa.array([otype.get(str(n)) for n in near["name"].to_pylist()], pa.string())
    return Neighbours(near.append_column("otype", column), target, space)
