"""Vectors of a space at a pinned version, held in memory while it is worth it: such a version never changes.

One memory for the whole process, bounded in bytes; what was used longest ago goes first. A space too large for it is
read in blocks from disk.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.neighbours.closeness import Floats, Mask, Metric, Rows
from catalog.neighbours.search import Block, Neighbours, first, nearest
from catalog.store import lance_files, vectors
from catalog.store.vectors import Pin

if TYPE_CHECKING:
    import duckdb
    import lance
    from lancedb.table import LanceTable

TEXT_MODALITIES = frozenset({"papers"})
"""Modalities whose ids are bibcodes."""
BOTH = "both"
"""In a space where an id has a row per modality: the one made of all of them, which stands for the id."""

_BATCH_ROWS = 1 << 16
MEMORY_BYTES = int(os.environ.get("PHOTONLAKE_VECTOR_MEMORY", str(4 << 30)))
"""So many bytes of vectors are kept; $PHOTONLAKE_VECTOR_MEMORY."""


@dataclass(eq=False)
class Pinned:
    """A space at a pinned version.

    Attributes
    ----------
    store : Path
    pin : Pin
    dataset : LanceDataset
        Open at that version.
    """

    store: Path
    pin: Pin
    dataset: lance.LanceDataset

    @cached_property
    def table(self) -> LanceTable:
        """The same as a LanceDB table: for searches with its index."""
        return vectors.table_at(self.store, self.pin.space, self.pin.lance_version)

    @cached_property
    def keys(self) -> pa.Table:
        """Columns id, name, modality, one chunk each, in the order of the rows."""
        return self.dataset.to_table(columns=["id", "name", "modality"]).combine_chunks()

    @property
    def ids(self) -> pa.Array:
        """Ids of all rows, shape (n,)."""
        return whole(self.keys["id"])

    @property
    def names(self) -> pa.Array:
        """Source names of all rows, NULL where unknown; the bibcode for papers."""
        return whole(self.keys["name"])

    @cached_property
    def n_papers(self) -> int:
        """How many of its rows are papers."""
        papers = TEXT_MODALITIES.intersection(self.modalities)
        if len(papers) == len(self.modalities):
            return self.pin.n_vectors
        return lance_files.n_of(self.dataset, papers) if papers else 0

    @property
    def holds_papers_only(self) -> bool:
        """Whether all its ids are bibcodes."""
        return 0 < self.n_papers == self.pin.n_vectors

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of its rows, in alphabetical order."""
        return tuple(sorted(self.dataset.to_table(columns=["modality"])["modality"].unique().to_pylist()))

    @property
    def usual_modality(self) -> str | None:
        """The modality that stands for an id where an id has several rows; None where each id has one."""
        return BOTH if BOTH in self.modalities else None

    def rows_of(self, modality: str | None) -> Mask | None:
        """Return which rows are of a modality, shape (n,); None for all."""
        if modality is None:
            return None
        held = self._rows_of.get(modality)
        if held is None:
            equal = pc.equal(whole(self.keys["modality"]), pa.scalar(modality, pa.string()))
            held = self._rows_of[modality] = equal.to_numpy(zero_copy_only=False)
        return held

    @cached_property
    def _rows_of(self) -> dict[str, Mask]:
        return {}

    @property
    def usual(self) -> Mask | None:
        """Which rows are searched unless one asks for others, shape (n,): one per id; None for all."""
        return self.rows_of(self.usual_modality)

    @property
    def fits(self) -> bool:
        """Whether the vectors may be held in memory whole."""
        return self.pin.n_vectors * self.pin.dim * 4 <= MEMORY_BYTES

    @cached_property
    def block(self) -> Block:
        """All rows in memory."""
        held = np.empty((self.pin.n_vectors, self.pin.dim), np.float32)
        start = 0
        for batch in self.dataset.to_batches(columns=["vector"], batch_size=_BATCH_ROWS):
            flat = batch["vector"].flatten().to_numpy()  # no copy but the one to its place
            held[start : start + batch.num_rows] = flat.reshape(-1, self.pin.dim)
            start += batch.num_rows
        held.setflags(write=False)  # users get this very array: Catalog.vectors
        return Block(self.ids, held)

    def blocks(self) -> Iterator[tuple[int, Block]]:
        """Yield all rows in order: first row number, and the block. One block where they fit in memory."""
        if self.fits:
            yield 0, self.block
            return
        start = 0
        for batch in self.dataset.to_batches(columns=["id", "vector"], batch_size=_BATCH_ROWS):
            yield start, Block(batch["id"], vectors.matrix(batch["vector"]))
            start += batch.num_rows

    def nearest(self, targets: Floats, k: int, metric: Metric, allowed: Mask | None = None) -> Neighbours:
        """Search exactly; see `catalog.neighbours.search.nearest`. Rows are numbered over the whole space."""
        found: list[Neighbours] = []
        for start, block in self.blocks():
            part = None if allowed is None else allowed[start : start + len(block.vectors)]
            here = nearest(block, targets, k, metric, part)
            found.append(Neighbours(here.rows + start, here.ids, here.distances))
        if len(found) == 1:
            return found[0]
        ids = pa.chunked_array([f.ids for f in found], pa.string()).combine_chunks()
        rows = np.concatenate([np.empty(0, np.int64), *(f.rows for f in found)])
        distances = np.concatenate([np.empty(0), *(f.distances for f in found)])
        return first(Neighbours(rows, ids, distances), k)

    def vectors_of(self, rows: Rows) -> Floats:
        """Return some rows' vectors, shape (m, d)."""
        if self.fits:
            return self.block.vectors[rows]
        return vectors.matrix(self.dataset.take(rows.tolist(), columns=["vector"])["vector"])

    def rows_where(self, column: str, value: str) -> Rows:
        """Return the numbers of the rows whose id or name is a text; of several of an id, the usual one."""
        hits = pc.equal(whole(self.keys[column]), pa.scalar(value, pa.string()))
        rows = np.asarray(pc.indices_nonzero(hits)).astype(np.int64)
        return rows if self.usual is None else rows[self.usual[rows]]

    def rows_with(self, ids: list[str]) -> Mask:
        """Return which rows have one of some ids, shape (n,)."""
        return np.asarray(pc.is_in(self.ids, value_set=pa.array(ids, pa.string())).to_numpy(zero_copy_only=False))

    def register(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Make the space a relation of this name: an Arrow table where the vectors fit, else a view of the dataset."""
        known = vectors.SIGMA in self.dataset.schema.names
        detection = "bibcode" if self.holds_papers_only else "detection_id"
        if not self.fits:
            cursor.register(f"{name}_rows", self.dataset)
            sigma = vectors.SIGMA if known else f"NULL::FLOAT[{self.pin.dim}] AS {vectors.SIGMA}"
            told = f"CASE WHEN NOT regexp_full_match(id, '{_OWN}') THEN id END AS {detection}"
            columns = f"id, {told}, name, modality, encoder_id, input_sha256, vector, {sigma}"
            cursor.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {columns} FROM {name}_rows")
            return
        flat = pa.array(self.block.vectors.reshape(-1))
        rest = self.dataset.to_table(columns=["encoder_id", "input_sha256", *([vectors.SIGMA] if known else [])])
        table = {
            "id": self.ids,
            detection: detections(self.ids),
            "name": self.names,
            "modality": self.keys["modality"],
            "encoder_id": rest["encoder_id"],
            "input_sha256": rest["input_sha256"],
            "vector": pa.FixedSizeListArray.from_arrays(flat, self.pin.dim),
        }
        if known:
            table[vectors.SIGMA] = rest[vectors.SIGMA]
        else:  # NULL beside the same numbers: it takes no memory of its own
            null = pa.array(np.ones(self.pin.n_vectors, bool))
            table[vectors.SIGMA] = pa.FixedSizeListArray.from_arrays(flat, self.pin.dim, mask=null)
        cursor.register(name, pa.table(table))


_OWN = "[0-9a-f]{16}"
"""Ids of spectra that are of no detection."""


def detections(ids: pa.Array) -> pa.Array:
    """Return ids with NULL for those of spectra that are of no detection: they have their spectrum_id.

    Examples
    --------
    >>> detections(pa.array(["1575.1.85", "645228839459e825"])).to_pylist()
    ['1575.1.85', None]
    """
    own = pc.match_substring_regex(ids, f"^{_OWN}$")
    return pc.if_else(own, pa.scalar(None, ids.type), ids)


_held: OrderedDict[tuple[str, str, int, int, int], Pinned] = OrderedDict()
_guard = threading.Lock()


def pinned(store: Path, pin: Pin) -> Pinned:
    """Return a space at the version of a pin, from memory where it is there already.

    Raises
    ------
    catalog.store.vectors.BrokenPin
        If the version is not on disk.
    """
    folder = vectors.path(store, pin.space)
    try:  # a store that was removed and made again has other files of the same numbers
        made = (folder / "_versions").stat()
        identity = made.st_ino, (folder.stat()).st_ino
    except OSError:
        identity = 0, 0
    key = (str(folder), pin.space, pin.lance_version, *identity)
    with _guard:
        if key in _held:
            _held.move_to_end(key)
            _held[key].pin = pin  # the version is the same; what else is told of it may have been measured since
            return _held[key]
    opened = Pinned(store, pin, vectors.open_pinned(store, pin.space, pin.lance_version))
    with _guard:
        _held[key] = opened
        held = [p.pin.n_vectors * p.pin.dim * 4 for p in _held.values()]
        while len(_held) > 1 and sum(held) > MEMORY_BYTES:
            _held.popitem(last=False)
            held.pop(0)
    return opened


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; a table of no rows has no chunk."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.array([], column.type), *column.chunks])
