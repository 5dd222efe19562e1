"""The text side of sources: papers that are about each, their vectors, one pooled vector per source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog import Catalog
from embed.inputs.paper_vectors import as_written, beside, per_source
from embed.inputs.pooling import Pooling

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Papers:
    """Papers that have a vector, and the sources they are about.

    Attributes
    ----------
    bibcodes : ndarray of str objects, shape (n_paper,)
    vectors : ndarray of float32, shape (n_paper, d)
        Sentence vectors with quantities beside them: `embed.inputs.paper_vectors`.
    year, citation_count : ndarray of float, shape (n_paper,)
        NaN where unknown.
    paper_of_link, source_of_link : ndarray of int, shape (m,)
    sources : ndarray of str objects, shape (n_source,)
        Names, in alphabetical order.
    """

    bibcodes: npt.NDArray[np.object_]
    vectors: Floats
    year: npt.NDArray[np.float64]
    citation_count: npt.NDArray[np.float64]
    paper_of_link: Indices
    source_of_link: Indices
    sources: npt.NDArray[np.object_]

    def per_source(self, pooling: Pooling = "mean") -> Floats:
        """Return one vector per source, (n_source, d)."""
        return per_source(
            self.vectors,
            self.paper_of_link,
            self.source_of_link,
            len(self.sources),
            pooling,
            year=self.year,
            citation_count=self.citation_count,
        )

    def of(self, sources: npt.NDArray[np.object_], pooling: Pooling = "mean") -> Floats:
        """Return the text vector of each of some sources, NaN where it has no paper, (n, d)."""
        vectors = self.per_source(pooling)
        at = {s: i for i, s in enumerate(self.sources.tolist())}
        out = np.full((len(sources), self.vectors.shape[1]), np.nan, np.float32)
        found = [(row, at[s]) for row, s in enumerate(sources.tolist()) if s in at]
        if found:
            rows, places = zip(*found, strict=True)
            out[list(rows)] = vectors[list(places)]
        return out

    def bibcodes_of(self) -> dict[str, tuple[str, ...]]:
        """Return the papers of each source, in alphabetical order."""
        out: dict[str, list[str]] = {s: [] for s in self.sources.tolist()}
        for paper, source in zip(self.paper_of_link, self.source_of_link, strict=True):
            out[self.sources[source]].append(self.bibcodes[paper])
        return {s: tuple(sorted(b)) for s, b in out.items()}

    def with_vectors(self, vectors: Floats) -> Papers:
        """Return the same papers with other vectors, (n_paper, d)."""
        return replace(self, vectors=vectors)

    def only(self, sources: npt.NDArray[np.object_]) -> Papers:
        """Return the papers of some sources alone."""
        chosen = np.isin(self.sources.astype(str), np.unique(sources.astype(str)))
        kept = chosen[self.source_of_link]
        papers, paper = np.unique(self.paper_of_link[kept], return_inverse=True)
        names, source = np.unique(self.source_of_link[kept], return_inverse=True)
        return Papers(
            self.bibcodes[papers],
            self.vectors[papers],
            self.year[papers],
            self.citation_count[papers],
            paper.astype(np.int64),
            source.astype(np.int64),
            self.sources[names],
        )

    @property
    def sha256(self) -> str:
        """Hash of all of it."""
        digest = hashlib.sha256()
        for array in (self.vectors, self.year, self.citation_count, self.paper_of_link, self.source_of_link):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update("\n".join([*self.bibcodes.tolist(), "", *self.sources.tolist()]).encode())
        return digest.hexdigest()


def read(cat: Catalog, snapshot: int) -> Papers | None:
    """Read the papers of sources; None where the snapshot has no vectors of papers."""
    if not cat.sql("SELECT 1 FROM meta.space WHERE space = 'papers'", snapshot=snapshot).fetchall():
        return None
    table = cat.sql(
        """SELECT e.id, p.year, p.citation_count, p.title, p.abstract, l.name, e.vector
        FROM lit.confident_link AS l
        JOIN embedding.papers AS e ON e.id = l.bibcode LEFT JOIN lit.paper AS p ON p.bibcode = l.bibcode
        ORDER BY e.id, l.name""",
        snapshot=snapshot,
    ).arrow()
    bibcodes, first, paper = np.unique(_strings(table["id"]), return_index=True, return_inverse=True)
    names, source = np.unique(_strings(table["name"]), return_inverse=True)
    vector = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    sentences = vector.reshape(len(table), -1)[first] if len(table) else np.empty((0, 0), np.float32)
    each = table.select(["title", "abstract"]).take(pa.array(first))
    texts = [as_written(t, a) for t, a in zip(each["title"].to_pylist(), each["abstract"].to_pylist(), strict=True)]
    year, cited = (
        np.asarray(table[c].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)[first]
        for c in ("year", "citation_count")
    )
    return Papers(
        bibcodes.astype(object),
        beside(sentences, texts),
        year,
        cited,
        paper.astype(np.int64),
        source.astype(np.int64),
        names.astype(object),
    )


def _strings(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=np.str_)
