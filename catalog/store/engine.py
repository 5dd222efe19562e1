"""DuckDB with the two extensions a store needs, ready in milliseconds; and its own lexer and parser.

Signatures of extensions are checked once in a process. To check is to hash 70 MB, most of the time it takes to open
a store; once a process has mapped a library whose signature was right, loading it again gives that very one.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import re
import threading
from pathlib import Path

import duckdb

from catalog.errors import EngineMismatch, QueryError
from catalog.schema.columns import literal
from sql.guard import Json

_FORMATS = frozenset({"text", "json", "html", "graphviz", "yaml", "mermaid"})
_LONGEST_PREFIX = 1 << 12


_ALONE = frozenset(",()[]{};")


def words_of(text: str) -> list[tuple[int, str]]:
    """Cut a text into the pieces that DuckDB's own lexer sees, comments left out.

    Returns
    -------
    list of (int, str)
        Where a piece begins, in characters, and the piece: a word or number, or what stands there up to the next piece.

    Examples
    --------
    >>> words_of("SELECT é, /* no, */ 'a, b'")
    [(0, 'SELECT'), (7, 'é'), (8, ','), (20, "'a, b'")]
    """
    content = text.encode()
    starts = [start for start, _ in duckdb.tokenize(text)]  # in bytes
    pieces = []
    place = len(content[: starts[0]].decode(errors="replace")) if starts else 0
    for start, end in itertools.pairwise([*starts, len(content)]):
        piece = content[start:end].decode(errors="replace")
        word = re.match(r"\w+", piece)
        alone = piece[:1] in _ALONE  # whatever follows it, up to the next piece, is a comment
        pieces.append((place, word[0] if word else piece[:1] if alone else piece.strip()))
        place += len(piece)
    return pieces


def with_quoted_where(text: str) -> str:
    r"""Put the argument name `where` into double quotes: as a bare word, DuckDB takes it for the clause.

    Examples
    --------
    >>> with_quoted_where("FROM similar_pairs('spectrum', 0.9, where := 'theta < 5') WHERE similarity > 0.95")
    'FROM similar_pairs(\'spectrum\', 0.9, "where" := \'theta < 5\') WHERE similarity > 0.95'
    """
    for (place, word), (_, following) in reversed(list(itertools.pairwise(words_of(text)))):
        if word.lower() == "where" and following.startswith(":="):
            text = f'{text[:place]}"{word}"{text[place + len(word) :]}'
    return text


def without_explain(text: str) -> tuple[str, str]:
    """Split 'EXPLAIN ANALYZE SELECT ...' into what asks for the plan and the query; ('', text) for any other.

    What asks for the plan is written anew, with its options in parentheses: whatever stands behind these is one
    statement for DuckDB, so it is the query that is judged.

    Examples
    --------
    >>> without_explain("/* plan */ explain (format json) SELECT 1")
    ('EXPLAIN (FORMAT json) ', 'SELECT 1')
    """
    try:
        words = words_of(text[:_LONGEST_PREFIX])
    except (UnicodeError, duckdb.Error):
        return "", text
    spelled = [*(word.upper() for _, word in words), *[""] * 4]
    if spelled[0] != "EXPLAIN":
        return "", text
    n, analyze, format_ = 1, False, "text"
    if spelled[1] in {"ANALYZE", "ANALYSE"}:
        n, analyze = 2, True
    if spelled[n] == "(" and spelled[n + 1] in {"FORMAT", "ANALYZE", "ANALYSE"} and ")" in spelled[n:]:
        close = spelled.index(")", n)
        options = [word.lower().strip("'") for word in spelled[n:close]]
        analyze |= "analyze" in options or "analyse" in options
        format_ = next((word for word in options if word in _FORMATS), "text")
        n = close + 1
    prefix = f"EXPLAIN ({'ANALYZE, ' if analyze else ''}FORMAT {format_}) "
    return prefix, text[words[n][0] :] if n < len(words) else ""


def tree_of(text: str) -> Json:
    """Return DuckDB's tree of a text; for anything but SELECT statements, its error.

    Raises
    ------
    QueryError
        If the text cannot be handed to DuckDB, or is nested too deeply.
    """
    if "\0" in text:
        raise QueryError("the query has a character of code 0; take it out")
    try:
        text.encode()  # a lone surrogate is no character
        # as a literal: DuckDB loads pandas, a third of a second, where it is given parameters
        row = parser().execute(f"SELECT json_serialize_sql({literal(text)})").fetchone()
        tree: Json = json.loads(row[0]) if row else None
    except (UnicodeError, duckdb.Error) as error:
        raise QueryError(f"the query cannot be parsed: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise QueryError("the query is nested too deeply; write it with fewer levels") from error
    return tree


@functools.cache
def _own_parser() -> duckdb.DuckDBPyConnection:
    """Return an engine of its own for parsing: it has no store, and no transaction that a bad text could end."""
    return duckdb.connect(config={"threads": 1, "enable_external_access": "false", "lock_configuration": "true"})


_THREAD = threading.local()


def parser() -> duckdb.DuckDBPyConnection:
    """Return this thread's engine for parsing."""
    if not hasattr(_THREAD, "cursor"):
        _THREAD.cursor = _own_parser().cursor()
    cursor: duckdb.DuckDBPyConnection = _THREAD.cursor
    return cursor


