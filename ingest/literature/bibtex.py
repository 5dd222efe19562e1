r"""BibTeX as ADS and its users write it: entries, their fields, and LaTeX read as letters.

bibtexparser finds the entries, pylatexenc knows the letters; here stands what ADS does with both.

Source: Patashnik, BibTeXing (1988); the BibTeX export of ADS, which writes characters as {\ensuremath{\alpha}}.
"""

from __future__ import annotations

import functools
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bibtexparser import model

_PIECE = r"\"(?:[^\"{}]|\{[^{}]*\})*\"|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|[^\s#\"{}]+"
_JOINED = re.compile(rf"(?:{_PIECE})(?:\s*#\s*(?:{_PIECE}))+")
_MATHS = re.compile(r"((?<!\\)\$(?:\\.|[^$\\])*\$)")
_TIE = re.compile(r"(?<![\\/])~")
_LATEX = re.compile(r"(?<!\S)(?:\S*\\[A-Za-z]+\{[^{}]*\}\S*|\S*\\[cvuHrkdbt'`^\"=.]\s+\S+|\S*\\\S*)")
_LONGEST_WORD = 2_000
_DEEPEST = 50
_DASHES = str.maketrans({"\u2013": "-", "\u2014": "-", "{": None, "}": None})

_MORE = {"textless": "<", "textgreater": ">", "textasciicircum": "^", "textperiodcentered": "\u00b7", "sun": "\u2299"}
_MORE |= {"textbar": "|", "degr": "\u00b0", "arcmin": "\u2032", "arcsec": "\u2033"}
"""Macros that pylatexenc does not know, or knows as something else."""
_DRESS = frozenset(
    {"rm", "it", "bf", "sc", "tt", "sl", "em", "sf", "cal", "small", "tiny", "large", "normalsize", "footnotesize"}
    | {"mbox", "hbox", "raisebox", "textsuperscript", "textsubscript"}
    | {"boldmath", "boldsymbol", "unboldmath", "nobreakdash"}
)
"""Macros that say how something looks."""


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes
    ----------
    kind : str
        'article', 'inproceedings', ... in lower case.
    key : str
        The citation key: ADS uses the bibcode.
    fields : mapping of str to str
        Lower-case name -> text, outer braces and quotes removed, LaTeX kept.
    """

    kind: str
    key: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """An entry that cannot be read.

    Attributes
    ----------
    line : int
        Where it begins, from 1.
    """

    line: int


def parse_bibtex(text: str) -> Iterator[Entry | Broken]:
    r"""Parse BibTeX; what stands between entries is comment, and an entry that is broken costs itself only.

    Examples
    --------
    >>> entry = next(parse_bibtex('@ARTICLE{2020A&A...1A, title = "{On {X}-rays}", year = 2020, }'))
    >>> entry.kind, entry.key, entry.fields
    ('article', '2020A&A...1A', {'title': '{On {X}-rays}', 'year': '2020'})
    >>> list(parse_bibtex('@article{a, title = {open'))
    [Broken(line=1)]
    """
    from bibtexparser import model  # noqa: PLC0415 - a fifth of a second that only BibTeX needs
    from bibtexparser.entrypoint import parse_string  # noqa: PLC0415 - as above

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # what it cannot read is told by us
    library = parse_string(text)
    strings = {s.key.lower(): str(s.value) for s in library.strings}
    for block in library.blocks:
        failed = isinstance(block, model.ParsingFailedBlock)
        entry = block.ignore_error_block if isinstance(block, model.ParsingFailedBlock) else block
        read = _entry(entry, strings) if isinstance(entry, model.Entry) else None
        if read is not None:
            yield read
        elif isinstance(entry, model.Entry) or (failed and not _is_aside(block.raw)):
            yield Broken((block.start_line or 0) + 1)


def _is_aside(raw: str | None) -> bool:
    """Tell a comment, a preamble or a macro, of which nobody misses anything."""
    return re.match(r"@\s*(comment|preamble|string)\b", (raw or "").lstrip(), re.IGNORECASE) is not None


def _entry(entry: model.Entry, strings: Mapping[str, str]) -> Entry | None:
    """Take an entry as bibtexparser has it; None where a field does not end where it should."""
    outer = entry.parser_metadata.get("removed_enclosing", {})
    fields: dict[str, str] = {}
    for one in entry.fields:
        value = str(one.value)
        if outer.get(one.key, "") == "no-enclosing" and re.search(r'["{#]', value):
            if not _JOINED.fullmatch(value):
                return None  # a comma is missing, and the next field stands in this one
            pieces = re.findall(_PIECE, value)
            value = "".join(p[1:-1] if p[0] in '"{' else strings.get(p.lower(), p) for p in pieces)
        fields[one.key.lower()] = value.strip()
    kind = entry.entry_type.strip().lower()
    return Entry(kind, entry.key.strip(), fields) if kind else None


def plain(text: str) -> str:
    r"""Read LaTeX as letters: accents, symbols, braces; formulas between dollars stay as they are.

    Examples
    --------
    >>> plain(r"{M{\"u}ller}, K. and {\v{S}}koda, Dav{\'\i}d \& $\sim$5 {\ss}"), plain(r"F{\o}lsom--Garc{\'{\i}}a")
    ('Müller, K. and Škoda, Davíd & $\\sim$5 ß', 'Følsom-García')
    >>> plain(r"{\textless}0.5 keV {\ensuremath{\pm}} 1 {\TH}")
    '<0.5 keV ± 1 Þ'
    """
    parts = _MATHS.split(text)
    for i in range(0, len(parts), 2):
        part = _LATEX.sub(lambda match: _letters(match[0]), _TIE.sub(" ", parts[i]))
        parts[i] = part.translate(_DASHES).replace("---", "-").replace("--", "-")
        parts[i] = parts[i].replace("``", "\u201c").replace("''", "\u201d")
    return " ".join(unicodedata.normalize("NFC", "".join(parts)).split())


@functools.lru_cache(maxsize=1 << 14)
def _letters(word: str) -> str:
    """Read a word with LaTeX in it; as it stands where that is beyond reason."""
    if len(word) > _LONGEST_WORD or word.count("{") > _DEEPEST or word.count("\\") > _DEEPEST:
        return word
    try:
        return str(_reader()(word))
    except Exception:  # noqa: BLE001 - what the library stumbles over costs this word, not the file
        return word.replace("\\", "")


def _undressed(node: Any, l2tobj: Any) -> str:  # noqa: ANN401 - the library has no types
    """Return what a macro is put on."""
    arguments = node.nodeargd.argnlist if node.nodeargd else ()
    return str(l2tobj.nodelist_to_text([one for one in arguments or () if one is not None]))


@functools.cache
def _reader() -> Callable[[str], str]:
    from pylatexenc import latex2text  # noqa: PLC0415 - only BibTeX needs it

    logging.getLogger("pylatexenc").setLevel(logging.CRITICAL)
    known = latex2text.get_default_latex_context_db()
    spec = latex2text.MacroTextSpec
    more = [*(spec(name, mark) for name, mark in _MORE.items()), *(spec(name, _undressed) for name in _DRESS)]
    known.add_context_category("photonlake", more, prepend=True)
    known.set_unknown_macro_spec(spec("", lambda node: node.macroname))
    read = latex2text.LatexNodes2Text(latex_context=known, math_mode="verbatim", strict_latex_spaces=True)
    return read.latex_to_text  # type: ignore[no-any-return]
