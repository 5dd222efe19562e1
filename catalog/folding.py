"""Folding: from a photon spectrum to expected counts, through a stored effective area and matrix.

Pure functions of arrays. A matrix stays sparse: three arrays of groups of consecutive channels, as OGIP has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import Terminal

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ACIS_CHANNELS = 1024
ACIS_CHANNEL_KEV = 0.0146  # PI channel width, the same for every CSC response
BAD_QUALITY = (1, 5)  # OGIP: set bad by the software, by the user; 2 only says 'a group too small'
_SAME_GRID = 0.01  # of a bin's width


class GridMismatch(Terminal, ValueError):
    """A spectrum, an effective area and a matrix that are not on the same energy grid."""


class AreaMissing(Terminal, ValueError):
    """A matrix of probabilities without the effective area that makes counts of photons."""


@dataclass(frozen=True)
class EffectiveArea:
    """An ARF: one row of product.arf as arrays.

    Attributes
    ----------
    energ_lo, energ_hi : ndarray, shape (n_energy,)
        Edges of the energy bins, keV.
    specresp : ndarray, shape (n_energy,)
        Effective area, cm**2; NaN where the store has NULL.
    """

    energ_lo: Numbers
    energ_hi: Numbers
    specresp: Numbers

    @classmethod
    def from_arrow(cls, rows: pa.RecordBatch | pa.Table, row: int = 0) -> EffectiveArea:
        """Take one row of product.arf out of an Arrow result that has its columns."""
        return cls(*(_floats(rows, name, row) for name in ("energ_lo", "energ_hi", "specresp")))


@dataclass(frozen=True)
class Redistribution:
    """An RMF: one row of product.rmf as arrays.

    Attributes
    ----------
    energ_lo, energ_hi : ndarray, shape (n_energy,)
        Edges of the energy bins, keV.
    n_grp : ndarray of int, shape (n_energy,)
        Groups per energy bin.
    f_chan, n_chan : ndarray of int, shape (n_groups,)
        First channel of each group, from 0, and number of channels.
    matrix : ndarray, shape (n_elements,)
        Elements of all groups in a row; NaN where the store has NULL.
    e_min, e_max : ndarray, shape (n_channels,)
        Nominal energies of the channels, keV; NaN where the store has none.
    includes_area : bool
        Whether the elements are areas, cm**2, rather than probabilities.
    """

    energ_lo: Numbers
    energ_hi: Numbers
    n_grp: Integers
    f_chan: Integers
    n_chan: Integers
    matrix: Numbers
    e_min: Numbers
    e_max: Numbers
    includes_area: bool = False

    @classmethod
    def from_arrow(cls, rows: pa.RecordBatch | pa.Table, row: int = 0) -> Redistribution:
        """Take one row of product.rmf out of an Arrow result that has its columns."""
        unknown = np.full(int(rows.column("n_channels")[row].as_py()), np.nan)
        known = rows.column("e_min")[row].is_valid and rows.column("e_max")[row].is_valid
        return cls(
            energ_lo=_floats(rows, "energ_lo", row),
            energ_hi=_floats(rows, "energ_hi", row),
            n_grp=_integers(rows, "n_grp", row),
            f_chan=_integers(rows, "f_chan", row),
            n_chan=_integers(rows, "n_chan", row),
            matrix=_floats(rows, "matrix", row),
            e_min=_floats(rows, "e_min", row) if known else unknown,
            e_max=_floats(rows, "e_max", row) if known else unknown,
            includes_area=bool(rows.column("includes_area")[row].as_py()),
        )

    @cached_property
    def coordinates(self) -> tuple[Integers, Integers]:
        """Channel and energy bin of every matrix element, from 0: with `matrix`, a sparse matrix in COO form.

        Returns
        -------
        channel, energy_bin : ndarray of int, shape (n_elements,)

        Raises
        ------
        ValueError
            If groups and elements contradict one another.
        """
        n_groups, n_elements = self.n_grp.sum(), self.n_chan.sum()
        if len(self.n_grp) != len(self.energ_lo) or n_groups != len(self.f_chan) or n_elements != len(self.matrix):
            raise ValueError("groups and elements of the redistribution matrix contradict one another")
        before = np.cumsum(self.n_chan) - self.n_chan
        channel = np.arange(self.n_chan.sum()) + np.repeat(self.f_chan - before, self.n_chan)
        bin_of_group = np.repeat(np.arange(len(self.n_grp)), self.n_grp)
        return channel, np.repeat(bin_of_group, self.n_chan)


def fold(
    photon_flux: npt.ArrayLike,
    arf: EffectiveArea | None,
    rmf: Redistribution,
    exposure_s: float = 1.0,
) -> Numbers:
    """Fold a photon spectrum through a response.

    Parameters
    ----------
    photon_flux : array_like, shape (n_energy,)
        Photons in each energy bin of the response, photon cm**-2 s**-1: integrated over the bin, not per keV.
    arf : EffectiveArea or None
        None where the area is in the matrix.
    rmf : Redistribution
        Redistribution matrix on the same energy grid.
    exposure_s : float
        Exposure, s.

    Returns
    -------
    ndarray, shape (n_channels,)
        Expected counts per channel. NULL areas or elements give NaN in the channels they reach, never a guess.

    Raises
    ------
    GridMismatch
        If spectrum, area and matrix are not on the same energy grid, or the area would count twice.
    AreaMissing
        If there is no area, neither in the ARF nor in the matrix.

    Source: Davis 2001, ApJ 548, 1010, equations 1-10; CAL/GEN/92-002.

    Examples
    --------
    >>> edges = np.array([1.0, 2.0, 3.0])
    >>> arf = EffectiveArea(edges[:-1], edges[1:], np.array([100.0, 50.0]))
    >>> one = np.array([1, 1])
    >>> e_min = np.array([0.9, 1.9, 2.9])
    >>> rmf = Redistribution(edges[:-1], edges[1:], one, np.array([0, 1]), one, np.array([1.0, 0.5]), e_min, e_min + 1)
    >>> fold([1.0, 2.0], arf, rmf, exposure_s=10.0).tolist()
    [1000.0, 500.0, 0.0]
    """
    flux = np.asarray(photon_flux, np.float64)
    if flux.shape != rmf.energ_lo.shape:
        raise GridMismatch(f"the spectrum has shape {flux.shape}, the matrix {len(rmf.energ_lo)} energy bins")
    if arf is not None:
        if rmf.includes_area:
            raise GridMismatch("the matrix includes the effective area already: fold without the ARF")
        if not _same_grid(arf, rmf):
            raise GridMismatch(
                f"ARF of {len(arf.energ_lo)} and RMF of {len(rmf.energ_lo)} energy bins are not on the same grid"
            )
        flux = flux * arf.specresp
    elif not rmf.includes_area:
        raise AreaMissing(
            "expected an effective area, found a matrix of probabilities alone; give the spectrum's ARF (product.arf), "
            "or EffectiveArea(rmf.energ_lo, rmf.energ_hi, ones) where the flux is in photons per second already"
        )
    channel, energy_bin = rmf.coordinates
    counts = np.bincount(channel, rmf.matrix * (flux * exposure_s)[energy_bin], minlength=len(rmf.e_min))
    return counts.astype(np.float64)


def powerlaw(energ_lo: npt.ArrayLike, energ_hi: npt.ArrayLike, gamma: float, norm: float = 1.0) -> Numbers:
    """Integrate a power law exactly over energy bins.

    Parameters
    ----------
    energ_lo, energ_hi : array_like, shape (n_energy,)
        Edges of the bins, keV, positive.
    gamma : float
        Photon index.
    norm : float
        Photons keV**-1 cm**-2 s**-1 at 1 keV.

    Returns
    -------
    ndarray, shape (n_energy,)
        Photons cm**-2 s**-1 per bin.

    Raises
    ------
    ValueError
        If an energy is not positive: the integral need not exist there.

    Source: XSPEC manual, model `powerlaw`.

    Examples
    --------
    >>> powerlaw([1.0], [2.0], gamma=2.0, norm=3.0).tolist()
    [1.5]
    """
    lo, hi = np.asarray(energ_lo, np.float64), np.asarray(energ_hi, np.float64)
    if not ((lo > 0) & (hi > 0)).all():
        raise ValueError("a power law needs positive energies; give the first bin a lower edge above 0 keV")
    ratio = np.log(hi / lo)
    slope = 1.0 - gamma
    if slope == 0.0:
        return norm * ratio
    # expm1 keeps the digits that hi**slope - lo**slope would lose in narrow bins and near gamma = 1.
    return norm * lo**slope * np.expm1(slope * ratio) / slope


def nominal_acis_edges() -> tuple[Numbers, Numbers]:
    """Return lower and upper energies in keV of the 1024 PI channels of ACIS, each of shape (1024,).

    Examples
    --------
    >>> e_min, e_max = nominal_acis_edges()
    >>> round(float(e_max[-1]), 3)
    14.95
    """
    edges = ACIS_CHANNEL_KEV * np.arange(ACIS_CHANNELS + 1, dtype=np.float64)
    return edges[:-1], edges[1:]


def background_scale(
    exposure: npt.ArrayLike,
    backscal: npt.ArrayLike,
    areascal: npt.ArrayLike,
    background_exposure: npt.ArrayLike,
    background_backscal: npt.ArrayLike,
    background_areascal: npt.ArrayLike,
) -> Numbers:
    """Return what a background count stands for in the source region.

    Parameters
    ----------
    exposure, background_exposure : array_like, shape (n,)
        Exposures, s.
    backscal, areascal, background_backscal, background_areascal : array_like, shape (n,)
        BACKSCAL and AREASCAL of the two; NaN for an AREASCAL that is not told counts as 1.

    Returns
    -------
    ndarray, shape (n,)
        0 where it cannot be told.

    Source: OGIP memo 92-007: source and background are compared per EXPOSURE x AREASCAL x BACKSCAL.

    Examples
    --------
    >>> background_scale(100.0, 1e-6, 1.0, 100.0, 4e-6, np.nan).tolist()
    0.25
    """
    areas = [np.nan_to_num(np.asarray(area, np.float64), nan=1.0) for area in (areascal, background_areascal)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(exposure, np.float64) / np.asarray(background_exposure, np.float64) * areas[0] / areas[1]
        ratio = ratio * np.asarray(backscal, np.float64) / np.asarray(background_backscal, np.float64)
    return np.where(np.isfinite(ratio) & (ratio > 0), ratio, 0.0)


def _same_grid(arf: EffectiveArea, rmf: Redistribution) -> bool:
    if arf.energ_lo.shape != rmf.energ_lo.shape:
        return False
    tolerance = _SAME_GRID * (rmf.energ_hi - rmf.energ_lo)
    return bool(
        (np.abs(arf.energ_lo - rmf.energ_lo) <= tolerance).all()
        and (np.abs(arf.energ_hi - rmf.energ_hi) <= tolerance).all()
    )


def _floats(rows: pa.RecordBatch | pa.Table, name: str, row: int) -> Numbers:
    return np.asarray(rows.column(name)[row].values.to_numpy(zero_copy_only=False), np.float64)


def _integers(rows: pa.RecordBatch | pa.Table, name: str, row: int) -> Integers:
    return np.asarray(rows.column(name)[row].values.to_numpy(zero_copy_only=False), np.int64)
