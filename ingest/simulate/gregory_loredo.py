"""Is the light curve constant? The Bayesian test the catalog uses, and Kolmogorov-Smirnov and Kuiper.

Source: Gregory & Loredo 1992, ApJ 398, 146 (odds of an m-bin stepwise rate against a constant one), with the
weights of their appendix for bins of unequal live time; the variability index follows the CSC page "Gregory-Loredo
Probability" (Rots 2006). Two simplifications: bins begin at the first frame (no average over the phase), and m goes
up to 96 or one bin per 50 s, whichever is less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_BINS = 96
MIN_BIN_S = 50.0


@dataclass(frozen=True)
class Verdict:
    """What the Gregory-Loredo test says.

    Attributes
    ----------
    probability : float
        That the source is variable: odds / (1 + odds).
    log10_odds : float
        Of variable against constant.
    index : int
        0 (constant) to 10 (certainly variable).
    rate, rate_err : ndarray, shape (n_bin,)
        Light curve, counts/s: the stepwise models' mean, weighted by their odds.
    within_3, within_5 : float
        Fractions of the light curve within 3 and 5 sigma of the mean rate.
    m_max : int
        Most bins tried.
    """

    probability: float
    log10_odds: float
    index: int
    rate: Array
    rate_err: Array
    within_3: float
    within_5: float
    m_max: int


def _log_factorials(n: int) -> Array:
    """Return log(k!) for k = 0..n, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])


