"""PI channels of ACIS, and how few of them need to be stored.

In every file the pipeline or CIAO has written, PI follows from the energy. Storing it only where it does not
saves 1.5 bytes a photon, and the view product.event gives the file's own PI back, photon by photon.

Source: CXC, "ACIS Gain and PI": channels 14.6 eV wide, from 1; the last, 1024, gathers all energies above.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.products.nullable import Nullable

PI_WIDTH_EV = 14.6
LAST_PI = 1024
NULL_PI = 0
"""What pi_stored says where the file's PI is null."""

_BLOCK = 1 << 15  # rows checked at once, in the processor's cache


def energy_of_pi(pi: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the energy in the middle of a PI channel.

    Parameters
    ----------
    pi : array_like of int, shape (n,)
        Channels, from 1.

    Returns
    -------
    ndarray of float32, shape (n,)
        eV. `pi_of_energy` leads back exactly from every channel up to 1024.

    Examples
    --------
    >>> energy_of_pi([1, 2]).round(1).tolist() == np.float32([7.3, 21.9]).tolist()
    True
    """
    return ((np.asarray(pi, np.float64) - 0.5) * PI_WIDTH_EV).astype(np.float32)


def pi_of_energy(energy_ev: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the PI channel an energy falls into: the rule that product.event applies where pi_stored is null.

    Parameters
    ----------
    energy_ev : array_like of float32, shape (n,)
        Not null, eV.

    Returns
    -------
    ndarray of float64, shape (n,)
        Whole numbers from 1 to 1024.

    Examples
    --------
    >>> pi_of_energy(np.array([14.5, 14.7, 20000], np.float32)).tolist()
    [1.0, 2.0, 1024.0]
    """
    channel = np.floor(np.asarray(energy_ev, np.float64) / PI_WIDTH_EV) + 1
    return np.asarray(np.clip(channel, 1, LAST_PI))


def pi_stored(energy_ev: Nullable | None, pi: Nullable | None, n: int) -> pa.Array:
    """Return what product.event_stored.pi_stored keeps of the PI of n photons.

    Parameters
    ----------
    energy_ev : Nullable of float32, shape (n,), or None
        As stored; None where the file has none.
    pi : Nullable of int16, shape (n,), or None
        The file's own; None where it has none.
    n : int
        Photons.

    Returns
    -------
    pyarrow.Array of int16, shape (n,)
        All null where PI follows from the energy of every photon; else PI, with 0 for null.

    Examples
    --------
    >>> energy = Nullable(np.float32([100, 200]), None, exact=True)
    >>> pi_stored(energy, Nullable(np.int16([7, 14]), None, exact=True), 2).to_pylist()
    [None, None]
    >>> pi_stored(energy, Nullable(np.int16([7, 15]), None, exact=True), 2).to_pylist()
    [7, 15]
    """
    if pi is None:
        return pa.repeat(pa.scalar(NULL_PI, pa.int16()), n)
    complete = pi.null is None and energy_ev is not None and energy_ev.null is None
    if complete and energy_ev is not None and _follows(energy_ev.values, pi.values):
        return pa.nulls(n, pa.int16())
    return pa.array(pi.values if pi.null is None else np.where(pi.null, np.int16(NULL_PI), pi.values))


def _follows(energy_ev: npt.ArrayLike, pi: npt.ArrayLike) -> bool:
    energy_ev, pi = np.asarray(energy_ev), np.asarray(pi)
    blocks = (slice(start, start + _BLOCK) for start in range(0, len(pi), _BLOCK))
    return all(np.array_equal(pi_of_energy(energy_ev[b]), pi[b]) for b in blocks)
