"""Redistribution matrices and the energies of their channels: MATRIX or SPECRESP MATRIX, and EBOUNDS.

Source: CAL/GEN/92-002 and its addendum CAL/GEN/92-002a (George et al. 1998, 2007).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

ROW_SUM = 1.5
"""A matrix row spreads one photon over the channels; a larger sum says that the area is in it."""

Row = dict[str, Array | float | str | bool | None]
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
