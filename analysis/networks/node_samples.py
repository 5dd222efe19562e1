"""What a network is made of: observations, their vectors in each space, their types, flags and papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from analysis.networks.edges import Modality
from analysis.study.samples import MASTER, hashed, papers_of_sources, read_master
from catalog import Catalog
from catalog.errors import Terminal, command
from catalog.query.filtering import checked

_FLAGS = ("sat_src_flag", "streak_src_flag", "edge_code", "conf_code", "multi_chip_code", "dither_warning_flag")
_N_PAPERS = 5


class TooFewNodes(Terminal, LookupError):
    """Too few observations meet the condition to make a graph of."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of a network, in the order of their ids.

    Attributes
    ----------
    ids, sources : ndarray of str objects, shape (n,)
    otypes : list of (str or None), length n
    modalities : tuple of Modality
    flags, bibcodes : list of list of str, length n
        Papers are the newest five.
    mentions : csr_array, shape (n, n_paper)
        1 where a paper is about a node's source.
    snapshot : int
    """

    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    otypes: list[str | None]
    modalities: tuple[Modality, ...]
    flags: list[list[str]]
    bibcodes: list[list[str]]
    mentions: csr_array
    snapshot: int

    @property
    def n(self) -> int:
        """Nodes."""
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Hash of all that the graph is made of."""
        spaces = [part for m in self.modalities for part in (m.name, m.vectors, m.has)]
        return hashed(repr((self.ids.tolist(), self.sources.tolist(), self.otypes)), *spaces)


def read(cat: Catalog, spaces: Sequence[str], where: str, authority: str) -> Nodes:
    """Read the observations that meet a condition and have a vector in at least one of the spaces.

    Parameters
    ----------
    cat : Catalog
    spaces : sequence of str
        Embedding spaces; in `papers` a source has the mean of its papers' vectors. Or csc.master_source alone: then
        the nodes are sources, and `where` may name the columns of csc.master_source and var_prob_b.
    where : str
        SQL condition on csc.observation_source.
    authority : str
        Whose types: see csc.object_type.

    Raises
    ------
    TooFewNodes
        If fewer than ten remain.
    """
    snapshot = cat.snapshots()[-1].number
    condition = f"({checked(where, '--where')}\n)" if where.strip() else "true"
    if list(spaces) == [MASTER]:
        rows = read_master(cat, where, (), snapshot)
        ids = sources = rows.ids
        modalities: tuple[Modality, ...] = (Modality(MASTER, rows.vectors, np.ones(rows.n, np.bool_)),)
        flags: list[list[str]] = [[] for _ in ids]
    else:
        ids, sources, flags = _detections(cat, condition, snapshot)
        modalities = tuple(_modality(cat, space, ids, sources, snapshot) for space in spaces)
    there = np.any([m.has for m in modalities], axis=0) if len(ids) else np.zeros(0, np.bool_)
    if there.sum() < 10:  # noqa: PLR2004 - a graph of fewer says nothing
        raise TooFewNodes(
            f"expected at least 10 observations with vectors in {', '.join(spaces)}, found {int(there.sum())} that "
            f"meet {where or 'no condition'}; widen --where, or bring in more: "
            f"{command('ingest files FOLDER', cat.path)}"
        )
    kept = np.flatnonzero(there)
    ids, sources = ids[kept], sources[kept]
    types, papers = _types(cat, authority, snapshot), _papers(cat, snapshot)
    return Nodes(
        ids,
        sources,
        [types.get(str(s)) for s in sources],
        tuple(Modality(m.name, m.vectors[kept], m.has[kept]) for m in modalities),
        [flags[i] for i in kept],
        [papers.get(str(s), [])[:_N_PAPERS] for s in sources],
        _mentions([papers.get(str(s), []) for s in sources]),
        snapshot,
    )


def _detections(
    cat: Catalog, condition: str, snapshot: int
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], list[list[str]]]:
    columns = ", ".join(f"{c}::VARCHAR AS {c}" for c in _FLAGS)
    found = cat.sql(
        f"SELECT detection_id, coalesce(name, detection_id) AS source, {columns} FROM csc.observation_source "
        f"WHERE {condition} ORDER BY detection_id",
        snapshot=snapshot,
    ).arrow()
    names = {c: found[c].to_pylist() for c in _FLAGS}
    flags = [[c for c in _FLAGS if names[c][i] not in (None, "false", "0")] for i in range(found.num_rows)]
    ids, sources = (found[c].to_numpy(zero_copy_only=False) for c in ("detection_id", "source"))
    return ids, sources, flags


def _modality(
    cat: Catalog, space: str, ids: npt.NDArray[np.object_], sources: npt.NDArray[np.object_], snapshot: int
) -> Modality:
    if space == "papers":
        return _texts(cat, sources, snapshot)
    known, vectors = cat.vectors(space, snapshot)
    place = {i: n for n, i in enumerate(known)}
    rows = np.array([place.get(i, -1) for i in ids], np.int64)
    has = rows >= 0
    out = np.zeros((len(ids), vectors.shape[1]), np.float32)
    out[has] = vectors[rows[has]]
    return Modality(space, out, has)


def _texts(cat: Catalog, sources: npt.NDArray[np.object_], snapshot: int) -> Modality:
    """Give each node the mean vector of its source's papers."""
    means = papers_of_sources(cat, "papers", snapshot)
    has = np.array([str(s) in means for s in sources], np.bool_)
    out = np.zeros((len(sources), len(next(iter(means.values()), ()))), np.float32)
    if has.any():
        out[has] = np.stack([means[str(s)] for s in sources[has]])
    return Modality("papers", out, has)


def _types(cat: Catalog, authority: str, snapshot: int) -> dict[str, str]:
    query = "SELECT name, min(otype) FROM csc.object_type WHERE authority = $authority AND NOT predicted GROUP BY name"
    return {str(n): str(t) for n, t in cat.sql(query, snapshot=snapshot, authority=authority).fetchall()}


def _mentions(papers: Sequence[Sequence[str]]) -> csr_array:
    """Return which papers are about which rows, as a matrix of ones."""
    known = {b: i for i, b in enumerate(sorted({b for some in papers for b in some}))}
    rows = np.repeat(np.arange(len(papers)), [len(some) for some in papers])
    columns = np.array([known[b] for some in papers for b in some], np.int64)
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(papers), max(1, len(known))))


def _papers(cat: Catalog, snapshot: int) -> dict[str, list[str]]:
    """Return each source's papers, newest first."""
    found: pa.Table = cat.sql(
        "SELECT name, bibcodes FROM lit.source_paper WHERE n_papers > 0",
        snapshot=snapshot,
    ).arrow()
    return dict(zip(found["name"].to_pylist(), found["bibcodes"].to_pylist(), strict=True))
