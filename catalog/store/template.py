"""The catalog of a new store as a copy: to make sixty tables and views takes seconds, to copy them does not.

The first store that a version makes on a machine is made statement by statement. Its catalog stays in the user's cache
folder, beside a checksum. Each later store gets a copy of it with its own identifiers, place and time. Whatever
hinders this - no such folder, a full disk, a damaged file - costs the seconds and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import duckdb

from catalog.store import definitions, fault_points
from catalog.store.location import CATALOG, DATA

_KEPT = 4
"""Templates of this many versions stay in the cache folder; each has 1 MB."""


def place(store: Path, make: Callable[[Path], None]) -> None:
    """Give a folder the catalog of a new store, wholly or not at all; the writer's lock is held.

    Parameters
    ----------
    store : Path
        An existing folder without a catalog.
    make : callable
        Makes a new store, statement by statement, in the existing folder that it is given.
    """
    (store / DATA).mkdir(exist_ok=True)
    draft = store / f".{CATALOG}.{os.getpid()}"
    with draft.open("wb") as stream:
        stream.write(_template(make))
    _make_its_own(draft, store)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    fault_points.reach("store-place")
    draft.rename(store / CATALOG)


def cache_folder() -> Path:
    """Return the folder in which templates stay: `photonlake` in $XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "photonlake"


def _make_its_own(draft: Path, store: Path) -> None:
    """Give a copied catalog what no two stores share. Nobody else has opened it yet."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.create_function("new_uuid", 0, lambda: str(uuid.uuid4()))
        connection.execute("BEGIN")
        connection.execute(
            "UPDATE ducklake_metadata SET value = ? WHERE \"key\" = 'data_path'", [f"{store / DATA}{os.sep}"]
        )
        connection.execute("UPDATE ducklake_snapshot SET snapshot_time = ?", [now])
        for kind in ("schema", "table", "view"):
            connection.execute(f"UPDATE ducklake_{kind} SET {kind}_uuid = new_uuid()")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


_MEMORY: dict[str, bytes] = {}


def _template(make: Callable[[Path], None]) -> bytes:
    """Return the catalog of a new store of this version: from memory, else from the cache, else newly made."""
    name = f"template-{_fingerprint()}.sqlite"
    if name not in _MEMORY:
        _MEMORY[name] = _kept(name) or _made(name, make)
    return _MEMORY[name]


@functools.cache
def _fingerprint() -> str:
    """Return 16 hex digits that change with all that a new catalog follows from."""
    parts = [definitions.version(), metadata.version("photonlake"), duckdb.__version__, duckdb.__git_revision__]
    code = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("definitions", "lake", "template")]
    return hashlib.sha256("\n".join(parts).encode() + b"".join(code)).hexdigest()[:16]


def _kept(name: str) -> bytes | None:
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the user has no home
        content = (cache_folder() / name).read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            return content[32:]
    return None


def _made(name: str, make: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="photonlake-") as folder:
        make(Path(folder))
        content = (Path(folder) / CATALOG).read_bytes()
    with contextlib.suppress(OSError, RuntimeError):
        _keep(cache_folder(), name, content)
    return content


def _keep(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".template-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(hashlib.sha256(content).digest() + content)
        Path(draft).rename(folder / name)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
    newest_first = sorted(folder.glob("template-*.sqlite"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for old in newest_first[_KEPT:]:
        old.unlink(missing_ok=True)
