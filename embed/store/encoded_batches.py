"""Stale rows, read and encoded: what makes one commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.store import lake, vectors
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.registry import Encoded, Encoder
from embed.store.space_relations import register

COMMIT_SECONDS = 60.0
_QUERIES_ROWS = 1 << 15
"""So many ids are asked for at once, neighbours in ObsID, so that scans prune."""
_FIRST_ROWS = 128
_NO_ROW = "its input was not there when it was to be read"


@dataclass
class Batch:
    """Rows of one commit."""

    ids: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    modalities: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    parts: list[registry.Vectors] = field(default_factory=list)
    widths: list[registry.Vectors] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_names: list[str | None] = field(default_factory=list)
    skipped_hashes: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def add(self, encoded: Encoded, names: dict[str, str | None], hashes: dict[str, str]) -> None:
        """Take in what an encoder gave."""
        self.ids += encoded.ids
        self.names += [names[i] for i in encoded.ids]
        self.modalities += encoded.modalities
        self.hashes += [hashes[i] for i in encoded.ids]
        self.parts.append(encoded.vectors)
        self.widths += [] if encoded.sigmas is None else [encoded.sigmas]
        self.skip(encoded.skipped, names, hashes)

    def skip(self, reasons: dict[str, str], names: dict[str, str | None], hashes: dict[str, str]) -> None:
        """Take in rows that have no vector."""
        self.skipped |= reasons
        self.skipped_names += [names[i] for i in reasons]
        self.skipped_hashes += [hashes[i] for i in reasons]

    def extend(self, other: Batch) -> None:
        """Take in another batch."""
        for name, held in vars(self).items():
            if isinstance(held, list):
                held.extend(getattr(other, name))
        self.skipped |= other.skipped

    @property
    def met(self) -> dict[str, int]:
        """The ids that got vectors, once each, and where the first of each one's stands."""
        first: dict[str, int] = {}
        for place, id_ in enumerate(self.ids):
            first.setdefault(id_, place)
        return first

    def rows(self, encoder_id: str, dim: int, *, wide: bool) -> pa.Table:
        """Return the rows of the space: vectors of `dim` numbers, with their standard deviations where it is wide."""
        none = np.empty((0, dim), np.float32)
        made, widths = np.concatenate([none, *self.parts]), np.concatenate([none, *self.widths]) if wide else None
        return vectors.rows(self.ids, self.names, made, self.modalities, encoder_id, self.hashes, widths)

    def told(self, space: str, encoder_id: str) -> pa.Table:
        """Return the rows of meta.embedded that tell of it."""
        places = list(self.met.values())  # of several vectors of an id, one row tells
        n = len(places) + len(self.skipped)
        return pa.table(
            {
                "space": pa.repeat(pa.scalar(space), n),
                "id": pa.array([*self.met, *self.skipped], pa.string()),
                "name": pa.array([*(self.names[i] for i in places), *self.skipped_names], pa.string()),
                "encoder_id": pa.repeat(pa.scalar(encoder_id), n),
                "input_sha256": pa.array([*(self.hashes[i] for i in places), *self.skipped_hashes], pa.string()),
                "skipped": pa.array([*[None] * len(places), *self.skipped.values()], pa.string()),
            }
        )

    def __len__(self) -> int:
        """Count what became of rows: vectors, and rows without one."""
        return len(self.ids) + len(self.skipped)


def batches(
    store: Path, encoder: Encoder, wanted: pa.Table, connection: lake.Connection, commit_rows: int
) -> Iterator[Batch]:
    """Read and encode the wanted rows; yield what makes one commit.

    Parameters
    ----------
    store : Path
    encoder : Encoder
    wanted : pyarrow.Table
        Columns id, name and input_sha256 of meta.stale.
    connection : lake.Connection
        At the snapshot that told what is stale.
    commit_rows : int
        A commit has about so many vectors, or those of `COMMIT_SECONDS`.
    """
    kind = INPUTS[encoder.modality]
    register(connection, store, kind.spaces)
    batch, since = Batch(), time.monotonic()
    size = min(_FIRST_ROWS, commit_rows)
    for start in range(0, wanted.num_rows, _QUERIES_ROWS):
        part = wanted.slice(start, _QUERIES_ROWS)
        ids = part["id"].to_pylist()
        names = dict(zip(ids, part["name"].to_pylist(), strict=True))
        hashes = dict(zip(ids, part["input_sha256"].to_pylist(), strict=True))
        missing = dict.fromkeys(ids, _NO_ROW)
        connection.register("__wanted", part.select(["id"]))
        for read in connection.execute(kind.query("__wanted")).to_arrow_reader(kind.batch_rows):
            rows = pa.Table.from_batches([read])
            while rows.num_rows:
                begun = time.monotonic()
                encoded = registry.encode_rows(encoder, rows.slice(0, size))
                rows = rows.slice(size)
                batch.add(encoded, names, hashes)
                for i in {*encoded.ids, *encoded.skipped}:
                    del missing[i]
                now = time.monotonic()
                if len(batch) >= commit_rows or now - since > COMMIT_SECONDS:
                    yield batch
                    batch, since = Batch(), time.monotonic()
                if now - begun < 1:  # as many rows at once as take about a second: slow encoders commit in time too
                    size = min(2 * size, kind.batch_rows, commit_rows)
        batch.skip(missing, names, hashes)
    if len(batch):
        yield batch
