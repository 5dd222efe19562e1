"""What the studies of alignment read of a store: the same detections in every space, in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.papers.texts import Papers
from analysis.papers.texts import read as read_papers
from analysis.study.samples import Rows, hashed, numbers, spaces_of
from analysis.study.samples import read as read_rows
from catalog import Catalog
from catalog.errors import Terminal, UnknownName
from embed.inputs.pooling import Pooling
from embed.store.status import next_step

Floats = npt.NDArray[np.float32]
DATA_SPACES = ("events", "spectrum")
ALIGNED, PROPERTIES = "aligned", "properties"
SIDES = ("data", "text", "both")
LEAST_WITH_TEXT = 60
"""Fewer detections with papers than this are no sample: text is then left out, and the rest is scored on all rows."""


class NothingToRead(Terminal, LookupError):
    """The store lacks what an analysis needs."""


@dataclass(frozen=True)
class Detections:
    """Detections that are in every space read, in the order of their ids.

    Attributes
    ----------
    ids, sources : ndarray of str objects, shape (n,)
    columns : pyarrow.Table
        n rows of csc.observation_source.
    spaces : mapping of str to ndarray
        Space -> vectors (n, d); of the aligned space 'aligned/data', 'aligned/text', 'aligned/both'.
    text : ndarray or None
        Pooled vectors of the papers about each source, (n, d).
    papers : Papers or None
    encoders : mapping of str to str
        Space -> encoder.
    held_out : frozenset of str
        Sources that the alignment has not seen.
    snapshot : int
    pooling : str
        How papers of a source became one vector.
    notes : tuple of str
        What a user should know.
    """

    ids: npt.NDArray[np.object_]
    sources: npt.NDArray[np.object_]
    columns: pa.Table
    spaces: Mapping[str, Floats]
    text: Floats | None
    papers: Papers | None
    encoders: Mapping[str, str]
    held_out: frozenset[str]
    snapshot: int
    pooling: Pooling = "mean"
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Detections."""
        return len(self.ids)

    @property
    def data_spaces(self) -> tuple[str, ...]:
        """Those of `DATA_SPACES` that were read."""
        return tuple(s for s in DATA_SPACES if s in self.spaces)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return a column as numbers, NULL as NaN, shape (n,)."""
        return numbers(self.columns, name)

    def sha256(self) -> str:
        """Hash of everything that was read."""
        named = [part for name, vectors in sorted(self.spaces.items()) for part in (name, vectors)]
        text = () if self.text is None else (self.text,)
        encoders, held_out = json.dumps(dict(self.encoders), sort_keys=True), "\n".join(sorted(self.held_out))
        return hashed("\n".join(self.ids), "\n".join(self.sources), encoders, *named, *text, held_out, self.columns)


def alignment_of(cat: Catalog, encoder_id: str, snapshot: int) -> dict[str, object]:
    """Return the configuration of the aligned space's encoder: held_out_sources, learned_from, pooling, gamma, ..."""
    query = "SELECT configuration FROM meta.encoder WHERE encoder_id = $id"
    (text,) = cat.sql(query, snapshot=snapshot, id=encoder_id).fetchall()[0]
    found: dict[str, object] = json.loads(str(text))
    return found


