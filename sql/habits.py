"""What people write out of habit of other dialects, and how it is written here.

Asked only of a query that failed: TOP, ADQL's geometry, functions of other engines, commands of other shells, names and
positions without quotes. Text in, text out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

_LONGEST = 400
"""A query longer than this is not repeated."""
_ALIKE = 0.75
_LITERAL = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_KEPT = r"«\d+»"
"""What stands for a text in quotes while a query is looked at."""
_TERM = r"((?:[^,()]|\([^()]*\))+)"
"""An argument of a call, which may hold a call itself."""

_RENAMED = {
    "atn2": "atan2",
    "charindex": "instr, with the text first",
    "date_format": "strftime",
    "getdate": "now",
    "getutcdate": "now",
    "iif": "if",
    "newid": "uuid",
    "nvl": "coalesce",
    "rand": "random",
    "regexp_like": "regexp_matches",
    "rlike": "regexp_matches",
    "stdev": "stddev",
    "stdevp": "stddev_pop",
    "sysdate": "now",
    "sysdatetime": "now",
    "to_char": "strftime",
    "truncate": "trunc",
    "unix_timestamp": "epoch",
    "var": "var_samp",
    "varp": "var_pop",
}
"""Functions of other engines, and what they are called here."""

_GEOMETRY = (
    "a place on the sky is two numbers, ra and dec in degrees, as in separation_arcsec(ra, dec, 210.8, 54.35) <= 60 or "
    "FROM cone(210.8, 54.35, 60)"
)


@dataclass(frozen=True)
class Habit:
    """One thing that is written otherwise elsewhere.

    Attributes
    ----------
    pattern : str
        How it is written elsewhere; texts in quotes stand as «0», «1», ...
    here : str
        How it is written here, in words.
    instead : str or callable
        What takes its place, as in `re.sub`; the same place where nothing can be said to.
    at_end : str
        What the query ends with then.
    """

    pattern: str
    here: str
    instead: str | Callable[[re.Match[str]], str] = r"\g<0>"
    at_end: str = ""


def _degrees(match: re.Match[str]) -> str:
    """Write ADQL's circle, whose radius is in degrees, as a separation in arcseconds."""
    *place, radius = (part.strip() for part in match.groups() if part)
    try:
        arcsec = f"{float(radius) * 3600:.10g}"
    except ValueError:
        arcsec = f"3600 * {radius}"
    return f"separation_arcsec({', '.join(place)}) <= {arcsec}"