def log_odds(frames: Ints, n_frames: int, m: int, log_factorial: Array) -> tuple[float, Ints, Ints]:
    """Return the log odds of m equal bins against a constant rate, with counts and frames per bin.

    Parameters
    ----------
    frames : ndarray of int, shape (n,)
        Ordinal of each event's frame among the good frames.
    n_frames : int
        How many good frames there are.
    m : int
        Number of bins.
    log_factorial : ndarray
        log(k!) up to n + m.

    Returns
    -------
    odds : float
        Natural logarithm; negative for constant.
    counts, live : ndarray of int, shape (m,)
        Events and frames per bin.

    Examples
    --------
    >>> table = _log_factorials(200)
    >>> steady = log_odds(np.arange(0, 1000, 10), 1000, 2, table)[0]
    >>> burst = log_odds(np.arange(0, 100), 1000, 2, table)[0]
    >>> steady < 0 < burst
    True
    """
    n = len(frames)
    edges = -(-np.arange(m + 1) * n_frames // m)
    counts = np.bincount(frames * m // n_frames, minlength=m)[:m]
    live = np.diff(edges)
    weight = live * (m / n_frames)
    multiplicity = log_factorial[n] - log_factorial[counts].sum()
    odds = log_factorial[n] + log_factorial[m - 1] - log_factorial[n + m - 1] + n * math.log(m) - multiplicity
    return float(odds - (counts * np.log(weight)).sum()), counts, live


def variability_index(probability: float, log10_odds: float, within_3: float, within_5: float) -> int:
    """Return the catalog's variability index.

    Examples
    --------
    >>> variability_index(0.3, -0.4, 1.0, 1.0), variability_index(0.99, 3.0, 0.9, 1.0)
    (0, 7)
    """
    steady = within_3 > 0.997 and within_5 == 1.0  # noqa: PLR2004 - the catalog's definition
    if probability <= 0.5:  # noqa: PLR2004
        return 0
    if probability < 0.9:  # noqa: PLR2004
        if steady:
            return 1 if probability < 2.0 / 3.0 else 2
        return 3 + int(np.searchsorted([0.6, 2.0 / 3.0], probability, side="right"))
    return 6 + int(np.searchsorted([2.0, 4.0, 10.0, 30.0], log10_odds, side="right"))


def gregory_loredo(frames: Ints, n_frames: int, cycle_s: float) -> Verdict:
    """Test whether events come at a constant rate.

    Parameters
    ----------
    frames : ndarray of int, shape (n,)
        Ordinal of each event's frame among the good frames, ascending or not.
    n_frames : int
        Number of good frames.
    cycle_s : float
        Duration of a frame.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> steady = gregory_loredo(rng.integers(0, 10000, 300), 10000, 3.2)
    >>> flaring = gregory_loredo(np.minimum(rng.exponential(900, 300).astype(int), 9999), 10000, 3.2)
    >>> steady.probability < 0.7, flaring.index
    (True, 10)
    """
    n = len(frames)
    m_max = int(np.clip(n_frames * cycle_s / MIN_BIN_S, 2, MAX_BINS))
    table = _log_factorials(n + m_max + 1)
    tried = [log_odds(frames, n_frames, m, table) for m in range(2, m_max + 1)]
    logs = np.array([odds for odds, _, _ in tried])
    peak = float(logs.max())
    total = peak + math.log(float(np.exp(logs - peak).sum()) / (m_max - 1))
    probability = 1.0 / (1.0 + math.exp(-min(max(total, -700.0), 700.0)))

    # The constant rate is one of the models; each model's curve is read off on the finest grid.
    middle = (np.arange(m_max) + 0.5) / m_max
    weights = np.exp(np.concatenate([[0.0], logs - math.log(m_max - 1)]) - max(peak, 0.0))
    weights /= weights.sum()
    mean = n / (n_frames * cycle_s)
    first, second = np.full(m_max, weights[0] * mean), np.full(m_max, weights[0] * (mean**2 + mean**2 / max(n, 1)))
    for weight, (_, counts, live) in zip(weights[1:], tried, strict=True):
        if weight > 1e-6:  # noqa: PLR2004 - the rest cannot be seen
            rate = (counts / (live * cycle_s))[(middle * len(counts)).astype(np.int64)]
            first += weight * rate
            second += weight * (rate**2 + rate / (n_frames * cycle_s / len(counts)))
    error = np.sqrt(np.maximum(second - first**2, 1e-30))
    off = np.abs(first - mean) / error
    within_3, within_5 = float((off < 3.0).mean()), float((off < 5.0).mean())  # noqa: PLR2004 - sigmas by name
    log10 = total / math.log(10.0)
    index = variability_index(probability, log10, within_3, within_5)
    return Verdict(probability, log10, index, first, error, within_3, within_5, m_max)


def kolmogorov_smirnov(frames: Ints, n_frames: int) -> float:
    """Return the probability that events are NOT uniform in time, after Kolmogorov and Smirnov, two-sided.

    Examples
    --------
    >>> kolmogorov_smirnov(np.arange(0, 1000, 10), 1000) < 0.01
    True
    >>> kolmogorov_smirnov(np.arange(0, 200), 1000) > 0.99
    True
    """
    n = len(frames)
    above, below = _deviations(frames, n_frames)
    root = math.sqrt(n)
    z = (root + 0.12 + 0.11 / root) * max(above, below)
    k = np.arange(1, 101)
    series = 2.0 * float(((-1.0) ** (k - 1) * np.exp(-2.0 * (k * z) ** 2)).sum()) if z > 0.2 else 1.0  # noqa: PLR2004
    return 1.0 - min(max(series, 0.0), 1.0)


def kuiper(frames: Ints, n_frames: int) -> float:
    """Return the probability that events are NOT uniform in time, after Kuiper.

    Examples
    --------
    >>> kuiper(np.arange(400, 600), 1000) > 0.99
    True
    """
    n = len(frames)
    above, below = _deviations(frames, n_frames)
    root = math.sqrt(n)
    z = (root + 0.155 + 0.24 / root) * (above + below)
    k2 = (np.arange(1, 101) * z) ** 2
    series = 2.0 * float(((4.0 * k2 - 1.0) * np.exp(-2.0 * k2)).sum()) if z > 0.4 else 1.0  # noqa: PLR2004
    return 1.0 - min(max(series, 0.0), 1.0)


def _deviations(frames: Ints, n_frames: int) -> tuple[float, float]:
    """Return the largest deviations of the empirical distribution above and below a uniform one."""
    n = len(frames)
    place = (np.sort(frames) + 0.5) / n_frames
    steps = np.arange(n + 1) / n
    return float((steps[1:] - place).max()), float((place - steps[:-1]).max())