def read(
    cat: Catalog,
    columns: Sequence[str] = (),
    where: str = "",
    *,
    data: Sequence[str] = (),
    pooling: Pooling | None = None,
    needed: Sequence[str] = (),
) -> Detections:
    """Read the detections that are in every space that the store has.

    Parameters
    ----------
    cat : Catalog
    columns : sequence of str
        Columns of csc.observation_source.
    where : str
        SQL condition on csc.observation_source.
    data : sequence of str
        Spaces of the data side; else those that the aligned space was made from; else events and spectrum, where there.
    pooling : str, optional
        How papers of a source become one vector; else as the aligned space has it; else the mean.
    needed : sequence of str
        Spaces without which there is no answer.

    Raises
    ------
    NothingToRead
        If no space is there, or no detection is in all of them.
    UnknownName
        If a space, needed or named, has no vectors; the message says how to make them.
    """
    snapshot = cat.snapshots()[-1].number
    encoders = spaces_of(cat, snapshot)
    for space in (*needed, *data):
        if space not in encoders:
            raise UnknownName(next_step(lambda query: cat.sql(query).fetchall(), cat.path, space))
    alignment = alignment_of(cat, encoders[ALIGNED], snapshot) if ALIGNED in encoders else {}
    learned = alignment.get("learned_from")
    origin = tuple(s for s in learned if s in DATA_SPACES) if isinstance(learned, dict) else ()
    chosen = [s for s in (tuple(data) or origin or DATA_SPACES) if s in encoders]
    read_: dict[str, Rows] = {}
    for space in (*chosen, PROPERTIES):
        if space in encoders:
            read_[space] = read_rows(cat, space, columns, where, snapshot)
    for side in SIDES if ALIGNED in encoders else ():
        read_[f"{ALIGNED}/{side}"] = read_rows(cat, ALIGNED, columns, where, snapshot, side)
    if not read_:
        raise NothingToRead(next_step(lambda query: cat.sql(query).fetchall(), cat.path, PROPERTIES))
    papers = read_papers(cat, snapshot)
    kind: Pooling = pooling or _pooling(alignment)
    return _joined(read_, papers, kind, encoders, held_out_by(alignment), snapshot)


def _pooling(alignment: Mapping[str, object]) -> Pooling:
    found = alignment.get("pooling")
    return found if found in {"recency", "citation", "attention"} else "mean"


def held_out_by(alignment: Mapping[str, object]) -> frozenset[str]:
    """Return the sources that an alignment has not seen."""
    found = alignment.get("held_out_sources")
    return frozenset(map(str, found)) if isinstance(found, list) else frozenset()


def _joined(
    read_: dict[str, Rows],
    papers: Papers | None,
    pooling: Pooling,
    encoders: Mapping[str, str],
    held_out: frozenset[str],
    snapshot: int,
) -> Detections:
    """Keep the detections that are in every space, and have papers where enough have."""
    notes: list[str] = []
    common = _common({k: v for k, v in read_.items() if k != f"{ALIGNED}/text"})
    first = next(iter(read_.values()))
    sources = dict(zip(first.ids.tolist(), first.sources.tolist(), strict=True))
    text = None
    if papers is not None and len(papers.sources):
        about = set(papers.sources.tolist())
        with_text = [i for i in common if sources[i] in about]
        if len(with_text) >= LEAST_WITH_TEXT:
            common = with_text
            text = papers.of(np.array([sources[i] for i in common], object), pooling)
        else:
            notes.append(f"text is left out: {len(with_text)} of {len(common)} detections have papers with vectors")
    if text is None:
        read_ = {k: v for k, v in read_.items() if k != f"{ALIGNED}/text"}
    else:
        common_text = set(_common(read_))
        keep = np.array([i in common_text for i in common], np.bool_)
        text = text[keep]
        common = [i for i in common if i in common_text]
    if not common:
        raise NothingToRead(f"no detection is in all of {', '.join(read_)}; what each holds: python -m embed status")
    ids = np.array(common, object)
    spaces = {name: rows.vectors_of(ids) for name, rows in read_.items()}
    at = {i: n for n, i in enumerate(first.ids.tolist())}
    rows = first.take(np.array([at[i] for i in common], np.int64))
    return Detections(
        rows.ids,
        rows.sources,
        rows.columns,
        spaces,
        text,
        papers,
        {k: v for k, v in encoders.items() if k in {n.partition("/")[0] for n in spaces} | {"papers"}},
        held_out,
        snapshot,
        pooling,
        tuple(notes),
    )


def _common(read_: Mapping[str, Rows]) -> list[str]:
    ids = [set(r.ids.tolist()) for r in read_.values()]
    return sorted(set.intersection(*ids)) if ids else []
