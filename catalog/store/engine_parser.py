"""DuckDB's own lexer and parser, apart from any store: the words of a text, and the tree that DuckDB makes of it."""

from __future__ import annotations

import functools
import itertools
import json
import re
import threading

import duckdb

from catalog.errors import QueryError
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
    return name in _engines_functions() or _EXTENSIONS.search(name) is not None


_EXTENSIONS = re.compile("ducklake|sqlite|postgres")
"""Functions of extensions: the parser's own engine does not have them."""


@functools.cache
def _engines_functions() -> frozenset[str]:
    rows = parser().execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    return frozenset(name for (name,) in rows)
