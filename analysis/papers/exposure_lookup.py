"""A baseline for retrieval that learns nothing: the exposure that a paper states, looked up among livetimes.

A paper that says "57 ks" is about an observation of 57 ks. An alignment is worth something where it finds more than
this. Vectors of papers know no exposures (`embed.inputs.quantities.without_exposures`), so the two do not mix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embed.inputs.quantities import EXPOSURE, read_quantities

Floats = npt.NDArray[np.float64]
UNSTATED = -9.0
"""Similarity of a pair of which nothing can be looked up, in dex: behind all others, and all alike."""


def stated_exposures(texts: Sequence[str]) -> list[float]:
    """Return the exposures that papers state, in ks.

    Parameters
    ----------
    texts : sequence of str
        Titles and abstracts of the papers about one source.

    Examples
    --------
    >>> stated_exposures(["a 57 ks observation", "no figure"])
    [57.0]
    """
    return [found[EXPOSURE] for text in texts if EXPOSURE in (found := read_quantities(text))]


def exposure_similarity(livetimes_ks: Sequence[Floats], stated_ks: Sequence[Sequence[float]]) -> Floats:
    """Return how alike livetimes and stated exposures are: minus their distance in dex, the best of all pairs.

    Parameters
    ----------
    livetimes_ks : sequence of ndarray, length n
        Livetimes of each source's observations, ks. Their sum is tried besides: papers state it, too.
    stated_ks : sequence of sequence of float, length m
        Exposures that the papers of each source state, ks.

    Returns
    -------
    ndarray of float, shape (n, m)
        `UNSTATED` where a side knows nothing.

    Examples
    --------
    >>> exposure_similarity([np.array([10.0, 20.0])], [[40.0], []]).round(2).tolist()
    [[-0.12, -9.0]]
    """
    out = np.full((len(livetimes_ks), len(stated_ks)), UNSTATED)
    column = np.repeat(np.arange(len(stated_ks)), [len(s) for s in stated_ks])
    told = np.log10(np.concatenate([np.asarray(s, np.float64) for s in stated_ks]) if len(column) else np.empty(0))
    for row, each in enumerate(livetimes_ks):
        known = each[np.isfinite(each) & (each > 0)]
        if not len(known) or not len(column):
            continue
        tried = np.log10([*known, known.sum()])
        np.maximum.at(out[row], column, -np.abs(told[None, :] - tried[:, None]).min(axis=0))
    return out
