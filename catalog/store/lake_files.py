"""The only files that a query can reach: the Parquet files of one lake, for reading."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from fsspec import AbstractFileSystem

from catalog.store.confinement import ROOT


class _File:
    """An open file; each thread has its own place in it, for several read one file at a time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe does not hold us up
        self._place = threading.local()

    def seek(self, place: int) -> None:
        self._place.at = place

    def tell(self) -> int:
        return getattr(self._place, "at", 0)

    def read(self, n_bytes: int) -> bytes:
        content = os.pread(self._descriptor, n_bytes, self.tell())
        self._place.at = self.tell() + len(content)
        return content

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    __del__ = close


class LakeFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system that knows no way to write, and nothing outside one folder.

    DuckDB cannot be told to open files for reading only. But it can be given a file system that cannot do otherwise,
    and be kept from all others: see `catalog.store.confinement`.

    Parameters
    ----------
    folder : Path
        The lake's folder. A link inside it that leads out of it is not followed; the folder itself may be a link.
    """

    protocol = ROOT.partition(":")[0]
    cachable = False  # fsspec would keep one per arguments for ever

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()

    def open(self, path: str, mode: str = "rb", **_options: object) -> _File:
        """Open a file for reading."""
        if mode != "rb":
            raise PermissionError(f"{path}: a query writes no files")
        return _File(self._inside(path))

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return self._inside(path).stat().st_size

    def modified(self, path: str) -> datetime:
        """Return when a file was last changed."""
        return datetime.fromtimestamp(self._inside(path).stat().st_mtime, UTC)

    def isfile(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return self._inside(path).is_file()

    def isdir(self, path: str) -> bool:
        """Tell whether there is such a folder."""
        return self._inside(path).is_dir()

    def glob(self, path: str, **_options: object) -> list[str]:
        """Return the one file of a name: names have no patterns here."""
        return [path] if self.isfile(path) else []

    def unstrip_protocol(self, name: str) -> str:
        """Return a name as it was given."""
        return name

    def _refused(self, path: str = "", *_arguments: object, **_options: object) -> None:
        raise PermissionError(f"{path}: a query writes no files")

    mv = rm = mkdir = mkdirs = makedirs = touch = rmdir = rm_file = _refused

    def _inside(self, path: str) -> Path:
        """Return the true path of a file of the lake."""
        real = (self._folder / path.removeprefix(ROOT)).resolve()
        if not real.is_relative_to(self._folder):
            raise PermissionError(f"{path}: it leads out of the lake, and is not opened")
        return real
