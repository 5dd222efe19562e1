"""A team's store is made, or joined by one more machine: `store.toml` here, the catalog in PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from catalog.errors import command
from catalog.store import definitions, engine, lake, postgres_sessions, sqlite_catalog
from catalog.store.place import CATALOG, FILE, Place, PlaceWrong, place_of, team_place, write


def init(
    store: Path, catalog: str, data: str, *, wait: bool = True, on_wait: Callable[[str], None] | None = None
) -> bool:
    """Make a team's store, or give this machine the way to one that is there.

    Parameters
    ----------
    store : Path
        Directory on this machine; it gets `store.toml`.
    catalog : str
        'postgresql://[USER@]HOST[:PORT]/DATABASE', of an empty database or one that holds a store; without a password.
    data : str
        Folder that all machines see under this path: tables, vectors and models go into folders in it.
    wait, on_wait
        See `catalog.store.transactions.lock`.

    Returns
    -------
    bool
        Whether anything was made in the database; an older store is brought up to this version.

    Raises
    ------
    PlaceWrong
        If the directory is another store, the address has a password, or the database and the folder do not belong
        together.
    StoreUnreachable
        If PostgreSQL does not answer.
    StoreLocked
        If another process writes and `wait` is false.
    """
    place = team_place(store, catalog, data)
    if (store / CATALOG).is_file():
        raise PlaceWrong(f"{store} is a store of its own, with a catalog of SQLite; take another directory")
    if (store / FILE).is_file() and place_of(store) != place:
        raise PlaceWrong(f"{store / FILE} names another place; take another directory, or remove this file first")
    engine.check(postgres=True)
    with postgres_sessions.held(place, "create the store", wait=wait, on_wait=on_wait):
        _found(place)
        write(place)
    return lake.create(store, wait=wait, on_wait=on_wait)


def _found(place: Place) -> None:
    """Make an empty lake in a database that has none; make sure that one that is there has its files in this folder."""
    driver = postgres_sessions.loaded()
    with contextlib.closing(driver.connect(place.catalog)) as session:
        there = session.execute("SELECT to_regclass('ducklake_metadata') IS NOT NULL").fetchone()
    if there == (True,):
        with sqlite_catalog.opened(place.catalog) as cursor:
            ask = sqlite_catalog.asking(cursor)
            told = [str(path) for (path,) in ask("SELECT value FROM ducklake_metadata WHERE key = 'data_path'")]
        if told != [place.data_path]:
            root = Path(told[0]).parent if told else Path("FOLDER")
            again = command(f"catalog init --catalog {place.catalog} --data {root}", place.store)
            raise PlaceWrong(f"{place.catalog} holds a store whose files are in {root}; type: {again}")
        place.check_claimed()
        return
    for folder in (place.data, place.vectors, place.models, place.incoming):
        if folder.is_dir() and any(folder.iterdir()):
            raise PlaceWrong(
                f"{folder} has files, and {place.catalog} holds no store; take an empty folder, or the database "
                "that these files belong to"
            )
    place.root.mkdir(parents=True, exist_ok=True)
    place.claim.write_text(f"The files of the store in {place.catalog}. photonlake looks for this file.\n", "utf-8")
    definitions.create_in_database(place)
