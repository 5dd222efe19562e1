"""The bytes of a file, unpacked: gzip, bzip2, xz and zstd by how the file begins, whatever it is called.

A few bytes can unpack to terabytes. So whoever reads gets a plain error where a file grows far beyond what data do.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import re
import tarfile
import zlib
from typing import BinaryIO, cast
from zipfile import BadZipFile

from isal import igzip, isal_zlib

from catalog.errors import UnreadableFile

BUFFER = 1 << 20
MAX_UNPACKED = 1 << 30
MAX_GROWTH = 250
"""A packed file may unpack to MAX_UNPACKED bytes, and to MAX_GROWTH bytes for each of its own."""

# isal's own error is zlib's on some platforms and a class of its own on others; its stubs call it an instance.
_ISAL_ERROR = cast(type[Exception], isal_zlib.error)
DAMAGED = (EOFError, igzip.BadGzipFile, zlib.error, _ISAL_ERROR, lzma.LZMAError, tarfile.ReadError, BadZipFile)
"""What unpacking raises for bytes that are cut or changed."""

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of the names of packed files."""

_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_ESCAPED = re.compile(r"\\x([89a-f][0-9a-f])")


def spelled(path: str) -> str:
    r"""Spell a path as text that every table and screen can hold: a byte that is no UTF-8 becomes '\xe9'.

    Examples
    --------
    >>> spelled("/data/a.fits"), spelled("/data/caf\udce9.fits")
    ('/data/a.fits', '/data/caf\\xe9.fits')
    """
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def on_disk(path: str) -> str:
    r"""Return the name that the system knows a path by, from how `spelled` writes it.

    Examples
    --------
    >>> on_disk("/data/a.fits"), on_disk(r"/nowhere/caf\xe9.fits")
    ('/data/a.fits', '/nowhere/caf\udce9.fits')
    """
    if "\\x" not in path or os.path.lexists(path):
        return path
    return _ESCAPED.sub(lambda match: chr(0xDC00 + int(match[1], 16)), path)


def unpacked_name(name: str) -> str:
    """Return a file's name without the ending that says how it is packed.

    Examples
    --------
    >>> unpacked_name("acisf00942N004_evt2.fits.gz"), unpacked_name("papers.bib")
    ('acisf00942N004_evt2.fits', 'papers.bib')
    """
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending.lower()}" in PACKED else name


def open_content(path: str) -> BinaryIO:
    """Open a file for reading its unpacked content.

    Parameters
    ----------
    path : str
        As the ledger spells it.

    Raises
    ------
    OSError
        If it cannot be opened; what comes later is told by `DAMAGED`.
    """
    return unpacked(open(on_disk(path), "rb", buffering=BUFFER))  # noqa: PTH123 - names may be no text; the caller closes it


def unpacked(stream: BinaryIO, n_bytes: int | None = None) -> BinaryIO:
    """Return what a stream holds, unpacked where it is packed; closing it closes the stream.

    Parameters
    ----------
    stream : binary file
        At its beginning, and able to go back there.
    n_bytes : int, optional
        How long it is; default: what the system says.

    Examples
    --------
    >>> unpacked(io.BytesIO(bz2.compress(b"SIMPLE")), 43).read()
    b'SIMPLE'
    """
    head = stream.read(len(_XZ))
    stream.seek(0)
    if head.startswith(_GZIP):
        inner: BinaryIO = igzip.open(stream, "rb")  # type: ignore[no-untyped-call]
    elif head.startswith(_BZIP2):
        inner = cast(BinaryIO, bz2.BZ2File(stream))
    elif head.startswith(_XZ):
        inner = cast(BinaryIO, lzma.LZMAFile(stream))  # noqa: SIM115 - closed with what reads it
    elif head.startswith(_ZSTD):
        import pyarrow as pa  # noqa: PLC0415 - hardly ever

        inner = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    else:
        return stream
    size = os.fstat(stream.fileno()).st_size if n_bytes is None else n_bytes
    return limited(inner, size, stream)


def limited(inner: BinaryIO, n_bytes: int, packed: BinaryIO | None = None) -> BinaryIO:
    """Return a stream that gives no more than so many packed bytes may unpack to.

    Parameters
    ----------
    inner : binary file
        Unpacks.
    n_bytes : int
        Packed.
    packed : binary file, optional
        What it reads from, to be closed with it.
    """
    return cast(BinaryIO, _Unpacked(inner, packed or inner, MAX_UNPACKED + MAX_GROWTH * n_bytes))


class _Unpacked(io.RawIOBase):
    """What unpacking gives, up to a limit."""

    def __init__(self, inner: BinaryIO, packed: BinaryIO, limit: int) -> None:
        self._inner, self._packed, self._limit, self._at = inner, packed, limit, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell whether it can go back; all but zstd can."""
        return self._inner.seekable()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read on.

        Raises
        ------
        UnreadableFile
            Beyond the limit.
        """
        try:
            n: int = self._inner.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno is not None or isinstance(error, DAMAGED):
                raise
            raise EOFError(str(error)) from error  # how bzip2 and zstd say that the data are damaged
        self._at += n
        self._check(self._at)
        return n

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place, forwards by unpacking up to it, backwards from the beginning again."""
        if whence == io.SEEK_SET:
            self._check(offset)
        self._at = self._inner.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """Return how many bytes stand before the place."""
        return self._at

    def close(self) -> None:
        """Close it and what it reads from."""
        if not self.closed:
            self._inner.close()
            self._packed.close()
        super().close()

    def _check(self, at: int) -> None:
        if at > self._limit:
            raise UnreadableFile(
                f"a file that unpacks to at most {self._limit / 1e9:.1f} GB", "one that goes on", "unpack it and look"
            )
