"""DuckDB with the two extensions a store needs, ready in milliseconds.

Signatures of extensions are checked once in a process. To check is to hash 70 MB, most of the time it takes to open
a store; once a process has mapped a library whose signature was right, loading it again gives that very one.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import duckdb

from catalog.columns import literal

_EXTENSIONS = {"sqlite_scanner": "duckdb_extension_sqlite_scanner", "ducklake": "duckdb_extension_ducklake"}


@functools.cache
def _files() -> dict[str, Path | None]:
    """Where the wheels keep what DuckDB loads; None where a wheel is missing."""
    files: dict[str, Path | None] = {}
    for name, module in _EXTENSIONS.items():
        spec = importlib.util.find_spec(module)
        folder = Path(spec.origin).parent if spec and spec.origin else Path()
        file = folder / f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
        files[name] = file if file.is_file() else None
    return files


@functools.cache
def _signatures_are_right() -> bool:
    """Load the wheels' extensions while DuckDB checks their signatures; False where a wheel is missing."""
    files = _files().values()
    if None in files:
        return False
    with duckdb.connect() as connection:
        for file in files:
            connection.execute(f"LOAD {literal(str(file))}")
    return True


def start(*, sqlite: bool = True) -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB with ducklake and sqlite; where a wheel is missing, let DuckDB install the same.

    Parameters
    ----------
    sqlite : bool
        Load the extension that opens SQLite files: it opens any on the disk, so no query is run beside it.

    Raises
    ------
    duckdb.Error
        If a signature is wrong, or a missing extension cannot be installed.

    Examples
    --------
    >>> start().sql("SELECT current_setting('allow_unsigned_extensions')").fetchall()
    [(False,)]
    """
    known = _signatures_are_right()
    unsigned = "true" if known else "false"
    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
    config["autoload_known_extensions"] = "false"
    config["allow_unsigned_extensions"] = unsigned
    connection = duckdb.connect(config=config)
    for name, file in _files().items():
        if name == "sqlite_scanner" and not sqlite:
            continue
        if file is None:
            connection.execute(f"INSTALL {name.replace('_scanner', '')}")
        connection.execute(f"LOAD {literal(str(file)) if file else name.replace('_scanner', '')}")
    if known:
        connection.execute("SET allow_unsigned_extensions = false")  # for good: it cannot be turned on again
    return connection
