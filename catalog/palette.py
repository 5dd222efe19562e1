"""How everything drawn looks: colours of classes and of numbers, and Matplotlib's settings. The page has the same."""

from __future__ import annotations

CLASS_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#8c6d31", "#6a51a3", "#b8860b", "#7f7f7f", "#17877d", "#a50f15"),
)
"""Of classes; after Okabe & Ito (2008), to be told apart by the colour-blind."""
OTHER_COLOUR = "#c3cad1"
LINE_COLOUR = "#8a97a5"
"""Of what lies behind: edges of a graph, measured points under a curve."""
MODEL_COLOUR = "#d55e00"
"""Of a model's curve over what was measured."""
GOOD_TIME_COLOUR = "#e8f1f6"
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
"""Of Matplotlib: `matplotlib.style.context(STYLE)`."""
