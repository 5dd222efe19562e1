"""The road to LanceDB: write, pin, open at a pinned version, index, compact.

One LanceDB table per embedding space, in `vectors/`: `lancedb.connect("store/vectors").open_table("spectrum")` opens
it without us. Every version of it holds the vectors of exactly one encoder. A version exists for readers from the
moment that a DuckLake transaction writes its number into meta.space; before that, nobody can see it, and
`catalog.store.unreferenced` removes it. A pinned version carries a tag, so that no cleaning by whatever Lance client
takes it away, and it never changes. What LanceDB lacks is in `catalog.store.lance_files`. Who writes holds the lock.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, Terminal, UntrustedStore, command
from catalog.schema.columns import literal
from catalog.store import checksums, fault_points, lance_files
from catalog.store.place import place_of

if TYPE_CHECKING:
    import lance
    from lancedb.table import LanceTable

_SPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
TAG = "pin-"
_LOOSE_FRAGMENTS = 16
"""Compact a table from so many small files on."""
_IDS_AT_ONCE = 1 << 15
"""So many ids are named in one condition."""
_NEVER = timedelta(days=36500)
"""Compaction removes no version: `catalog.store.unreferenced` does, which knows what is pinned."""


class BrokenPin(Terminal, ValueError):
    """The catalog pins vectors that are not there: the folder was changed by other hands, or copied in part."""


@dataclass(frozen=True)
class Pin:
    """One row of meta.space: which Lance version of a space is the truth.

    Attributes
    ----------
    space : str
    lance_version : int
    encoder_id : str
    n_vectors, dim : int
    index_kind, index_metric, index_recall : str, str, float, or None
        The index for approximate searches, the metric it serves, and the share of true neighbours it found.
    next_version, next_encoder_id, next_n_vectors : int, str, int, or None
        While vectors of another encoder are being made: how far that has come.
    """

    space: str
    lance_version: int
    encoder_id: str
    n_vectors: int
    dim: int
    index_kind: str | None = None
    index_metric: str | None = None
    index_recall: float | None = None
    next_version: int | None = None
    next_encoder_id: str | None = None
    next_n_vectors: int | None = None


SIGMA = "vector_sigma"
"""Column of the standard deviations of vectors."""
_COLUMNS = ", ".join(Pin.__dataclass_fields__)


def pins(connection: duckdb.DuckDBPyConnection) -> dict[str, Pin]:
    """Return the pins that a connection's snapshot sees, by space."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM meta.space ORDER BY space").fetchall()
    return {row[0]: Pin(*row) for row in rows}


def path(store: Path, space: str) -> Path:
    """Return the folder of a space's Lance table.

    Raises
    ------
    UntrustedStore
        If the name of the space leads elsewhere: a store may be from somebody else.
    """
    if not _SPACE.fullmatch(space):
        raise UntrustedStore(f"{store}: expected a space with a plain name, found {space!r}")
    return place_of(store).vectors / f"{space}.lance"


def weights_file(store: Path, sha256: str) -> Path:
    """Return the file of the weights of an encoder, or of a run's model.

    Raises
    ------
    UntrustedStore
        If the store names a file otherwise than by the hash of its content.
    """
    if not _SHA256.fullmatch(sha256):
        raise UntrustedStore(f"{store}: expected weights named by their hash, of 64 digits, found {sha256!r}")
    return place_of(store).models / f"{sha256}.safetensors"


def open_pinned(store: Path, space: str, version: int) -> lance.LanceDataset:
    """Open a space at a version.

    Raises
    ------
    BrokenPin
        If the version is not there.
    """
    try:
        return lance_files.opened(path(store, space), version)
    except UntrustedStore:
        raise
    except (ValueError, OSError) as error:
        advice = f"copy the whole store, or make the vectors again: {command(f'embed run {space}', store)}"
        raise BrokenPin(
            f"{path(store, space)}: expected version {version}, which the catalog pins, found none; {advice}"
        ) from error


def rows(
    ids: list[str],
    names: list[str | None],
    vectors: npt.NDArray[np.float32],
    modalities: list[str],
    encoder_id: str,
    hashes: list[str],
    sigmas: npt.NDArray[np.float32] | None = None,
) -> pa.Table:
    """Make rows of a Lance table.

    Parameters
    ----------
    ids, names, modalities, hashes : list, length n
        detection_id or bibcode; source name; what was encoded; hash of the input.
    vectors : ndarray of float32, shape (n, d)
    encoder_id : str
        The same for all.
    sigmas : ndarray of float32, shape (n, d), optional
        Standard deviations of the vectors, of encoders that know them; other tables have no such column.

    Raises
    ------
    ValueError
        If an id repeats within a modality, or a number is not finite.
    """
    if len({*zip(ids, modalities, strict=True)}) != len(ids):
        raise ValueError("an id repeats; a space has one vector per id and modality")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector has a number that is not finite")
    n, dim = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "name": pa.array(names, pa.string()),
            "modality": pa.array(modalities, pa.string()),
            "encoder_id": pa.repeat(pa.scalar(encoder_id, pa.string()), n),
            "input_sha256": pa.array(hashes, pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
        }
    )
    if sigmas is None:
        return table
    flat = pa.array(np.ascontiguousarray(sigmas, np.float32).reshape(-1))
    return table.append_column(SIGMA, pa.FixedSizeListArray.from_arrays(flat, dim))


@dataclass(frozen=True)
class Written:
    """A version that was written: tagged, not yet pinned; and how many vectors it has."""

    version: int
    n_vectors: int


