"""Files written whole, or not at all; and where a user's output may go."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from catalog.errors import OutOfSpace, QueryError, is_disk_full
from catalog.store import location


def check_folder(path: Path) -> None:
    """Complain before any work where a file is to be written into a folder that is not there.

    Raises
    ------
    QueryError
    """
    if not path.parent.is_dir():
        raise QueryError(f"{path}: expected a folder to write to, found no {path.parent}; type: mkdir -p {path.parent}")


def check_output(output: Path) -> Path:
    """Return the file that a user's output goes to: the one that a link leads to.

    Raises
    ------
    QueryError
        If its folder is not there, or it is a folder itself, or it lies in a store: what is in there is the store's.
    """
    check_folder(output)
    target = Path(os.path.realpath(output))
    if target.is_symlink():
        raise QueryError(f"{output}: expected a file, found links that lead to each other")
    if target.is_dir():
        raise QueryError(f"{output}: expected a file to write, found a folder; type a name in it: {output / 'result'}")
    check_folder(target)
    for folder in target.parents:
        if location.exists(folder):
            raise QueryError(
                f"{output}: it lies in the store {folder}, whose files are its own; write beside the store"
            )
    return target


def output_folder(folder: Path) -> Path:
    """Return the folder that a user's files go to, made if it is not there.

    Raises
    ------
    QueryError
        If it cannot be made there, or is a file, or lies in a store.
    """
    if folder.exists() and not folder.is_dir():
        raise QueryError(f"{folder}: expected a folder, or a new name for one; found a file")
    check_output(folder / "x" if folder.is_dir() else folder)
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def whole(output: Path) -> Iterator[BinaryIO]:
    """Open a user's output: a draft beside the file, which takes the file's name when the block ends well.

    A link is followed, and a file that was there keeps its permissions. What is no file, a device or a pipe, is written
    to as it is.

    Raises
    ------
    QueryError
        As `check_output`.
    OutOfSpace
        If the disk is full; nothing of the file is left then.
    """
    there = _status(output)
    if there is not None and not stat.S_ISREG(there.st_mode) and not stat.S_ISDIR(there.st_mode):
        with output.open("wb") as stream:
            yield stream
        return
    target = check_output(output)
    try:
        with _drafted(target, there) as stream:
            yield stream
    except OSError as error:
        if is_disk_full(error):
            raise OutOfSpace(
                f"the disk is full: {output} was not written; free some space and run the same again"
            ) from error
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a rerun after a crash, sees all of it or the file before it."""
    check_folder(path)
    with _drafted(path, None) as stream:
        stream.write(content)


@contextlib.contextmanager
def _drafted(target: Path, before: os.stat_result | None) -> Iterator[BinaryIO]:
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as stream:
            if before is not None:
                os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
