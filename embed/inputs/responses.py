"""Spectra with their responses -> counts, background model and folding matrices, for a Poisson loss.

A background region holds a few dozen counts on 100 bins: taken bin by bin, it would claim that most bins have no
background at all, and the likelihood would believe it. To profile each bin's background out (the W statistic) is no way
either: it is biased where a bin has few background counts. So the background is a smooth curve through its counts.

Source: OGIP memo CAL/GEN/92-002: counts in a channel are the sum over energies of flux x area x redistribution.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from catalog.folding import Redistribution
from embed.inputs.prepared import Prepared, Ragged, numbers, ragged
from embed.inputs.spectra import (
    EDGES_KEV,
    HIGHEST_KEV,
    LOWEST_KEV,
    N_POINTS,
    WIDTHS_KEV,
    background_scale,
    overlap,
)
from embed.inputs.spectra import prepare as prepare_gridded

Floats = npt.NDArray[np.float64]
N_CHANNEL_BINS = 100
CHANNEL_BIN_EDGES_KEV: Floats = np.geomspace(LOWEST_KEV, HIGHEST_KEV, N_CHANNEL_BINS + 1)


def sparse(response: Redistribution) -> sp.csr_array:
    """Return a redistribution matrix, shape (n_energy, n_channel).

    Raises
    ------
    ValueError
        If groups and elements contradict one another.
    """
    channel, energy = response.coordinates
    inside = (channel >= 0) & (channel < len(response.e_min))
    shape = (len(response.energ_lo), len(response.e_min))
    return sp.csr_array((response.matrix[inside], (energy[inside], channel[inside])), shape=shape)


def fold_matrix(response: Redistribution, area_cm2: Floats, edges: Floats = CHANNEL_BIN_EDGES_KEV) -> Floats:
    """Return expected counts/s in each channel bin per photon/s/cm**2/keV in each grid bin.

    Parameters
    ----------
    response : Redistribution
        The RMF.
    area_cm2 : ndarray of float, shape (n_energy,)
        Effective area on the RMF's energy bins; ones where the matrix includes it.
    edges : ndarray of float, shape (n_bin + 1,)
        Channel bins, keV.

    Returns
    -------
    ndarray of float, shape (400, n_bin)
        Photons outside 0.5-8 keV are not followed: few of them end inside.
    """
    # Share of each grid bin's photons that fall into each energy bin of the response, times the bin's width.
    photons = overlap(EDGES_KEV[:-1], EDGES_KEV[1:], energy_edges(response)).multiply(WIDTHS_KEV[:, None]).tocsr()
    area = sp.diags_array(np.nan_to_num(area_cm2))
    channels = overlap(response.e_min, response.e_max, edges)
    return np.asarray((photons @ area @ (sparse(response) @ channels)).toarray())


def flat_area(response: Redistribution, area_cm2: Floats, edges: Floats = CHANNEL_BIN_EDGES_KEV) -> Floats:
    """Return expected counts/s in each channel bin for a photon flux of 1/s/cm**2/keV at all energies of the grid.

    Parameters
    ----------
    response, area_cm2, edges
        See `fold_matrix`, the sum of whose rows this is.

    Returns
    -------
    ndarray of float, shape (n_bin,)
    """
    low, high = (np.clip(e, LOWEST_KEV, HIGHEST_KEV) for e in (response.energ_lo, response.energ_hi))
    channels = (np.nan_to_num(area_cm2) * (high - low)) @ sparse(response)
    return np.asarray(channels @ overlap(response.e_min, response.e_max, edges))


def area_on(response: Redistribution, arf_lo: Floats, arf_hi: Floats, specresp: Floats) -> Floats:
    """Bring an ARF onto the RMF's energy bins, shape (n_energy,): they are the same unless files were mixed.

    Examples
    --------
    >>> grid = np.array([1.0, 2.0]), np.array([2.0, 3.0])
    >>> e = np.empty(0)
    >>> area_on(Redistribution(*grid, e, e, e, e, e, e), *grid, np.array([400.0, 500.0])).tolist()
    [400.0, 500.0]
    """
    middle = 0.5 * (response.energ_lo + response.energ_hi)
    return np.interp(middle, 0.5 * (arf_lo + arf_hi), np.nan_to_num(specresp), left=0.0, right=0.0)


def energy_edges(response: Redistribution) -> Floats:
    """Return the rising energy edges, shape (n_energy + 1,): RMF energy bins leave no gaps, or are not valid."""
    edges = np.append(response.energ_lo, response.energ_hi[-1])
    if not np.all(np.diff(edges) > 0):
        raise ValueError("the energy bins of the response do not rise")
    return edges


_ENERGIES, _GROUPS = ("energ_lo", "energ_hi", "matrix", "e_min", "e_max"), ("n_grp", "f_chan", "n_chan")
_ENOUGH_COUNTS = 25.0  # a fifth of uncertainty in a bin's background
RESPONSE_LISTS = (*_ENERGIES, *_GROUPS, "arf_lo", "arf_hi", "specresp")
_LISTS = (*RESPONSE_LISTS, "counts", "background_counts")


def prepare(rows: pa.Table) -> Prepared:
    """Grid spectra and fold their responses.

    Parameters
    ----------
    rows : pyarrow.Table
        The columns of `embed.inputs.spectra.prepare`, and those of product.rmf and product.arf (arf_lo, arf_hi).

    Returns
    -------
    Prepared
        Arrays `values`, `mask`, `noise` as of the spectrum input, and `counts` (n, 100), `background` (n, 100):
        expected background counts in the source region (`smoothed`, scaled by exposure and BACKSCAL), float32; `fold`
        (n, 400, 100) float16, scaled to a greatest element of 1, as the amplitude is fitted per spectrum. Spectra of
        rates, or without a valid response, are skipped.
    """
    gridded = prepare_gridded(rows)
    position = {id_: i for i, id_ in enumerate(rows["id"].to_pylist())}
    lists = {name: ragged(rows[name]) for name in _LISTS}
    includes_area = rows["includes_area"].fill_null(False).to_pylist()
    scale = background_scale(rows)
    exposure = numbers(rows["exposure_s"])
    n = len(gridded.ids)
    counts, background = np.zeros((n, N_CHANNEL_BINS), np.float32), np.zeros((n, N_CHANNEL_BINS), np.float32)
    fold = np.zeros((n, N_POINTS, N_CHANNEL_BINS), np.float16)
    kept = np.zeros(n, np.bool_)
    skipped = dict(gridded.skipped)
    for j, id_ in enumerate(gridded.ids):
        i = position[id_]
        try:
            counts[j], background[j], matrix = _folded(lists, i, bool(includes_area[i]), scale[i])
        except ValueError as error:
            skipped[id_] = str(error)
            continue
        fold[j] = matrix / matrix.max()
        kept[j] = exposure[i] > 0
    arrays = dict(gridded.arrays) | {"counts": counts, "background": background, "fold": fold}
    chosen = np.flatnonzero(kept).tolist()
    return Prepared(
        [gridded.ids[j] for j in chosen],
        [gridded.names[j] for j in chosen],
        {k: v[kept] for k, v in arrays.items()},
        skipped,
    )


def smoothed(counts: Floats, width: Floats | None = None) -> Floats:
    """Return the background that counts per channel bin come from: their density, averaged over enough of them.

    Each bin has the mean density, counts per keV, of the bins about it, of as many as hold 25 counts together. Where
    counts are many, lines stay; where there are few, the curve is flat. The sum over the bins stays what it was.

    Parameters
    ----------
    counts : ndarray of float, shape (n_bin,)
        In the background region.
    width : ndarray of float, shape (n_bin,), optional
        Of the bins, keV; 0 where no channel is. Else that of `embed.inputs.responses.CHANNEL_BIN_EDGES_KEV`.

    Returns
    -------
    ndarray of float, shape (n_bin,)

    Examples
    --------
    >>> few = np.zeros(N_CHANNEL_BINS)
    >>> few[[10, 60]] = 1.0
    >>> found = smoothed(few)
    >>> round(float(found.sum()), 6), bool((found > 0).all())
    (2.0, True)
    """
    width = np.diff(CHANNEL_BIN_EDGES_KEV) if width is None else width
    n = len(width)
    sums, widths = (np.concatenate([[0.0], np.cumsum(v)]) for v in (counts, width))
    middle = np.arange(n)
    density, undecided = np.zeros(n), np.ones(n, np.bool_)
    for reach in range(n):
        low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, n)
        within = sums[high] - sums[low]
        done = undecided & ((within >= _ENOUGH_COUNTS) | (reach == n - 1))
        span = widths[high] - widths[low]
        density[done] = np.divide(within, span, out=np.zeros(n), where=span > 0)[done]
        undecided &= ~done
    curve = density * width
    total = curve.sum()
    return np.asarray(curve * (counts.sum() / total) if total > 0 else curve)


def in_bands(rows: pa.Table, edges: Floats) -> tuple[list[str], Floats, Floats, Floats]:
    """Count in energy bands.

    Parameters
    ----------
    rows : pyarrow.Table
        See `prepare`.
    edges : ndarray of float, shape (n_band + 1,)
        keV.

    Returns
    -------
    list of str
        Ids of the rows that have counts and a valid response.
    counts, background, area : ndarray of float, shape (n, n_band)
        Of them: counts; expected background counts; counts/s for a flat photon flux of 1/s/cm**2/keV.
    """
    lists, scale = {name: ragged(rows[name]) for name in _LISTS}, background_scale(rows)
    includes_area = rows["includes_area"].fill_null(False).to_pylist()
    ids, found = [], []
    for i, id_ in enumerate(rows["id"].to_pylist()):
        try:
            response, area = response_of(lists, i, bool(includes_area[i]), len(lists["counts"][i]))
            found.append((*_counted(lists, i, scale[i], response, edges), flat_area(response, area, edges)))
        except ValueError:
            continue
        ids.append(id_)
    made = np.array(found, np.float64).reshape(len(ids), 3, len(edges) - 1)
    return ids, made[:, 0], made[:, 1], made[:, 2]


def _folded(lists: dict[str, Ragged], i: int, includes_area: bool, scale: float) -> tuple[Floats, Floats, Floats]:
    response, area = response_of(lists, i, includes_area, len(lists["counts"][i]))
    matrix = fold_matrix(response, area)
    if not matrix.max() > 0:
        raise ValueError("the response lets nothing through between 0.5 and 8 keV")
    return *_counted(lists, i, scale, response, CHANNEL_BIN_EDGES_KEV), matrix


def response_of(lists: dict[str, Ragged], i: int, includes_area: bool, n_channel: int) -> tuple[Redistribution, Floats]:
    """Return the redistribution of a row and the effective area on its energies, cm**2, shape (n_energy,).

    Parameters
    ----------
    lists : dict of str to Ragged
        Columns of product.rmf and product.arf; see `RESPONSE_LISTS`.
    i : int
        Row.
    includes_area : bool
        Whether the matrix is of areas.
    n_channel : int
        Channels of the spectrum.

    Raises
    ------
    ValueError
        Says what is missing.
    """
    energ_lo, energ_hi, matrix, e_min, e_max = (lists[name][i] for name in _ENERGIES)
    n_grp, f_chan, n_chan = (lists[name][i].astype(np.int64) for name in _GROUPS)
    response = Redistribution(energ_lo, energ_hi, n_grp, f_chan, n_chan, matrix, e_min, e_max)
    if not len(response.matrix) or not len(response.e_min):
        raise ValueError("no redistribution matrix with channel energies; ingest the RMF")
    if n_channel != len(response.e_min):
        raise ValueError("the spectrum has no counts per channel of the response")
    if includes_area:
        return response, np.ones(len(response.energ_lo))
    if len(lists["specresp"][i]):
        return response, area_on(response, lists["arf_lo"][i], lists["arf_hi"][i], lists["specresp"][i])
    raise ValueError("no effective area; ingest the ARF")


def _counted(
    lists: dict[str, Ragged], i: int, scale: float, response: Redistribution, edges: Floats
) -> tuple[Floats, Floats]:
    """Return counts and expected background counts of a row in channel bins."""
    narrow = overlap(response.e_min, response.e_max, CHANNEL_BIN_EDGES_KEV)
    other = lists["background_counts"][i]
    known = len(other) == narrow.shape[0]
    background = scale * smoothed(np.nan_to_num(other) @ narrow) if known else np.zeros(N_CHANNEL_BINS)
    if edges is CHANNEL_BIN_EDGES_KEV:
        return np.asarray(np.nan_to_num(lists["counts"][i]) @ narrow), background
    bins = overlap(response.e_min, response.e_max, edges)
    shares = overlap(CHANNEL_BIN_EDGES_KEV[:-1], CHANNEL_BIN_EDGES_KEV[1:], edges)
    return np.asarray(np.nan_to_num(lists["counts"][i]) @ bins), np.asarray(background @ shares)