def write(store: Path, space: str, new: pa.Table, base: int | None, gone: list[str] | None = None) -> Written:
    """Write rows on top of a version, and return the version that holds them: tagged, not yet pinned.

    Parameters
    ----------
    store : Path
        Its writer's lock is held.
    space : str
    new : pyarrow.Table
        See `rows`. Where an id is there already, all its rows are replaced.
    base : int or None
        The version to build on, usually the pinned one. What crashed jobs left on top of it is left behind. None
        begins anew, with these rows alone.
    gone : list of str, optional
        Ids to remove.

    Returns
    -------
    Written
        Its version is `base` itself if there was nothing to do.
    """
    fault_points.reach("vectors-write")
    if base is None:
        folder = path(store, space)
        if not any(folder.glob("_versions/*")):  # Lance begins with version 1 again: names that are on record
            checksums.forget(root := place_of(store).root, str(folder.relative_to(root)))
        mode = "overwrite" if folder.exists() else "create"
        table = _lancedb().connect(str(folder.parent)).create_table(space, new, mode=mode)
        return Written(tagged(table), table.count_rows())
    if not gone and not new.num_rows:
        return Written(base, open_pinned(store, space, base).count_rows())
    table = at_top(store, space, base)
    if gone:
        _delete(table, gone)
    if new.num_rows:
        _put(table, new)
    version = tagged(table) if table.version != base else base
    return Written(version, table.count_rows())


def _delete(table: LanceTable, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        table.delete(f"id IN ({', '.join(map(literal, ids[start : start + _IDS_AT_ONCE]))})")


def _put(table: LanceTable, new: pa.Table) -> None:
    """Add rows; those of an id that is there take the places of all its rows."""
    key, ids = ["id", "modality"], new["id"].combine_chunks()
    batches = table.search().select(key).to_batches()
    held = pa.Table.from_batches((b.filter(pc.is_in(b["id"], value_set=ids)) for b in batches), new.select(key).schema)
    if not held.num_rows:
        table.add(new)
        return
    # An id that had a row of a modality that it has no more.
    left = held.join(new.select(key), key, join_type="left anti")
    _delete(table, left["id"].unique().to_pylist())
    table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all().execute(new)


def publish(connection: duckdb.DuckDBPyConnection, pin: Pin) -> None:
    """Write a pin. Call it inside `catalog.store.lake.transaction`: its commit is the publication."""
    connection.execute("DELETE FROM lake.meta.space WHERE space = ?", [pin.space])
    fault_points.reach("pin")
    values = [getattr(pin, name) for name in Pin.__dataclass_fields__]
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO lake.meta.space ({_COLUMNS}) VALUES ({marks})", values)


@dataclass(frozen=True)
class Compaction:
    """What compaction did: files and bytes of a space before and after, and the version that has it."""

    version: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def is_scattered(store: Path, pin: Pin) -> bool:
    """Tell whether a space lies in many small files, or has many removed rows: whether `compact` is worth it."""
    dataset = open_pinned(store, pin.space, pin.lance_version)
    return len(dataset.get_fragments()) >= _LOOSE_FRAGMENTS or lance_files.n_removed(dataset) > pin.n_vectors // 4


def compact(store: Path, space: str, base: int) -> Compaction | None:
    """Merge the small files of a version, and bring its index up to date; None where nothing was to do.

    The files of older pinned versions stay, so that their snapshots stay what they were.
    """
    before = lance_files.size(open_pinned(store, space, base))
    table = at_top(store, space, base)
    # Files in an index and files outside it are not merged: the first time brings the index up to date.
    for _ in range(2 if table.list_indices() else 1):
        table.optimize(cleanup_older_than=_NEVER)
    if table.version == base:
        return None
    after = lance_files.size(lance_files.opened(path(store, space)))
    return Compaction(tagged(table), before[0], after[0], before[1], after[1])


def matrix(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float32]:
    """Return a column of fixed-size lists as an array of shape (n, d)."""
    dim = column.type.list_size
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [c.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for c in chunks]
    return np.concatenate(parts) if parts else np.empty((0, dim), np.float32)


def table_at(store: Path, space: str, version: int | None = None) -> LanceTable:
    """Open a space as a LanceDB table, at a version or the newest."""
    folder = path(store, space)
    table: LanceTable = _lancedb().connect(str(folder.parent)).open_table(space)
    if version is not None:
        table.checkout(version)
    return table


def at_top(store: Path, space: str, base: int) -> LanceTable:
    """Open the newest version, after making it one like `base`: what stands on top of that is a crashed job's."""
    open_pinned(store, space, base)  # it says what is wrong where the version is not there
    table = table_at(store, space)
    if table.version != base:
        table.checkout(base)
        table.restore()
    return table


def tagged(table: LanceTable) -> int:
    """Tag a version before it is pinned: a pin without a tag could be cleaned away; a tag without a pin is mended."""
    version = int(table.version)
    fault_points.reach("vectors-tag")
    if f"{TAG}{version}" not in table.tags.list():
        table.tags.create(f"{TAG}{version}", version)
    return version


def _lancedb() -> ModuleType:
    """Load LanceDB when vectors are written, or searched by an index: it takes a second."""
    for variable in ("LANCE_LOG", "LANCEDB_LOG"):  # notes on its own k-means are not for our users
        os.environ.setdefault(variable, "error")
    return importlib.import_module("lancedb")


def check_vectors(vector: npt.NDArray[np.floating], pin: Pin) -> npt.NDArray[np.floating]:
    """Return a target vector, shape (d,), or say what is wrong with it.

    Raises
    ------
    QueryError
        If its length is not that of the space, or a number in it is not finite.
    """
    if vector.shape != (pin.dim,):
        shape = "x".join(map(str, vector.shape))
        raise QueryError(f"the target vector has {shape or 'no'} numbers, those of {pin.space} have {pin.dim}")
    if not np.isfinite(vector).all():
        raise QueryError("the target vector has a number that is not finite")
    return vector
