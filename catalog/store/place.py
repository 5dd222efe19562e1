"""Where the parts of a store are: all in its directory, or where the `store.toml` of a team's store says.

A store of one person is a directory with everything in it, and has no `store.toml`. A team's store has its catalog in
PostgreSQL and its files in a folder that all machines see; each machine has a directory with `store.toml` alone. No
secret stands in that file: the password of PostgreSQL comes from $PGPASSWORD or ~/.pgpass.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from catalog.errors import Terminal, command

FILE = "store.toml"
CATALOG, DATA, VECTORS, MODELS, INCOMING = "catalog.sqlite", "lake", "vectors", "models", "incoming"
_POSTGRES = ("postgresql://", "postgres://")
_SECRETS = frozenset({"password", "sslpassword", "passfile"})
_NAMES = ("catalog", "data", "vectors", "models")


class PlaceWrong(Terminal, ValueError):
    """What says where a store is cannot be used: `store.toml`, or what `catalog init` was given."""


@dataclass(frozen=True)
class Place:
    """Where the parts of one store are.

    Attributes
    ----------
    store : Path
        Its directory on this machine.
    catalog : str
        The file of SQLite, or the address of a PostgreSQL database, without a password.
    data, vectors, models : Path
        Folders of the tables, of the spaces, of what was trained.
    """

    store: Path
    catalog: str
    data: Path
    vectors: Path
    models: Path

    @property
    def is_team(self) -> bool:
        """Whether PostgreSQL holds the catalog, and the writer's lock."""
        return self.catalog.startswith(_POSTGRES)

    @property
    def address(self) -> Path | str:
        """What `catalog.store.sqlite_catalog.opened` opens: a file, or the address of a database."""
        return self.catalog if self.is_team else Path(self.catalog)

    @property
    def attachment(self) -> str:
        """What DuckDB attaches."""
        return f"ducklake:{'postgres' if self.is_team else 'sqlite'}:{self.catalog}"

    @property
    def data_path(self) -> str:
        """The folder of the tables as DuckLake spells it."""
        return f"{self.data}{os.sep}"

    @property
    def root(self) -> Path:
        """The folder that has those of tables, vectors and models in it, and the checksums of their files."""
        return self.data.parent

    @property
    def claim(self) -> Path:
        """The file by which a folder is known as a team's: `init` makes it, a `store.toml` of others cannot."""
        return self.root / "photonlake-team.txt"

    def check_claimed(self) -> None:
        """Make sure that the folders of a team's store are here, and are those of a store.

        Raises
        ------
        PlaceWrong
        """
        if self.is_team and not self.claim.is_file():
            raise PlaceWrong(
                f"{self.root}: expected the files of a team's store, {self.claim.name} among them, found none; "
                f"see that the disk is mounted, or make the store: {_HOW}"
            )

    @property
    def incoming(self) -> Path:
        """The folder of parts that are being written: on the disk of the tables, where a part can be renamed."""
        return self.data.with_name(INCOMING)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All that an engine of this store reads and writes."""
        return tuple(dict.fromkeys((self.store, *((self.data, self.incoming) if self.is_team else ()))))


def place_of(store: Path) -> Place:
    """Return where the parts of a store are.

    Raises
    ------
    PlaceWrong
        If its `store.toml` cannot be used.

    Examples
    --------
    >>> place_of(Path("s")).attachment
    'ducklake:sqlite:s/catalog.sqlite'
    """
    try:
        changed = os.stat(f"{store}{os.sep}{FILE}").st_mtime_ns  # noqa: PTH116 - asked for often
    except OSError:
        return Place(store, str(store / CATALOG), store / DATA, store / VECTORS, store / MODELS)
    return _read(store, changed)


@lru_cache(64)
def _read(store: Path, _changed: int) -> Place:
    file = store / FILE
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlaceWrong(f"{file} cannot be read: {error}") from error
    missing = [name for name in _NAMES if not isinstance(told.get(name), str)]
    if missing:
        raise PlaceWrong(f"{file}: expected a line '{missing[0]} = \"...\"', found none; write the file anew: {_HOW}")
    catalog = checked_address(str(told["catalog"]), str(file))
    return Place(store, catalog, *(_folder(str(told[name]), name, str(file)) for name in _NAMES[1:]))


_HOW = command("catalog init --catalog postgresql://HOST/DATABASE --data FOLDER", "STORE")


def checked_address(catalog: str, where: str = "--catalog") -> str:
    """Return the address of a PostgreSQL database, or say what is wrong with it; nothing secret is repeated.

    Raises
    ------
    PlaceWrong
        If it is no such address, or holds a password.

    Examples
    --------
    >>> checked_address("postgresql://db.example.org/photonlake")
    'postgresql://db.example.org/photonlake'
    >>> checked_address("postgresql://me:secret@db/photonlake")
    Traceback (most recent call last):
    ...
    catalog.store.place.PlaceWrong: --catalog: expected an address without a password, found one with it; leave it ...
    """
    if not catalog.startswith(_POSTGRES):
        raise PlaceWrong(f"{where}: expected an address postgresql://HOST/DATABASE, found another")
    try:
        parts = urlsplit(catalog)
        has_secret = parts.password is not None or any(
            name.lower() in _SECRETS for name, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:
        raise PlaceWrong(f"{where}: expected an address postgresql://HOST/DATABASE, found one with a fault") from None
    if has_secret or "@" in parts.path or parts.netloc.count("@") > 1:
        raise PlaceWrong(
            f"{where}: expected an address without a password, found one with it; leave it out, and give it in "
            "$PGPASSWORD, or in ~/.pgpass as a line HOST:PORT:DATABASE:USER:PASSWORD"
        )
    if not parts.path.strip("/"):
        raise PlaceWrong(f"{where}: expected the name of a database, as in {catalog.rstrip('/')}/photonlake")
    return catalog


def _folder(data: str, name: str, where: str) -> Path:
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", data):
        raise PlaceWrong(
            f"{where}: {name}: expected a folder that all machines see, found an address of {scheme[1]}; "
            "object storage holds no tables of a store yet"
        )
    folder = Path(data).expanduser()
    if not folder.is_absolute():
        raise PlaceWrong(f"{where}: {name}: expected a path from the root, which all machines understand, found {data}")
    return folder


def team_place(store: Path, catalog: str, data: str) -> Place:
    """Return the place of a team's store whose files are in one folder.

    Raises
    ------
    PlaceWrong
    """
    root = _folder(data, "data", "--data") if "://" in data else Path(data).expanduser().resolve()
    return Place(store, checked_address(catalog), root / DATA, root / VECTORS, root / MODELS)


def write(place: Place) -> None:
    """Write `store.toml`: wholly or not at all."""
    place.store.mkdir(parents=True, exist_ok=True)
    draft = place.store / f".{FILE}.{os.getpid()}"
    values = {name: str(getattr(place, name)) for name in _NAMES}
    lines = ["# Where the parts of this store are. No password stands here: docs/how-to/team.md"]
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(place.store / FILE)
