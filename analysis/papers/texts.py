"""The text side of sources: papers that are about each, their vectors, one pooled vector per source.

Vectors of masked abstracts are made by the papers' own encoder and kept, so that a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors.numpy import load_file, save

from analysis.papers.exposure_lookup import stated_exposures
from analysis.study.runs import FOLDER
from analysis.study.samples import numbers, spaces_of
from catalog import Catalog
from catalog.errors import UnknownName
from catalog.formats.whole_files import write_whole
from catalog.store.vectors import weights_file
from embed.inputs.masking import Quantity, masked
from embed.inputs.papers import as_written, beside, paper_text, per_source
from embed.inputs.pooling import Pooling
from embed.registry import load
from embed.store.typed_text import ReadsWords

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Papers:
    """Papers that have a vector, and the sources they are about.

    Attributes
    ----------
    bibcodes : ndarray of str objects, shape (n_paper,)
    vectors : ndarray of float32, shape (n_paper, d)
        Sentence vectors with quantities beside them: `embed.inputs.papers`.
    year, citation_count : ndarray of float, shape (n_paper,)
        NaN where unknown.
    paper_of_link, source_of_link : ndarray of int, shape (m,)
    sources : ndarray of str objects, shape (n_source,)
        Names, in alphabetical order.
    texts : tuple of str, length n_paper
        As written.
    """

    bibcodes: npt.NDArray[np.object_]
    vectors: Floats
    year: npt.NDArray[np.float64]
    citation_count: npt.NDArray[np.float64]
    paper_of_link: Indices
    source_of_link: Indices
    sources: npt.NDArray[np.object_]
    texts: tuple[str, ...]

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

    def exposures_ks(self) -> dict[str, float]:
        """Return the exposure of each paper that states one, in ks."""
        found = (stated_exposures([t]) for t in self.texts)
        return {str(b): e[0] for b, e in zip(self.bibcodes.tolist(), found, strict=True) if e}

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
            tuple(self.texts[i] for i in papers),
        )


def read(cat: Catalog, snapshot: int) -> Papers | None:
    """Read the papers of sources; None where the snapshot has no vectors of papers."""
    if "papers" not in spaces_of(cat, snapshot):
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
    year, cited = (numbers(table, c)[first] for c in ("year", "citation_count"))
    return Papers(
        bibcodes.astype(object),
        beside(sentences, texts),
        year,
        cited,
        paper.astype(np.int64),
        source.astype(np.int64),
        names.astype(object),
        tuple(texts),
    )


def _strings(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=np.str_)


_CHUNK = 256


def masked_vectors(
    cat: Catalog, papers: Papers, quantity: Quantity, encoder_id: str, snapshot: int, report: Callable[[int, int], None]
) -> Floats:
    """Return vectors of papers whose texts are masked for a quantity, (n_paper, d), with what quantities are left.

    Parameters
    ----------
    cat : Catalog
    papers : Papers
    quantity : str
        See `embed.inputs.masking.masked`.
    encoder_id : str
        Encoder of the papers space.
    snapshot : int
    report : callable
        Called with how many of how many texts are done.

    Raises
    ------
    UnknownName
        If the encoder reads no words.
    """
    query = "SELECT bibcode, title, abstract FROM lit.paper WHERE bibcode IN (SELECT unnest($codes))"
    rows = cat.sql(query, snapshot=snapshot, codes=papers.bibcodes.tolist()).fetchall()
    texts = {str(b): masked(paper_text(_text(t), _text(a)), quantity) for b, t, a in rows}
    wanted = [texts[b] for b in papers.bibcodes.tolist()]
    keys = [hashlib.sha256(t.encode()).hexdigest() for t in wanted]
    path = cat.path / FOLDER / "masked" / f"{hashlib.sha256(encoder_id.encode()).hexdigest()}.safetensors"
    known = _read(path)
    missing = sorted({k: t for k, t in zip(keys, wanted, strict=True) if k not in known}.items())
    if missing:
        weights = "SELECT weights_sha256 FROM meta.encoder WHERE encoder_id = $id"
        (name,) = cat.sql(weights, snapshot=snapshot, id=encoder_id).fetchall()[0]
        encoder = load(weights_file(cat.path, str(name)))
        if not isinstance(encoder, ReadsWords):
            raise UnknownName(f"{encoder_id} reads no words: --masked needs a papers space of sentence vectors")
        for i in range(0, len(missing), _CHUNK):
            chunk = missing[i : i + _CHUNK]
            made = encoder.encode_texts([t for _, t in chunk])
            known |= {k: v for (k, _), v in zip(chunk, made, strict=True)}
            _write(path, known)
            report(min(i + _CHUNK, len(missing)), len(missing))
    return beside(np.stack([known[k] for k in keys]).astype(np.float32), wanted)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _read(path: Path) -> dict[str, Floats]:
    if not path.is_file():
        return {}
    tensors = load_file(path)
    return {bytes(k).hex(): v for k, v in zip(tensors["keys"], tensors["vectors"], strict=True)}


def _write(path: Path, known: Mapping[str, Floats]) -> None:
    keys: Sequence[str] = sorted(known)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, npt.NDArray[np.generic]] = {
        "keys": np.array([list(bytes.fromhex(k)) for k in keys], np.uint8),
        "vectors": np.stack([known[k] for k in keys]).astype(np.float32),
    }
    write_whole(path, save(tensors))
