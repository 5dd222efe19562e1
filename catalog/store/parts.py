"""Parquet parts as the lake wants them: sorted where the table says so, small, readable by anything.

Floating-point numbers are byte-stream-split (each byte of the mantissa compresses on its own), counters are
delta-packed, repeated identifiers become dictionaries; all of it lossless and part of the Parquet format.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.schema import TABLES
from catalog.store import fault_points
from catalog.store.place import place_of

ROW_GROUP = 131_072
COMPRESSION_LEVEL = 5
COMPRESSION_LEVEL_DOUBLE = 7
"""Times are worth more effort: their mantissas repeat within a frame, and level 7 finds what 5 does not."""

BESIDE_BYTES = 1 << 20
"""Rows of so many bytes are packed beside the reading of the next ones; fewer are not worth a thread."""

_COUNTERS = frozenset({"row"})


def _leaves(field: pa.Field, path: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Walk to the primitive columns of a field, under the path Parquet gives them."""
    here = f"{path}.{field.name}" if path else field.name
    if pa.types.is_list(field.type):
        yield from _leaves(pa.field("element", field.type.value_type), f"{here}.list")
    elif pa.types.is_map(field.type):
        yield from _leaves(pa.field("key", field.type.key_type), f"{here}.key_value")
        yield from _leaves(pa.field("value", field.type.item_type), f"{here}.key_value")
    else:
        yield here, field.type


class PartWriter:
    """Write one Parquet part of a table, row group by row group.

    Parameters
    ----------
    table : str
        Full name, a key of `catalog.schema.TABLES`.
    path : Path
        File to write.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> batch = pa.RecordBatch.from_pylist([], TABLES["product.good_time"].schema)
    >>> with PartWriter("product.good_time", folder / "a.parquet") as part:
    ...     part.write(pa.Table.from_batches([batch]))
    >>> part.n_rows
    0
    """

    def __init__(self, table: str, path: Path) -> None:
        fault_points.reach("part-open")
        self.table, self.path, self.n_rows = table, path, 0
        schema = TABLES[table].schema
        split: dict[str, str] = {}
        dictionary: list[str] = []
        level: dict[str, int] = {}
        for field in schema:
            for name, type_ in _leaves(field):
                level[name] = COMPRESSION_LEVEL_DOUBLE if pa.types.is_float64(type_) else COMPRESSION_LEVEL
                if pa.types.is_floating(type_):
                    split[name] = "BYTE_STREAM_SPLIT"
                elif name in _COUNTERS:
                    split[name] = "DELTA_BINARY_PACKED"
                else:
                    dictionary.append(name)
        self._thread = ThreadPoolExecutor(1)  # starts its thread with the first rows that it is given
        self._packing: Future[None] | None = None
        self._schema = pa.schema([f.remove_metadata() for f in schema])
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            compression_level=level,
            use_dictionary=dictionary,
            column_encoding=split,
            write_statistics=True,
            store_schema=False,
        )

    def write(self, rows: pa.Table) -> None:
        """Append rows; each call closes its row groups.

        They are packed while the caller goes on: an error is raised by the next call, or by `close`.
        """
        self._wait()
        self.n_rows += rows.num_rows
        if rows.nbytes < BESIDE_BYTES:
            self._append(rows)
        else:
            self._packing = self._thread.submit(self._append, rows)

    def _append(self, rows: pa.Table) -> None:
        fault_points.reach("part-write")
        self._writer.write_table(rows.cast(self._schema), row_group_size=ROW_GROUP)

    def _wait(self) -> None:
        packing, self._packing = self._packing, None
        if packing is not None:
            packing.result()

    def close(self) -> None:
        """Finish the file."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()
            fault_points.reach("part-close")
            self._writer.close()

    def abandon(self) -> None:
        """Remove the file, whatever state it is in."""
        with contextlib.suppress(Exception):  # what could not be written cannot be finished either
            self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Open for writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; after an error it is removed."""
        try:
            self.close()
        finally:
            if error is not None:
                self.path.unlink(missing_ok=True)


def add_parts(connection: duckdb.DuckDBPyConnection, store: Path, table: str, parts: Sequence[Path]) -> None:
    """Make finished Parquet parts rows of a table, without reading them again.

    The parts are renamed into the table's folder; they become visible with the surrounding transaction's
    commit. A crash before it leaves files that no snapshot references; `catalog.store.unreferenced` removes them.
    """
    schema, _, name = table.partition(".")
    folder = place_of(store).data / schema / name
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        final = folder / f"photonlake-{uuid.uuid4().hex}.parquet"
        fault_points.reach("part-rename")
        part.rename(final)
        fault_points.reach("part-add")
        connection.execute(
            "CALL ducklake_add_data_files('lake', ?, ?, schema => ?)",
            [name, str(final), schema],
        )


def incoming(store: Path) -> Path:
    """Return an empty folder for parts being written; call it with the writer's lock held.

    What a crashed job left there is removed: no snapshot can know it.
    """
    folder = place_of(store).incoming
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
