"""Figures of clusters and classes, as PNG bytes: contingency, map of the vectors, mean spectra.

Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart; beyond eight, markers help.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from analysis.spectra.contingency import normalised
from analysis.spectra.features import Spectra

mpl.use("Agg")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D")
_GREY = "#B0B0B0"
_DPI = 150
_DARK = 0.55
_BIN_KEV_POINTS = 8
_MAP_ROWS = 3000
_LEAST_ROWS = 5


def contingency_figure(
    counts: Floats, classes: Sequence[str], class_of: Integers, title: str, *, has_noise: bool = False
) -> bytes:
    """Draw the contingency matrix, each class's row in per cent, clusters in the order of what they stand for.

    Parameters
    ----------
    counts : ndarray of float, shape (n_class, n_cluster)
    classes : sequence of str
    class_of : ndarray of int, shape (n_cluster,)
        -1 for none.
    title : str
    has_noise : bool
        The last cluster is noise.
    """
    n_clusters = counts.shape[1]
    order = sorted(range(n_clusters), key=lambda j: (class_of[j] < 0, class_of[j], -counts[:, j].sum()))
    shares = normalised(counts)[:, order] * 100
    figure = Figure(figsize=(max(2.2 + 0.55 * n_clusters, 4.6), 1.9 + 0.42 * len(classes)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=max(float(shares.max()), 1.0), aspect="auto")
    for i in range(len(classes)):
        for j in range(n_clusters):
            if shares[i, j] >= 0.5:  # noqa: PLR2004 - what rounds to nothing is not written
                dark = shares[i, j] < _DARK * shares.max()
                own = class_of[order[j]] == i
                colour, weight = "white" if dark else "black", "bold" if own else "normal"
                axes.text(
                    j, i, f"{shares[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=8, fontweight=weight
                )
    names = ["noise" if has_noise and j == n_clusters - 1 else str(j) for j in order]
    stands = [classes[class_of[j]] if class_of[j] >= 0 else "none" for j in order]
    axes.set_xticks(
        range(n_clusters), [f"{n}: {s}" for n, s in zip(names, stands, strict=True)], rotation=60, ha="right"
    )
    axes.set_yticks(range(len(classes)), [f"{c} ({int(n)})" for c, n in zip(classes, counts.sum(axis=1), strict=True)])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("cluster: class it stands for", fontsize=9)
    axes.set_ylabel("class (rows scored)", fontsize=9)
    figure.suptitle(title, fontsize=9)
    figure.colorbar(image, ax=axes, label="share of class / %")
    return png(figure)


def map_figure(where: Floats, clusters: Integers, labels: Sequence[str | None], title: str) -> bytes:
    """Draw the first two principal components of the vectors twice: by cluster and by class.

    Parameters
    ----------
    where : ndarray of float, shape (n, 2)
    clusters : ndarray of int, shape (n,)
        -1 for noise.
    labels : sequence of (str or None), length n
    title : str
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(where))[:_MAP_ROWS])
    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    by_cluster = [None if c < 0 else f"{c:02d}" for c in clusters[rows].tolist()]
    for axes, groups, name in ((left, by_cluster, "cluster"), (right, [labels[i] for i in rows], "class")):
        none = np.array([g is None for g in groups])
        if none.any():
            unnamed = "noise" if name == "cluster" else "no class"
            axes.scatter(*where[rows][none].T, s=5, color=_GREY, marker=".", label=unnamed)
        for i, group in enumerate(sorted({g for g in groups if g is not None})):
            own = np.array([g == group for g in groups])
            axes.scatter(
                *where[rows][own].T,
                s=9,
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i // len(COLOURS) % len(MARKERS)],
                label=group.lstrip("0") or "0",
                linewidths=0,
                alpha=0.8,
            )
        axes.set_title(f"by {name}", fontsize=9)
        axes.set_xlabel("first principal component")
        axes.legend(fontsize=7, ncols=2, markerscale=1.8, loc="best", framealpha=0.85)
    left.set_ylabel("second principal component")
    for axes in (left, right):
        low, high = np.quantile(where, [0.002, 0.998], axis=0)
        margin = 0.08 * (high - low) + 1e-9
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    figure.suptitle(title, fontsize=10)
    return png(figure)


def spectra_figure(spectra: Spectra, clusters: Integers, title: str) -> bytes:
    """Draw the mean input spectrum of each cluster with the 16 to 84 % band of its rows.

    Parameters
    ----------
    spectra : Spectra
    clusters : ndarray of int, shape (n,)
        -1 for noise, which is not drawn.
    title : str
    """
    names = [c for c in sorted(set(clusters.tolist())) if c >= 0 and (clusters == c).sum() >= _LEAST_ROWS]
    n_columns = min(4, max(len(names), 1))
    n_lines = -(-max(len(names), 1) // n_columns)
    figure = Figure(figsize=(2.7 * n_columns, 1.0 + 1.9 * n_lines), layout="constrained")
    grid = figure.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
    energy = spectra.energy_kev.reshape(-1, _BIN_KEV_POINTS).mean(axis=1)
    binned = _binned(spectra)
    for axes, cluster in zip(grid.flat, names, strict=False):
        own = binned[clusters == cluster]
        there = np.isfinite(own).any(axis=0)
        low, high = np.nanquantile(own[:, there], [0.16, 0.84], axis=0)
        axes.fill_between(energy[there], low, high, color=COLOURS[5], alpha=0.45, linewidth=0)
        axes.plot(energy[there], np.nanmean(own[:, there], axis=0), color=COLOURS[0], linewidth=1.3)
        axes.set_title(f"cluster {cluster} ({len(own):,})", fontsize=8)
        axes.set_xscale("log")
        axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"], fontsize=8)
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("energy / keV", fontsize=9)
    figure.supylabel("counts/s/keV, MinMax", fontsize=9)
    figure.suptitle(f"{title}: mean, and 16 to 84 % of the rows", fontsize=9)
    return png(figure)


def _binned(spectra: Spectra) -> Floats:
    """Average spectra over 8 points; NaN where none of them is measured."""
    values = np.where(spectra.mask, spectra.values, 0.0).reshape(len(spectra.values), -1, _BIN_KEV_POINTS).sum(axis=2)
    n = spectra.mask.reshape(len(spectra.mask), -1, _BIN_KEV_POINTS).sum(axis=2)
    return np.asarray(np.divide(values, n, out=np.full(values.shape, np.nan), where=n > 0))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    stream = io.BytesIO()
    # Without the date and the version, so that the same figure is the same file.
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
