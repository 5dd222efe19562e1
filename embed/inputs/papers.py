"""Papers -> the text that a sentence encoder reads, and what stands for a paper beside its sentence vector.

A sentence vector knows what a text is about, and hardly a figure in it. Both go side by side into the aligned space and
the studies of it: for training, for encoding and for scoring they are put together here, and pooled here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embed.inputs.pooling import Pooling, pooled, weights_of
from embed.inputs.prepared import Prepared, ids_and_names
from embed.inputs.quantities import N_QUANTITIES, quantity_vectors, without_exposures

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")  # ADS marks <SUB>, <SUP>, <inline-formula>; 'a < b' stays


def plain(text: str) -> str:
    r"""Take mark-up and line breaks out of a title or an abstract.

    Examples
    --------
    >>> plain("N<SUB>H</SUB> =\n 10<SUP>22</SUP> &lt; 3 TeV")
    'NH = 1022 < 3 TeV'
    """
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def paper_text(title: str | None, abstract: str | None) -> str:
    """Join title and abstract for a sentence encoder: the title first, since a model may read only so far.

    Exposures are left out: they tell which observation a paper is about, and nothing of the source.

    Examples
    --------
    >>> paper_text("A pulsating ULX", "We report pulsations.")
    'A pulsating ULX. We report pulsations.'
    >>> paper_text("Is it a ULX?", None)
    'Is it a ULX?'
    """
    head, body = (without_exposures(plain(text or "")) for text in (title, abstract))
    if head and body:
        return f"{head} {body}" if head[-1] in ".?!" else f"{head}. {body}"
    return head or body


def prepare(rows: pa.Table) -> Prepared:
    """Make texts of papers.

    Parameters
    ----------
    rows : pyarrow.Table
        id (bibcode), name (the same), title, abstract.

    Returns
    -------
    Prepared
        Array `text`, shape (n,), of str objects; a paper without title and abstract is skipped.
    """
    pairs = zip(rows["title"].to_pylist(), rows["abstract"].to_pylist(), strict=True)
    texts = [paper_text(title, abstract) for title, abstract in pairs]
    kept = np.array([bool(t) for t in texts], dtype=np.bool_)
    ids, names = ids_and_names(rows, kept)
    text = np.array([t for t in texts if t], dtype=np.object_)
    lost = [i for i, t in zip(rows["id"].to_pylist(), texts, strict=True) if not t]
    return Prepared(ids, names, {"text": text}, dict.fromkeys(lost, "the paper has neither title nor abstract"))


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
        See `embed.inputs.pairs`.

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
