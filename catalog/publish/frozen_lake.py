"""A frozen store: its catalog as one read-only file beside its Parquet files, for any web server.

Bare DuckDB attaches it over https, and reads of the Parquet files only what a query needs. Vectors stay behind: they
are Lance tables, and go out by `catalog.publish.hats_catalog`.
Source: DuckLake specification 1.0; DuckLake documentation, "Frozen DuckLake".
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import QueryError, UntrustedStore
from catalog.formats.whole_files import output_folder
from catalog.schema.columns import literal
from catalog.store import engine, frozen, location
from catalog.store.place import place_of

CATALOG = "catalog.ducklake"
_TRIES = 5
_OWN = {CATALOG, location.DATA}


@dataclass(frozen=True)
class Frozen:
    """What was written.

    Attributes
    ----------
    attach : str
        The statement that opens it.
    n_files, n_bytes : int
        Of Parquet.
    """

    attach: str
    n_files: int
    n_bytes: int


def write_frozen(store: Path, folder: Path, url: str | None = None) -> Frozen:
    """Write a store so that a web server can serve it.

    Parameters
    ----------
    store : Path
    folder : Path
        Made if it is not there; what an earlier call wrote there is replaced. Parquet files are links to the store's
        where the disk allows it: they never change.
    url : str, optional
        Where the folder will be served, as 'https://example.org/chandra'; else it is opened where it is.

    Raises
    ------
    QueryError
        If the folder holds something else, or lies in the store.
    StoreNotFound
        If there is no store.
    UntrustedStore
        If its catalog names files outside it, or there are links among its files.

    Examples
    --------
    >>> write_frozen(Path("s"), Path("out"), "https://example.org/chandra").attach  # doctest: +SKIP
    "ATTACH 'ducklake:https://example.org/chandra/catalog.ducklake' AS lake (READ_ONLY)"
    """
    location.check_exists(store)
    if folder.is_dir() and {p.name for p in folder.iterdir()} - _OWN:
        raise QueryError(f"{folder}: expected a new folder, or one of a frozen store; found other files; name another")
    output_folder(folder)
    root = url.rstrip("/") if url else str(folder.resolve())
    draft = folder / f".{CATALOG}.{os.getpid()}"
    try:
        for _ in range(_TRIES):
            if _copied(store, folder, draft):
                break
            draft.unlink()
        else:
            raise QueryError(f"{store} changes again and again; freeze it when nothing writes to it")
        _say_where(draft, f"{root}/{location.DATA}/")
        draft.replace(folder / CATALOG)
    finally:
        draft.unlink(missing_ok=True)
    files = [p for p in (folder / location.DATA).rglob("*") if p.is_file()]
    attach = f"ATTACH {literal(f'ducklake:{root}/{CATALOG}')} AS lake (READ_ONLY)"
    return Frozen(attach, len(files), sum(p.stat().st_size for p in files))


def _copied(store: Path, folder: Path, draft: Path) -> bool:
    """Copy catalog and files; tell whether nothing was committed meanwhile."""
    watch = frozen.freeze(store, draft)
    if link := next((p for p in place_of(store).data.rglob("*") if p.is_symlink()), None):
        raise UntrustedStore(f"{link}: expected a file of the store, found a link; what it leads to is not published")
    shutil.rmtree(folder / location.DATA, ignore_errors=True)
    skip = shutil.ignore_patterns(location.INCOMING)
    try:
        shutil.copytree(place_of(store).data, folder / location.DATA, copy_function=_linked, ignore=skip, symlinks=True)
    except shutil.Error:  # a file went while it was copied
        if watch.is_newest():
            raise
    return watch.is_newest()


def _say_where(catalog: Path, data_path: str) -> None:
    """Write into a catalog where its Parquet files are."""
    with contextlib.closing(engine.start(sqlite=False)) as connection:
        connection.execute(f"ATTACH {literal(str(catalog))} AS frozen")
        connection.execute("UPDATE frozen.main.ducklake_metadata SET value = ? WHERE key = 'data_path'", [data_path])
        connection.execute("DETACH frozen")


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk, or one that has no links
        shutil.copy2(source, target, follow_symlinks=False)
