"""The hash of a catalog as SQLite sees it: its file, with the pages over it that stand in the write-ahead log.

The hash stays the same when SQLite moves pages from the log into the file. This module is run as a program of its own,
`python catalog_image.py FILE`, and needs nothing but Python: were a process to open and close a file that its own
engine has open, or is about to read, the engine's locks would be dropped.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

_LOG_HEADER, _FRAME_HEADER = 32, 24


def digest(file: Path) -> str:
    """Return the SHA-256 of a catalog's pages, those of its write-ahead log included.

    Examples
    --------
    >>> import sqlite3, tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.sqlite"
    >>> _ = sqlite3.connect(file).execute("CREATE TABLE t (i)")
    >>> digest(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    True
    """
    content = file.read_bytes()
    log = file.with_name(f"{file.name}-wal")
    pages, n_pages, size = _committed(log.read_bytes() if log.exists() else b"")
    if not pages:
        return hashlib.sha256(content).hexdigest()
    image = bytearray(content[: n_pages * size].ljust(n_pages * size, b"\0"))
    for number, page in pages.items():
        if number <= n_pages:
            image[(number - 1) * size : number * size] = page
    return hashlib.sha256(image).hexdigest()


def _committed(log: bytes) -> tuple[dict[int, memoryview], int, int]:
    """Return the newest page of each number in a write-ahead log, the number of pages, and the size of one.

    Frames count up to the last that ends a transaction, and only those with the salt of the log's header: others are
    left from before. See "WAL File Format", https://sqlite.org/fileformat2.html#walformat
    """
    size = int.from_bytes(log[8:12], "big")
    salt, view = log[16:24], memoryview(log)
    pages: dict[int, memoryview] = {}
    pending: dict[int, memoryview] = {}
    n_pages = 0
    for start in range(_LOG_HEADER, len(log) - _FRAME_HEADER - size + 1, _FRAME_HEADER + size):
        if log[start + 8 : start + 16] != salt:
            break
        pending[int.from_bytes(log[start : start + 4], "big")] = view[start + _FRAME_HEADER :][:size]
        if after := int.from_bytes(log[start + 4 : start + 8], "big"):
            pages |= pending
            pending, n_pages = {}, after
    return pages, n_pages, size


if __name__ == "__main__":
    sys.stdout.write(digest(Path(sys.argv[1])))
