"""The product files that a server hands out: those of the ledger that are still on disk, byte for byte as they were.

A store may come from others, and its ledger may name any path. So a file goes out only if its content has the SHA-256
that the ledger says: who made the ledger had that file already.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import threading
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from catalog.catalog import Catalog
from catalog.errors import UnknownName

GZIP = b"\x1f\x8b"
_FITS = b"SIMPLE  ="
_PIECE = 1 << 20
LARGEST_ID = (1 << 63) - 1
_FRESH_S = 60.0
_REMEMBERED = 4096
_SERVED = (
    "SELECT file_id, path, sha256, kind, bytes FROM meta.file WHERE status = 'loaded' AND sha256 IS NOT NULL "
    "AND kind IN ('events', 'spectrum', 'light_curve', 'arf', 'rmf', 'region')"
)


@dataclass(frozen=True)
class ProductFile:
    """A file as the ledger has it."""

    file_id: int
    path: str
    sha256: str
    kind: str
    n_bytes: int

    @property
    def name(self) -> str:
        """The last part of its path, in letters that any file system takes."""
        return re.sub(r"[^A-Za-z0-9._-]", "_", self.path.rpartition("/")[2]).lstrip(".") or str(self.file_id)

    @property
    def mime(self) -> str:
        """Its media type."""
        return "application/gzip" if self.path.lower().endswith(".gz") else "application/fits"

    def is_on_disk(self) -> bool:
        """Tell whether a file of its size is there; its content is compared when it is asked for."""
        try:
            found = Path(self.path).stat()
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == self.n_bytes


@dataclass
class Products:
    """Product files of a store; safe for several threads.

    Parameters
    ----------
    catalog : Catalog
    snapshot : int, optional
        The snapshot that is served; else the newest at the time.
    url : str
        Where files are handed out, without a slash at its end; '' hands out none.
    """

    catalog: Catalog
    snapshot: int | None = None
    url: str = ""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[tuple[int, int, int, int], str] = field(default_factory=OrderedDict)
    _there: tuple[int, float, pa.Table] | None = None

    def address(self, file_id: int) -> str:
        """Return where a file is handed out."""
        return f"{self.url}/{file_id}"

    def on_disk(self) -> pa.Table:
        """Return the files that can be handed out now: file_id and access_url; looked for once a minute."""
        number = self.catalog.snapshot if self.snapshot is None else self.snapshot
        held = self._there
        known = held is not None and held[0] == number
        # What is a minute old will do while another thread looks; what is of another snapshot will not.
        if held is not None and known and time.monotonic() - held[1] <= _FRESH_S:
            return held[2]
        if not self._looking.acquire(blocking=not known) and held is not None:
            return held[2]
        try:
            there = self._there
            if there is None or there is held or there[0] != number:
                self._there = there = number, time.monotonic(), self._looked_up()
            return there[2]
        finally:
            self._looking.release()

    def _looked_up(self) -> pa.Table:
        ids = [f.file_id for f in self._served("")] if self.url else []
        addresses = [self.address(i) for i in ids]
        about = {"ucd": "meta.ref.url", "description": "Address of the file; NULL where it is not served"}
        fields = [pa.field("file_id", pa.int64()), pa.field("access_url", pa.string(), metadata=about)]
        return pa.table([pa.array(ids, pa.int64()), pa.array(addresses, pa.string())], schema=pa.schema(fields))

    def _served(self, condition: str, **values: object) -> list[ProductFile]:
        found = self.catalog.sql(f"{_SERVED}{condition}", snapshot=self.snapshot, parameters=values)
        files = (ProductFile(*row) for row in found.fetchall())  # type: ignore[arg-type]  # as the ledger declares them
        return [f for f in files if f.is_on_disk()]

    def files(self, ids: list[int]) -> list[ProductFile]:
        """Return those of some files that can be handed out, in their order."""
        found = {f.file_id: f for f in self._served(" AND file_id IN (SELECT unnest($ids))", ids=ids)}
        return [found[i] for i in ids if i in found]

    def file(self, file_id: str) -> ProductFile:
        """Return a file by its number, as text.

        Raises
        ------
        UnknownName
            If there is none that can be handed out.
        """
        number = int(file_id) if re.fullmatch(r"[0-9]{1,19}", file_id, re.ASCII) else LARGEST_ID + 1
        if number > LARGEST_ID or not (found := self.files([number])):
            raise UnknownName(f"there is no file {file_id[:40]} to hand out")
        return found[0]

    def opened(self, file: ProductFile) -> BinaryIO:
        """Open a file whose content is what the ledger says.

        Raises
        ------
        UnknownName
            If it is gone, or has changed.
        """
        changed = UnknownName(
            f"file {file.file_id} is not on disk as it was loaded; refresh the store: python -m ingest"
        )
        try:
            number = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # of a pipe it would wait for ever
        except (OSError, ValueError) as error:
            raise changed from error
        stream = os.fdopen(number, "rb")
        try:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size != file.n_bytes:
                raise changed
            key = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
            with self._guard:
                sha256 = self._known.get(key)
            if sha256 is None:
                sha256 = content_sha256(stream)
                stream.seek(0)
                with self._guard:
                    self._known[key] = sha256
                    while len(self._known) > _REMEMBERED:
                        self._known.popitem(last=False)
            if sha256 != file.sha256:
                raise changed
        except (OSError, EOFError, zlib.error) as error:
            stream.close()
            raise changed from error
        except UnknownName:
            stream.close()
            raise
        return stream


def content_sha256(stream: BinaryIO) -> str:
    """Return the hash of a FITS file's content, decompressed, as the ledger has it; '' for what is no FITS file.

    Parameters
    ----------
    stream : binary file
        At its beginning; plain, or compressed by gzip.
    """
    is_packed = stream.read(len(GZIP)) == GZIP
    stream.seek(0)
    content = gzip.GzipFile(fileobj=stream) if is_packed else stream
    piece = content.read(_PIECE)
    if not piece.startswith(_FITS):
        return ""
    hashed = hashlib.sha256()
    while piece:
        hashed.update(piece)
        piece = content.read(_PIECE)
    return hashed.hexdigest()
