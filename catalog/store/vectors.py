"""The only road to LanceDB: write, pin, open at a pinned version, index, compact, clean up.

One Lance table per embedding space, `vectors/<space>.lance`. Every version of it holds the vectors of exactly one
encoder. A version exists for readers from the moment that a DuckLake transaction writes its number into meta.space;
before that, nobody can see it, and `catalog.store.unreferenced` removes it. A pinned version carries a tag, so that
no cleaning by whatever Lance client takes it away, and it never changes.

Whoever writes holds the writer's lock of the store (`catalog.store.lake.writer`).
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, Terminal, UntrustedStore, command
from catalog.schema.columns import literal

if TYPE_CHECKING:
    import lance

FOLDER = "vectors"
_SPACE = re.compile(r"\w[\w -]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
TAG = "pin-"
_LOOSE_FRAGMENTS = 16
"""Compact a table from so many small files on."""


def _lance() -> ModuleType:
    """Load Lance when vectors are touched: it takes a second, and few queries need it."""
    os.environ.setdefault("LANCE_LOG", "error")  # its notes on its own k-means are not for our users
    return importlib.import_module("lance")


def opened(folder: Path, version: int | None = None) -> lance.LanceDataset:
    """Open a space's folder, at a version or the newest."""
    dataset: lance.LanceDataset = _lance().dataset(str(folder), version=version)
    for base in dataset.base_paths().values():
        raise UntrustedStore(f"{folder}: expected vectors in its own folder, found a path to others, {base.path!r}")
    return dataset


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
    return store / FOLDER / f"{space}.lance"


def weights_file(store: Path, sha256: str) -> Path:
    """Return the file of the weights of an encoder, or of a run's model.

    Raises
    ------
    UntrustedStore
        If the store names a file otherwise than by the hash of its content.
    """
    if not _SHA256.fullmatch(sha256):
        raise UntrustedStore(f"{store}: expected weights named by their hash, of 64 digits, found {sha256!r}")
    return store / "models" / f"{sha256}.safetensors"


def open_pinned(store: Path, space: str, version: int) -> lance.LanceDataset:
    """Open a space at a version.

    Raises
    ------
    BrokenPin
        If the version is not there.
    """
    try:
        return opened(path(store, space), version)
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
    lance = _lance()
    folder = path(store, space)
    if base is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        dataset = lance.write_dataset(new, str(folder), mode="overwrite" if folder.exists() else "create")
        return Written(tagged(dataset), dataset.count_rows())
    if not gone and not new.num_rows:
        return Written(base, open_pinned(store, space, base).count_rows())
    dataset = at_top(store, space, base)
    if gone:
        # A join, not a list of literals: it may be long.
        keys = pa.table({"id": pa.array(gone, pa.string())})
        dataset.merge_insert("id").when_matched_delete().execute(keys)
    if new.num_rows:
        if dataset.count_rows() and _holds_any(dataset, new["id"]):
            replaced = new.select(["id"]).group_by("id").aggregate([])
            dataset.merge_insert("id").when_matched_delete().execute(replaced)
        dataset = lance.write_dataset(new, dataset, mode="append")
    version = tagged(dataset) if dataset.version != base else base
    return Written(version, dataset.count_rows())


def publish(connection: duckdb.DuckDBPyConnection, pin: Pin) -> None:
    """Write a pin. Call it inside `catalog.store.lake.transaction`: its commit is the publication."""
    connection.execute("DELETE FROM lake.meta.space WHERE space = ?", [pin.space])
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
    removed = dataset.stats.dataset_stats()["num_deleted_rows"]
    return len(dataset.get_fragments()) >= _LOOSE_FRAGMENTS or removed > pin.n_vectors // 4


def compact(store: Path, space: str, base: int) -> Compaction | None:
    """Merge the small files of a version, and bring its index up to date; None where nothing was to do.

    The files of older pinned versions stay, so that their snapshots stay what they were.
    """
    before = _size(open_pinned(store, space, base))
    dataset = at_top(store, space, base)
    if dataset.has_index:
        dataset.optimize.optimize_indices()  # first: files in an index and files outside it are not merged
    dataset.optimize.compact_files()
    if dataset.version == base:
        return None
    after = _size(dataset)
    return Compaction(tagged(dataset), before[0], after[0], before[1], after[1])


