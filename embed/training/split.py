"""Which sources are held out: by the hash of the name, or by fields of view, so that what is seen together stays so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

APART = "apart"
"""Option of every training: the sources that an alignment of the same seed is judged on are left out of it."""
APART_SHARE = 0.2
"""Of the sources."""
_TEST_SEED = 1_000_003


def draw(source: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on the source's name and the seed alone.

    Examples
    --------
    >>> draw("2CXO J140515.6+542458", 0) == draw("2CXO J140515.6+542458", 0) != draw("2CXO J140515.6+542458", 1)
    True
    """
    digest = hashlib.blake2b(f"{seed}|{source}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def held_out(sources: Sequence[str], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Tell which rows belong to held-out sources.

    Parameters
    ----------
    sources : sequence of str, length n
        Source of each row; a row whose source is not known passes its own id.
    fraction : float
        Of the sources to hold out, about; at least one where there are two or more, unless it is 0.
    seed : int
        Another seed holds out others.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> held_out(["a", "b", "a"], 0.5, seed=1)[[0, 2]].tolist() in ([True, True], [False, False])
    True
    """
    draws = {s: draw(s, seed) for s in sorted(set(sources))}
    out = {s for s, x in draws.items() if x < fraction}
    if fraction > 0 and len(draws) > 1:
        # A handful of sources: chance must leave none of the two sides empty.
        ordered = sorted(draws, key=lambda s: draws[s])
        out = (out or {ordered[0]}) - ({ordered[-1]} if len(out) == len(draws) else set())
    return np.fromiter((s in out for s in sources), np.bool_, len(sources))


def tested(groups: Sequence[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Tell which rows an alignment is judged on: of other sources than those that its training is stopped by.

    Parameters
    ----------
    groups : sequence of str, length n
        Source, or field, of each row.
    share : float
        Of the groups, about.
    seed : int
        Of the training.
    """
    return held_out(groups, share, seed + _TEST_SEED)


def set_apart(source: str, seed: int) -> bool:
    """Tell whether a training with `apart` leaves a source out.

    It depends on the name and the seed alone, so encoders of photons leave out the sources that an alignment of them
    will be judged on, though that is trained later, on other rows.

    Examples
    --------
    >>> share = sum(set_apart(f"source {i}", 0) for i in range(2000)) / 2000
    >>> 0.15 < share < 0.25
    True
    """
    return draw(source, seed + _TEST_SEED) < APART_SHARE


def fields(ids: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Return the field of each detection: sources of one ObsID share a field, and ObsIDs of one source do.

    Parameters
    ----------
    ids : sequence of str, length n
        Detection ids 'obsid.obi.region_id'.
    sources : sequence of str, length n
        Source of each.

    Returns
    -------
    list of str, length n
        Named for the first ObsID of the field.

    Examples
    --------
    >>> fields(["1.0.1", "1.0.2", "2.0.7", "3.0.1"], ["a", "b", "a", "c"])
    ['1', '1', '1', '3']
    """
    if not ids:
        return []
    obsids, obsid = np.unique([i.partition(".")[0] for i in ids], return_inverse=True)
    names, source = np.unique(np.asarray(sources, dtype=str), return_inverse=True)
    n = len(obsids) + len(names)
    seen = coo_array((np.ones(len(ids), np.int8), (obsid, source + len(obsids))), shape=(n, n))
    _, component = connected_components(seen, directed=False)
    first: dict[int, str] = {}
    for name, c in zip(obsids.tolist(), component[: len(obsids)].tolist(), strict=True):
        first.setdefault(c, name)
    return [first[c] for c in component[obsid].tolist()]
