"""What only pylance does with the folder of a space; all else goes through LanceDB (`catalog.store.vectors`).

Each with the reason:

* Exact search reads a version in batches of a size that we choose, and by the numbers of rows, as quickly as the disk
  gives them; and DuckDB scans `embedding.<space>` itself, which takes a Lance dataset and no LanceDB table.
* LanceDB opens a table whose files lie in other folders, and does not say so.
* LanceDB does not tell the files of a version, their bytes, and how many rows were removed.
* LanceDB removes old versions together with compaction alone, which makes a version that no snapshot pins.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.errors import UntrustedStore
from catalog.schema.columns import literal

if TYPE_CHECKING:
    import lance


def opened(folder: Path, version: int | None = None) -> lance.LanceDataset:
    """Open a space's folder, at a version or the newest.

    Raises
    ------
    UntrustedStore
        If files of it lie elsewhere.
    """
    os.environ.setdefault("LANCE_LOG", "error")  # as `catalog.store.vectors`
    dataset: lance.LanceDataset = importlib.import_module("lance").dataset(str(folder), version=version)
    for base in dataset.base_paths().values():
        raise UntrustedStore(f"{folder}: expected vectors in its own folder, found a path to others, {base.path!r}")
    return dataset


def rows_equal(dataset: lance.LanceDataset, column: str, value: str) -> pa.Table:
    """Return id, modality and vector of the rows whose id or name is a text, read from disk."""
    return dataset.to_table(columns=["id", "modality", "vector"], filter=f"{column} = {literal(value)}")


def n_of(dataset: lance.LanceDataset, modalities: Iterable[str]) -> int:
    """Count the rows of some modalities."""
    names = ", ".join(literal(m) for m in sorted(modalities))
    return int(dataset.count_rows(filter=f"modality IN ({names})"))


def size(dataset: lance.LanceDataset) -> tuple[int, int]:
    """Return the number of data files of a version and their bytes."""
    sizes = [f.file_size_bytes or 0 for fragment in dataset.get_fragments() for f in fragment.metadata.files]
    return len(sizes), sum(sizes)


def n_removed(dataset: lance.LanceDataset) -> int:
    """Count the removed rows that still lie in the files of a version."""
    return int(dataset.stats.dataset_stats()["num_deleted_rows"])


def data_files(folder: Path, version: int) -> set[str]:
    """Return the names of the data files of a version."""
    return {file.path for fragment in opened(folder, version).get_fragments() for file in fragment.metadata.files}


def files(folder: Path, version: int) -> set[str]:
    """Return the files that a version needs, as paths inside its folder: rows, removed rows, folders of indices."""
    dataset = opened(folder, version)
    needed = {f"data/{name}" for name in data_files(folder, version)}
    gone = (fragment.deletion_file() for fragment in dataset.get_fragments())
    needed |= {str(path) for path in gone if path}
    parts = [part for index in dataset.describe_indices() for part in index.segments]
    needed |= {f"_indices/{part.uuid}" for part in parts}
    return needed


def remove_untagged(folder: Path) -> int:
    """Remove the versions without a tag, but the newest, with files that no other needs; return the bytes freed."""
    freed = opened(folder).cleanup_old_versions(
        timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False
    )
    return int(freed.bytes_removed)
