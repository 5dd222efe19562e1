"""Spectra with their responses -> counts in 48 bins, what the background and the response make of them.

Whole channels go into a bin, the one that their middle lies in, so that counts stay whole numbers and can be thinned;
the response is summed over the same channels, so that the likelihood is exact. A bad channel is left out of both.

Source: OGIP memo CAL/GEN/92-002: counts in a channel are the sum over energies of flux x area x redistribution.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from catalog.folding import BAD_QUALITY, Redistribution
from embed.inputs.prepared import Prepared, Ragged, ids_and_names, numbers, ragged
from embed.inputs.responses import RESPONSE_LISTS, energy_edges, response_of, smoothed, sparse
from embed.inputs.spectra import HIGHEST_KEV, LOWEST_KEV, background_scale, no_energies, overlap

Floats = npt.NDArray[np.float64]
N_BINS, N_ENERGIES = 48, 60
BIN_EDGES_KEV: Floats = np.geomspace(LOWEST_KEV, HIGHEST_KEV, N_BINS + 1)
"""Of the counts."""
ENERGY_EDGES_KEV: Floats = np.geomspace(0.4, 9.0, N_ENERGIES + 1)
"""Of the photons: wider than the counts, since a detector moves some of them."""
_LISTS = (*RESPONSE_LISTS, "counts", "rate", "background_counts", "background_rate", "quality")
_WHOLE = 0.01  # of a count: so far may a rate times the exposure be from a whole number


def prepare(rows: pa.Table) -> Prepared:
    """Bin spectra and fold their responses.

    Parameters
    ----------
    rows : pyarrow.Table
        The columns of `embed.inputs.responses.prepare`.

    Returns
    -------
    Prepared
        Arrays of float32: `counts` (n, 48); `background` (n, 48), expected background counts in the source region;
        `area` (n, 48), the response to a flat photon spectrum; `fold` (n, 60, 48), counts per photon/s/cm**2/keV in
        each energy bin. `area` and `fold` are scaled to a greatest element of 1 in each row, as the amplitude is fitted
        per spectrum. Spectra without a whole response are skipped, with the reason.
    """
    lists = {name: ragged(rows[name]) for name in _LISTS}
    includes_area = rows["includes_area"].fill_null(False).to_pylist()
    scale, exposure = background_scale(rows), numbers(rows["exposure_s"])
    background_exposure = numbers(rows["background_exposure_s"])
    n, ids, blind = rows.num_rows, rows["id"].to_pylist(), no_energies(rows)
    counts, background, area = (np.zeros((n, N_BINS), np.float32) for _ in range(3))
    fold, kept = np.zeros((n, N_ENERGIES, N_BINS), np.float32), np.zeros(n, np.bool_)
    skipped: dict[str, str] = {}
    for i in range(n):
        try:
            if blind[i]:
                raise ValueError(blind[i])  # noqa: TRY301 - one way out for all reasons
            own = _counts(lists, "", i, exposure[i])
            response, area_cm2 = response_of(lists, i, bool(includes_area[i]), len(own))
            good = np.isfinite(own) & ~_bad(lists["quality"][i], len(own))
            channels, matrix = _folded(response, area_cm2, good)
            other = _background(lists, i, background_exposure[i], channels, response)
        except ValueError as error:
            skipped[ids[i]] = str(error)
            continue
        counts[i], background[i] = np.nan_to_num(own) @ channels, scale[i] * other
        fold[i] = matrix / matrix.max()
        area[i] = matrix.sum(0) / matrix.sum(0).max()
        kept[i] = True
    arrays = {"counts": counts[kept], "background": background[kept], "area": area[kept], "fold": fold[kept]}
    return Prepared(*ids_and_names(rows, kept), arrays, skipped)


def _counts(lists: dict[str, Ragged], prefix: str, i: int, exposure_s: float) -> Floats:
    """Return counts per channel, shape (n_channel,); of rates where they stand for whole counts."""
    counts, rate = lists[f"{prefix}counts"][i], lists[f"{prefix}rate"][i]
    if len(counts) or not len(rate):
        if not prefix and not len(counts):
            raise ValueError("the spectrum has neither counts nor rates")
        return counts
    made = rate * exposure_s
    if not np.isfinite(exposure_s) or np.abs(made - np.rint(made)).max(initial=0.0, where=np.isfinite(made)) > _WHOLE:
        raise ValueError("the spectrum has rates that are no whole counts: their likelihood is not known")
    return np.rint(made)


def _bad(quality: Floats, n_channel: int) -> npt.NDArray[np.bool_]:
    return np.isin(quality, BAD_QUALITY) if len(quality) == n_channel else np.zeros(n_channel, np.bool_)


def _folded(response: Redistribution, area_cm2: Floats, good: npt.NDArray[np.bool_]) -> tuple[sp.csr_array, Floats]:
    """Return which channels go into which bins, shape (n_channel, 48), and the folding matrix, shape (60, 48)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (*vars(response).values(), good):
        digest.update(np.ascontiguousarray(part).tobytes())
    channels, redistributed, photons = _of_matrix(_Hashed(digest.digest(), response, good))
    matrix = np.asarray((photons @ sp.diags_array(np.nan_to_num(area_cm2)) @ redistributed).toarray())
    if not matrix.max() > 0:
        raise ValueError("the response lets nothing through between 0.5 and 8 keV")
    return channels, matrix


class _Hashed:
    """A matrix and its good channels, known by the hash of both: spectra of one survey share a few."""

    def __init__(self, digest: bytes, response: Redistribution, good: npt.NDArray[np.bool_]) -> None:
        self.digest, self.response, self.good = digest, response, good

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and other.digest == self.digest


@lru_cache(maxsize=32)
def _of_matrix(key: _Hashed) -> tuple[sp.csr_array, sp.csr_array, sp.csr_array]:
    """Return channels by bin, energies by bin, and photons by energies: all that does not depend on the area."""
    response = key.response
    channels = _grouped(response.e_min, response.e_max, key.good)
    width = np.diff(ENERGY_EDGES_KEV)[:, None]
    edges = energy_edges(response)
    photons = overlap(ENERGY_EDGES_KEV[:-1], ENERGY_EDGES_KEV[1:], edges).multiply(width).tocsr()
    return channels, sparse(response) @ channels, photons


def _grouped(e_min: Floats, e_max: Floats, good: npt.NDArray[np.bool_]) -> sp.csr_array:
    """Return a matrix of ones, shape (n_channel, 48): in which bin the middle of each good channel lies."""
    middle = 0.5 * (e_min + e_max)
    with np.errstate(invalid="ignore"):
        inside = good & (middle >= BIN_EDGES_KEV[0]) & (middle < BIN_EDGES_KEV[-1])
    channel = np.flatnonzero(inside)
    bins = np.searchsorted(BIN_EDGES_KEV, middle[channel], "right") - 1
    return sp.csr_array((np.ones(len(channel)), (channel, bins)), shape=(len(middle), N_BINS))


def _background(
    lists: dict[str, Ragged], i: int, exposure_s: float, channels: sp.csr_array, response: Redistribution
) -> Floats:
    """Return the smooth background of the background region, counts, shape (48,)."""
    try:
        found = _counts(lists, "background_", i, exposure_s)
    except ValueError:
        found = np.nan_to_num(lists["background_rate"][i]) * np.nan_to_num(exposure_s)
    if len(found) != channels.shape[0]:
        return np.zeros(N_BINS)
    width = np.abs(np.nan_to_num(response.e_max - response.e_min))
    return smoothed(np.nan_to_num(found) @ channels, width @ channels)
