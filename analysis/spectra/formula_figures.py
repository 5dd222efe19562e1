"""Figures of formulas: their Pareto fronts, and how latent dimensions go with columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from analysis.figures import as_png, figure
from analysis.spectra.associations import Association
from analysis.spectra.explanations import Explained
from catalog.palette import CLASS_COLOURS, LINE_COLOUR

_SIGNIFICANT = 0.05


def pareto_figure(explained: Sequence[Explained], title: str) -> bytes:
    """Draw R2 against complexity, one panel per target: fitted, held out with interval, linear model, shuffled."""
    n_columns = min(4, len(explained))
    n_lines = -(-len(explained) // n_columns)
    with figure(max(2.9 * n_columns, 6.5), 1.0 + 2.3 * n_lines) as drawn:
        grid = drawn.subplots(n_lines, n_columns, sharex=True, squeeze=False)
        for axes, one in zip(grid.flat, explained, strict=False):
            size = [s.formula.complexity for s in one.front]
            axes.plot(
                size, [s.r2_fitted for s in one.front], "o--", color=CLASS_COLOURS[5], markersize=4, label="fitted half"
            )
            value = np.array([s.r2.value for s in one.front])
            # A bootstrap of a bad formula can lie on one side of its value: a bar has no negative length.
            below = np.maximum(value - [s.r2.low for s in one.front], 0)
            above = np.maximum([s.r2.high for s in one.front] - value, 0)
            axes.errorbar(
                size,
                value,
                [below, above],
                fmt="s-",
                color=CLASS_COLOURS[0],
                markersize=4,
                capsize=2,
                label="other half",
            )
            axes.plot(
                one.chosen.formula.complexity,
                one.chosen.r2.value,
                "s",
                color=CLASS_COLOURS[3],
                markersize=7,
                label="chosen",
                zorder=3,
            )
            axes.axhline(one.linear.value, color=CLASS_COLOURS[9], linewidth=0.9, linestyle=":", label="linear model")
            axes.axhline(one.control_high, color=CLASS_COLOURS[1], linewidth=0.9, label="shuffled, 97.5 %")
            axes.set_title(f"{one.target}{'' if one.chosen.found else ' (not found)'}", fontsize=9)
            low = min(0.0, *(s.r2.value for s in one.front), one.control_high)
            axes.set_ylim(max(low, -0.6) - 0.08, 1.03)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
            axes.tick_params(labelsize=8, labelbottom=True)
            axes.set_xlabel("complexity / nodes", fontsize=8)
            axes.set_ylabel("R2", fontsize=8)
        for axes in list(grid.flat)[len(explained) :]:
            axes.set_visible(False)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
        drawn.suptitle(title, fontsize=10)
        return as_png(drawn)


def association_figure(found: Sequence[Association], title: str) -> bytes:
    """Draw rank correlations of dimensions (rows) and columns; bold where q < .05, else grey."""
    columns = list(dict.fromkeys(a.column for a in found))
    dimensions = sorted({a.dimension for a in found})
    with figure(2.0 + 0.55 * len(columns), 2.2 + 0.32 * len(dimensions)) as drawn:
        axes = drawn.subplots()
        matrix = np.full((len(dimensions), len(columns)), np.nan)
        for a in found:
            matrix[dimensions.index(a.dimension), columns.index(a.column)] = a.spearman.value
        image = axes.imshow(matrix, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
        for a in found:
            sure = a.spearman_q < _SIGNIFICANT
            axes.text(
                columns.index(a.column),
                dimensions.index(a.dimension),
                f"{a.spearman.value:+.2f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color=("white" if abs(a.spearman.value) > 0.6 else "black") if sure else LINE_COLOUR,  # noqa: PLR2004 - dark ends
                fontweight="bold" if sure else "normal",
            )
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(dimensions)), [f"z{d}" for d in dimensions], fontsize=8)
        drawn.colorbar(image, ax=axes, label="rank correlation")
        drawn.suptitle(f"{title}: bold where q < .05", fontsize=9)
        return as_png(drawn)
