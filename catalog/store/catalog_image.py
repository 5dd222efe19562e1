"""The hash of a catalog as SQLite sees it: its file, with the pages over it that stand in the write-ahead log.

The hash stays the same when SQLite moves pages from the log into the file. The file is read through a descriptor that
stays open: to close any descriptor of a file drops all locks that the process has on it, those of its engine too.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
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
    content = _content(file)
    log = file.with_name(f"{file.name}-wal")
    pages, n_pages, size = _committed(log.read_bytes() if log.exists() else b"")
    if not pages:
        return hashlib.sha256(content).hexdigest()
    image = bytearray(content[: n_pages * size].ljust(n_pages * size, b"\0"))
    for number, page in pages.items():
        if number <= n_pages:
            image[(number - 1) * size : number * size] = page
    return hashlib.sha256(image).hexdigest()


_MOST_KEPT = 256
"""So many catalogs stay open; who writes to more in one process does not read the first of them at the same time."""
_kept: OrderedDict[tuple[int, int], int] = OrderedDict()
_reading = threading.Lock()


def _content(file: Path) -> bytes:
    with _reading:
        there = file.stat()
        key = there.st_dev, there.st_ino  # nobody else gets this number while the descriptor is open
        if key not in _kept:
            _kept[key] = os.open(file, os.O_RDONLY)
        _kept.move_to_end(key)
        while len(_kept) > _MOST_KEPT:
            os.close(_kept.popitem(last=False)[1])
        pieces, at = [], 0
        while piece := os.pread(_kept[key], 1 << 24, at):
            pieces.append(piece)
            at += len(piece)
    return b"".join(pieces)


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
