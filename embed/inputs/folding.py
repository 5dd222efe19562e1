"""A stored response -> the matrix that turns a photon flux on the grid into expected counts per channel bin.

Source: OGIP memo CAL/GEN/92-002: counts in a channel are the sum over energies of flux x area x redistribution.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from catalog.folding import Redistribution
from embed.inputs.spectrum_grid import EDGES_KEV, HIGHEST_KEV, LOWEST_KEV, WIDTHS_KEV, overlap

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
    photons = overlap(EDGES_KEV[:-1], EDGES_KEV[1:], _edges(response)).multiply(WIDTHS_KEV[:, None]).tocsr()
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


def _edges(response: Redistribution) -> Floats:
    """Return the rising energy edges, shape (n_energy + 1,): RMF energy bins leave no gaps, or are not valid."""
    edges = np.append(response.energ_lo, response.energ_hi[-1])
    if not np.all(np.diff(edges) > 0):
        raise ValueError("the energy bins of the response do not rise")
    return edges
