"""Redistribution matrices, their sum, and the energies of their channels: MATRIX or SPECRESP MATRIX, and EBOUNDS.

Some files give each way of a photon into a channel (a peak, a tail of lost energy) a matrix of its own, the broad one
on a coarser grid. Folding with the sum is folding with each and adding up.

Source: CAL/GEN/92-002 and its addendum CAL/GEN/92-002a (George et al. 1998, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from catalog.errors import UnreadableFile
from ingest.fits import HDU
from ingest.fits.columns import Array
from ingest.products.ogip import (
    MAX_CHANNELS,
    QUIET,
    Integers,
    Numbers,
    SmallTable,
    contiguous,
    edges,
    single,
    whole,
)

MAX_ELEMENTS = 1 << 24
"""Elements of a sum at most: a coarse row is repeated in every fine bin that it holds for."""

_SAME = 0.01  # of a bin's width: above the rounding of single-precision edges

Row = dict[str, Array | float | str | bool | None]


def added(matrices: Sequence[Row]) -> Row | None:
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


ROW_SUM = 1.5
"""A matrix row spreads one photon over the channels; a larger sum says that the area is in it."""

Say = Callable[[str], None]
"""Takes a flag."""


@dataclass(frozen=True)
class Channels:
    """EBOUNDS: the nominal energies of the channels, in channel order."""

    first: int
    e_min: Numbers
    e_max: Numbers


@QUIET
def read_ebounds(table: SmallTable, say: Say) -> Channels:
    """Read EBOUNDS; its rows may come in any order."""
    e_min, e_max = edges(table, table.needed("E_MIN"), table.needed("E_MAX"), ("E_MIN", "E_MAX"), say)
    if not len(e_min):
        raise UnreadableFile("channels in EBOUNDS", "0 rows")
    first, place, n = _places(table, len(e_min), say)
    bounds = np.full((2, n), np.nan)
    bounds[:, place] = e_min, e_max
    return Channels(first, bounds[0], bounds[1])


def _places(table: SmallTable, n_rows: int, say: Say) -> tuple[int, Integers, int]:
    """Return the first channel, the place of each row of EBOUNDS from 0, and the number of channels.

    Without channel numbers, or with numbers that repeat (some CIAO 4.3 files hold pieces of floats there),
    the rows are the channels, as for every reader that never looks at the numbers.
    """
    column = table.find("CHANNEL")
    first = 1 if column is None or column.minimum is None else column.minimum
    numbers = table.numbers("CHANNEL")
    if numbers is not None:
        distinct = np.unique(numbers)  # sorted; NaN last
        integral = bool((distinct == np.rint(distinct)).all()) and len(distinct) == n_rows
        if integral and np.abs(distinct).max() < MAX_CHANNELS and np.ptp(distinct) < MAX_CHANNELS:
            first = int(distinct[0])
            return first, numbers.astype(np.int64) - first, int(np.ptp(distinct)) + 1
        say("ebounds_channel_ignored")
    if n_rows > MAX_CHANNELS:
        raise UnreadableFile(f"at most {MAX_CHANNELS} channels in EBOUNDS", str(n_rows))
    return (first if abs(first) < MAX_CHANNELS else 1), np.arange(n_rows), n_rows


@QUIET
def read_matrix(table: SmallTable, channels: Channels | None, say: Say) -> Row:
    """Read a matrix: the row of product.rmf, but for its id.

    Parameters
    ----------
    table : SmallTable
        Of MATRIX.
    channels : Channels or None
        Its EBOUNDS.
    say : callable
        Takes a flag.

    Raises
    ------
    UnreadableFile
        If nothing could be folded with it.
    """
    if not table.n_rows:
        raise UnreadableFile("energy bins in MATRIX", "0 rows", "make the RMF again")
    names = ("ENERG_LO", "ENERG_HI")
    lo, hi = edges(table, table.needed(names[0]), table.needed(names[1]), names, say)
    n_grp, f_chan, n_chan, matrix = _groups(table)
    f_chan, first = _from_zero(table, f_chan, n_chan, channels, say)
    last = int((f_chan + n_chan).max(initial=0))
    n_channels = _n_channels(table.hdu, channels, last, say)
    if f_chan.min(initial=0) < 0 or last > n_channels:
        found_range = f"channels {first + int(f_chan.min(initial=0))}..{first + last - 1}"
        raise UnreadableFile(f"channel groups within {first}..{first + n_channels - 1}", found_range)
    includes_area = _includes_area(table.hdu)
    rows = np.repeat(np.repeat(np.arange(table.n_rows), n_grp), n_chan)
    sums = np.bincount(rows, np.nan_to_num(matrix), minlength=table.n_rows)
    complete = channels is not None and not np.isnan((channels.e_min, channels.e_max)).any()
    gaps, nulls = not contiguous(lo, hi), bool(np.isnan(matrix).any())
    for text, is_so in (
        ("no_ebounds", channels is None),
        ("energy_gaps", gaps),
        ("null_matrix", nulls),
        ("rmf_includes_area", includes_area),
        ("rmf_row_sum_above_one", not includes_area and bool((sums > ROW_SUM).any())),
    ):
        if is_so:
            say(text)
    return {
        "energ_lo": lo,
        "energ_hi": hi,
        "n_grp": n_grp,
        "f_chan": f_chan,
        "n_chan": n_chan,
        "matrix": single(matrix),
        "first_channel": channels.first if channels else first,
        "e_min": channels.e_min if channels else None,
        "e_max": channels.e_max if channels else None,
        "n_channels": n_channels,
        "lo_thres": table.hdu.number("LO_THRES"),
        "includes_area": includes_area,
        "valid": complete and not (gaps or nulls),
    }


def _groups(table: SmallTable) -> tuple[Integers, Integers, Integers, Array]:
    """Lay the channel groups of all energy bins end to end; empty groups and padding are left out.

    Returns
    -------
    n_grp : ndarray of int, shape (n_energy,)
    f_chan, n_chan : ndarray of int, shape (n_groups,)
        As the file numbers channels.
    matrix : ndarray of float, shape (sum(n_chan),)
    """
    n_grp = whole(table.needed("N_GRP"), "N_GRP")
    ragged = {}
    for name in ("F_CHAN", "N_CHAN", "MATRIX"):
        column = table.ragged(name)
        if column is None:
            raise table.lacking(name)
        ragged[name] = column
    if n_grp.min() < 0 or (n_grp > np.minimum(ragged["F_CHAN"].lengths, ragged["N_CHAN"].lengths)).any():
        raise UnreadableFile("N_GRP groups per row in F_CHAN and N_CHAN", "rows with fewer")
    f_chan = whole(ragged["F_CHAN"].heads(n_grp), "F_CHAN")
    n_chan = whole(ragged["N_CHAN"].heads(n_grp), "N_CHAN")
    if n_chan.min(initial=0) < 0:
        raise UnreadableFile("N_CHAN of 0 or more", str(int(n_chan.min())))
    bin_of_group = np.repeat(np.arange(len(n_grp)), n_grp)
    needed = np.bincount(bin_of_group, n_chan, minlength=len(n_grp)).astype(np.int64)
    lengths = ragged["MATRIX"].lengths
    if (needed > lengths).any():
        row = int((needed > lengths).argmax())
        raise UnreadableFile(f"{needed[row]} elements in row {row} of MATRIX, as N_CHAN says", str(int(lengths[row])))
    used = n_chan > 0
    counted = np.bincount(bin_of_group[used], minlength=len(n_grp)).astype(np.int64)
    return counted, f_chan[used], n_chan[used], ragged["MATRIX"].heads(needed)


def _from_zero(
    table: SmallTable, f_chan: Integers, n_chan: Integers, channels: Channels | None, say: Say
) -> tuple[Integers, int]:
    """Count channels from 0: F_CHAN counts from its TLMIN; from the first of EBOUNDS without it, or where it cannot."""
    column = table.find("F_CHAN")
    first = column.minimum if column else None
    if first is None:
        say("first_channel_assumed")
        first = channels.first if channels else int(f_chan.min(initial=1) > 0)
    elif channels and channels.first != first:
        say("first_channel_differs")
        if not _fits(f_chan - first, n_chan, channels) and _fits(f_chan - channels.first, n_chan, channels):
            first = channels.first
    if abs(first) > MAX_CHANNELS:
        raise UnreadableFile("TLMIN of F_CHAN to be 0 or 1", str(first))
    return f_chan - first, first


def _fits(f_chan: Integers, n_chan: Integers, channels: Channels) -> bool:
    """Tell whether groups, counted from 0, lie within the channels of EBOUNDS."""
    return bool(f_chan.min(initial=0) >= 0 and (f_chan + n_chan).max(initial=0) <= len(channels.e_min))


def _n_channels(hdu: HDU, channels: Channels | None, last: int, say: Say) -> int:
    said = hdu.number("DETCHANS")
    if channels:
        if said is not None and said != len(channels.e_min):
            say("detchans_differs")
        return len(channels.e_min)
    if said is None or said != int(said) or not last <= said <= MAX_CHANNELS:
        say("detchans_differs")
        said = last
    if not 0 < said <= MAX_CHANNELS:
        raise UnreadableFile("a number of channels (DETCHANS)", str(int(said)))
    return int(said)


def _includes_area(hdu: HDU) -> bool:
    """Tell whether the area is in the matrix: HDUCLAS3 says it, the extension's name where it does not."""
    word = (hdu.text("HDUCLAS3") or "").upper()
    return word == "FULL" if word in {"FULL", "REDIST", "DETECTOR"} else hdu.name == "SPECRESP MATRIX"
