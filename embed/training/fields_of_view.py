"""Fields of view: which sources were ever seen together, so that a split can keep whole fields apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


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