def build_index(store: Path, space: str, base: int, kind: str, metric: str) -> int:
    """Index a version, and return the version that has the index: tagged, not yet pinned.

    Parameters
    ----------
    kind : str
        'IVF_RQ' (quick to build) or 'IVF_HNSW_SQ' (quicker to search, minutes per million to build).
    metric : str
        'cosine', 'l2' or 'dot'.
    """
    dataset = at_top(store, space, base)
    n_partitions = max(1, round((dataset.count_rows() / 1000) ** 0.75))
    # Lance must not see vectors of zeros in a cosine index; it skips what it cannot place, and so do we (search.py).
    dataset.create_index("vector", kind, metric=metric, num_partitions=n_partitions, replace=True)
    return tagged(dataset)


def indexed(
    dataset: lance.LanceDataset,
    target: npt.NDArray[np.floating],
    k: int,
    modality: str | None = None,
    effort: int = 10,
) -> pa.Table:
    """Search with the index.

    Parameters
    ----------
    dataset : LanceDataset
        At a version with an index.
    target : ndarray of float, shape (d,)
    k, effort : int
        Rows wanted; so many times k are compared in full precision.
    modality : str, optional
        Only rows of this one.

    Returns
    -------
    pyarrow.Table
        id, name, modality, vector; at most k rows.
    """
    nearest = {
        "column": "vector",
        "q": np.asarray(target, np.float32),
        "k": k,
        "nprobes": 2 * effort,
        "refine_factor": effort,
        "ef": max(100, 2 * k * effort),
    }
    columns = ["id", "name", "modality", "vector"]
    condition = None if modality is None else f"modality = {literal(modality)}"
    found = dataset.to_table(columns=[*columns, "_distance"], nearest=nearest, filter=condition, prefilter=True)
    return found.select(columns)


def rows_equal(dataset: lance.LanceDataset, column: str, value: str) -> pa.Table:
    """Return id, modality and vector of the rows whose id or name is a text, read from disk."""
    return dataset.to_table(columns=["id", "modality", "vector"], filter=f"{column} = {literal(value)}")


def n_of(dataset: lance.LanceDataset, modalities: Iterable[str]) -> int:
    """Count the rows of some modalities."""
    names = ", ".join(literal(m) for m in sorted(modalities))
    return int(dataset.count_rows(filter=f"modality IN ({names})"))


def matrix(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float32]:
    """Return a column of fixed-size lists as an array of shape (n, d)."""
    dim = column.type.list_size
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [c.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for c in chunks]
    return np.concatenate(parts) if parts else np.empty((0, dim), np.float32)


def at_top(store: Path, space: str, base: int) -> lance.LanceDataset:
    """Open the newest version, after making it one like `base`: what stands on top of that is a crashed job's."""
    newest = opened(path(store, space))
    if newest.version == base:
        return newest
    pinned = open_pinned(store, space, base)
    pinned.restore()  # type: ignore[no-untyped-call]  # lance gives it no types
    return opened(path(store, space))


def tagged(dataset: lance.LanceDataset) -> int:
    """Tag a version before it is pinned: a pin without a tag could be cleaned away; a tag without a pin is mended."""
    version = int(dataset.version)
    name = f"{TAG}{version}"
    try:
        dataset.tags.create(name, version)
    except (ValueError, OSError):
        if name not in dataset.tags.list():
            raise
    return version


def _holds_any(dataset: lance.LanceDataset, ids: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc  # noqa: PLC0415 - with lance

    keys = ids.combine_chunks()
    return any(
        bool(pc.any(pc.is_in(batch["id"], value_set=keys)).as_py()) for batch in dataset.to_batches(columns=["id"])
    )


def _size(dataset: lance.LanceDataset) -> tuple[int, int]:
    """Return the number of data files of a version and their bytes."""
    sizes = [f.file_size_bytes or 0 for fragment in dataset.get_fragments() for f in fragment.metadata.files]
    return len(sizes), sum(sizes)


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
