"""DuckDB with the two extensions a store needs, ready in milliseconds.

Signatures of extensions are checked once in a process. To check is to hash 70 MB, most of the time it takes to open
a store; once a process has mapped a library whose signature was right, loading it again gives that very one.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

import duckdb

from catalog.errors import EngineMismatch
from catalog.schema.columns import literal

_EXTENSIONS = {"sqlite_scanner": "duckdb_extension_sqlite_scanner", "ducklake": "duckdb_extension_ducklake"}


@functools.cache
def _files() -> dict[str, Path]:
    """Where the wheels keep what DuckDB loads.

    Parameters
    ----------
    sqlite : bool
        Load the extension that opens SQLite files: it opens any on the disk, so no query is run beside it.

    Raises
    ------
    EngineMismatch
        If a wheel is missing, or was made for another version of DuckDB. Nothing is fetched in its place.
    """
    folders: dict[str, Path] = {}
    for name, module in _EXTENSIONS.items():
        spec = importlib.util.find_spec(module)
        folders[name] = Path(spec.origin).parent / "extensions" if spec and spec.origin else Path("no such folder")
    files = {name: f / f"v{duckdb.__version__}/{name}.duckdb_extension" for name, f in folders.items()}
    if all(file.is_file() for file in files.values()):
        return files
    made_for = {n: sorted(p.parent.name[1:] for p in f.glob("v*/*.duckdb_extension")) for n, f in folders.items()}
    raise EngineMismatch(_mismatch(duckdb.__version__, made_for))


def _mismatch(version: str, made_for: dict[str, list[str]]) -> str:
    """Name the version of DuckDB, those that the extensions were made for, and the command that mends it.

    Examples
    --------
    >>> _mismatch("1.5.6", {"ducklake": ["1.5.5"]})  # doctest: +ELLIPSIS
    'DuckDB 1.5.6 is installed, but its extension ducklake is for 1.5.5; type: python -m pip install duckdb==1.5.5 ...'
    """
    together: dict[str, list[str]] = {}
    for name, versions in made_for.items():
        together.setdefault(" and ".join(versions), []).append(name)
    found = [
        f"its {'extensions' if len(names) > 1 else 'extension'} {' and '.join(names)} "
        f"{'are' if len(names) > 1 else 'is'} {f'for {versions}' if versions else 'missing'}"
        for versions, names in together.items()
    ]
    known = sorted((v for versions in made_for.values() for v in versions), key=_numbers)
    right = f"=={known[-1]}" if known else ""  # where none is known, pip finds what goes together
    packages = ["duckdb", *(module.replace("_", "-") for module in _EXTENSIONS.values())]
    command = f"python -m pip install {' '.join(package + right for package in packages)}"
    return f"DuckDB {version} is installed, but {', '.join(found)}; type: {command}"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", version)]


@functools.cache
def check() -> None:
    """Load the wheels' extensions while DuckDB checks their signatures.

    Raises
    ------
    EngineMismatch
        If an extension is missing, is for another version of DuckDB, or is not the signed one.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        for file in _files().values():
            try:
                connection.execute(f"LOAD {literal(str(file))}")
            except duckdb.Error as error:
                package = file.parents[2].name.replace("_", "-")
                raise EngineMismatch(
                    f"{file}: DuckDB {duckdb.__version__} cannot load it: {str(error).splitlines()[0]}; "
                    f"install it anew: python -m pip install --force-reinstall --no-deps {package}"
                ) from error


def start(*, sqlite: bool = True) -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB with ducklake and sqlite, as they lie in the wheels of the same version.

    Parameters
    ----------
    sqlite : bool
        Load the extension that opens SQLite files: it opens any on the disk, so no query is run beside it.

    Raises
    ------
    EngineMismatch
        If an extension is missing, is for another version of DuckDB, or is not the signed one.

    Examples
    --------
    >>> start().sql("SELECT current_setting('allow_unsigned_extensions')").fetchall()
    [(False,)]
    """
    check()
    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
    config["autoload_known_extensions"] = "false"
    config["allow_unsigned_extensions"] = "true"
    connection = duckdb.connect(config=config)
    for name, file in _files().items():
        if sqlite or name != "sqlite_scanner":
            connection.execute(f"LOAD {literal(str(file))}")
    connection.execute("SET allow_unsigned_extensions = false")  # for good: it cannot be turned on again
    return connection
