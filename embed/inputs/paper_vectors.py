"""What stands for a paper on the text side: its sentence vector, and beside it the quantities that it states.

A sentence vector knows what a text is about, and hardly a figure in it. Both go side by side into the aligned space and
the studies of it: for training, for encoding and for scoring they are put together here, and pooled here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from embed.inputs.pooling import Pooling, pooled, weights_of
from embed.inputs.quantities import N_QUANTITIES, quantity_vectors

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
STATED = 2 * N_QUANTITIES
"""Numbers at the end of a vector that are quantities: `embed.inputs.quantities.quantity_vectors`."""


def as_written(title: str | None, abstract: str | None) -> str:
    """Join title and abstract, mark-up and all, for quantities to be read from.

    Examples
    --------
    >>> as_written("A pulsar", "N<SUB>H</SUB> = 10<SUP>22</SUP>")
    'A pulsar. N<SUB>H</SUB> = 10<SUP>22</SUP>'
    """
    return ". ".join(part for part in (title, abstract) if part)


def beside(sentences: Floats, texts: Sequence[str]) -> Floats:
    """Put the quantities that texts state beside their sentence vectors.

    Parameters
    ----------
    sentences : ndarray of float32, shape (n, d)
    texts : sequence of str, n of them
        As written, with their mark-up (`as_written`), or a user's own words.

    Returns
    -------
    ndarray of float32, shape (n, d + STATED)

    Examples
    --------
    >>> beside(np.ones((1, 3), np.float32), ["kT = 2 keV"]).shape == (1, 3 + STATED)
    True
    """
    return np.hstack([sentences, quantity_vectors(texts)]).astype(np.float32)


def blocks(vectors: Floats) -> list[Floats]:
    """Take vectors apart again: sentences (n, d) and quantities (n, STATED)."""
    return [vectors[:, :-STATED], vectors[:, -STATED:]]


def per_source(
    vectors: Floats,
    paper_of_link: Indices,
    source_of_link: Indices,
    n_sources: int,
    pooling: Pooling,
    *,
    year: npt.NDArray[np.floating],
    citation_count: npt.NDArray[np.floating],
) -> Floats:
    """Return one vector per source from those of its papers.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n_paper, d + STATED)
        Of `beside`.
    paper_of_link, source_of_link, n_sources, pooling, year, citation_count
        See `embed.inputs.pooling`.

    Returns
    -------
    ndarray of float32, shape (n_sources, d + STATED)
        A quantity is the mean over those papers that state it. NaN where a source has no paper.

    Examples
    --------
    >>> two = beside(np.eye(2, dtype=np.float32), ["N_H = 5 x 10^21", "no figure"])
    >>> one = per_source(two, np.array([0, 1]), np.array([0, 0]), 1, "mean", year=np.ones(2), citation_count=np.ones(2))
    >>> bool((one[0, 2 : 2 + N_QUANTITIES] == two[0, 2 : 2 + N_QUANTITIES]).all()), one[0, :2].tolist()
    (True, [0.5, 0.5])
    """
    weights = weights_of(
        pooling, vectors[:, :-STATED], paper_of_link, source_of_link, year=year, citation_count=citation_count
    )
    out = pooled(vectors, paper_of_link, source_of_link, n_sources, weights)
    value, stated = out[:, -STATED:-N_QUANTITIES], out[:, -N_QUANTITIES:]
    np.divide(value, stated, out=value, where=stated > 0)
    return out
