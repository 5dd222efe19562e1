"""Prepared rows on disk, to be read in any order: what lets a training shuffle millions of rows in little memory.

The rows are sorted by id, so that a training does not depend on the order in which the lake gave them, and written
once: later epochs, later models of a sweep, and a training resumed after a crash read the same bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.formats.whole_files import write_whole
from embed.inputs.modalities import INPUTS
from embed.registry import NothingToTrainOn, Settings, Stream

CHUNK_ROWS = 4096
_INDEX = "index.json"


@dataclass(frozen=True)
class Sorted:
    """An array on disk, read in the order of the ids: ``rows[i]`` for indices i."""

    stored: npt.NDArray[np.generic]
    order: npt.NDArray[np.int64]

    def __getitem__(self, rows: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.generic]:
        """Return a copy of some rows, shape (n_rows, ...)."""
        return np.asarray(self.stored[self.order[rows]])

    @property
    def nbytes(self) -> int:
        """Size on disk."""
        return self.stored.nbytes


@dataclass(frozen=True)
class Rows:
    """Prepared rows on disk.

    Attributes
    ----------
    ids : list of str, length n
        Sorted.
    sources : list of str, length n
        Source name of each row, its id where it has none: what a split goes by.
    arrays : mapping of str to Sorted
        First axis n.
    skipped : dict of str to str
        Rows that could not be prepared: id -> reason.
    folder : Path
        Where they lie; a training keeps its checkpoints there too.
    """

    ids: list[str]
    sources: list[str]
    arrays: Mapping[str, Sorted]
    skipped: dict[str, str]
    folder: Path

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def chunks(self) -> Iterator[slice]:
        """Return slices that cover all rows, each small enough to hold."""
        return (slice(i, min(i + CHUNK_ROWS, self.n)) for i in range(0, self.n, CHUNK_ROWS))


@contextmanager
def collected(
    modality: str, stream: Stream, settings: Settings, names: Collection[str] | None = None
) -> Iterator[Rows]:
    """Prepare the rows of a stream and keep them on disk while the context lasts.

    Parameters
    ----------
    modality : str
        Key of `embed.inputs.modalities.INPUTS`.
    stream : callable
        Starts the rows; not called where `settings.scratch` holds them already.
    settings : Settings
        `scratch` is where they go; it stays after the context. A temporary folder without.
    names : collection of str, optional
        Only these arrays: what nobody reads need not be made.

    Raises
    ------
    NothingToTrainOn
        If no row can be prepared.
    """
    if settings.scratch is not None:
        yield _collect(modality, stream, settings.scratch / f"rows-{modality}", names)
        return
    with tempfile.TemporaryDirectory(prefix="photonlake-") as folder:
        yield _collect(modality, stream, Path(folder), names)


def _collect(modality: str, stream: Stream, folder: Path, names: Collection[str] | None) -> Rows:
    if not (folder / _INDEX).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(modality, stream, folder, names)
    index = json.loads((folder / _INDEX).read_text())
    ids = np.array(index["ids"])
    order = np.argsort(ids, kind="stable")
    arrays = {
        name: Sorted(np.memmap(folder / name, np.dtype(dtype), "r", shape=(len(ids), *shape)), order)
        for name, (dtype, shape) in index["arrays"].items()
    }
    sources = [index["sources"][i] for i in order]
    return Rows(ids[order].tolist(), sources, arrays, index["skipped"], folder)


def _write(modality: str, stream: Stream, folder: Path, names: Collection[str] | None) -> None:
    input_ = INPUTS[modality]
    ids: list[str] = []
    sources: list[str] = []
    skipped: dict[str, str] = {}
    arrays: dict[str, tuple[str, list[int]]] = {}
    for table in stream():
        for rows in _pieces(table, input_.batch_rows):
            prepared = input_.prepare(rows)
            skipped |= prepared.skipped
            ids += prepared.ids
            sources += [name or id_ for name, id_ in zip(prepared.names, prepared.ids, strict=True)]
            for name in prepared.arrays if names is None else names:
                array = prepared.arrays[name]
                arrays[name] = (array.dtype.str, list(array.shape[1:]))
                with (folder / name).open("ab") as file:
                    np.ascontiguousarray(array).tofile(file)
    if not ids:
        why = f"; the first: {next(iter(skipped.values()))}" if skipped else ""
        raise NothingToTrainOn(
            f"expected rows of {modality} to train on, found none ({len(skipped)} could not be prepared{why}); "
            "ingest such files, or widen the selection"
        )
    index = {"ids": ids, "sources": sources, "skipped": skipped, "arrays": arrays}
    write_whole(folder / _INDEX, json.dumps(index).encode())  # last: its presence says that the arrays are whole


def _pieces(table: pa.Table, n: int) -> Iterator[pa.Table]:
    return (table.slice(i, n) for i in range(0, table.num_rows, n))
