"""When detections were looked at, and the clock that runs only then: what all times of photons are measured by.

A window that starts at a photon has a photon in its first bin, always: at ten counts that bin is several times as
bright as the others. So time starts with the good times of the observation, which know nothing of the photons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from catalog.intervals import Floats, Ints, merged

Bools = npt.NDArray[np.bool_]

_LOST = 0.01  # of the photons far from good times: more says that the good times are those of something else
_FAR_S = 450.0


@dataclass(frozen=True)
class Photons:
    """Photons of n detections: those of a detection stand together, in order of time.

    Attributes
    ----------
    time_s : ndarray of float, shape (n_photon,)
        Arrival, seconds.
    energy_ev : ndarray of float, shape (n_photon,)
        Energy, eV; within 0.5-7 keV.
    row : ndarray of int, shape (n_photon,)
        Which detection, 0 to n - 1, rising.
    n : int
        Number of detections, those without photons counted.
    """

    time_s: Floats
    energy_ev: Floats
    row: Ints
    n: int

    @cached_property
    def n_photons(self) -> Ints:
        """Photons per detection, shape (n,)."""
        return np.bincount(self.row, minlength=self.n)

    @cached_property
    def first(self) -> Ints:
        """Index of each detection's first photon, shape (n,); where there is none, that of the next detection's."""
        return np.concatenate([[0], np.cumsum(self.n_photons)])[:-1]

    def some(self, kept: Bools) -> Photons:
        """Return some of the photons, of the same detections; shape of kept (n_photon,)."""
        return Photons(self.time_s[kept], self.energy_ev[kept], self.row[kept], self.n)


@dataclass(frozen=True)
class GoodTimes:
    """Good times of n detections: those of a detection stand together, in order, and do not overlap.

    Attributes
    ----------
    start_s, stop_s : ndarray of float, shape (n_interval,)
        Seconds.
    row : ndarray of int, shape (n_interval,)
        Which detection, 0 to n - 1, rising.
    n : int
        Number of detections.
    """

    start_s: Floats
    stop_s: Floats
    row: Ints
    n: int

    @cached_property
    def first(self) -> Floats:
        """When the first good time of each detection starts, shape (n,); 0 where there is none."""
        return self._of_each(self.start_s, np.searchsorted(self.row, np.arange(self.n), "left"))

    @cached_property
    def last(self) -> Floats:
        """When the last good time of each detection stops, shape (n,); 0 where there is none."""
        return self._of_each(self.stop_s, np.searchsorted(self.row, np.arange(self.n), "right") - 1)

    @cached_property
    def seconds(self) -> Floats:
        """Good time of each detection, shape (n,)."""
        return np.asarray(np.bincount(self.row, self.stop_s - self.start_s, minlength=self.n), np.float64)

    def clock(self, p: Photons) -> Floats:
        """Return the good time before each photon, seconds, shape (n_photon,): a clock that stands still in gaps."""
        if not len(self.row):
            return np.zeros(len(p.row))
        last = self._latest(p)
        lengths = self.stop_s - self.start_s
        before = np.cumsum(lengths) - lengths
        own = before - (np.cumsum(self.seconds) - self.seconds)[self.row]
        good = own[last] + np.clip(p.time_s - self.start_s[last], 0.0, lengths[last])
        return np.asarray(np.where(self._is_of(last, p), good, 0.0))

    def share(self, p: Photons) -> Floats:
        """Return the good time before each photon over all of its detection, shape (n_photon,): 0 to 1."""
        total = self.seconds[p.row]
        return np.divide(self.clock(p), total, out=np.zeros(len(p.row)), where=total > 0)

    def far(self, p: Photons) -> Bools:
        """Tell which photons are further than 450 s from every good time, shape (n_photon,)."""
        if not len(self.row):
            return np.ones(len(p.row), np.bool_)
        last = self._latest(p)
        following = np.minimum(last + 1, len(self.row) - 1)
        after = np.where(self._is_of(last, p), p.time_s - self.stop_s[last], np.inf)
        before = np.where(self._is_of(following, p), np.abs(self.start_s[following] - p.time_s), np.inf)
        return np.asarray((after > _FAR_S) & (before > _FAR_S))

    def _latest(self, p: Photons) -> Ints:
        """Return the last interval before or at each photon's time, another detection's where it has none; or -1."""
        # One sorted axis for all detections: the detection decides first, then time.
        place = np.lexsort((
            np.concatenate([np.zeros(len(self.row), np.int8), np.ones(len(p.row), np.int8)]),
            np.concatenate([self.start_s, p.time_s]),
            np.concatenate([self.row, p.row]),
        ))  # fmt: skip
        is_interval = place < len(self.row)
        started = np.cumsum(is_interval)[~is_interval] - 1
        last = np.empty(len(p.row), np.int64)
        last[place[~is_interval] - len(self.row)] = started
        return last

    def _is_of(self, interval: Ints, p: Photons) -> Bools:
        return np.asarray((interval >= 0) & (self.row[interval] == p.row))

    def _of_each(self, values: Floats, index: Ints) -> Floats:
        if not len(values):
            return np.zeros(self.n)
        place = np.clip(index, 0, len(values) - 1)
        return np.where(self.row[place] == np.arange(self.n), values[place], 0.0)


def good_times(p: Photons, start_s: Floats, stop_s: Floats, interval_row: Ints) -> tuple[Photons, GoodTimes]:
    """Return the photons to count, and the good times they came in.

    Where nothing tells the good times, or photons lie far outside them, all that is known is that the detection was
    looked at when its first and its last photon came. These two then mark the ends, and are not counted: the photons
    between them are as if drawn from that span, whatever the rate was, and no bin is brighter for holding a mark.

    Parameters
    ----------
    p : Photons
        Of n detections.
    start_s, stop_s : ndarray of float, shape (n_interval,)
        Good times, seconds, in any order; where they overlap they are merged, so that no second counts twice.
    interval_row : ndarray of int, shape (n_interval,)
        Detection of each.

    Returns
    -------
    Photons, GoodTimes

    Examples
    --------
    >>> p = Photons(np.array([5.0, 6.0, 9.0]), np.full(3, 1e3), np.zeros(3, np.int64), 1)
    >>> _, good = good_times(p, np.array([0.0, 3.0]), np.array([4.0, 10.0]), np.array([0, 0]))
    >>> good.start_s.tolist(), good.stop_s.tolist(), good.share(p).tolist()
    ([0.0], [10.0], [0.5, 0.6, 0.9])
    >>> between, good = good_times(p, np.empty(0), np.empty(0), np.empty(0, np.int64))
    >>> between.time_s.tolist(), good.seconds.tolist()
    ([6.0], [4.0])
    """
    told = _merged(start_s, stop_s, interval_row, p.n)
    lost = np.bincount(p.row[told.far(p)], minlength=p.n)
    believed = (told.seconds > 0) & (lost <= _LOST * p.n_photons)
    unknown = np.flatnonzero(~believed & (p.n_photons > 0))
    first, last = p.first[unknown], p.first[unknown] + p.n_photons[unknown] - 1
    kept = believed[told.row] | (p.n_photons[told.row] == 0)
    good = _merged(
        np.concatenate([told.start_s[kept], p.time_s[first]]),
        np.concatenate([told.stop_s[kept], p.time_s[last]]),
        np.concatenate([told.row[kept], unknown]),
        p.n,
    )
    counted = np.ones(len(p.row), np.bool_)
    counted[first] = counted[last] = False
    return p.some(counted), good


def _merged(start_s: Floats, stop_s: Floats, row: Ints, n: int) -> GoodTimes:
    """Join the intervals of each detection that overlap."""
    some = stop_s > start_s
    return GoodTimes(*merged(start_s[some], stop_s[some], row[some]), n)
