r"""Texts and names as tokens, so that M82 is M 82, GRS 1758$-$258 is GRS 1758-258, and M 8 is not M 82.

A token is a run of letters, a number, or the sign between two numbers. Case, blanks, hyphens after letters and mark-up
do not count; any other punctuation stands between tokens that do not belong together.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")
_DASHES = re.compile("[\u2010-\u2015\u2212]|-{2,3}")
_MARKUP = re.compile(r"\\(?:rm|mathrm|it|text|mbox|sim|ensuremath)\b|[$^{}\\]")
_THIN = re.compile(r"\\[,;:! ]|~")
_TOKEN = re.compile(r"[A-Za-z]+|\d+(?:\.\d+)?|(?<=\d)\s?[+-]\s?(?=\d)|[^\sA-Za-z0-9+\-]")

_GREEK = {
    "alf": "alpha", "bet": "beta", "gam": "gamma", "del": "delta", "eps": "epsilon", "zet": "zeta", "tet": "theta",
    "iot": "iota", "kap": "kappa", "lam": "lambda", "ksi": "xi", "omi": "omicron", "ups": "upsilon", "ome": "omega",
}  # fmt: skip
_CONSTELLATIONS = {
    "andromedae": "and", "antliae": "ant", "aquarii": "aqr", "aquilae": "aql", "arae": "ara", "arietis": "ari",
    "aurigae": "aur", "bootis": "boo", "caeli": "cae", "camelopardalis": "cam", "cancri": "cnc", "canum": "cvn",
    "capricorni": "cap", "carinae": "car", "cassiopeiae": "cas", "centauri": "cen", "cephei": "cep", "ceti": "cet",
    "chamaeleontis": "cha", "circini": "cir", "columbae": "col", "comae": "com", "corvi": "crv", "crateris": "crt",
    "crucis": "cru", "cygni": "cyg", "delphini": "del", "doradus": "dor", "draconis": "dra", "equulei": "equ",
    "eridani": "eri", "fornacis": "for", "geminorum": "gem", "gruis": "gru", "herculis": "her", "horologii": "hor",
    "hydrae": "hya", "hydri": "hyi", "indi": "ind", "lacertae": "lac", "leonis": "leo", "leporis": "lep",
    "librae": "lib", "lupi": "lup", "lyncis": "lyn", "lyrae": "lyr", "mensae": "men", "microscopii": "mic",
    "monocerotis": "mon", "muscae": "mus", "normae": "nor", "octantis": "oct", "ophiuchi": "oph", "orionis": "ori",
    "pavonis": "pav", "pegasi": "peg", "persei": "per", "phoenicis": "phe", "pictoris": "pic", "piscium": "psc",
    "puppis": "pup", "pyxidis": "pyx", "reticuli": "ret", "sagittae": "sge", "sagittarii": "sgr", "scorpii": "sco",
    "sculptoris": "scl", "scuti": "sct", "serpentis": "ser", "sextantis": "sex", "tauri": "tau", "telescopii": "tel",
    "trianguli": "tri", "tucanae": "tuc", "ursae": "uma", "velorum": "vel", "virginis": "vir", "volantis": "vol",
    "vulpeculae": "vul",
    # As X-ray sources are called: Cygnus X-1, Vela X-1.
    "cygnus": "cyg", "scorpius": "sco", "centaurus": "cen", "hercules": "her", "aquila": "aql", "circinus": "cir",
    "sagittarius": "sgr", "perseus": "per", "norma": "nor", "musca": "mus", "carina": "car", "cassiopeia": "cas",
}  # fmt: skip
_CATALOGUES = {"messier": "m", "markarian": "mrk", "mark": "mrk", "mkn": "mrk", "holmberg": "ho", "terzan": "ter"}
_SPELT: dict[str, str] = _GREEK | _CONSTELLATIONS | _CATALOGUES
CONSTELLATIONS = frozenset(_CONSTELLATIONS.values()) | {"crb", "cra", "cma", "cmi", "lmi", "umi", "psa", "tra", "aps"}
_PREFIXES = ("NAME ", "V* ", "** ", "EM* ", "Cl* ", "Cl ", "* ")


@dataclass(frozen=True)
class Token:
    """A token and where it stands in the flat text.

    Attributes
    ----------
    word : str
        Lower case, in its usual spelling.
    start, stop : int
    """

    word: str
    start: int
    stop: int


def flat(text: str) -> str:
    r"""Take mark-up out of a text: tags, LaTeX, dashes of all kinds.

    Examples
    --------
    >>> flat(r"CXOU~J182531.4--144036 and AX J1745.6$-$2901")
    'CXOU J182531.4-144036 and AX J1745.6-2901'
    """
    text = _DASHES.sub("-", _TAG.sub("", html.unescape(text)))
    return " ".join(_MARKUP.sub("", _THIN.sub(" ", text)).split())


def tokens(text: str) -> list[Token]:
    """Return the tokens of a flat text.

    Examples
    --------
    >>> [t.word for t in tokens("M82 X-1, GRS 1758-258")]
    ['m', '82', 'x', '1', ',', 'grs', '1758', '-', '258']
    """
    out = []
    for match in _TOKEN.finditer(text):
        word = match[0].strip().lower()
        out.append(Token(_number(word) if word[0].isdigit() else _SPELT.get(word, word), match.start(), match.end()))
    return out


def _number(word: str) -> str:
    """Leave out leading zeros where the number is short: tet01 is theta 1; 0957 in a position stays."""
    return word.lstrip("0") or "0" if len(word) <= _SHORT and "." not in word else word


_SHORT = 3


def key_of(name: str) -> str | None:
    """Return the tokens of a name that can be looked for in a text; None for one that would be found everywhere.

    Parameters
    ----------
    name : str
        As catalogs have it: 'V* V1487 Ori', 'M  82', '* tet01 Ori C', '[VV2006] J124255.3+024957'.

    Returns
    -------
    str or None
        None for what has no number and names no constellation (Mouse), is a number, stands in brackets, or is so short
        that other things are called so too: M8 is a spectral type.

    Examples
    --------
    >>> key_of("* tet01 Ori C"), key_of("NGC  4151"), key_of("M 82"), key_of("V* TW Hya")
    ('theta 1 ori c', 'ngc 4151', 'm 82', 'tw hya')
    >>> key_of("NAME Mouse"), key_of("M 8"), key_of("[SIM2024] 10"), key_of("2683769383648493940")
    (None, None, None, None)
    """
    name = flat(name)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if not name or name.startswith("["):
        return None
    words = [t.word for t in tokens(name)]
    letters = [w for w in words if w.isalpha()]
    numbers = [w for w in words if w[0].isdigit()]
    if not letters or len(words) < 2 or not all(w.isalpha() or w[0].isdigit() or w in "+-." for w in words):  # noqa: PLR2004 - a name of one token says too little
        return None
    n_characters = sum(len(w) for w in letters + numbers)
    if not numbers:
        return " ".join(words) if words[-1] in CONSTELLATIONS and len(words[0]) <= _SHORT else None
    if len(letters[0]) == 1 and n_characters < _LEAST and not (letters[0] == "m" and float(numbers[0]) >= _TEN):
        return None
    return " ".join(words) if n_characters >= _SHORT else None


_LEAST, _TEN = 5, 10
