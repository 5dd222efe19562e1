"""How all figures look, and how one becomes bytes: the same bytes for the same data."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Points = npt.NDArray[np.floating]
CLASS_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#8c6d31", "#6a51a3", "#b8860b", "#7f7f7f", "#17877d", "#a50f15"),
)
"""Of classes; after Okabe & Ito (2008), to be told apart by the colour-blind."""
OTHER_COLOUR = "#c3cad1"
LINE_COLOUR = "#8a97a5"
"""Of what lies behind: edges of a graph, measured points under a curve."""
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "photonlake",
    "svg.fonttype": "path",
    "image.cmap": "cividis",
}


MARKERS = ("o", "s", "^", "D")
"""Of groups beyond as many as there are colours."""


def scatter(
    axes: Axes, points: Points, groups: Sequence[str | None], names: Sequence[str], size: float, rest: str = ""
) -> None:
    """Draw points by group: those with a name in colour, the rest in grey behind them.

    Parameters
    ----------
    axes : Axes
    points : ndarray of float, shape (n, 2)
    groups : sequence of (str or None), length n
    names : sequence of str
        Groups that have a colour, in the order of the legend.
    size : float
        Of a point, as Matplotlib counts it.
    rest : str
        What the grey points are; '' for no line in the legend.
    """
    group = np.array(["" if g is None else g for g in groups])
    others = ~np.isin(group, list(names))
    if others.any():
        label = f"{rest} ({others.sum():,})" if rest else None
        axes.scatter(
            points[others, 0], points[others, 1], s=size * 0.6, c=OTHER_COLOUR, linewidths=0, zorder=2, label=label
        )
    for i, name in enumerate(names):
        mine = group == name
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=size,
            color=CLASS_COLOURS[i % len(CLASS_COLOURS)],
            marker=MARKERS[i // len(CLASS_COLOURS) % len(MARKERS)],
            linewidths=0,
            alpha=0.8,
            zorder=3,
            label=f"{name} ({mine.sum():,})",
        )


@contextmanager
def figure(width: float = 5.0, height: float = 3.6) -> Iterator[Figure]:
    """Give an empty figure of a size in inches; no window, no state that outlives it."""
    with style.context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def as_svg(drawn: Figure) -> bytes:
    """Return a figure as SVG; for few marks."""
    held = io.BytesIO()
    with style.context(STYLE):
        drawn.savefig(held, format="svg", metadata={"Date": None})
    return held.getvalue()


def as_png(drawn: Figure, dpi: int = 150) -> bytes:
    """Return a figure as PNG; for many marks."""
    held = io.BytesIO()
    with style.context(STYLE):
        drawn.savefig(held, format="png", dpi=dpi, metadata={"Software": None})
    return held.getvalue()
