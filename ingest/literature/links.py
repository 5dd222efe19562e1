"""Which papers are about which sources, by what their titles and abstracts say: names, positions, observations.

Pure: texts and what is known of sources in, links out. A link says how sure it is; one from 0.5 on is used. What fits
several sources is kept with its confidence divided among them, and so is not used unless one asks for it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ingest.literature.words import Cell, Token, cells, flat, key_of, tokens

NAME, POSITION, OBSERVATION = "name in text", "position in text", "observation in text"
METHODS = frozenset({NAME, POSITION, OBSERVATION})

_OWN_NAME, _KNOWN_NAME, _NUCLEUS_NAME, _PLACE_NAME = 0.98, 0.9, 0.6, 0.4
_IN_PASSING = 0.8
"""A name that stands in the abstract and not in the title may be one that the paper compares with."""
_NEAR, _CELL, _OBSERVED = 0.85, 0.4, 0.45
_SHARP_ARCSEC = 20.0
_BEFORE = 60
_MOST_SOURCES = 50
"""What fits more sources than this says nothing of any of them."""

EXTENDED = frozenset(
    {"G", "Galaxy", "GiC", "GiG", "GiP", "ClG", "CGG", "SCG", "GlC", "GlCl?", "OpC", "Cl*", "As*", "HII", "SNR", "MoC"}
    | {"SFR", "Cld", "LSB", "bCG", "GroupG", "GinCl", "GinPair", "GinGroup", "GlCl", "PartofG", "RNe", "SNR?"}
)
"""SIMBAD types of things that hold many sources: their name is no source's."""
ACTIVE = frozenset({"Seyfert", "Seyfert_1", "Seyfert_2", "QSO", "BLLac", "Blazar", "Sy1", "Sy2", "SyG", "BLL", "Bla"})
"""SIMBAD types of active nuclei."""

_OBSIDS = re.compile(
    r"\bobs(?:ervation)?\.?\s?-?\s?ids?\b\W{0,3}(\d{1,5}(?!\d)(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+)\d{1,5}(?!\d))*)",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:similar(?:ly)? to|known from|resembl\w+|analog\w* (?:of|to)|unlike|compar\w+ (?:it )?(?:to|with)|such as"
    r"|reminiscent of|e\.g\.,?)\s[^.;]{0,25}$",
    re.IGNORECASE,
)
_BESIDE = 0.5
"""A name that a paper only compares with: half as sure, and so not used."""
_PLACE = re.compile(r"(?:M|Messier|NGC|IC|UGC)\s*\d+", re.IGNORECASE)
_LIKE = re.compile(r"[\s-]?(?:like|type|class)\b")
_CONTINUES = frozenset({"x", "ulx", "uls", "cxo"})


@dataclass(frozen=True)
class Link:
    """A paper, a source, and what connects them."""

    bibcode: str
    name: str
    method: str
    confidence: float
    evidence: str


@dataclass(frozen=True)
class Alias:
    """A name that a catalog gives to a source.

    Attributes
    ----------
    name, alias : str
        The source, and what else it is called.
    extended : bool
        The catalog says that the thing holds many sources: a cluster, a nebula.
    active : bool
        The catalog says that it is an active nucleus: what is written of NGC 4151 is mostly of its nucleus.
    """

    name: str
    alias: str
    extended: bool = False
    active: bool = False

    @property
    def confidence(self) -> float:
        """How sure it is that a title with this name is about the source: M 82 has many."""
        if self.extended:
            return _PLACE_NAME
        if _PLACE.fullmatch(self.alias):
            return _NUCLEUS_NAME if self.active else _PLACE_NAME
        return _KNOWN_NAME


@dataclass
class Known:
    """What is known of sources, ready to be looked up.

    Attributes
    ----------
    by_key : dict
        Tokens of a name -> sources, and how sure the name is.
    longest : dict of str to int
        First token of a name -> how many tokens the longest such name has.
    names : list of str
        Sources in the order of their declination.
    ra, dec : ndarray of float, shape (n,)
        Degrees; dec rises.
    by_obsid : mapping of int to sequence of str
        Sources detected in an observation.
    """

    by_key: dict[str, tuple[dict[str, None], float]] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    ra: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    dec: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    by_obsid: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        positions: Iterable[tuple[str, float, float]],
        aliases: Iterable[Alias] = (),
        detections: Iterable[tuple[int, str]] = (),
    ) -> Known:
        """Index sources.

        Parameters
        ----------
        positions : iterable of (name, ra, dec)
            Degrees, ICRS.
        aliases : iterable of Alias
        detections : iterable of (obsid, name)
        """
        ordered = sorted(positions, key=lambda p: p[2])
        keys: dict[str, tuple[dict[str, None], float]] = {}
        for a in aliases:
            if (key := key_of(a.alias)) is not None:
                sources, least = keys.get(key, ({}, 1.0))
                sources[a.name] = None
                keys[key] = sources, min(least, a.confidence)
        longest: dict[str, int] = {}
        for key in keys:
            words = key.split(" ")
            longest[words[0]] = max(longest.get(words[0], 0), len(words))
        by_obsid: dict[int, dict[str, None]] = defaultdict(dict)
        for obsid, name in detections:
            by_obsid[obsid][name] = None
        return cls(
            keys,
            longest,
            [n for n, _, _ in ordered],
            np.array([ra for _, ra, _ in ordered], np.float64),
            np.array([dec for _, _, dec in ordered], np.float64),
            {o: list(n) for o, n in by_obsid.items()},
        )

    def within(self, cell: Cell) -> list[str]:
        """Return the sources in a cell of the sky, or as near to it as its radius says."""
        margin = cell.radius_arcsec / 3600
        low, high = np.searchsorted(self.dec, [cell.dec - margin, cell.dec + cell.dec_size + margin])
        if low == high:
            return []
        wide = margin / max(float(np.cos(np.radians(cell.dec + cell.dec_size / 2))), 1e-6)
        offset = (self.ra[low:high] - cell.ra + wide) % 360.0
        inside = np.flatnonzero(offset <= cell.ra_size + 2 * wide)
        return [self.names[low + i] for i in inside.tolist()]


