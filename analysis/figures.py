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

from catalog.palette import CLASS_COLOURS, OTHER_COLOUR, STYLE

Points = npt.NDArray[np.floating]

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