def is_engines(name: str) -> bool:
    """Tell whether a function is one of the engine or of its extensions, allowed or not."""
    return name in _engines_functions() or _LAKES.search(name) is not None


_LAKES = re.compile("ducklake|sqlite|postgres")
"""Functions of extensions: the parser's own engine does not have them."""


@functools.cache
def _engines_functions() -> frozenset[str]:
    rows = parser().execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    return frozenset(name for (name,) in rows)


_WHEELS = {"sqlite_scanner": "duckdb_extension_sqlite_scanner", "ducklake": "duckdb_extension_ducklake"}
_TEAM = {"postgres_scanner": "duckdb_extension_postgres_scanner"}


@functools.cache
def _files(*, postgres: bool = False) -> dict[str, Path]:
    """Where the wheels keep what DuckDB loads.

    Parameters
    ----------
    postgres : bool
        Also the extension that a team's store needs.

    Raises
    ------
    EngineMismatch
        If a wheel is missing, or was made for another version of DuckDB. Nothing is fetched in its place.
    """
    folders: dict[str, Path] = {}
    wheels = _WHEELS | (_TEAM if postgres else {})
    for name, module in wheels.items():
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
    wheels = _WHEELS | {name: module for name, module in _TEAM.items() if name in made_for}
    packages = ["duckdb", *(module.replace("_", "-") for module in wheels.values())]
    command = f"python -m pip install {' '.join(package + right for package in packages)}"
    return f"DuckDB {version} is installed, but {', '.join(found)}; type: {command}"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"[0-9]+", version)]


@functools.cache
def check(*, postgres: bool = False) -> None:
    """Load the wheels' extensions while DuckDB checks their signatures.

    Raises
    ------
    EngineMismatch
        If an extension is missing, is for another version of DuckDB, or is not the signed one.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        for file in _files(postgres=postgres).values():
            try:
                connection.execute(f"LOAD {literal(str(file))}")
            except duckdb.Error as error:
                package = file.parents[2].name.replace("_", "-")
                raise EngineMismatch(
                    f"{file}: DuckDB {duckdb.__version__} cannot load it: {str(error).splitlines()[0]}; "
                    f"install it anew: python -m pip install --force-reinstall --no-deps {package}"
                ) from error


def start(*, sqlite: bool = True, postgres: bool = False) -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB with ducklake and sqlite, as they lie in the wheels of the same version.

    Parameters
    ----------
    sqlite : bool
        Load the extension that opens SQLite files: it opens any on the disk, so no query is run beside it.
    postgres : bool
        Load the extension that opens databases of PostgreSQL, for a team's store; no query is run beside it either.

    Raises
    ------
    EngineMismatch
        If an extension is missing, is for another version of DuckDB, or is not the signed one.

    Examples
    --------
    >>> start().sql("SELECT current_setting('allow_unsigned_extensions')").fetchall()
    [(False,)]
    """
    check(postgres=postgres)
    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
    config["autoload_known_extensions"] = "false"
    config["allow_unsigned_extensions"] = "true"
    connection = duckdb.connect(config=config)
    for name, file in _files(postgres=postgres).items():
        if sqlite or name != "sqlite_scanner":
            connection.execute(f"LOAD {literal(str(file))}")
    connection.execute("SET allow_unsigned_extensions = false")  # for good: it cannot be turned on again
    return connection
