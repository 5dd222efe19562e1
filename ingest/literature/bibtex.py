r"""BibTeX as ADS exports it: entries, fields, journal macros, and LaTeX accents read as letters.

Source: Patashnik, BibTeXing (1988); ADS export format and its journal macros (AAS macros).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.errors import UnreadableFile

_ENTRY = re.compile(r"@\s*(\w+)\s*[{(]")
_FIELD = re.compile(r"\s*,?\s*([A-Za-z][\w:+.-]*)\s*=\s*")
_BARE = re.compile(r"[^\s,{}\"#()]+")
_NO_ENTRY = frozenset({"comment", "preamble", "string"})
_DEEPEST = 100
_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307"}
_ACCENTS |= {"v": "\u030c", "c": "\u0327", "u": "\u0306", "H": "\u030b", "r": "\u030a", "k": "\u0328", "d": "\u0323"}
_ACCENT = re.compile(r"\\(?:(['`\"^~=.])\s*|([vcuHrkd])(?:\s+|(?=\{)))(?:\{\s*\\?([A-Za-z])\s*\}|\\?([A-Za-z]))")
_LETTERS = {"ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "aa": "å"}
_LETTERS |= {"AA": "Å", "i": "\u0131", "j": "\u0237", "textendash": "-"}
_LETTERS |= {mark: mark for mark in "&%_#$"}
_LETTER = re.compile(r"\\(?:(ss|ae|AE|oe|OE|aa|AA|textendash|[oOlLij](?![A-Za-z]))(?:\{\}|\s+(?=[A-Za-z]))?|([&%_#$]))")
_FONT = re.compile(r"\\(?:text(?:it|bf|rm|sc|tt|sl)|emph|tt|it|bf|rm|em|sc|sl)(?![A-Za-z])\s*")
_MATHS = re.compile(r"(\$[^$]*\$)")


@dataclass
class Entry:
    """One entry.

    Attributes
    ----------
    kind : str
        'article', 'inproceedings', ... in lower case.
    key : str
        The citation key: ADS uses the bibcode.
    fields : dict of str to str
        Lower-case name -> text, outer braces and quotes removed, LaTeX kept.
    """

    kind: str
    key: str
    fields: dict[str, str] = field(default_factory=dict)


def parse_bibtex(text: str) -> Iterator[Entry]:
    r"""Parse BibTeX; what stands between entries is comment.

    Raises
    ------
    UnreadableFile
        If an entry does not end, with its line.

    Examples
    --------
    >>> entry = next(parse_bibtex('@ARTICLE{2020A&A...1A, title = "{On {X}-rays}", year = 2020, }'))
    >>> entry.kind, entry.key, entry.fields
    ('article', '2020A&A...1A', {'title': '{On {X}-rays}', 'year': '2020'})
    """
    position = 0
    while match := _ENTRY.search(text, position):
        kind, position = match[1].lower(), match.end()
        if kind in _NO_ENTRY:
            continue
        comma = text.find(",", position)
        end = text.find("}", position)
        stop = min((p for p in (comma, end) if p >= 0), default=-1)
        if stop < 0:
            raise _unended(text, match.start())
        entry = Entry(kind, text[position:stop].strip())
        position = stop
        while found := _FIELD.match(text, position):
            value, position = _value(text, found.end(), match.start())
            entry.fields[found[1].lower()] = value
        yield entry


def plain(text: str) -> str:
    r"""Read LaTeX as letters: accents, ligatures, braces; formulas stay as they are.

    Examples
    --------
    >>> plain(r"{M{\"u}ller}, K. and {\v{S}}koda, Dav{\'\i}d \& $\sim$5 {\ss}"), plain(r"F{\o}lsom--Garc{\'{\i}}a")
    ('Müller, K. and Škoda, Davíd & $\\sim$5 ß', 'Følsom-García')
    """
    parts = _MATHS.split(text)
    for i in range(0, len(parts), 2):
        part = _ACCENT.sub(_accented, parts[i])
        part = _LETTER.sub(lambda m: _LETTERS[m[1] or m[2]], part)
        part = _FONT.sub("", part)
        parts[i] = re.sub(r"[{}]", "", part).replace("~", " ").replace("---", "-").replace("--", "-")
    return " ".join(unicodedata.normalize("NFC", "".join(parts)).split())


def _accented(match: re.Match[str]) -> str:
    letter = match[3] or match[4]
    return letter + _ACCENTS[match[1] or match[2]]


def _value(text: str, position: int, begin: int) -> tuple[str, int]:
    """Read a value: pieces in braces, in quotes or bare, joined by '#'."""
    pieces = []
    while position < len(text):
        if text[position] in '{"':
            end = _closing(text, position, begin)
            pieces.append(text[position + 1 : end])
            position = end + 1
        elif match := _BARE.match(text, position):
            pieces.append(match[0])
            position = match.end()
        else:
            break
        joined = re.compile(r"\s*#\s*").match(text, position)
        if not joined:
            break
        position = joined.end()
    return "".join(pieces).strip(), position


def _closing(text: str, position: int, begin: int) -> int:
    """Find the brace or quote that closes the one at a position; a quote closes only outside braces."""
    quoted, depth = text[position] == '"', 0
    for match in re.compile(r"\\.|[{}\"]", re.DOTALL).finditer(text, position + quoted):
        mark = match[0]
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if not quoted and depth == 0:
                return match.start()
        elif mark == '"' and quoted and depth <= 0:
            return match.start()
        if depth > _DEEPEST:
            break
    raise _unended(text, begin)


def _unended(text: str, begin: int) -> UnreadableFile:
    line = text.count("\n", 0, begin) + 1
    return UnreadableFile("a BibTeX entry that ends", f"one that does not, in line {line}", "look for a missing brace")
