"""What a process may reach of the file system and the network, held by the Linux kernel itself.

Source: Documentation/userspace-api/landlock.rst of the Linux kernel (5.13 and later). Where there is no Landlock, on
other systems and older kernels, nothing is done, and the walls inside the engine stand alone.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

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
