"""Count rate over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnknownName
from catalog.objects.product import Asks, Product
from catalog.palette import CLASS_COLOURS, GOOD_TIME_COLOUR, OTHER_COLOUR
from catalog.schema.columns import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = npt.NDArray[np.float64]
_N_BINS = 40
_MANY = 200
_COLUMNS = "bin, start_s, stop_s, exposure_s, counts, rate, rate_lolim, rate_hilim, flag"


class LightCurve(Product):
    """A light curve.

    Columns: start_s, stop_s, exposure_s, counts, rate, rate_lolim, rate_hilim and flag, as `light_curve` in SQL has
    them. Bins without good time are missing.

    Attributes
    ----------
    bin_s : float
        Length of a bin, s.
    said : str
        What to know of it; empty for nothing.
    """

    def __init__(self, rows: pa.Table, about: str, bin_s: float, said: str = "") -> None:
        super().__init__(rows, about)
        self.bin_s, self.said = bin_s, said

    @property
    def good_times(self) -> npt.NDArray[np.float64]:
        """Start and stop of each stretch of bins that were observed, s, shape (n, 2)."""
        start, stop = (np.asarray(self[name], np.float64) for name in ("start_s", "stop_s"))
        if not len(start):
            return np.empty((0, 2))
        first = np.flatnonzero(np.concatenate([[True], start[1:] > stop[:-1] + 1e-6 * self.bin_s]))
        return np.column_stack([start[first], stop[np.append(first[1:], len(start)) - 1]])

    def blocks(self, p0: float = 0.05) -> Blocks:
        """Return the stretches of constant rate that tell its counts best: Bayesian blocks.

        Time without good time counts as none. A block begins and ends with a bin: take short bins for sharp edges.

        Parameters
        ----------
        p0 : float
            Chance of one block too many in a constant source.

        Raises
        ------
        QueryError
            If it has no counts and good times: the bins of a light curve file have none.

        Source
        ------
        Scargle et al. 2013, ApJ 764, 167: equations 19 (fitness) and 21 (prior), for binned counts (section 3.2).

        Examples
        --------
        >>> start = np.arange(40.0)
        >>> rows = {"start_s": start, "stop_s": start + 1, "exposure_s": np.ones(40), "counts": [3] * 20 + [30] * 20}
        >>> LightCurve(pa.table(rows), "a detection", 1.0).blocks()["start_s"].tolist()
        [0.0, 20.0]
        """
        start, stop, exposure, counts = (
            np.asarray(self[n], np.float64) for n in ("start_s", "stop_s", "exposure_s", "counts")
        )
        good = np.isfinite(exposure) & (exposure > 0) & np.isfinite(counts)
        if not counts[good].sum():
            raise QueryError(f"{self.about}: expected counts with their good times, found none")
        start, stop, exposure, counts = start[good], stop[good], exposure[good], counts[good]
        first = change_points(counts, exposure, p0)
        last = np.append(first[1:], len(counts)) - 1
        total, seen = np.add.reduceat(counts, first), np.add.reduceat(exposure, first)
        rows = {"start_s": start[first], "stop_s": stop[last], "exposure_s": seen, "counts": total.astype(np.int64)}
        units = {"start_s": "s", "stop_s": "s", "exposure_s": "s", "counts": "count", "rate": "count/s"}
        return Blocks(with_units(pa.table(rows | {"rate": total / seen}), units), self.about)

    @property
    def caption(self) -> str:
        """What a drawing of it shows, in one sentence."""
        said = f" ({self.said})" if self.said else ""
        return f"Light curve of {self.about}, bins of {self.bin_s:g} s; shaded: good time{said}"

    def _draw(self, axes: Axes) -> None:
        start, stop, rate, low, high = (
            np.asarray(self[n], np.float64) for n in ("start_s", "stop_s", "rate", "rate_lolim", "rate_hilim")
        )
        zero = start[0] if len(start) else 0.0
        for first, last in self.good_times:
            axes.axvspan((first - zero) / 1e3, (last - zero) / 1e3, color=GOOD_TIME_COLOUR, zorder=0, linewidth=0)
        known = np.isfinite(rate)
        error = np.clip([(rate - low)[known], (high - rate)[known]], 0, None)
        time_ks = ((start + stop) / 2 - zero)[known] / 1e3
        many = len(time_ks) > _MANY  # error bars of many bins would cover what they belong to
        axes.errorbar(
            time_ks,
            rate[known],
            error,
            fmt=".",
            color=CLASS_COLOURS[0],
            ecolor=OTHER_COLOUR if many else None,
            markersize=2 if many else 4,
            linewidth=0.8,
        )
        axes.set_ylim(bottom=0)
        axes.set(xlabel=f"time since {zero:.0f} s [ks], bins of {self.bin_s:g} s", ylabel="count/s", title=self.about)


def change_points(counts: Numbers, exposure_s: Numbers, p0: float) -> npt.NDArray[np.int64]:
    """Return the number of the first bin of each Bayesian block, shape (n_blocks,); see `LightCurve.blocks`.

    astropy.stats.bayesian_blocks takes the first and the last bin for half as long as they are.
    """
    n = len(counts)
    prior = 4 - np.log(73.53 * p0 * max(n, 1) ** -0.478)
    upto_counts, upto_s = np.append(0, np.cumsum(counts)), np.append(0, np.cumsum(exposure_s))
    best, start = np.zeros(n + 1), np.zeros(n + 1, np.int64)
    for end in range(1, n + 1):
        inside = upto_counts[end] - upto_counts[:end]
        fitness = best[:end] + inside * np.log(np.maximum(inside, 1) / (upto_s[end] - upto_s[:end])) - prior
        start[end] = np.argmax(fitness)
        best[end] = fitness[start[end]]
    first = [start[n]]
    while first[-1] > 0:
        first.append(start[first[-1]])
    return np.array(first[::-1], np.int64)


class Blocks(Product):
    """Stretches of constant rate.

    Columns, one row per block: start_s, stop_s, exposure_s [s], counts [count], rate [count/s].
    """

    def _draw(self, axes: Axes) -> None:
        start, stop, rate = (np.asarray(self[n], np.float64) for n in ("start_s", "stop_s", "rate"))
        edges = (np.append(start, stop[-1]) - start[0]) / 1e3
        axes.stairs(rate, edges, color=CLASS_COLOURS[0], baseline=None)
        axes.set_ylim(bottom=0)
        axes.set(xlabel=f"time since {start[0]:.0f} s [ks]", ylabel="count/s", title=self.about)


def light_curve(cat: Asks, detection_id: str, bin_s: float | None = None) -> LightCurve:
    """Return the light curve of a detection's photons; see `catalog.objects.source.Detection.light_curve`."""
    if bin_s is not None and not bin_s > 0:
        raise QueryError(f"expected bins of more than 0 s, found {bin_s}")
    chosen = bin_s if bin_s is not None else _about_forty(cat, detection_id)
    if chosen is None:
        return of_file(cat, detection_id)
    rows = cat.sql(f"SELECT {_COLUMNS} FROM light_curve($id, $bin) ORDER BY bin", id=detection_id, bin=float(chosen))
    found = rows.arrow()
    flags = ", ".join(flag for flag in found["flag"].unique().to_pylist() if flag)
    return LightCurve(found, detection_id, float(chosen), flags)