def links(papers: Iterable[tuple[str, str, str]], known: Known) -> Iterator[Link]:
    """Yield the links of papers: one per paper and source, the surest.

    Parameters
    ----------
    papers : iterable of (bibcode, title, abstract)
    known : Known

    Examples
    --------
    >>> known = Known.of([("2CXO J095550.1+694046", 148.9588, 69.6795)], [Alias("2CXO J095550.1+694046", "M 82 X-1")])
    >>> [(l.method, l.confidence, l.evidence) for l in links([("b", "Pulsations of M82 X-1", "Not M82.")], known)]
    [('name in text', 0.9, 'M82 X-1')]
    """
    for bibcode, title, abstract in papers:
        best: dict[str, Link] = {}
        for words, weight in ((flat(title), 1.0), (flat(abstract), _IN_PASSING)):
            for found in _all(bibcode, words, known):
                sure = found.confidence * (weight if found.method == NAME else 1.0)
                if found.name not in best or sure > best[found.name].confidence:
                    best[found.name] = replace(found, confidence=round(sure, 3))
        yield from best.values()


def _all(bibcode: str, text: str, known: Known) -> Iterator[Link]:
    for cell in cells(text):
        yield from _placed(bibcode, cell, known)
    for words, names, confidence in _named(text, tokens(text), known):
        yield from _shared(bibcode, names, NAME, confidence, words)
    for match in _OBSIDS.finditer(text):
        for number in re.findall(r"\d+", match[1]):
            if seen := known.by_obsid.get(int(number)):
                yield from _shared(bibcode, seen, OBSERVATION, _OBSERVED, f"ObsID {number}")


def _placed(bibcode: str, cell: Cell, known: Known) -> Iterator[Link]:
    names = known.within(cell)
    digits = re.sub(r"[^\d.+-]", "", cell.words.rpartition("J")[2])
    own = [n for n in names if n.rpartition("J")[2].rstrip("ABCDEFX") == digits]
    if own and cell.prefix.endswith(("cxo", "cxou", "csc")):
        yield from _shared(bibcode, own, NAME, _OWN_NAME, cell.words)
        return
    sharp = max(cell.ra_size, cell.dec_size) * 3600 + cell.radius_arcsec <= _SHARP_ARCSEC
    yield from _shared(bibcode, own or names, POSITION, _NEAR if sharp else _CELL, cell.words)


def _shared(bibcode: str, names: Iterable[str], method: str, confidence: float, words: str) -> Iterator[Link]:
    listed = list(names)
    if len(listed) <= _MOST_SOURCES:
        for name in listed:
            yield Link(bibcode, name, method, confidence / len(listed), words)


def _named(text: str, found: Sequence[Token], known: Known) -> Iterator[tuple[str, list[str], float]]:
    """Yield (words, sources, confidence) of the longest known name at each place of a text."""
    at = 0
    while at < len(found):
        for n in range(min(known.longest.get(found[at].word, 0), len(found) - at), 1, -1):
            key = " ".join(t.word for t in found[at : at + n])
            if key in known.by_key and _ends(text, found, at, n) and _is_name(text, found[at : at + n]):
                names, confidence = known.by_key[key]
                start = found[at].start
                beside = _BESIDE if _COMPARED.search(text, max(0, start - _BEFORE), start) else 1.0
                yield text[start : found[at + n - 1].stop], list(names), confidence * beside
                at += n - 1
                break
        at += 1


def _ends(text: str, found: Sequence[Token], at: int, n: int) -> bool:
    """Tell whether a name begins and ends at its tokens: not M 82 in M82b, 4M82 or M82 X-1, nor X Per in X Per-like."""
    first, last = found[at], found[at + n - 1]
    if first.start and text[first.start - 1].isalnum():
        return False
    if last.stop < len(text) and text[last.stop].isalnum():
        return False
    after = [t.word for t in found[at + n : at + n + 2]]
    if after and after[0] in "+-":
        return False
    if _LIKE.match(text, last.stop):
        return False
    return not (len(after) > 1 and after[0] in _CONTINUES and after[1][0].isdigit())


def _is_name(text: str, words: Sequence[Token]) -> bool:
    """Tell names of letters alone from words: TW Hya, not 'as per'."""
    if any(t.word[0].isdigit() for t in words):
        return True
    return text[words[0].start].isupper() and text[words[-1].start].isupper()
