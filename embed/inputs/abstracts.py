"""Papers -> the text that a sentence encoder reads."""

from __future__ import annotations

import html
import re

import numpy as np
import pyarrow as pa

from embed.inputs.prepared import Prepared, ids_and_names

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
    """Join title and abstract: the title first, so that a model that reads only so far has read it.

    Examples
    --------
    >>> paper_text("A pulsating ULX", "We report pulsations.")
    'A pulsating ULX. We report pulsations.'
    >>> paper_text("Is it a ULX?", None)
    'Is it a ULX?'
    """
    head, body = plain(title or ""), plain(abstract or "")
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
