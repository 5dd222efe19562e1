"""Stale rows encoded, by this process or by several: each reads its part at one snapshot and gives vectors back.

One process commits, as always: a worker writes nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalog.parallel import WorkerDied, cpu_count, map_ordered
from catalog.store import lake
from embed import registry
from embed.registry import Encoder
from embed.store.encoded_batches import COMMIT_SECONDS, Batch, batches

FEWEST_ROWS, MOST_ROWS = 256, 1 << 14
"""Rows of a part: fewer do not pay the way to a worker, more come back late."""


@dataclass(frozen=True)
class Part:
    """What one worker encodes at a time.

    Attributes
    ----------
    store : Path
        Seen under the same path by every worker.
    snapshot : int
        At which rows are read.
    weights : Path
        Of the encoder.
    wanted : pyarrow.Table
        Columns id, name and input_sha256 of meta.stale.
    """

    store: Path
    snapshot: int
    weights: Path
    wanted: pa.Table


def encode_part(part: Part) -> Batch:
    """Read and encode the rows of a part: what a worker does."""
    encoder, done = registry.load(part.weights), Batch()
    with contextlib.closing(lake.connect(part.store, snapshot=part.snapshot)) as connection:
        for batch in batches(part.store, encoder, part.wanted, connection, part.wanted.num_rows):
            done.extend(batch)
    return done


def encoded(whole: Part, encoder: Encoder, commit_rows: int, workers: int | None, on: str) -> Iterator[Batch]:
    """Encode rows, in this process or on workers; yield what makes one commit.

    Parameters
    ----------
    whole : Part
        All rows; it is cut into parts for workers.
    encoder : Encoder
        That of the part, for this process.
    commit_rows : int
        A commit has about so many vectors, or those of `COMMIT_SECONDS`.
    workers : int, optional
        Default: this process here, all of a cluster.
    on : str
        See `catalog.parallel.workers_on`.

    Raises
    ------
    WorkerDied
        If a process ends without an answer, each time it tries; what was committed stays.
    ClusterLost
        If the cluster is gone; what was committed stays.
    """
    if on == "local" and (workers or 1) <= 1:
        with contextlib.closing(lake.connect(whole.store, snapshot=whole.snapshot)) as connection:
            yield from batches(whole.store, encoder, whole.wanted, connection, commit_rows)
        return
    n_rows = whole.wanted.num_rows
    size = min(MOST_ROWS, max(FEWEST_ROWS, -(-n_rows // (4 * (workers or cpu_count())))))
    # Rows are taken, not sliced: a slice is pickled with the whole of its table.
    rows = (pa.array(range(start, min(start + size, n_rows))) for start in range(0, n_rows, size))
    parts = (Part(whole.store, whole.snapshot, whole.weights, whole.wanted.take(some)) for some in rows)
    batch, since = Batch(), time.monotonic()
    for _, made in map_ordered(encode_part, parts, workers, on=on):
        if isinstance(made, WorkerDied):
            raise made
        batch.extend(made)
        if len(batch) >= commit_rows or time.monotonic() - since > COMMIT_SECONDS:
            yield batch
            batch, since = Batch(), time.monotonic()
    if len(batch):
        yield batch
