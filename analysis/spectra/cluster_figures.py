"""Figures of clusterings: contingency matrices, maps by cluster and by class, mean spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.figures import as_png, figure, scatter
from analysis.spectra.contingency import normalised
from analysis.spectra.features import Spectra
from catalog.palette import CLASS_COLOURS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

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
    with figure(max(2.2 + 0.55 * n_clusters, 4.6), 1.9 + 0.42 * len(classes)) as drawn:
        axes = drawn.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=max(float(shares.max()), 1.0), aspect="auto")
        for i in range(len(classes)):
            for j in range(n_clusters):
                if shares[i, j] >= 0.5:  # noqa: PLR2004 - what rounds to nothing is not written
                    dark = shares[i, j] < _DARK * shares.max()
                    own = class_of[order[j]] == i
                    colour, weight = "white" if dark else "black", "bold" if own else "normal"
                    axes.text(
                        j,
                        i,
                        f"{shares[i, j]:.0f}",
                        ha="center",
                        va="center",
                        color=colour,
                        fontsize=8,
                        fontweight=weight,
                    )
        names = ["noise" if has_noise and j == n_clusters - 1 else str(j) for j in order]
        stands = [classes[class_of[j]] if class_of[j] >= 0 else "none" for j in order]
        axes.set_xticks(
            range(n_clusters), [f"{n}: {s}" for n, s in zip(names, stands, strict=True)], rotation=60, ha="right"
        )
        axes.set_yticks(
            range(len(classes)), [f"{c} ({int(n)})" for c, n in zip(classes, counts.sum(axis=1), strict=True)]
        )
        axes.tick_params(labelsize=8)
        axes.set_xlabel("cluster: class it stands for", fontsize=9)
        axes.set_ylabel("class (rows scored)", fontsize=9)
        drawn.suptitle(title, fontsize=9)
        drawn.colorbar(image, ax=axes, label="share of class / %")
        return as_png(drawn)


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
    with figure(10.5, 4.8) as drawn:
        left, right = drawn.subplots(1, 2, sharex=True, sharey=True)
        own = clusters[rows].tolist()
        numbers = [str(c) for c in sorted({c for c in own if c >= 0})]
        classes = [labels[i] for i in rows]
        scatter(left, where[rows], [str(c) for c in own], numbers, 9, "noise")
        scatter(right, where[rows], classes, sorted({c for c in classes if c is not None}), 9, "no class")
        for axes, name in ((left, "cluster"), (right, "class")):
            axes.set_title(f"by {name}", fontsize=9)
            axes.set_xlabel("first principal component")
            axes.legend(fontsize=7, ncols=2, markerscale=1.8, loc="best", framealpha=0.85)
        left.set_ylabel("second principal component")
        for axes in (left, right):
            low, high = np.quantile(where, [0.002, 0.998], axis=0)
            margin = 0.08 * (high - low) + 1e-9
            axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
            axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
        drawn.suptitle(title, fontsize=10)
        return as_png(drawn)


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
    with figure(2.7 * n_columns, 1.0 + 1.9 * n_lines) as drawn:
        grid = drawn.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
        energy = spectra.energy_kev.reshape(-1, _BIN_KEV_POINTS).mean(axis=1)
        binned = _binned(spectra)
        for axes, cluster in zip(grid.flat, names, strict=False):
            own = binned[clusters == cluster]
            there = np.isfinite(own).any(axis=0)
            low, high = np.nanquantile(own[:, there], [0.16, 0.84], axis=0)
            axes.fill_between(energy[there], low, high, color=CLASS_COLOURS[5], alpha=0.45, linewidth=0)
            axes.plot(energy[there], np.nanmean(own[:, there], axis=0), color=CLASS_COLOURS[0], linewidth=1.3)
            axes.set_title(f"cluster {cluster} ({len(own):,})", fontsize=8)
            axes.set_xscale("log")
            axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"], fontsize=8)
            axes.minorticks_off()
            axes.tick_params(labelsize=8)
        for axes in list(grid.flat)[len(names) :]:
            axes.set_visible(False)
        drawn.supxlabel("energy / keV", fontsize=9)
        drawn.supylabel("counts/s/keV, MinMax", fontsize=9)
        drawn.suptitle(f"{title}: mean, and 16 to 84 % of the rows", fontsize=9)
        return as_png(drawn)


def _binned(spectra: Spectra) -> Floats:
    """Average spectra over 8 points; NaN where none of them is measured."""
    values = np.where(spectra.mask, spectra.values, 0.0).reshape(len(spectra.values), -1, _BIN_KEV_POINTS).sum(axis=2)
    n = spectra.mask.reshape(len(spectra.mask), -1, _BIN_KEV_POINTS).sum(axis=2)
    return np.asarray(np.divide(values, n, out=np.full(values.shape, np.nan), where=n > 0))
