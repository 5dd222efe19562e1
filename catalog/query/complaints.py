"""DuckDB's errors, said in the store's own words: one line, and the name that was probably meant."""

from __future__ import annotations

import re

import duckdb

from catalog.errors import ForbiddenStatement, PhotonlakeError, QueryError, UnknownName, suggestion
from catalog.query import functions
from catalog.query.names import MACROS, known_columns, not_yet, unknown
from sql.guard import FUNCTIONS, NO_FILES, TABLE_FUNCTIONS, Statement
from sql.habits import advice, misspelt

_TABLE = re.compile(r'Table with name "?([\w.]+)"? does not exist')
_SCHEMA = re.compile(r'Schema with name "?([\w.]+)"? does not exist')
_COLUMN = re.compile(
    r'(?:Referenced column "(?P<a>[^"]+)" (?:not found|was not found)|does not have a column named "(?P<b>[^"]+)")'
)
_FUNCTION = re.compile(r"(?:Function|Macro) with name \"?(\w+)\"? does not exist", re.IGNORECASE)
_NO_VALUE = re.compile(r"Values were not provided for the following prepared statement parameters: (\w+)")
_ARGUMENTS = re.compile(
    r"(?:Macro|function) \"?(\w+)(?:\(\))?\"? does not support the supplied arguments", re.IGNORECASE
)
_UNREADABLE = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.NotImplementedException)
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
    if isinstance(error, _UNREADABLE) and (told := advice(statement.text)):
        return QueryError(told)
    if (of_name := _of_name(text, statement)) is not None:
        return of_name
    if (match := _ARGUMENTS.search(text)) and match[1].lower() in MACROS:
        return QueryError(f"{match[1].lower()}() is called otherwise: {usage(match[1])}")
    if isinstance(error, duckdb.PermissionException):
        return ForbiddenStatement(f"{first_line(text)}; {NO_FILES}")
    return QueryError(_mended(error, text, statement))


def _mended(error: duckdb.Error, text: str, statement: Statement) -> str:
    """Return what the engine says, with what mends it where that is known."""
    first = first_line(text)
    if match := _NO_VALUE.search(text):
        name = match[1]
        return f"the query names ${name} but no value is given; add {name}=... (--param {name}=VALUE)"
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            "the query needs more memory, or more of the disk, than it may use; narrow it down (WHERE, LIMIT), or "
            f"allow more: memory='16GB', spill='100GB' (--memory, --spill); {first}"
        )
    if isinstance(error, duckdb.ParserException):
        mended = misspelt(statement.text)
    else:
        found = ((re.search(pattern, text), advised) for pattern, advised in _MENDED)
        mended = next((match.expand(advised) for match, advised in found if match), "")
    return f"{first.rstrip('.')}; {mended}" if mended else first


def _of_name(text: str, statement: Statement) -> PhotonlakeError | None:
    """Return what is wrong with a name, where that is the reason."""
    if match := _TABLE.search(text):
        return unknown(_as_written(match[1], statement))
    if match := _SCHEMA.search(text):
        return unknown(match[1], "schema")
    if match := _FUNCTION.search(text):
        return _unknown_function(match[1])
    if match := _COLUMN.search(text):
        return _unknown_column(match["a"] or match["b"], text, statement)
    return None


def call_in_from(name: str) -> str:
    """Return how a function is called that gives rows; an empty text for any other.

    Examples
    --------
    >>> call_in_from("cone"), call_in_from("median")
    ('cone(ra, dec, radius_arcsec)', '')
    """
    if name in MACROS and MACROS[name].kind == "table macro":
        return MACROS[name].signature
    return functions.table_function(name).signature.text if name in functions.table_function_names() else ""


def usage(name: str) -> str:
    """Tell how a macro is called.

    Examples
    --------
    >>> usage("mission_time")
    'mission_time(time_s), where time_s [s] is Mission seconds'
    """
    macro = MACROS[name.lower()]
    told = (f"{p.name}{f' [{p.unit}]' if p.unit else ''} is {p.description}" for p in macro.parameters)
    return f"{macro.signature}, where {', '.join(told)}"


_MENDED = (
    (r"No function matches .* '\+\([^)]*(?:VARCHAR|STRING)", "texts are joined by ||, as in name || 'x'"),
    (
        r"Could not convert string '[+-]?\d+:\d+:[\d.]+'",
        "positions in sixtieths become degrees by ra_deg() and dec_deg()",
    ),
    (r"types '(\w+)\((?:[A-Z]+)\[\]\)'", r"each row has a list of them: list_\1(...)"),
    (
        r"Could not convert string .* when casting from source column (\w+)",
        r"\1 is text: what it is compared with stands in single quotes",
    ),
    (r"must appear in the GROUP BY clause", "GROUP BY ALL names them all"),
)
"""What the engine complains of, and what mends it."""


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
    tables = statement.tables | (statement.table_functions - {"unnest"})
    known = known_columns(tables)
    hint = "" if name in known else suggestion(name, known)
    if _may_be_text(name, statement.text, likely=not hint):
        hint += f"; {'or, if' if hint else 'if'} it is a text, it stands in single quotes: '{name}'"
    if not hint and len(tables) == 1 and known:
        hint = f"; DESCRIBE {next(iter(tables))} lists its columns"
    if not hint and (match := _CANDIDATES.search(text)):
        hint = f"; there are {match[1].strip()}"
    return UnknownName(f"there is no column {name} in {', '.join(sorted(tables)) or 'the query'}{hint}")


def _may_be_text(name: str, query: str, *, likely: bool) -> bool:
    """Tell whether a text was meant by what was taken for a column: in double quotes, or bare beside a comparison."""
    if re.search(rf'"{re.escape(name)}"', query):
        return likely or not name.isidentifier()
    compared = rf"(?:[=<>]|\b(?:i?like|in\s*\(|and|between))\s*{re.escape(name)}\b(?!\s*[.(])"
    return likely and bool(re.search(compared, query, re.IGNORECASE))
