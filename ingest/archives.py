"""Archives: the files in a tar or a zip, one after the other, none of them ever written to disk.

What csccli's retrieve answers is a tar, packed or not. A member goes into the ledger by the archive's path and its own
name: 'package.tar/primary/acisf04321N003_evt2.fits'. That name only says what the member is called; nothing opens it.
"""

from __future__ import annotations

import contextlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, cast

from catalog.errors import UnreadableFile
from ingest.streams import DAMAGED, limited, open_content, spelled, unpacked

MAX_MEMBERS = 100_000
_MAX_STEP = 64 << 20
"""Bytes that are read at once to learn what is in an archive: a header that is longer is made to harm."""
_MAX_INT = (1 << 63) - 1
_ENCRYPTED = 0x1


class _Cut(UnreadableFile):
    """An archive that ends too early, or is damaged."""


class Member(NamedTuple):
    """A file in an archive.

    Attributes
    ----------
    path : str
        The archive's path, then the member's.
    bytes : int
        Its size as it lies in the archive.
    open : callable
        Returns its unpacked content, as long as the next member was not asked for.
    problem : str
        Why it cannot be read; empty where it can.
    """

    path: str
    bytes: int
    open: Callable[[], BinaryIO]
    problem: str = ""


def is_archive(head: bytes, name: str) -> bool:
    """Tell an archive by how it begins.

    Parameters
    ----------
    head : bytes
        At least 512 bytes, unpacked.
    name : str
        Many files are zips (a spreadsheet, an array of numpy): one that is called so counts as an archive.

    Examples
    --------
    >>> is_archive(tarfile.TarInfo("a.fits").tobuf(), "package"), is_archive(b"SIMPLE  =".ljust(512), "a.fits")
    (True, False)
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return name.lower().endswith(".zip")
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def members(path: str) -> Iterator[Member]:
    """Go through an archive.

    Of members with the same name the last counts, as it would if the archive were unpacked. Folders and hidden files
    are passed over.

    Parameters
    ----------
    path : str
        Of the archive, as the ledger spells it.

    Yields
    ------
    Member
        In the order in which they lie in the archive; read one before you ask for the next.

    Raises
    ------
    UnreadableFile
        After the members that could be found, if the archive is cut or damaged or made to harm.
    """
    with contextlib.ExitStack() as resources:
        content = resources.enter_context(open_content(path))
        if not content.seekable():
            raise UnreadableFile("a tar packed by gzip, bzip2, xz or not at all", "one packed by zstd", "unpack it")
        is_zip = content.read(2) == b"PK"
        content.seek(0)
        yield from _of_zip(content, path) if is_zip else _of_tar(content, path)


def _of_tar(content: BinaryIO, path: str) -> Iterator[Member]:
    careful = cast(BinaryIO, _Careful(content))
    with _damage():
        tar = tarfile.open(fileobj=careful, mode="r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - closed with its stream
    found: dict[str, tarfile.TarInfo] = {}
    n, end = 0, -1
    cut: _Cut | None = None
    try:
        with _damage():
            while (info := tar.next()) is not None:
                n += 1
                _bound(n)
                if info.size < 0 or info.offset_data <= end:
                    raise tarfile.ReadError("a header that leads backwards")
                end = info.offset_data
                if not info.isdir() and (name := _shown(info.name)):
                    found.pop(name, None)
                    found[name] = info
            careful.seek(tar.offset)
            if careful.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("no end mark")
    except _Cut as error:
        cut = error  # what lies before can be read
    for name, info in found.items():
        yield Member(
            f"{path}/{name}",
            min(info.size, _MAX_INT),
            lambda info=info: unpacked(cast(BinaryIO, tar.extractfile(info)), info.size),  # type: ignore[misc]
            _why_not(info),
        )
    if cut:
        raise cut


def _why_not(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link to {spelled(info.linkname)} within an archive: what it leads to is read where it lies"
    if info.issparse():
        return "a file with holes within an archive: unpack it, and ingest what comes out"
    return "" if info.isreg() else "a device or a pipe within an archive: no file to read"


def _of_zip(content: BinaryIO, path: str) -> Iterator[Member]:
    with _damage():
        archive = zipfile.ZipFile(content)
    infos: Sequence[zipfile.ZipInfo] = archive.infolist()
    _bound(len(infos))
    found = {name: i for i in infos if not i.is_dir() and (name := _shown(i.filename))}
    for name, info in sorted(found.items(), key=lambda item: item[1].header_offset):
        problem = ""
        if info.flag_bits & _ENCRYPTED:
            problem = "encrypted within a zip: unpack it with its password, and ingest what comes out"
        elif stat.S_ISLNK(info.external_attr >> 16):
            problem = "a link within an archive: what it leads to is read where it lies"
        yield Member(
            f"{path}/{name}",
            info.file_size,
            lambda info=info: _open_zipped(archive, info),  # type: ignore[misc]
            problem,
        )


def _open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    try:
        stream = archive.open(info)
    except NotImplementedError as error:
        raise UnreadableFile("a zip packed by deflate, bzip2 or lzma", str(error), "unpack it") from None
    return unpacked(limited(cast(BinaryIO, stream), info.compress_size), info.file_size)


def _shown(name: str) -> str:
    """Return a member's name as a path below its archive, wherever it says it wants to go; '' for a hidden one.

    Examples
    --------
    >>> _shown("./primary/a.fits"), _shown("../../etc/passwd"), _shown("/abs/a.fits"), _shown("a/.git/config")
    ('primary/a.fits', 'etc/passwd', 'abs/a.fits', '')
    """
    parts = [part for part in spelled(name).split("/") if part not in {"", ".", ".."}]
    hidden = not parts or any(part.startswith(".") for part in parts) or parts[-1].endswith(".part")
    return "" if hidden else "/".join(parts)


def _bound(n: int) -> None:
    if n > MAX_MEMBERS:
        raise UnreadableFile(f"at most {MAX_MEMBERS:,} files in an archive", "more", "unpack it, and ingest the folder")


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Tell what a damaged archive does to its reader in our words."""
    try:
        yield
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError, LookupError, *DAMAGED) as error:
        if isinstance(error, UnreadableFile):
            raise
        said = str(error) or type(error).__name__
        raise _Cut("a whole archive", said, "it is cut or damaged: fetch it again") from error


class _Careful(io.RawIOBase):
    """A stream of which no reader takes much at once."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner

    def seekable(self) -> bool:
        """Tell that it can go back."""
        return True

    def read(self, n: int = -1, /) -> bytes:
        """Read at most so many bytes.

        Raises
        ------
        UnreadableFile
            If that is more than a header of an archive has.
        """
        if not 0 <= n <= _MAX_STEP:
            raise UnreadableFile(f"headers of at most {_MAX_STEP >> 20} MB in an archive", f"one of {n:,} bytes")
        return self._inner.read(n)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place."""
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._inner.tell()