def _about_forty(cat: Asks, detection_id: str) -> float | None:
    """Return the length of about forty bins; None where the store has no photons of the detection."""
    ((span,),) = cat.sql(
        "SELECT max(h.tstop_s - h.tstart_s) FROM product.detection_region AS r "
        "JOIN product.header AS h USING (file_id) WHERE r.detection_id = $id",
        id=detection_id,
    ).fetchall()
    if span is None:
        ((span,),) = cat.sql(
            "SELECT max(time_s) - min(time_s) FROM product.detection_event WHERE detection_id = $id", id=detection_id
        ).fetchall()
    return float(f"{max(float(str(span)) / _N_BINS, 1.0):.2g}") if span else None


def of_file(cat: Asks, detection_id: str) -> LightCurve:
    """Return the bins of a detection's light curve file: the newest, of the broadest band."""
    held = cat.sql(
        "WITH held AS (SELECT l.time_s, l.count_rate, l.count_rate_err, l.band FROM product.light_curve AS l "
        "JOIN product.header AS h USING (file_id) WHERE l.detection_id = $id QUALIFY dense_rank() OVER (ORDER BY "
        "l.band IN ('b', 'w') DESC, h.version DESC NULLS LAST, l.file_id) = 1), "
        "length AS (SELECT median(step) AS bin_s FROM (SELECT time_s - lag(time_s) OVER (ORDER BY time_s) AS step "
        "FROM held)) SELECT row_number() OVER (ORDER BY time_s) - 1 AS bin, time_s AS start_s, "
        "time_s + bin_s AS stop_s, NULL::DOUBLE AS exposure_s, NULL::BIGINT AS counts, count_rate AS rate, "
        "count_rate - count_rate_err AS rate_lolim, count_rate + count_rate_err AS rate_hilim, band AS flag "
        "FROM held, length ORDER BY time_s",
        id=detection_id,
    ).arrow()
    if held.num_rows <= 1:
        raise UnknownName(
            f"the store has neither photons nor a light curve of {detection_id}; load its regevt3 or lc3, or ask what "
            f"it has: SELECT kind, n_rows FROM product.header WHERE detection_id = {literal(detection_id)}"
        )
    start, stop = held["start_s"][0].as_py(), held["stop_s"][0].as_py()
    said = f"from its light curve file, band {held['flag'][0].as_py()}: the store has no photons of it"
    units = {"start_s": "s", "stop_s": "s", "exposure_s": "s", "counts": "count"}
    units |= dict.fromkeys(("rate", "rate_lolim", "rate_hilim"), "count/s")
    return LightCurve(with_units(held, units), detection_id, float(stop - start), said)


def with_units(rows: pa.Table, units: dict[str, str]) -> pa.Table:
    """Return a table whose fields say their units."""
    fields = [f.with_metadata({"unit": units[f.name]}) if f.name in units else f for f in rows.schema]
    return rows.cast(pa.schema(fields, rows.schema.metadata))
