"""Rows of the aligned space made ready: data vectors, the pooled vectors of the papers, and which papers they are."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from embed.inputs.paper_vectors import STATED, as_written, beside, per_source
from embed.inputs.pooling import POOLINGS
from embed.inputs.prepared import Prepared, ids_and_names

N_PAPERS = 64
"""Papers of a source that are known by their hash; the pooled vectors are of all."""
TEXT_DIM = 384 + STATED
"""Length of a text vector where no row has a paper: MiniLM's, and quantities."""


def prepare(rows: pa.Table) -> Prepared:
    """Make rows of `embed.inputs.pairs.rows_sql` ready.

    Parameters
    ----------
    rows : pyarrow.Table
        n rows: id, name, data (list of float), papers (list of {bibcode, year, citation_count, title, abstract,
        vector}), learned_from (map of space to encoder), text_configuration (JSON).

    Returns
    -------
    Prepared
        Arrays: data (n, d) float32; text (n, n_pooling, d_text) float32 in the order of
        `embed.inputs.pooling.POOLINGS`, zeros where there is no paper; has_text (n,) bool; papers
        (n, 64) int64, hashes of bibcodes, 0 where there is none.
        No row is skipped: without papers it is still data.
    """
    ids, names = ids_and_names(rows, np.ones(rows.num_rows, np.bool_))
    data = _matrix(rows["data"].combine_chunks())
    papers = rows["papers"].combine_chunks()
    source = np.asarray(pc.list_parent_indices(papers).to_numpy(zero_copy_only=False), np.int64)
    links = papers.flatten()
    text, has_text = _text(links, source, rows.num_rows)
    return Prepared(
        ids,
        names,
        {"data": data, "text": text, "has_text": has_text, "papers": _hashes(links, source, rows.num_rows)},
        {},
    )


def _text(
    links: pa.StructArray, source: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return pooled vectors (n, n_pooling, d), and which rows have any paper."""
    has_text = np.bincount(source, minlength=n).astype(np.bool_)
    if not len(links):
        return np.zeros((n, len(POOLINGS), TEXT_DIM), np.float32), has_text
    # A paper of many sources stands in many rows, and its text is read once.
    _, first, paper = np.unique(
        links.field("bibcode").to_numpy(zero_copy_only=False).astype(str), return_index=True, return_inverse=True
    )
    papers = links.take(pa.array(first))
    pairs = zip(papers.field("title").to_pylist(), papers.field("abstract").to_pylist(), strict=True)
    vectors = beside(_matrix(papers.field("vector")), [as_written(*pair) for pair in pairs])
    year, cited = (_numbers(papers.field(f)) for f in ("year", "citation_count"))
    parts = [per_source(vectors, paper, source, n, kind, year=year, citation_count=cited) for kind in POOLINGS]
    return np.nan_to_num(np.stack(parts, axis=1)).astype(np.float32), has_text


def _hashes(links: pa.StructArray, source: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return which papers each row has, as hashes: what tells that two sources share one."""
    out = np.zeros((n, N_PAPERS), np.int64)
    if not len(links):
        return out
    place = np.arange(len(source)) - np.searchsorted(source, source)
    kept = place < N_PAPERS
    codes = [int.from_bytes(hashlib.blake2b(b.encode(), digest_size=8).digest(), "little", signed=True) or 1
             for b in links.field("bibcode").to_pylist()]  # fmt: skip
    out[source[kept], place[kept]] = np.array(codes, np.int64)[kept]
    return out


def _numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _matrix(column: pa.Array) -> npt.NDArray[np.float32]:
    """Return lists of one length as an array of shape (n, d)."""
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)  # a copy: Arrow's memory is read-only
    return flat.reshape(len(column), -1) if len(column) else np.empty((0, 0), np.float32)
