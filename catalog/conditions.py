"""Conditions that users give to select rows: one SQL expression, which does no more than read."""

from __future__ import annotations

from sqlglot import exp

from catalog.errors import ForbiddenStatement, QueryError
from sql import guard


def checked(condition: str, what: str) -> str:
    """Return a condition, if it is one expression that does no more than read.

    Parameters
    ----------
    condition : str
        SQL, as it may stand between WHERE and the end.
    what : str
        What the user gave it as, for the message: '--where', 'nearest: filter :='.

    Raises
    ------
    QueryError
        If it is no condition, or closes a parenthesis that it did not open.
    ForbiddenStatement
        If it does more than read.

    Examples
    --------
    >>> checked("var_prob_b > 0.9", "--where")
    'var_prob_b > 0.9'
    >>> checked("true) OR (1 = 1; DROP TABLE x", "--where")
    Traceback (most recent call last):
    ...
    catalog.errors.QueryError: --where 'true) OR (1 = 1; DROP TABLE x' is no SQL condition
    >>> checked("a) OR (b", "--where")
    Traceback (most recent call last):
    ...
    catalog.errors.QueryError: --where 'a) OR (b' is no SQL condition: it closes a parenthesis that it did not open
    """
    try:
        alone = guard.parse(f"SELECT ({condition}\n)")
    except guard.Refused as error:
        raise QueryError(f"{what} {condition!r} is no SQL condition") from error
    one = isinstance(alone, exp.Select) and [key for key, value in alone.args.items() if value] == ["expressions"]
    # `a) OR (b` is no less an expression between our parentheses: but then they are not around all of it
    if not one or not isinstance(alone.expressions[0], exp.Paren | exp.Subquery):
        raise QueryError(f"{what} {condition!r} is no SQL condition: it closes a parenthesis that it did not open")
    try:
        guard.check(f"SELECT 1 FROM csc.observation_source WHERE ({condition}\n)")
    except guard.Refused as error:
        kind = QueryError if isinstance(error, guard.NotUnderstood) else ForbiddenStatement
        raise kind(f"{what} {condition!r}: {error}") from error
    return condition
