"""Why a detection may look unusual without being so, and where it is unusual in what was measured of it.

The first: saturation, readout streaks, edges, confusion, dither, pile-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

FLAGS: Mapping[str, str] = {
    "sat_src_flag": "saturated",
    "streak_src_flag": "streak",
    "edge_code": "detector edge",
    "multi_chip_code": "chip edge",
    "conf_code": "confused",
    "dither_warning_flag": "dither",
}
"""Columns of csc.observation_source that warn where they are true or not 0."""
RATES = ("cnts_aper_b", "livetime", "src_rate_aper_b", "var_mean_b", "exptime", "pileup_warning")
FRAME_S = 3.14104
"""ACIS frame time where the catalog does not tell it, seconds: that of a full frame (Proposers' Guide, section 6)."""
PILED = 0.05
Scale = Literal["linear", "log", "logit"]
PHYSICAL: Mapping[str, Scale] = {
    "hard_hs": "linear",
    "hard_ms": "linear",
    "hard_hm": "linear",
    "powlaw_gamma": "linear",
    "powlaw_nh": "log",
    "bb_kt": "log",
    "flux_aper_b": "log",
    "flux_significance_b": "log",
    "src_cnts_aper_b": "log",
    "var_prob_b": "logit",
    "var_index_b": "linear",
    "var_sigma_b": "log",
}
"""Physical columns, and on which scale a distance from the median means something."""
EXTREME = 3.5
"""Robust z from which a value is extreme (Iglewicz & Hoaglin 1993)."""
COLUMNS: tuple[str, ...] = tuple(dict.fromkeys([*FLAGS, *RATES, *PHYSICAL, "theta"]))


def piled_fraction(counts_per_frame: Doubles) -> Doubles:
    """Return the share of frames with events in which there is more than one, for Poisson arrivals in one place.

    Photons of one frame that fall on the same pixels are read as one. A point source on axis falls on few pixels; off
    axis the share is an upper limit.

    Returns
    -------
    ndarray
        1 - L / (exp(L) - 1).

    Source: Davis 2001 (ApJ 562, 575), to first order.

    Examples
    --------
    >>> piled_fraction(np.array([0.0, 0.1])).round(3).tolist()
    [0.0, 0.049]
    """
    rate = np.maximum(np.asarray(counts_per_frame, np.float64), 0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(rate > 0, 1.0 - rate / np.expm1(rate), np.where(np.isnan(rate), np.nan, 0.0))


def counts_per_frame(columns: Mapping[str, Doubles]) -> Doubles:
    """Return counts per frame from `RATES`, NaN where no rate is known; shape (n,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = columns["cnts_aper_b"] / columns["livetime"]
    for name in ("src_rate_aper_b", "var_mean_b"):
        rate = np.where(np.isfinite(rate), rate, columns[name])
    frame = np.where(np.isfinite(columns["exptime"]), columns["exptime"], FRAME_S)
    return np.asarray(rate * frame, np.float64)


def warnings(columns: Mapping[str, Doubles]) -> list[list[str]]:
    """Return what warns of each detection.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        `FLAGS` and `RATES`, NaN where unknown.

    Returns
    -------
    list of list of str
        'streak', 'pile-up 12 %', ...
    """
    n = len(columns["livetime"])
    piled = piled_fraction(counts_per_frame(columns))
    out: list[list[str]] = [[] for _ in range(n)]
    for name, words in FLAGS.items():
        for i in np.flatnonzero(np.nan_to_num(columns[name]) != 0).tolist():
            out[i].append(words)
    for i in range(n):
        if piled[i] > PILED:
            out[i].append(f"pile-up {100 * piled[i]:.0f} %")
        elif columns["pileup_warning"][i] > PILED:
            out[i].append(f"pile-up warning {columns['pileup_warning'][i]:.2g}")
    return out


def measured_otherwise(columns: Mapping[str, Doubles]) -> npt.NDArray[np.bool_]:
    """Return of which detections other physical columns are known than of most, shape (n,).

    Tables hold different columns; a space that knows what is missing takes a table for a population.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        `PHYSICAL`.
    """
    there = np.stack([np.isfinite(columns[name]) for name in PHYSICAL], axis=1)
    _, pattern, counts = np.unique(there, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[pattern.ravel()] < _USUAL * len(there), np.bool_)


_USUAL = 0.2


def robust_z(values: Doubles) -> Doubles:
    """Return (x - median) / (1.4826 MAD); NaN where unknown, or where half of the values are alike.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0])).round(1).tolist()
    [-1.3, -0.7, 0.0, 0.7, 65.4]
    """
    there = np.isfinite(values)
    if there.sum() < _FEW:
        return np.full(len(values), np.nan)
    middle = float(np.median(values[there]))
    spread = 1.4826 * float(np.median(np.abs(values[there] - middle)))
    return (values - middle) / spread if spread > 0 else np.full(len(values), np.nan)


_FEW = 5


def extremes(columns: Mapping[str, Doubles], most: int = 3) -> list[list[str]]:
    """Return the physical columns in which each detection is extreme, most extreme first.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        `PHYSICAL`.
    most : int
        At most so many of each.

    Returns
    -------
    list of list of str
        'hard_hs 0.92 (z +4.1)'.
    """
    names: Sequence[str] = tuple(PHYSICAL)
    z = np.stack([robust_z(_spread_out(name, columns[name])) for name in names], axis=1)
    out = []
    for i, row in enumerate(z):
        order = [j for j in np.argsort(-np.nan_to_num(np.abs(row))) if abs(row[j]) >= EXTREME][:most]
        out.append([f"{names[j]} {columns[names[j]][i]:.3g} (z {row[j]:+.1f})" for j in order])
    return out


def _spread_out(name: str, values: Doubles) -> Doubles:
    """Put a column on its scale; a probability is not told nearer to 0 or 1 than a thousandth."""
    scale = PHYSICAL[name]
    if scale == "linear":
        return values
    with np.errstate(invalid="ignore", divide="ignore"):
        if scale == "logit":
            clipped = np.clip(values, 1e-3, 1 - 1e-3)
            return np.asarray(np.log(clipped / (1 - clipped)), np.float64)
        if scale == "log":
            logged = np.log10(values)
            return np.where(np.isfinite(logged), logged, np.nan)
        assert_never(scale)
