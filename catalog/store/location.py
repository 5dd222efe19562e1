"""Where a store and its parts are, and how its catalog is attached to an engine."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from catalog.errors import (
    PhotonlakeError,
    QueryError,
    StoreLocked,
    StoreNewer,
    StoreNotFound,
    StoreOutdated,
    StoreUnreachable,
    UnknownName,
    command,
)
from catalog.schema.columns import literal
from catalog.store.place import CATALOG, DATA, FILE, INCOMING, place_of
from catalog.store.postgres_sessions import unreachable
from catalog.store.sqlite_catalog import held, is_locked

__all__ = [
    "CATALOG",
    "DATA",
    "INCOMING",
    "attach",
    "check_exists",
    "exists",
    "first_line",
    "release_of",
    "store_path",
]

_BUSY_MS = 30_000
_VERSIONS = re.compile(r"catalog version is (\S+), but the extension requires version (\d[\d.]*\d)")


def store_path(store: str | os.PathLike[str] | None = None) -> Path:
    """Return the store's directory: the argument, else $PHOTONLAKE_STORE, else ./store.

    Raises
    ------
    StoreNotFound
        If its name is no text: DuckDB opens no such file.

    Examples
    --------
    >>> store_path("s").name
    's'
    """
    path = Path(store or os.environ.get("PHOTONLAKE_STORE") or "store").expanduser().resolve()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise StoreNotFound(f"{shown} has a name that is no UTF-8; rename the folder, or take another one") from None
    return path


def exists(store: Path) -> bool:
    """Tell whether a directory is a store."""
    return (store / CATALOG).is_file() or (store / FILE).is_file()


def attach(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    catalog_path: str,
    data_path: str,
    *,
    read_only: bool,
    snapshot: int | None,
    at: datetime | None,
) -> None:
    """Attach a DuckLake as `lake`, and use it; whatever data path its catalog names, this one counts.

    Raises
    ------
    UnknownName
        If there is no such snapshot.
    QueryError
        If it cannot be opened.
    """
    options = [f"DATA_PATH {literal(data_path)}", "OVERRIDE_DATA_PATH true"]
    if catalog_path.startswith("ducklake:sqlite:"):
        options.append(f"META_BUSY_TIMEOUT {_BUSY_MS}")
    if read_only:
        options.append("READ_ONLY")
    if snapshot is not None:
        options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
    if at is not None:
        moment = at if at.tzinfo else at.replace(tzinfo=UTC)
        options.append(f"SNAPSHOT_TIME {literal(moment.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f+00'))}")
    try:
        connection.execute(f"ATTACH {literal(catalog_path)} AS lake ({', '.join(options)})")
        connection.execute("USE lake")
    except duckdb.Error as error:
        why = _unopened(store, error)
        if isinstance(why, QueryError) and (snapshot is not None or at is not None):
            asked = f"snapshot {snapshot}" if snapshot is not None else f"snapshot at or before {at}"
            advice = f"list them with: {command('catalog snapshots', store)}"
            raise UnknownName(f"there is no {asked} in {store}; {advice}") from error
        raise why from error


def _unopened(store: Path, error: duckdb.Error) -> PhotonlakeError:
    """Say why a store cannot be opened."""
    place = place_of(store)
    if is_locked(error):
        return StoreLocked(held(store / CATALOG))
    if place.is_team:
        return StoreUnreachable(unreachable(place.catalog, error))
    if match := _VERSIONS.search(str(error)):
        theirs, ours = match.groups()
        said = f"{store} was written by DuckLake {theirs}, and this photonlake has DuckLake {ours}"
        if release_of(theirs) > release_of(ours):
            return StoreNewer(f"{said}; type: pip install -U photonlake")
        path = literal(place.attachment)
        advice = f"copy it, then let DuckDB bring it over: ATTACH {path} AS lake (AUTOMATIC_MIGRATION true)"
        return StoreOutdated(f"{said}; {advice}")
    return QueryError(f"{store / CATALOG} cannot be opened: {first_line(error)}")


def check_exists(store: Path) -> None:
    """Say what to type where there is no store.

    Raises
    ------
    StoreNotFound
    PlaceWrong
        If the folders that `store.toml` names are not a team's.
    """
    if not exists(store):
        if store.is_file():
            raise StoreNotFound(f"{store} is a file; a store is a directory with {CATALOG} in it")
        advice = f"make one with: {command('ingest files FOLDER', store)}"
        raise StoreNotFound(f"{store} is no photonlake store (no {CATALOG} in it); {advice}")
    place_of(store).check_claimed()


def release_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare by.

    Examples
    --------
    >>> release_of("0.10.1") > release_of("0.9") > release_of("0.9.dev1")[:1]
    True
    """
    return tuple(int(n) for n in re.findall(r"[0-9]{1,9}", version.partition("+")[0]))


def first_line(error: BaseException) -> str:
    """Return the first line of what the engine says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
