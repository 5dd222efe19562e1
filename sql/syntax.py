"""A query as sqlglot's tree: for what is done to a query, never for what it may do; that is said by `sql.guard`.

sqlglot and DuckDB do not read every text alike: what one takes for a comment, the other may take for SQL. So nothing
is let through because of this tree. It only finds places (`sql.rewrite`) and meanings (`catalog.query.provenance`),
and the text that is run in the end is judged by DuckDB's own tree of it.
"""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser


class NotUnderstood(ValueError):
    """sqlglot cannot parse the text as one query; DuckDB may be able to."""


class _Plain(DuckDB):
    """DuckDB's dialect with no function known to it, so that each call keeps the name it has in the text."""

    class Parser(DuckDBParser):
        FUNCTIONS = {}  # noqa: RUF012 - sqlglot's own way to declare it
        FUNCTION_PARSERS = {  # noqa: RUF012 - only calls whose arguments are separated by words
            name: DuckDBParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "OVERLAY", "POSITION")
        }


def parse(query: str) -> exp.Expr:
    """Parse one query, with every function call under the name it has in the text.

    Parameters
    ----------
    query : str
        In DuckDB's dialect, without EXPLAIN.

    Raises
    ------
    NotUnderstood
        If sqlglot cannot parse it, or finds more or less than one statement.

    Examples
    --------
    >>> parse("FROM csc.master_source").sql()
    'SELECT * FROM csc.master_source'
    """
    try:
        roots = [root for root in sqlglot.parse(query, dialect=_Plain) if not isinstance(root, exp.Semicolon | None)]
    except (SqlglotError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        # sqlglot meets text it was not made for with whatever error that leads to; all mean the same here.
        raise NotUnderstood(f"not SQL that can be read: {_first_line(error)}") from error
    if len(roots) != 1:
        raise NotUnderstood(f"not SQL that can be read: {len(roots)} statements")
    return roots[0]


def _first_line(error: BaseException) -> str:
    return re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()[0] if str(error) else type(error).__name__
