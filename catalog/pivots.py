"""PIVOT without a list of values: the values are looked up first, and then written into the query.

DuckDB makes two statements of such a PIVOT, one of which makes a type, and shows the tree of neither. So the values
are asked by a query that is judged like any other, and so is the PIVOT that lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from catalog.columns import literal
from catalog.errors import QueryError
from catalog.parsing import words_of

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
    on, parts = None, []
    depth, listed_ = 0, False
    start = 0
    for i in range(n + 1, len(words) + 1):
        word = spelled[i] if i < len(words) else ";"
        if depth == 1 and on is None and word == "FOR":
            return None  # t PIVOT (sum(n) FOR ccd IN (6, 7)) has its list always
        if word[:1] in _OPENING:
            depth += 1
        ends = (word[:1] in _CLOSING and depth == 0) or (depth == 0 and word in _END_OF_LIST)
        if on is not None and (ends or (depth == 0 and word == ",")):
            parts.append((start, i, listed_))
            start, listed_ = i + 1, False
        if ends:
            break
        if word[:1] in _CLOSING:
            depth -= 1
        if depth == 0 and on is None and word == "ON":
            on, start = i, i + 1
        elif depth == 0 and on is not None and word == "IN":
            listed_ = True
    if on is None:
        return None
    for first, last, has_list in parts:
        if not has_list and first < last:
            place = words[last][0] if last < len(words) else len(query)
            expression = query[words[first][0] : place]
            source = query[words[n + 1][0] : words[on][0]]
            before = query[: words[n][0]] if spelled[0] == "WITH" and _depth(spelled[:n]) == 0 else ""
            values = f"SELECT DISTINCT ({expression}\n) AS v FROM {source}\n"
            return Unlisted(place, f"{before}SELECT v::VARCHAR FROM ({values}) WHERE v IS NOT NULL ORDER BY v")
    return None


def _depth(words: list[str]) -> int:
    return sum((w[:1] in _OPENING) - (w[:1] in _CLOSING) for w in words)
