"""Intervals of time: those that overlap become one, so that no second counts twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def merged(start_s: Floats, stop_s: Floats, group: Ints) -> tuple[Floats, Floats, Ints]:
    """Join the intervals of a group that overlap; those that only touch stay two.

    Parameters
    ----------
    start_s, stop_s : ndarray of float, shape (n,)
        Seconds, finite, none ending before it starts.
    group : ndarray of int, shape (n,)
        What each belongs to: a detection, a CCD.

    Returns
    -------
    start_s, stop_s, group : ndarray, shape (n_merged,)
        In order of group and start.

    Examples
    --------
    >>> [a.tolist() for a in merged(np.array([9.0, 0.0, 2.0]), np.array([10.0, 5.0, 6.0]), np.array([1, 1, 1]))]
    [[0.0, 9.0], [6.0, 10.0], [1, 1]]
    """
    order = np.lexsort((-stop_s, start_s, group))
    start_s, stop_s, group = start_s[order], stop_s[order], group[order]
    if not len(group):
        return start_s, stop_s, group
    # The latest end so far in each group. Places in the order of all times stand for the times: so groups can be set
    # apart by a sum without rounding any of them.
    n = len(group)
    times, places = np.unique(np.concatenate([start_s, stop_s]), return_inverse=True)
    apart = len(times) * (group - group[0])
    so_far = np.maximum.accumulate(places[n:] + apart) - apart
    begins = np.ones(n, np.bool_)
    same_start = start_s[1:] == start_s[:-1]
    begins[1:] = (group[1:] != group[:-1]) | ((places[1:n] >= so_far[:-1]) & ~same_start)
    first = np.flatnonzero(begins)
    return start_s[first], np.maximum.reduceat(stop_s, first), group[first]
