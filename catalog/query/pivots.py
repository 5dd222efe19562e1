"""PIVOT without a list of values: the values are looked up first, and then written into the query.

DuckDB makes two statements of such a PIVOT, one of which makes a type, and shows the tree of neither. So the values
are asked by a query that is judged like any other, and so is the PIVOT that lists them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import QueryError
from catalog.schema.columns import literal
from catalog.store.engine import words_of

_END_OF_LIST = frozenset({"USING", "GROUP", "ORDER", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", ";"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_MOST_VALUES = 10_000
_MOST_PIVOTS = 16


@dataclass(frozen=True)
class Unlisted:
    """One expression after ON whose values are not listed.

    Attributes
    ----------
    place : int
        Where the list is to stand in the text, in characters.
    values : str
        A query for the values, as texts, in the order that the columns will have.
    """

    place: int
    values: str


def listed(query: str, ask: Callable[[str], list[str]]) -> str:
    """Return a query whose PIVOTs all list their values.

    Parameters
    ----------
    query : str
        One query, without EXPLAIN.
    ask : callable
        Answers a query of one column of texts.

    Raises
    ------
    QueryError
        If a PIVOT would have no columns, or too many.

    Examples
    --------
    >>> print(listed("PIVOT t ON ccd USING sum(n)", lambda query: ["6", "7"]))
    PIVOT t ON ccd
     IN ('6', '7') USING sum(n)
    """
    for _ in range(_MOST_PIVOTS):
        found = first_unlisted(query)
        if found is None:
            return query
        values = ask(f"{found.values} LIMIT {_MOST_VALUES + 1}")
        if len(values) > _MOST_VALUES:
            raise QueryError(f"PIVOT would make more than {_MOST_VALUES:,} columns; list those you want: ON c IN (...)")
        if not values:
            raise QueryError("PIVOT has no values to make columns of: there are no rows, or only NULL after ON")
        texts = ", ".join(map(literal, values))
        query = f"{query[: found.place].rstrip(' ')}\n IN ({texts}) {query[found.place :]}"
    raise QueryError(f"a query has at most {_MOST_PIVOTS} expressions after PIVOT ... ON without a list of values")


def first_unlisted(query: str) -> Unlisted | None:
    """Find the innermost, last PIVOT ... ON expression without IN.

    Examples
    --------
    >>> first_unlisted("PIVOT t ON ccd IN (6, 7) USING sum(n)") is None
    True
    """
    words = words_of(query)
    spelled = [word.upper() for _, word in words]
    for n in reversed(range(len(words))):
        if spelled[n] == "PIVOT" or spelled[n] == "PIVOT_WIDER":
            found = _in_pivot(query, words, spelled, n)
            if found is not None:
                return found
    return None


def _in_pivot(query: str, words: list[tuple[int, str]], spelled: list[str], n: int) -> Unlisted | None:
    """Find the first expression without IN of the PIVOT at word n; None for the PIVOT of standard SQL."""
    outer = _outer(spelled, n + 1)
    on = next((i for i in outer if spelled[i] == "ON"), None)
    if on is None or "FOR" in (spelled[i] for i in _outer(spelled, n + 2) if spelled[n + 1] == "("):
        return None  # t PIVOT (sum(n) FOR ccd IN (6, 7)) has its list always
    listed_ = [i for i in outer if i > on]
    end = next((i for i in listed_ if spelled[i] in _END_OF_LIST), (listed_ or [on])[-1] + 1)
    borders = [on, *(i for i in listed_ if spelled[i] == "," and i < end), end]
    for before, after in itertools.pairwise(borders):
        if any(spelled[i] == "IN" for i in listed_ if before < i < after) or after <= before + 1:
            continue
        place = words[after][0] if after < len(words) else len(query)
        expression = query[words[before + 1][0] : place]
        source = query[words[n + 1][0] : words[on][0]]
        with_ = query[: words[n][0]] if spelled[0] == "WITH" and _depth(spelled[:n]) == 0 else ""
        values = f"SELECT DISTINCT ({expression}\n) AS v FROM {source}\n"
        return Unlisted(place, f"{with_}SELECT v::VARCHAR FROM ({values}) WHERE v IS NOT NULL ORDER BY v")
    return None


def _outer(spelled: list[str], first: int) -> list[int]:
    """Return the places of the words from one on that stand in no more parentheses than it, up to where these close.

    A closing parenthesis counts as standing outside of what it closes.
    """
    places, depth = [], 0
    for i in range(first, len(spelled)):
        depth -= spelled[i][:1] in _CLOSING
        if depth < 0 or (depth == 0 and spelled[i] == ";"):
            break
        if depth == 0:
            places.append(i)
        depth += spelled[i][:1] in _OPENING
    return places


def _depth(words: list[str]) -> int:
    return sum((w[:1] in _OPENING) - (w[:1] in _CLOSING) for w in words)
