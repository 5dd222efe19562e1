"""Whether a folder lies on a disk of another machine: SQLite's log in shared memory works on one machine alone.

Source: https://sqlite.org/wal.html, "all processes using a database must be on the same host computer; WAL does not
work over a network filesystem".
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from catalog.errors import Terminal
from catalog.store.place import CATALOG

_KINDS = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "coda", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.rclone", "fuse.s3fs", "ocfs2", "pvfs2"}
    | {"smb2", "smb3", "smbfs"}
)
_MOUNTS = Path("/proc/mounts")
ALLOW = "PHOTONLAKE_ONE_MACHINE"


class NetworkDisk(Terminal, OSError):
    """A catalog of SQLite lies on a disk of another machine, where two machines would damage it."""


def check_local(store: Path) -> None:
    """Refuse to write a catalog of SQLite on a disk of another machine, unless its owner vouches for it.

    Raises
    ------
    NetworkDisk
    """
    if os.environ.get(ALLOW) == "1":
        return
    kind = _kind_of(str(store.resolve()))
    if kind in _KINDS:
        raise NetworkDisk(
            f"{store / CATALOG}: expected a disk of this machine, found one of another ({kind}); SQLite's log works on "
            "one machine alone, and two that write would damage the catalog. Take another disk, or a catalog in "
            f"PostgreSQL (docs/how-to/team.md). If no other machine ever opens this store, set {ALLOW}=1"
        )


@lru_cache(64)
def _kind_of(folder: str) -> str:
    try:
        return kind_in(_MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"), folder)
    except OSError:  # no Linux
        return ""


def kind_in(mounts: str, folder: str) -> str:
    """Return the kind of the file system that a folder is on, from the lines of /proc/mounts; '' for none.

    Examples
    --------
    >>> lines = "/dev/sda1 / ext4 rw 0 0" + chr(10) + "server:/home /home nfs4 rw 0 0"
    >>> kind_in(lines, "/home/me/store"), kind_in(lines, "/homes")
    ('nfs4', 'ext4')
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - what is mounted, where, its kind
            continue
        where = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1])  # a space is \040
        inside = folder == where or folder.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= longest:  # the last of one place lies on top
            found, longest = fields[2], len(where)
    return found
