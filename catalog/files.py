"""Small files written whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.errors import QueryError


def check_folder(path: Path) -> None:
    """Complain before any work where a file is to be written into a folder that is not there.

    Raises
    ------
    QueryError
    """
    if not path.parent.is_dir():
        raise QueryError(f"{path}: expected a folder to write to, found no {path.parent}; type: mkdir -p {path.parent}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a rerun after a crash, sees all of it or the file before it."""
    check_folder(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
