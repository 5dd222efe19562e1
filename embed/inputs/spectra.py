"""Channel spectra -> 400 points on a logarithmic energy grid, scaled to [0, 1]: what spectrum encoders read.

Counts are background subtracted, divided by exposure and bin width (counts/s/keV), moved onto the grid so that no
count is lost or made, and MinMax scaled per spectrum, since flux depends on distance. Bins that the channels do not
cover are masked; each bin keeps its noise.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from catalog.folding import ACIS_CHANNELS, BAD_QUALITY, nominal_acis_edges
from catalog.folding import background_scale as scale_of
from embed.inputs.prepared import Prepared, Ragged, ids_and_names, numbers, ragged

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

LOWEST_KEV, HIGHEST_KEV, N_POINTS = 0.5, 8.0, 400
"""Of the grid. With another one, the versions of the inputs on it are others, and so vectors made before are stale."""
EDGES_KEV: Floats = np.geomspace(LOWEST_KEV, HIGHEST_KEV, N_POINTS + 1)
WIDTHS_KEV: Floats = np.diff(EDGES_KEV)
_COVERED = 1 - 1e-6


def grid_mark(lowest_kev: float = LOWEST_KEV, highest_kev: float = HIGHEST_KEV, n_points: int = N_POINTS) -> int:
    """Return what a grid adds to the versions of inputs on it: 0 for the first grid that stores were made with.

    Examples
    --------
    >>> grid_mark(0.5, 8.0, 400), grid_mark(0.5, 8.0, 200) > 0
    (0, True)
    """
    grid = (float(lowest_kev), float(highest_kev), int(n_points))
    return 0 if grid == (0.5, 8.0, 400) else 100 + zlib.crc32(repr(grid).encode()) % (1 << 30)


@dataclass(frozen=True)
class GriddedSpectrum:
    """A batch of spectra on the grid.

    Attributes
    ----------
    values : ndarray of float32, shape (n, 400)
        Net counts/s/keV, MinMax scaled per spectrum over unmasked bins; 0 where masked, and all 0 where the
        spectrum is flat.
    mask : ndarray of bool, shape (n, 400)
        True where good channels cover the whole bin.
    noise : ndarray of float32, shape (n, 400)
        Standard deviation of `values`; 0 where masked or where the span is 0.
    low, span : ndarray of float64, shape (n,)
        Least value and range in counts/s/keV: ``low + span * values`` undoes the scaling.
    """

    values: Singles
    mask: Bools
    noise: Singles
    low: Floats
    span: Floats


@dataclass(frozen=True)
class ChannelSpectra:
    """A batch of spectra with the same channels.

    Attributes
    ----------
    counts, background : ndarray of float, shape (n, n_channel)
        Counts in the source region and in the background region; NaN where a channel has none. Background is 0
        where there is no background.
    exposure_s : ndarray of float, shape (n,)
        Exposure times AREASCAL.
    background_scale : ndarray of float, shape (n,)
        What one background count stands for in the source region: the ratio of exposure x AREASCAL x BACKSCAL;
        0 where there is no background.
    variance : ndarray of float, shape (n, n_channel), optional
        Of `counts`, where they are not Poisson.
    """

    counts: Floats
    background: Floats
    exposure_s: Floats
    background_scale: Floats
    variance: Floats | None = None


def overlap(e_min: Floats, e_max: Floats, edges: Floats = EDGES_KEV) -> sp.csr_array:
    """Return the fraction of each channel that lies in each bin of a grid.

    Channels may come in any order, leave gaps, and reach beyond the grid. One without a positive width has no
    share anywhere.

    Parameters
    ----------
    e_min, e_max : ndarray of float, shape (n_channel,)
        Channel energies, keV.
    edges : ndarray of float, shape (n_bin + 1,)
        Rising bin edges, keV.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (n_channel, n_bin)
        A row sums to one where the channel lies inside the grid: counts are conserved.

    Examples
    --------
    >>> overlap(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([0.0, 0.5, 2.0])).toarray().tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    n_bin = len(edges) - 1
    with np.errstate(invalid="ignore"):
        good = (e_max > e_min) & np.isfinite(e_min) & np.isfinite(e_max)
    low, high = np.where(good, e_min, edges[0]), np.where(good, e_max, edges[0])
    first = np.clip(np.searchsorted(edges, low, "right") - 1, 0, n_bin)
    last = np.clip(np.searchsorted(edges, high, "left"), 0, n_bin)
    n_touched = np.where(good, np.maximum(last - first, 0), 0)
    channel = np.repeat(np.arange(len(low)), n_touched)
    starts = np.concatenate([[0], np.cumsum(n_touched)])
    bins = np.arange(starts[-1]) - starts[channel] + first[channel]
    shared = np.minimum(high[channel], edges[bins + 1]) - np.maximum(low[channel], edges[bins])
    share = np.maximum(shared, 0.0) / (high[channel] - low[channel])
    return sp.csr_array((share, (channel, bins)), shape=(len(low), n_bin))


