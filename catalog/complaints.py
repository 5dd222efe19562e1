"""DuckDB's errors, said in the store's own words: one line, and the name that was probably meant."""

from __future__ import annotations

import re

import duckdb

from catalog.errors import ForbiddenStatement, PhotonlakeError, QueryError, UnknownName, suggestion
from catalog.names import MACROS, known_columns, not_yet, unknown
from sql.guard import FUNCTIONS, TABLE_FUNCTIONS, Statement

_TABLE = re.compile(r'Table with name "?([\w.]+)"? does not exist')
_SCHEMA = re.compile(r'Schema with name "?([\w.]+)"? does not exist')
_COLUMN = re.compile(
    r'(?:Referenced column "(?P<a>[^"]+)" (?:not found|was not found)|does not have a column named "(?P<b>[^"]+)")'
)
_FUNCTION = re.compile(r"(?:Function|Macro) with name \"?(\w+)\"? does not exist", re.IGNORECASE)
_NO_VALUE = re.compile(r"Values were not provided for the following prepared statement parameters: (\w+)")
_CANDIDATES = re.compile(r"Candidate bindings:\s*(.*)")


def complaint(error: duckdb.Error, statement: Statement) -> PhotonlakeError:
    """Turn an error of DuckDB into one of ours.

    Parameters
    ----------
    error : duckdb.Error
        What the engine raised.
    statement : Statement
        What it was asked.

    Returns
    -------
    PhotonlakeError
        UnknownName with a suggestion for names, ForbiddenStatement for what the sandbox stopped, else QueryError.
    """
    text = str(error)
    if match := _TABLE.search(text):
        made: PhotonlakeError = unknown(_as_written(match[1], statement))
    elif match := _SCHEMA.search(text):
        made = unknown(match[1], "schema")
    elif match := _FUNCTION.search(text):
        made = _unknown_function(match[1])
    elif match := _COLUMN.search(text):
        made = _unknown_column(match["a"] or match["b"], text, statement)
    elif isinstance(error, duckdb.PermissionException):
        made = ForbiddenStatement(f"{first_line(text)}; files come in through python -m ingest files PATH")
    elif match := _NO_VALUE.search(text):
        name = match[1]
        made = QueryError(f"the query names ${name} but no value is given; add {name}=... (--param {name}=VALUE)")
    elif isinstance(error, duckdb.OutOfMemoryException):
        made = QueryError(
            "the query needs more memory, or more of the disk, than it may use; narrow it down (WHERE, LIMIT), or "
            f"allow more: memory='16GB', spill='100GB' (--memory, --spill); {first_line(text)}"
        )
    else:
        made = QueryError(first_line(text))
    return made


def first_line(text: str) -> str:
    """Return the first line of a message without the name of its class, and where in the query it points.

    Of an error in a function of a package that is the function's own message.

    Examples
    --------
    >>> first_line('Parser Error: syntax error at or near "FORM"')
    'syntax error at or near "FORM"'
    """
    line = text.splitlines()[0] if text else "the engine gave no reason"
    line = re.sub(r"^[A-Z]\w+(?: \w+){0,2} Error: ", "", line)
    return re.sub(r"^Python exception occurred while executing the UDF: (?:\w+: )?", "", line)


def _as_written(name: str, statement: Statement) -> str:
    """Return the name with the schema the query gave it; DuckDB's message may leave it out."""
    return next((t for t in sorted(statement.tables) if t.lower().endswith(f".{name.lower()}")), name)


def _unknown_function(name: str) -> PhotonlakeError:
    if name.lower() in MACROS:
        return not_yet(name)
    hint = suggestion(name, FUNCTIONS | TABLE_FUNCTIONS)
    return UnknownName(f"there is no function {name}{hint or '; see python -m catalog info'}")


def _unknown_column(name: str, text: str, statement: Statement) -> PhotonlakeError:
    known = known_columns(statement.tables | statement.table_functions)
    hint = "" if name in known else suggestion(name, known)
    if not hint and (match := _CANDIDATES.search(text)):
        hint = f"; there are {match[1].strip()}"
    where = ", ".join(sorted(statement.tables | (statement.table_functions - {"unnest"})))
    return UnknownName(f"there is no column {name} in {where or 'the query'}{hint}")
