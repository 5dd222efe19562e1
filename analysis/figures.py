"""How all figures look, and how one becomes bytes: the same bytes for the same data."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import style
from matplotlib.figure import Figure

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