@lru_cache(maxsize=64)
def _overlap_of(e_min: bytes, e_max: bytes) -> sp.csr_array:
    return overlap(np.frombuffer(e_min), np.frombuffer(e_max))


def rebinned(counts: Floats, e_min: Floats, e_max: Floats) -> Floats:
    """Move counts per channel onto the grid; the sum over the grid is the sum over the channels inside it.

    Parameters
    ----------
    counts : ndarray of float, shape (n, n_channel)
        Counts, or anything else that adds up.
    e_min, e_max : ndarray of float, shape (n_channel,)
        Channel energies, keV.

    Returns
    -------
    ndarray of float, shape (n, 400)

    Examples
    --------
    >>> inside = rebinned(np.array([[3.0, 4.0]]), np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    >>> round(float(inside.sum()), 12)
    7.0
    """
    return np.asarray(counts @ _matrix(e_min, e_max))


def grid(spectra: ChannelSpectra, e_min: Floats, e_max: Floats) -> GriddedSpectrum:
    """Bring spectra with the same channels onto the grid.

    Noise: a channel of N counts has variance N + 1 (of the posterior of a Poisson mean under a flat prior, so that
    an empty channel is not known exactly), plus the scaled background's; a bin adds its channels' shares squared.
    Below 2.1 keV bins are narrower than ACIS channels and the noise of neighbours is the same noise.

    Parameters
    ----------
    spectra : ChannelSpectra
        n spectra.
    e_min, e_max : ndarray of float, shape (n_channel,)
        Channel energies, keV, shared by all of them.

    Returns
    -------
    GriddedSpectrum
    """
    matrix = _matrix(e_min, e_max)
    missing = ~np.isfinite(spectra.counts) | ~np.isfinite(spectra.background)
    counts = np.where(missing, 0.0, spectra.counts)
    background = np.where(missing, 0.0, spectra.background)
    scale = spectra.background_scale[:, None]
    rate_per_count = 1.0 / (spectra.exposure_s[:, None] * WIDTHS_KEV)
    net = ((counts - scale * background) @ matrix) * rate_per_count
    own = np.maximum(counts, 0.0) + 1.0 if spectra.variance is None else np.where(missing, 0.0, spectra.variance)
    noise = np.sqrt((own + scale**2 * background) @ matrix.power(2)) * rate_per_count
    mask = covered(missing, e_min, e_max)
    low = np.min(net, axis=1, where=mask, initial=np.inf)
    high = np.max(net, axis=1, where=mask, initial=-np.inf)
    low, high = np.where(mask.any(axis=1), low, 0.0), np.where(mask.any(axis=1), high, 0.0)
    span = high - low
    factor = np.divide(1.0, span, out=np.zeros_like(span), where=span > 0)[:, None]
    values = np.where(mask, (net - low[:, None]) * factor, 0.0)
    return GriddedSpectrum(
        values.astype(np.float32), mask, np.where(mask, noise * factor, 0.0).astype(np.float32), low, span
    )


def covered(missing: Bools, e_min: Floats, e_max: Floats) -> Bools:
    """Tell which bins good channels cover entirely.

    Parameters
    ----------
    missing : ndarray of bool, shape (n, n_channel)
        Channels that a spectrum lacks.
    e_min, e_max : ndarray of float, shape (n_channel,)
        Channel energies, keV.

    Returns
    -------
    ndarray of bool, shape (n, 400)
    """
    width = np.where(np.isfinite(e_max - e_min), e_max - e_min, 0.0)
    if not missing.any():
        whole = (width @ _matrix(e_min, e_max)) / WIDTHS_KEV > _COVERED
        return np.broadcast_to(whole, (len(missing), N_POINTS)).copy()
    return np.asarray((np.where(missing, 0.0, width) @ _matrix(e_min, e_max)) / WIDTHS_KEV > _COVERED)


def _matrix(e_min: Floats, e_max: Floats) -> sp.csr_array:
    # Spectra of one survey share a few channel grids: the overlap is worked out once per grid.
    return _overlap_of(np.ascontiguousarray(e_min, np.float64).tobytes(), np.ascontiguousarray(e_max).tobytes())


BLIND = "HRC does not measure energies: a spectrum of it tells nothing"
_LISTS = ("counts", "rate", "stat_err", "background_counts", "background_rate", "quality", "e_min", "e_max")


