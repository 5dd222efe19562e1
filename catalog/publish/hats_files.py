"""The files of one HATS catalog: Parquet by partition, footers and schema of all of them, the list, the properties.

A partition appears under its name only when it is whole. So what is there after a run that was ended is right, if it
is of the same export: `check_same`.
Source: the HATS standard (IVOA note, Caplar et al. 2025), version 1.0; Apache Parquet, "Metadata files".
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import QueryError
from catalog.formats.whole_files import write_whole
from catalog.publish.partitions import Ints, Partitions
from sql.objects import Described

_STATE = ".photonlake-export"
Asking = Callable[[pa.Table, Ints], Iterator[tuple[pa.RecordBatchReader, Mapping[str, Described]]]]
"""Rows and their partitions -> batches sorted by partition, whose number comes first; and what is known of columns."""


class HatsFiles:
    """One catalog.

    Parameters
    ----------
    folder : Path
    found : Partitions
    schema : pyarrow.Schema, optional
        Of the files, in case there are none.
    """

    def __init__(self, folder: Path, found: Partitions, schema: pa.Schema | None = None) -> None:
        self.folder, self.found, self.schema = folder, found, schema
        self._footers: dict[int, pq.FileMetaData] = {}

    def write(self, rows: pa.Table, parts: Ints, ask: Asking) -> int:
        """Write the partitions that are not there yet.

        Parameters
        ----------
        rows : pyarrow.Table
            What `ask` takes.
        parts : ndarray of int64, shape (n_rows,)
            Partition of each row.
        ask : callable

        Returns
        -------
        int
            Partitions that were there.
        """
        (self.folder / "dataset").mkdir(parents=True, exist_ok=True)
        there = [i for i in np.unique(parts).tolist() if self._path(i).is_file()]
        left = ~np.isin(parts, there)
        for i in there:
            self._know(i)
        if left.any() or self.schema is None:
            for reader, about in ask(rows.filter(pa.array(left)), parts[left]):
                self.schema = _told(pa.schema(list(reader.schema)[1:]), about)
                for i, pieces in itertools.groupby(_pieces(reader), key=itemgetter(0)):
                    self._write_one(i, (piece for _, piece in pieces), self.schema)
        return len(there)

    def finish(self, properties: Mapping[str, object]) -> None:
        """Write what tells of the whole: footers, schema, the list of partitions, properties."""
        order = sorted(self._footers, key=lambda i: (int(self.found.orders[i]), int(self.found.pixels[i])))
        schema = pa.schema([]) if self.schema is None else self.schema
        dataset = self.folder / "dataset"
        pq.write_metadata(schema, dataset / "_common_metadata")
        pq.write_metadata(schema, dataset / "_metadata", metadata_collector=[self._footers[i] for i in order])
        lines = [f"{int(self.found.orders[i])},{int(self.found.pixels[i])}\n" for i in order]
        write_whole(self.folder / "partition_info.csv", "".join(["Norder,Npix\n", *lines]).encode())
        n_bytes = sum(self._path(i).stat().st_size for i in order)
        largest = max((self._footers[i].num_rows for i in order), default=0)
        told = {**properties, "hats_estsize": -(-n_bytes // 1024), "hats_max_rows": largest}
        for name in ("properties", "hats.properties"):
            write_properties(self.folder / name, told)

    def _path(self, i: int) -> Path:
        return self.folder / "dataset" / self.found.path(i)

    def _know(self, i: int) -> None:
        with pq.ParquetFile(self._path(i)) as file:
            footer = file.metadata
            self.schema = self.schema or file.schema_arrow
        footer.set_file_path(self.found.path(i))
        self._footers[i] = footer

    def _write_one(self, i: int, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        path = self._path(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        try:
            with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
                for batch in batches:
                    writer.write_batch(pa.RecordBatch.from_arrays(batch.columns[1:], schema=schema))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        self._know(i)


def _pieces(reader: pa.RecordBatchReader) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut batches that are sorted by their first column, a partition, where that changes."""
    for batch in reader:
        parts = batch.column(0).to_numpy()
        cuts = [*np.flatnonzero(np.diff(parts, prepend=-1)).tolist(), len(parts)]
        for start, end in itertools.pairwise(cuts):
            yield int(parts[start]), batch.slice(start, end - start)


def _told(schema: pa.Schema, about: Mapping[str, Described]) -> pa.Schema:
    """Return the schema with unit, UCD and meaning of each column."""
    fields = []
    for field in schema:
        known = about.get(field.name)
        words = {k: v for k in ("unit", "ucd", "description") if known and (v := str(getattr(known, k)))}
        fields.append(field.with_metadata(words or field.metadata))
    return pa.schema(fields)


def write_properties(path: Path, values: Mapping[str, object]) -> None:
    """Write a properties file as Java and HATS have it: key=value, a line each."""
    lines = [f"{key}={value}\n" for key, value in values.items() if value not in {None, ""}]
    write_whole(path, "".join(["#HATS catalog\n", *lines]).encode())


def check_same(folder: Path, asked: str, names: Sequence[str]) -> None:
    """Note in a folder which export it is of; complain of a folder that holds anything else.

    Parameters
    ----------
    folder : Path
    asked : str
        Hash of all that decides what is written.
    names : sequence of str
        Folders in it that are written: of another export, they are emptied.

    Raises
    ------
    QueryError
        If the folder has files, and they are of no export.
    """
    state = folder / _STATE
    before = state.read_text(encoding="ascii") if state.is_file() else ""
    if not before and any(folder.iterdir()):
        raise QueryError(
            f"{folder}: expected a new folder, or one of an earlier export; found other files; name another"
        )
    if before != asked:  # of another snapshot, or other columns: nothing of it can stay
        for name in names:
            shutil.rmtree(folder / name, ignore_errors=True)
        write_whole(state, asked.encode())
