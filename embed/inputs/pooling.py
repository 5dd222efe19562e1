"""One text vector per source from those of its papers: how they are weighed is a choice, and it is named.

Pure: links are pairs of indices, weights one number per link.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Pooling = Literal["mean", "recency", "citation", "attention"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)

HALF_LIFE_YEARS = 8.0
SHARPNESS = 10.0


def pooled(
    paper_vectors: Floats,
    paper_of_link: Indices,
    source_of_link: Indices,
    n_sources: int,
    weights: Floats | None = None,
) -> npt.NDArray[np.float32]:
    """Return the weighted mean of each source's paper vectors.

    Parameters
    ----------
    paper_vectors : ndarray of float, shape (n_paper, d)
    paper_of_link, source_of_link : ndarray of int, shape (m,)
        Which paper is about which source.
    n_sources : int
    weights : ndarray of float, shape (m,), optional
        Not negative; all equal where left out.

    Returns
    -------
    ndarray of float32, shape (n_sources, d)
        NaN where a source has no paper, or none of any weight.

    Examples
    --------
    >>> pooled(np.eye(2), np.array([0, 1, 1]), np.array([0, 0, 1]), 3)[:2].tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - a quarter of a second, for those who pool

    share = np.ones(len(paper_of_link)) if weights is None else np.asarray(weights, np.float64)
    total = np.bincount(source_of_link, share, n_sources)
    matrix = csr_array((share, (source_of_link, paper_of_link)), shape=(n_sources, len(paper_vectors)))
    summed = matrix @ np.asarray(paper_vectors, np.float64)
    out = np.full(summed.shape, np.nan)
    np.divide(summed, total[:, None], out=out, where=total[:, None] > 0)
    return out.astype(np.float32)


def weights_of(
    pooling: Pooling,
    paper_vectors: Floats,
    paper_of_link: Indices,
    source_of_link: Indices,
    *,
    year: Floats,
    citation_count: Floats,
) -> Doubles:
    """Return the weight of each link.

    Parameters
    ----------
    pooling : {'mean', 'recency', 'citation', 'attention'}
        mean: all alike. recency: halved for every 8 years that a paper is older than the newest of its source.
        citation: 1 + log(1 + citations). attention: softmax over a source's papers of ten times the cosine to their
        mean, so that a paper unlike the others counts less.
    paper_vectors, paper_of_link, source_of_link
        See `pooled`.
    year, citation_count : ndarray of float, shape (n_paper,)
        NaN where unknown: a paper without a year counts as old as the oldest, one without citations as uncited.

    Returns
    -------
    ndarray of float64, shape (m,)

    Examples
    --------
    >>> two = np.array([0, 1])
    >>> weights_of("recency", np.eye(2), two, np.array([0, 0]), year=np.array([2008.0, 2016]),
    ...            citation_count=np.zeros(2)).tolist()
    [0.5, 1.0]
    """
    n = len(paper_of_link)
    if not n or pooling == "mean":
        return np.ones(n)
    if pooling == "recency":
        filled = np.where(np.isfinite(year), year, np.nanmin(year) if np.isfinite(year).any() else 0.0)
        newest = np.full(int(source_of_link.max()) + 1, -np.inf)
        np.maximum.at(newest, source_of_link, filled[paper_of_link])
        age: Doubles = newest[source_of_link] - filled[paper_of_link]
        return np.exp2(-age / HALF_LIFE_YEARS)
    if pooling == "citation":
        cited: Doubles = np.nan_to_num(np.asarray(citation_count, np.float64))[paper_of_link]
        return 1.0 + np.log1p(np.maximum(cited, 0.0))
    n_sources = int(source_of_link.max()) + 1
    mean = pooled(paper_vectors, paper_of_link, source_of_link, n_sources)[source_of_link]
    own = np.asarray(paper_vectors, np.float64)[paper_of_link]
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(mean, axis=1)
    cosine = np.divide((own * mean).sum(axis=1), lengths, out=np.zeros(n), where=lengths > 0)
    weights: Doubles = np.exp(
        SHARPNESS * (cosine - 1.0)
    )  # a softmax without its denominator: `pooled` divides by the sum
    return weights