_FRAME = rf"(?:{_KEPT}\s*,\s*)?"
_POINT = rf"point\s*\(\s*{_FRAME}{_TERM},\s*{_TERM}\)"
_HABITS = (
    Habit(
        r"\bselect\s+(distinct\s+)?top\s*\(?\s*(\d+)\s*\)?(?=\s)",
        "TOP is LIMIT, at the end",
        r"SELECT \1",
        r" LIMIT \2",
    ),
    Habit(r"\blimit\s+(\d+)\s*,\s*(\d+)", "LIMIT takes one number, OFFSET the other", r"LIMIT \2 OFFSET \1"),
    Habit(
        rf"(?:1\s*=\s*)?contains\s*\(\s*{_POINT}\s*,\s*circle\s*\(\s*(?:{_FRAME}{_TERM},\s*{_TERM}|{_POINT}),\s*{_TERM}"
        r"\)\s*\)(?:\s*=\s*1)?",
        _GEOMETRY,
        _degrees,
    ),
    Habit(
        rf"\bdistance\s*\(\s*{_POINT}\s*,\s*{_POINT}\s*\)",
        "distances are separation_arcsec(ra1, dec1, ra2, dec2)",
        r"separation_arcsec(\1, \2, \3, \4) / 3600",
    ),
    Habit(
        r"\b(?:dbo\.)?cone_distance\s*\(([^()]*)\)",
        "distances are separation_arcsec(ra1, dec1, ra2, dec2)",
        r"separation_arcsec(\1) / 60",
    ),
    Habit(rf"\bq3c_radial_query\s*\(\s*{_TERM},\s*{_TERM},\s*{_TERM},\s*{_TERM},\s*{_TERM}\)", _GEOMETRY, _degrees),
    Habit(r"\b(?:point|circle|polygon|box|intersects|centroid|coord[12]|distance|region)\s*\(", _GEOMETRY),
    Habit(rf"\bisnull\s*\(\s*{_TERM},\s*{_TERM}\)", "ISNULL of two is coalesce", r"coalesce(\1, \2)"),
    Habit(rf"\bconvert\s*\(\s*{_TERM},\s*{_TERM}\)", "CONVERT is CAST", r"CAST(\2 AS \1)"),
    Habit(rf"\bsquare\s*\(\s*{_TERM}\)", "SQUARE is a power", r"(\1) ** 2"),
    *(
        Habit(rf"\b{name}\s*\(", f"{name} is {here}", f"{here}(" if here.isidentifier() else r"\g<0>")
        for name, here in _RENAMED.items()
    ),
    Habit(r"`(\w+)`", "names stand in double quotes, or in none", r"\1"),
    Habit(r"`([^`]*)`", "names stand in double quotes", r'"\1"'),
    Habit(r"[‘’′]([^‘’′]*)[‘’′]", "texts stand in straight single quotes", r"'\1'"),  # noqa: RUF001 - what is meant
    Habit(r"[“”]([^“”]*)[“”]", "texts stand in straight single quotes", r"'\1'"),
    Habit(r"\bwith\s*\(\s*nolock\s*\)", "nothing is locked", ""),
    Habit(r"\bcross\s+apply\b", "CROSS APPLY is a comma", ","),
    Habit(
        r"\bouter\s+apply\s+(\w+\s*\([^()]*\))",
        "OUTER APPLY is a LEFT JOIN",
        r"LEFT JOIN LATERAL (FROM \1) AS t ON true",
    ),
    Habit(r"\bfrom\s+dual\b", "a query needs no FROM", ""),
    Habit(r"\b(?:where|and)\s+rownum\s*(?:<=?|=)\s*(\d+)", "ROWNUM is LIMIT, at the end", "", r" LIMIT \1"),
    Habit(r"\bfetch\s+(?:first|next)\s+(\d+)\s+rows?\s+only", "FETCH FIRST is LIMIT", r"LIMIT \1"),
    Habit(r"\blike\s+([^\s«'$(]*%[^\s;)]*)", "texts stand in single quotes", r"LIKE '\1'"),
    Habit(r"\bbetween\s+(\S+)\s+to\s", "BETWEEN goes with AND", r"BETWEEN \1 AND "),
    Habit(r"\bdec\s*:=", "dec is a word of the language; as a name it stands in double quotes", '"dec" :='),
    Habit(r"(?<![\w«])([12]CXOU?\s*J[\d.]+[+-][\d]+[A-Z]?)", "texts stand in single quotes", r"'\1'"),
    Habit(r"(?<![\w.«])(\d{1,6}\.\d{1,3}\.\d{1,5})(?![\w.])", "texts stand in single quotes", r"'\1'"),
    Habit(r"(?<![\w«])([+-]?\d{1,3}:\d{2}:\d{2}(?:\.\d+)?)", "positions in sixtieths stand in single quotes", r"'\1'"),
    Habit(
        r"^\s*(?:\.tables|\\d[tv]?\+?|show\s+(?:databases|views)|help|\?|ls|tables)\s*$",
        "what a store holds is told by",
        "SHOW TABLES",
    ),
    Habit(
        r"^\s*(?:\\d\+?|\.schema|show\s+(?:columns|fields)\s+(?:from|in)|sp_help|describe\s+table)\s+([\w.\"]+)\s*$",
        "columns are told by",
        r"DESCRIBE \1",
    ),
)


_KEYWORDS = (
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "DISTINCT",
    "BETWEEN",
    "LEFT",
    "JOIN",
    "USING",
)


def misspelt(query: str) -> str:
    """Name the first word of a query that cannot be parsed which is nearly a word of the language; '' for none.

    Examples
    --------
    >>> misspelt("SELECT name FORM csc.master_source")
    'did you mean FROM for FORM?'
    """
    for word in re.findall(r"(?<![\w.])[A-Za-z]{3,9}(?![\w.(])", _LITERAL.sub("", query)):
        if word.upper() not in _KEYWORDS and (near := difflib.get_close_matches(word.upper(), _KEYWORDS, 1, _ALIKE)):
            return f"did you mean {near[0]} for {word}?"
    return ""


def advice(query: str) -> str:
    """Say how a query that failed is written here; an empty text where no habit is seen in it.

    Parameters
    ----------
    query : str
        As it was typed.

    Returns
    -------
    str
        What is written otherwise, and the whole query as it is to be.

    Examples
    --------
    >>> advice("SELECT TOP 5 name FROM csc.master_source")
    'TOP is LIMIT, at the end; write: SELECT name FROM csc.master_source LIMIT 5'
    >>> advice("SELECT 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 1, 2, 0.1)) FROM t").partition("write: ")[2]
    'SELECT separation_arcsec(ra, dec, 1, 2) <= 360 FROM t'
    """
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append("" if match[0].startswith(("--", "/*")) else match[0])
        return f"«{len(kept) - 1}»"

    text = _LITERAL.sub(keep, query.strip().rstrip(";"))
    told: list[str] = []
    end = ""
    for habit in _HABITS:
        match = re.search(habit.pattern, text, re.IGNORECASE)
        if match is None:
            continue
        if habit.here not in told:
            told.append(habit.here)
        end += match.expand(habit.at_end)
        text = re.sub(habit.pattern, habit.instead, text, flags=re.IGNORECASE)
    if not told:
        return ""
    made = " ".join(re.sub(r"«(\d+)»", lambda m: kept[int(m[1])], f"{text}{end}").split())
    same = made == " ".join(query.strip().rstrip(";").split())
    return "; ".join([*told, *([] if same or len(made) > _LONGEST else [f"write: {made}"])])
