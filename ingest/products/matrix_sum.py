"""The sum of several redistribution matrices that a file gives for one spectrum.

A photon ends in a channel by one way or another (a peak, a tail of lost energy): some files give each way a matrix of
its own, the broad one on a coarser grid. Folding with the sum is folding with each and adding up.

Source: CAL/GEN/92-002a (George et al. 2007), several MATRIX extensions in one file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from ingest.products.ogip import Integers, Numbers

MAX_ELEMENTS = 1 << 24
"""Elements of a sum at most: a coarse row is repeated in every fine bin that it holds for."""

_SAME = 0.01  # of a bin's width: above the rounding of single-precision edges

Row = dict[str, object]


def added(matrices: Sequence[Mapping[str, object]]) -> Row | None:
    """Add matrices of the same channels.

    Parameters
    ----------
    matrices : sequence of mapping
        Rows of product.rmf, arrays for its lists. Energy bins follow one another, upwards; the grids may differ.

    Returns
    -------
    dict or None
        The row of the sum, on the union of the grids; None where there is no sum: other channels, gaps in a grid, an
        area in some of them only, or a result that is too large.

    Examples
    --------
    >>> one = {"energ_lo": np.array([1.0]), "energ_hi": np.array([2.0]), "n_grp": np.array([1]), "valid": True}
    >>> one |= {"f_chan": np.array([0]), "n_chan": np.array([2]), "matrix": np.array([0.5, 0.25])}
    >>> one |= dict.fromkeys(("first_channel", "n_channels"), 2) | {"e_min": None, "e_max": None}
    >>> one |= {"includes_area": False, "lo_thres": None}
    >>> added([one, one])["matrix"].tolist()
    [1.0, 0.5]
    """
    first = matrices[0]
    for other in matrices[1:]:
        if any(not _equal(first[key], other[key]) for key in ("n_channels", "e_min", "e_max", "includes_area")):
            return None
    grids = [(_floats(m["energ_lo"]), _floats(m["energ_hi"])) for m in matrices]
    union = _union(grids)
    if union is None:
        return None
    lo, hi = union
    n_channels = cast("int", first["n_channels"])
    keys, values = [], []
    for matrix, (own_lo, own_hi) in zip(matrices, grids, strict=True):
        part = _elements(matrix, _parents(lo, hi, own_lo, own_hi), n_channels)
        if part is None:
            return None
        keys.append(part[0])
        values.append(part[1])
    places, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    sums = np.bincount(inverse, np.concatenate(values), minlength=len(places))
    bins, channels = np.divmod(places, n_channels)
    begins = np.ones(len(places), bool)  # where a group of consecutive channels begins
    begins[1:] = (np.diff(places) != 1) | (np.diff(bins) != 0)
    starts = np.flatnonzero(begins)
    thresholds = {m["lo_thres"] for m in matrices}
    return {
        **first,
        "energ_lo": lo,
        "energ_hi": hi,
        "n_grp": np.bincount(bins[begins], minlength=len(lo)).astype(np.int64),
        "f_chan": channels[begins],
        "n_chan": np.diff(np.append(starts, len(places))),
        "matrix": sums.astype(np.float32),
        "lo_thres": first["lo_thres"] if len(thresholds) == 1 else None,
        "valid": all(m["valid"] for m in matrices),
    }


def _union(grids: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers] | None:
    """Return the bins between all edges of several grids; edges of the finest stand for those that mean the same."""
    if all(_equal(lo, grids[0][0]) and _equal(hi, grids[0][1]) for lo, hi in grids[1:]):
        return grids[0]
    if not all(_follow(lo, hi) for lo, hi in grids):
        return None
    finest = max(grids, key=lambda g: len(g[0]))
    edges = np.append(finest[0], finest[1][-1])
    tolerance = _SAME * min(np.diff(np.append(lo, hi[-1])).min() for lo, hi in grids)
    for lo, hi in grids:
        own = np.append(lo, hi[-1])
        after = np.clip(np.searchsorted(edges, own), 1, len(edges) - 1)
        apart = np.minimum(np.abs(own - edges[after - 1]), np.abs(own - edges[after]))
        edges = np.sort(np.append(edges, own[apart > tolerance]))
    return edges[:-1], edges[1:]


def _parents(lo: Numbers, hi: Numbers, own_lo: Numbers, own_hi: Numbers) -> Integers:
    """Return which bin of a matrix each bin of the union lies in; -1 for none."""
    if len(lo) == len(own_lo) and _equal(lo, own_lo) and _equal(hi, own_hi):
        return np.arange(len(lo))
    middle = (lo + hi) / 2
    parent = np.searchsorted(own_lo, middle, side="right") - 1
    return np.where((parent >= 0) & (middle < own_hi[np.maximum(parent, 0)]), parent, -1)


def _elements(matrix: Mapping[str, object], parent: Integers, n_channels: int) -> tuple[Integers, Numbers] | None:
    """Return the elements of a matrix on the union's bins: keys (bin * n_channels + channel) and values."""
    n_grp, f_chan, n_chan = (np.asarray(matrix[key], np.int64) for key in ("n_grp", "f_chan", "n_chan"))
    values = _floats(matrix["matrix"])
    before = np.cumsum(n_chan) - n_chan
    channel = np.arange(int(n_chan.sum())) + np.repeat(f_chan - before, n_chan)
    of_bin = np.bincount(np.repeat(np.arange(len(n_grp)), n_grp), n_chan, minlength=len(n_grp)).astype(np.int64)
    inside = np.flatnonzero(parent >= 0)
    sizes = of_bin[parent[inside]]
    total = int(sizes.sum())
    if total > MAX_ELEMENTS:
        return None
    first = (np.cumsum(of_bin) - of_bin)[parent[inside]]
    take = np.arange(total) + np.repeat(first - (np.cumsum(sizes) - sizes), sizes)
    return np.repeat(inside, sizes) * n_channels + channel[take], values[take]


def _follow(lo: Numbers, hi: Numbers) -> bool:
    width = hi - lo
    return bool((width > 0).all() and (np.abs(lo[1:] - hi[:-1]) <= _SAME * np.minimum(width[1:], width[:-1])).all())


def _equal(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(np.asarray(one), np.asarray(other))


def _floats(values: object) -> Numbers:
    return np.asarray(values, np.float64)