def prepare(rows: pa.Table) -> Prepared:
    """Grid spectra.

    Parameters
    ----------
    rows : pyarrow.Table
        id, name, instrument, exposure_s, backscal, areascal, their background_ twins, hduclas2; the lists counts, rate,
        stat_err, background_counts, background_rate, quality, e_min, e_max: see `embed.inputs.modalities`.

    Returns
    -------
    Prepared
        Arrays `values` (n, 400) float32, `mask` (n, 400) bool, `noise` (n, 400) float32: see
        `embed.inputs.spectra.GriddedSpectrum`. A spectrum without background is kept as it is; one without
        channel energies gets ACIS's nominal ones where it has 1024 channels.
    """
    lists = {name: ragged(rows[name]) for name in _LISTS}
    exposure = numbers(rows["exposure_s"]) * np.nan_to_num(numbers(rows["areascal"], 1.0), nan=1.0)
    scale = background_scale(rows)
    n = rows.num_rows
    values, noise = np.zeros((n, N_POINTS), np.float32), np.zeros((n, N_POINTS), np.float32)
    mask, kept = np.zeros((n, N_POINTS), np.bool_), np.zeros(n, np.bool_)
    reasons: dict[int, str] = {}
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    blind = no_energies(rows)
    for i in range(n):
        edges = blind[i] or channel_energies(lists, i)
        if isinstance(edges, str):
            reasons[i] = edges
        elif not exposure[i] > 0:
            reasons[i] = "the spectrum has no exposure time"
        else:
            groups[edges[0].tobytes(), edges[1].tobytes()].append(i)
    for (low, high), members in groups.items():
        spectra = _stacked(lists, members, exposure, scale)
        gridded = grid(spectra, np.frombuffer(low), np.frombuffer(high))
        values[members], noise[members], mask[members] = gridded.values, gridded.noise, gridded.mask
        kept[members] = gridded.mask.any(axis=1)
        reasons |= {i: "no good channel between 0.5 and 8 keV" for i in members if not kept[i]}
    ids, names = ids_and_names(rows, kept)
    all_ids = rows["id"].to_pylist() if reasons else []
    return Prepared(
        ids,
        names,
        {"values": values[kept], "mask": mask[kept], "noise": noise[kept]},
        {all_ids[i]: why for i, why in sorted(reasons.items())},
    )


def no_energies(rows: pa.Table) -> list[str]:
    """Return of each row why its instrument makes no spectrum; '' where it does."""
    return [BLIND if name == "HRC" else "" for name in rows["instrument"].to_pylist()]


def background_scale(rows: pa.Table) -> Floats:
    """Return what a background count stands for in the source region, shape (n,); 0 where it cannot be told."""
    names = (f"{side}{name}" for side in ("", "background_") for name in ("exposure_s", "backscal", "areascal"))
    scale = scale_of(*(numbers(rows[name]) for name in names))
    return np.where(np.asarray([kind == "NET" for kind in rows["hduclas2"].to_pylist()], np.bool_), 0.0, scale)


def channel_energies(lists: dict[str, Ragged], i: int) -> tuple[Floats, Floats] | str:
    """Return the channels' energies of a row, each of shape (n_channel,), or the reason why there are none."""
    n_channel = len(lists["counts"][i]) or len(lists["rate"][i])
    if not n_channel:
        return "the spectrum has neither counts nor rates"
    e_min, e_max = lists["e_min"][i], lists["e_max"][i]
    if len(e_min) == n_channel == len(e_max):
        return e_min, e_max
    if len(e_min):
        return f"the response has {len(e_min)} channels, the spectrum {n_channel}: it belongs to another spectrum"
    if n_channel == ACIS_CHANNELS:
        return nominal_acis_edges()
    return f"no response matrix tells the energies of its {n_channel} channels; ingest the RMF"


def _stacked(lists: dict[str, Ragged], members: list[int], exposure: Floats, scale: Floats) -> ChannelSpectra:
    shape = (len(members), len(lists["counts"][members[0]]) or len(lists["rate"][members[0]]))
    counts, background = np.empty(shape), np.zeros(shape)
    errors: dict[int, Floats] = {}
    scales = scale[members]
    for j, i in enumerate(members):
        unit = 1.0 if len(lists["counts"][i]) == shape[1] else exposure[i]
        counts[j] = (lists["counts"][i] if unit == 1.0 else lists["rate"][i]) * unit
        if len(error := lists["stat_err"][i]) == shape[1]:
            errors[j] = np.nan_to_num(error) * unit
        if len(lists["background_counts"][i]) == shape[1]:
            background[j] = np.nan_to_num(lists["background_counts"][i])
        else:
            scales[j] = 0.0
        if len(quality := lists["quality"][i]) == shape[1]:
            counts[j, np.isin(quality, BAD_QUALITY)] = np.nan
    variance: Floats | None = None
    if errors:
        variance = np.maximum(np.nan_to_num(counts), 0.0) + 1.0
        for j, error in errors.items():
            variance[j] = error**2
    return ChannelSpectra(counts, background, exposure[members], scales, variance)
