"""What each who asks a store may do, and what holds them to it.

=================  ==========================  =============================  ================================
who                statements                  files                          limits
=================  ==========================  =============================  ================================
a job that writes  photonlake's own            reads and writes the store     the machine's
(`lake.connect`)
the owner          one read-only query,        reads the lake's Parquet       memory and spill, if they set
(`Catalog.sql`)    judged by `sql.guard`       files, and nothing else        them
outside            the same                    the same, and the operating    memory, spill, rows, bytes, time;
(`outside`)                                    system holds the process to    the process is ended when it
                                               it where it can (Linux)        passes one
=================  ==========================  =============================  ================================

The guard is the first wall; this module builds the second, which stands by itself. A query runs in an engine that

* has never loaded the `sqlite` extension, or any other that opens files by ways of its own: see `catalog.store.frozen`;
* knows one file system, which cannot write and sees the lake alone: see `catalog.store.lake_files`;
* has the store attached for reading only, the rest of its settings locked, and may load no extension.

What it may write is its own spill folder: private, with a name that cannot be guessed, and gone with the process.

The operating system's part is Landlock: Documentation/userspace-api/landlock.rst of the Linux kernel (5.13 and later).
Where there is none, nothing is done, and the walls inside the engine stand alone.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import shutil
import struct
import sys
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from catalog.errors import QueryError
from catalog.schema.columns import literal
from catalog.store.engine import parser

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
_N_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights of the file system a version of the interface knows; later ones know 16."""
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6


def restrict(*, read: Iterable[Path], write: Iterable[Path] = ()) -> bool:
    """Keep this thread, and all it starts, from whatever is not named here; it cannot be undone.

    Parameters
    ----------
    read : iterable of Path
        Files and folders that may be read, with all that is in them; those that are not there are passed over.
    write : iterable of Path
        Folders in which files may be made, changed and removed too.

    Returns
    -------
    bool
        Whether the kernel holds it. The network, where it can be closed, is closed whole.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, 0, _VERSION_FLAG)
    if version < 1:
        return False
    rights = (1 << _N_RIGHTS.get(version, 16)) - 1
    network = 0b11 if version >= _NETWORK_SINCE else 0
    scopes = 0b11 if version >= _SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", rights, network, scopes)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NETWORK_SINCE else 8
    rules = libc.syscall(_CREATE, attributes[:size], size, 0)
    if rules < 0:
        return False
    try:
        reading = (_EXECUTE | _READ_FILE | _READ_DIR) & rights
        for paths, allowed in ((read, reading), (write, rights & ~_EXECUTE)):
            for path in paths:
                _allow(libc, rules, path, allowed)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
            return False
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            allowed &= _OF_FILES
        rule = struct.pack("=Qi", allowed, descriptor)
        libc.syscall(_ADD, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


ROOT = "photonlake://lake/"
"""Where an engine that queries run in believes the lake to be: `catalog.store.lake_files`."""


@dataclass(frozen=True)
class EngineLimits:
    """What one engine may use; None leaves it to the machine.

    Attributes
    ----------
    threads : int or None
    memory, spill : int, str or None
        Bytes, or a text as '8GB': in memory, and on disk for what does not fit there.
    """

    threads: int | None = None
    memory: int | str | None = None
    spill: int | str | None = None

    @property
    def memory_bytes(self) -> int | None:
        """`memory` as a number."""
        return _bytes("memory", self.memory)

    @property
    def spill_bytes(self) -> int | None:
        """`spill` as a number."""
        return _bytes("spill", self.spill)


def _bytes(what: str, amount: int | str | None) -> int | None:
    """Return an amount in bytes.

    Examples
    --------
    >>> _bytes("memory", "2 GiB"), _bytes("memory", 500)
    (2147483648, 500)
    """
    if amount is None:
        return None
    try:
        if isinstance(amount, str):
            row = parser().execute(f"SELECT parse_formatted_bytes({literal(amount)})").fetchone()
            amount = int(row[0]) if row and row[0] is not None else 0
    except duckdb.Error:
        amount = 0
    if amount <= 0:
        raise QueryError(f"{what} must be an amount like 8GB or 500MB, found {amount!r}")
    return amount


UNLIMITED = EngineLimits()


def confine(connection: duckdb.DuckDBPyConnection, limits: EngineLimits) -> None:
    """Lock an engine that queries run in: after this it can do no more than read what is attached.

    Raises
    ------
    QueryError
        If a limit makes no sense.
    """
    memory, spill = limits.memory_bytes, limits.spill_bytes
    for setting, limit in (
        ("threads", limits.threads),
        ("memory_limit", memory and f"{memory}B"),
        ("max_temp_directory_size", spill and f"{spill}B"),
    ):
        if limit is not None:
            connection.execute(f"SET {setting} = {literal(str(limit))}")
    for setting, value in (
        ("python_enable_replacements", "false"),  # Python variables are no tables
        ("temp_directory", literal(str(spill_folder()))),
        ("allowed_directories", f"[{literal(ROOT)}]"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {setting} = {value}")


def keep_to_store(connection: duckdb.DuckDBPyConnection, folders: Iterable[Path], spill: Path | None = None) -> None:
    """Keep a job's engine to the folders of its store: a view of somebody else's makes it open nothing outside.

    `spill` is its folder for what does not fit in memory; else this process's own.
    """
    for setting, value in (
        ("temp_directory", literal(str(spill or spill_folder()))),
        ("allowed_directories", f"[{', '.join(literal(f'{folder}{os.sep}') for folder in folders)}]"),
        ("enable_external_access", "false"),
    ):
        connection.execute(f"SET {setting} = {value}")


_SPILL: dict[int, Path] = {}
"""Process -> its folder: a fork must not use, or remove, its parent's."""


def spill_folder() -> Path:
    """Return this process's own folder for what does not fit in memory: private, and gone when the process ends."""
    folder = _SPILL.get(os.getpid())
    if folder is None or not folder.is_dir():
        folder = _SPILL[os.getpid()] = Path(tempfile.mkdtemp(prefix="photonlake-"))
        atexit.register(_remove, folder, os.getpid())
    return folder


def spill_into(folder: Path) -> None:
    """Take a folder that this process was given as its spill folder; whoever gave it removes it."""
    _SPILL[os.getpid()] = folder


def private_file(suffix: str) -> Path:
    """Return the path of a file to be made that no other process can guess, or read."""
    return spill_folder() / f"{uuid.uuid4().hex}{suffix}"


def _remove(folder: Path, process: int) -> None:
    """Remove a folder, unless this process is a fork of the one that made it."""
    if process == os.getpid():
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
