"""Rows of many files, gathered into one Parquet part for each table; a large file gets parts of its own.

Only whole files go into a part: one that turns out to be damaged at its last byte leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalog.errors import is_disk_full
from catalog.schema import TABLES
from catalog.store.parts import PartWriter
from ingest.readers import CHUNK_ROWS, Flag, Rows

ASIDE = frozenset(
    {"product.header", "product.good_time", "product.response_file", "product.event_list", "product.region"}
)
"""Tables whose rows are not counted as rows of a file: they say something of it."""

HELD_BYTES = 128 << 20
"""Bytes of rows held at once: a catalog table has 700 columns, and a million of its rows are gigabytes."""


_FEW_BYTES = 1 << 20  # not worth a closer look


@dataclass(frozen=True)
class Part:
    """A finished Parquet file with rows of one table, of these files."""

    table: str
    path: str
    file_ids: tuple[int, ...]
    n_rows: int
    sorted: bool = True


class UnwrittenRows(Exception):
    """Rows could not be written, of whichever file they are; the cause says why."""


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Tell a fault in writing, which no single file may be to blame for, from one in a file."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise
        raise UnwrittenRows from error


def _bytes_of(rows: pa.RecordBatch | pa.Table) -> int:
    """Return the memory that rows take: columns without a value share one buffer; a slice is less than its buffer."""
    n_bytes = int(rows.get_total_buffer_size())  # forty times as fast as `nbytes`
    return min(n_bytes, int(rows.nbytes)) if n_bytes > _FEW_BYTES else n_bytes


class _Small:
    """Rows of small files that wait to be written together."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self._n_rows, self._n_bytes = 0, 0

    def add(self, rows: pa.Table) -> bool:
        """Hold the rows of one more file; tell whether these are now enough for a write."""
        self.tables.append(rows)
        self._n_rows += rows.num_rows
        self._n_bytes += _bytes_of(rows)
        return self._n_rows >= CHUNK_ROWS or self._n_bytes >= HELD_BYTES


class Gatherer:
    """Collect rows of whole files into one part per table; spill a large file into a part of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file_id = 0
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_rows, self._held_bytes = 0, 0
        self._spilled: dict[str, PartWriter] = {}
        self._writers: dict[str, PartWriter] = {}
        self._members: dict[str, list[int]] = defaultdict(list)
        self._small: dict[str, _Small] = defaultdict(_Small)
        self._parts: list[Part] = []
        self._unsorted = False

    def take(self, rows: Iterator[Rows | Flag], file_id: int) -> list[str]:
        """Take all rows of one file; return its flags."""
        flags: list[str] = []
        self._file_id, self._held, self._unsorted = file_id, defaultdict(list), False
        self._held_rows, self._held_bytes = 0, 0
        for item in rows:
            if isinstance(item, Flag):
                flags.append(item.text)
                continue
            if item.batch.num_rows:
                self._held[item.table].append(item.batch)
                self._held_rows += item.batch.num_rows
                self._held_bytes += _bytes_of(item.batch)
            if self._held_rows >= CHUNK_ROWS or self._held_bytes >= HELD_BYTES:
                self._spill()
        self._unsorted = "unsorted_time" in flags
        return flags

    def _spill(self) -> None:
        """Write what is held of a large file into parts of its own."""
        with _writing():
            for table, batches in self._held.items():
                if table not in self._spilled:
                    self._spilled[table] = PartWriter(table, self._new_path())
                self._spilled[table].write(pa.Table.from_batches(batches))
        self._held.clear()
        self._held_rows, self._held_bytes = 0, 0

    def keep_file(self) -> int:
        """Make the rows of the file just taken part of the batch; return how many there are."""
        counts: dict[str, int] = {}
        for table, writer in self._spilled.items():
            with _writing():
                if batches := self._held.pop(table, []):
                    writer.write(pa.Table.from_batches(batches))
                writer.close()
            counts[table] = writer.n_rows
            self._close(table)  # rows of earlier files come first: where rows merge, later ones override
            self._parts.append(Part(table, str(writer.path), (self._file_id,), writer.n_rows, not self._unsorted))
        self._spilled = {}
        for table, batches in self._held.items():
            if not batches:
                continue
            rows = pa.Table.from_batches(batches)
            counts[table] = rows.num_rows
            if self._unsorted and TABLES[table].order:
                rows = rows.sort_by([(name, "ascending") for name in TABLES[table].order])
            self._members[table].append(self._file_id)
            if self._small[table].add(rows):
                self._flush(table)
        self._held = {}
        # A spectrum's region says something of it; a region file has nothing else.
        return sum(n for table, n in counts.items() if table not in ASIDE) or counts.get("product.region", 0)

    def drop_file(self) -> None:
        """Forget the rows of the file just taken."""
        for writer in self._spilled.values():
            writer.abandon()
        self._spilled, self._held = {}, {}

    def _flush(self, table: str) -> None:
        with _writing():
            if table not in self._writers:
                self._writers[table] = PartWriter(table, self._new_path())
            self._writers[table].write(pa.concat_tables(self._small.pop(table).tables))

    def _close(self, table: str) -> None:
        """Make a part of the small files' rows of a table, if there are any."""
        if table in self._small:
            self._flush(table)
        if writer := self._writers.get(table):
            with _writing():
                writer.close()
            del self._writers[table]
            self._parts.append(Part(table, str(writer.path), tuple(self._members.pop(table)), writer.n_rows))

    def finish(self) -> list[Part]:
        """Close all parts and return them."""
        for table in list(dict.fromkeys((*self._writers, *self._small))):
            self._close(table)
        return self._parts

    def abandon(self) -> None:
        """Remove everything written so far."""
        for writer in (*self._spilled.values(), *self._writers.values()):
            writer.abandon()
        for part in self._parts:
            Path(part.path).unlink(missing_ok=True)

    def _new_path(self) -> Path:
        return self._folder / f"{uuid.uuid4().hex}.parquet"
