r"""Numbers with a unit that an abstract states: what a sentence vector hardly keeps of it.

An abstract that gives a photon index, a column, a flux, a period says in figures what sets its source apart. They are
read as written in plain text, in ADS's mark-up and in TeX: ``N_H = 0.5 x 10^22 cm^-2``,
``N<SUB>H</SUB> = 5x10<SUP>21</SUP>``, ``$N_{\rm H}\sim5\times10^{21}$``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FIGURE = r"(?<![\d.^-])(\d+(?:\.\d+)?|\.\d+)"
_POWER = r"(?: x 10\^?([+-]?\d+))?"
_ERROR = r"(?: ?\+/-[ \d.]+)?"  # an uncertainty between figure and unit
_VALUE = _FIGURE + _ERROR + _POWER


@dataclass(frozen=True)
class PhysicalQuantity:
    """A kind of number: how it is written, and the scale on which two of them are alike.

    Attributes
    ----------
    name : str
        With its unit.
    pattern : str
        Regular expression with two groups: figures, and power of ten (may be missing).
    middle, spread : float
        log10 of a usual value, and dex that tell two apart: fixed, so that a vector depends on its own paper alone.
    units : dict of str to float
        What a third group, the unit, is worth in that of the name.
    """

    name: str
    pattern: str
    middle: float
    spread: float
    units: dict[str, float] | None = None


_TIMES = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0}
_TIMES |= dict.fromkeys(("h", "hr", "hour"), 3600.0) | dict.fromkeys(("d", "day"), 86400.0)
EXPOSURE = "exposure_ks"
"""The one quantity that is none of a source: it tells which observation a paper is about, as an ObsID does."""
_EXPOSURE = _VALUE + r"[ -]?(ks|kilos|Ms|megas)(?:ec(?:ond)?s?)?\b"
_IS = "(?: of| near| about| is)? ?[=<>]? ?"
QUANTITIES: tuple[PhysicalQuantity, ...] = (
    PhysicalQuantity(
        "temperature_kev",
        r"(?i:\bkT\w*|temperature|black ?body|dis[ck]|plasma|thermal)[^.\d]{0,40}?" + _VALUE + " ?keV",
        0.0, 0.5,
    ),
    PhysicalQuantity("photon_index", r"(?i:photon index|gamma)" + _IS + _VALUE, 0.25, 0.15),
    PhysicalQuantity("column_cm2", r"(?:N_? ?H|(?i:column(?: density)?))(?: \(N_? ?H\))?" + _IS + _VALUE, 21.7, 0.7),
    PhysicalQuantity("flux_erg_cm2_s", _VALUE + r" ?ergs? ?/? ?(?:s\^-1 ?)?cm", -13.3, 0.7),
    PhysicalQuantity("luminosity_erg_s", _VALUE + r" ?ergs? ?/? ?s(?!ec)(?:\^-1)?(?! ?/? ?cm)", 36.0, 3.0),
    PhysicalQuantity(
        "period_s",
        r"(?i:period\w{0,9}|pulsations?|modulation|recur\w{0,9}|every)(?: [a-z]+){0,3}? ?=? ?" + _VALUE
        + r"[ -]?(ms|second|sec|s|min|hour|hr|h|day|d)(?:ute)?s?\b",
        3.0, 1.5, _TIMES,
    ),
    PhysicalQuantity(EXPOSURE, _EXPOSURE, 1.6, 0.6, {"ks": 1.0, "kilos": 1.0, "Ms": 1e3, "megas": 1e3}),
    PhysicalQuantity("distance_pc", _VALUE + r"[ -]?(pc|kpc|Mpc)\b", 3.5, 1.5, {"pc": 1.0, "kpc": 1e3, "Mpc": 1e6}),
    PhysicalQuantity("redshift", r"\bz ?= ?" + _VALUE, -0.3, 0.5),
)  # fmt: skip
_LIMIT = 4.0  # spreads from the middle: a figure further off is misread, or of something else
_PLAIN = tuple((re.compile(pattern), plain) for pattern, plain in (
    (r"<SUP>", "^"), (r"</?SU[BP]>", ""), (r"\\?Gamma|\u0393", "Gamma"),
    (r"\\times|\u00d7", " x "), (r"\\pm|\u00b1|\+-", " +/-"),
    (r"\\(?:simeq|sim|approx|rm|mathrm|lesssim|gtrsim|[,;! ])|[\u223c~\u2248]", " "), (r"[${}]", ""), (r"\s+", " "),
    (r"(?<=\d) ?x ?(?=10\b)", " x "), (r"(?<!x )\b10\^", "1 x 10^"),
))  # fmt: skip
_COMMAND = r"\\(?:[,;:!/ ]|[A-Za-z]{1,12}(?![A-Za-z]))"
_GAP = rf"(?:{_COMMAND}|[-()\s~${{}}\u2010-\u2014\u2212])"
# Figures, what joins them (a list, a range, an error, a power), and the unit. No character fits two places and every
# repeat has an end, so the work grows with the text and no faster.
_STATED_EXPOSURE = re.compile(
    rf"(?<![\d.])(?:[\d.]{{1,12}}(?!\s{{1,9}}\d)(?:{_GAP}|to|and|or|[+/,^x\u00b1\u00d7]){{1,14}}){{0,11}}"
    rf"[\d.]{{1,12}}{_GAP}{{0,9}}\\?(?:[kK]s|(?:kilo|mega)[-\s\\]?s|Ms)(?:ec(?:ond)?s?)?\b"
)
LONGEST = 20_000
"""Characters of a text that are read at most: an abstract has two thousand, and a text may come from anybody."""
_READERS = tuple(re.compile(q.pattern) for q in QUANTITIES)
N_QUANTITIES = len(QUANTITIES)


def flat(text: str) -> str:
    r"""Write mark-up and TeX as plain text.

    Examples
    --------
    >>> flat(r"$N_{\rm H}\sim5\times10^{21}$ cm$^{-2}$")
    'N_ H 5 x 10^21 cm^-2'
    """
    for pattern, plain in _PLAIN:
        text = pattern.sub(plain, text)
    return text


def read_quantities(text: str) -> dict[str, float]:
    """Read the first number of each kind.

    Parameters
    ----------
    text : str
        Title and abstract with their mark-up: without it a power is no power, 10<SUP>22</SUP> is 1022. Its first
        `LONGEST` characters are read.

    Returns
    -------
    dict
        Name of the quantity -> value, in the unit that the name tells.

    Examples
    --------
    >>> read_quantities("A power law with Gamma = 1.7 fits; the flux is 3 x 10^-14 erg/cm^2/s. Pulsations at 8.5 s.")
    {'photon_index': 1.7, 'flux_erg_cm2_s': 3e-14, 'period_s': 8.5}
    """
    plain = flat(text[:LONGEST])
    out = {}
    for quantity, reader in zip(QUANTITIES, _READERS, strict=True):
        found = reader.search(plain)
        if found is None:
            continue
        value = float(f"{found[1]}e{found[2] or 0}")  # infinite where the power is absurd
        if quantity.units is not None:
            value *= quantity.units[found[3]]
        if value > 0.0 and abs(np.log10(value) - quantity.middle) < _LIMIT * quantity.spread:
            out[quantity.name] = float(f"{value:.12g}")
    return out


def without_exposures(text: str) -> str:
    r"""Return the first `LONGEST` characters of a text without the exposures in ks or Ms that it states.

    A vector of a paper that knows the exposure finds the observation with the same livetime, and seems to know the
    source. Exposures in seconds and hours stay: their figures look like those of periods and flares.

    Parameters
    ----------
    text : str
        Without tags (`embed.inputs.papers.plain`); TeX may be in it.

    Examples
    --------
    >>> without_exposures(r"We had $12-15$\,ks, and 57~{\rm ks} later.")
    'We had $some, and some} later.'
    >>> without_exposures("In a 57-ks exposure, and 1.2 megaseconds of archival data, a flare of 2 hours is seen.")
    'In a some exposure, and some of archival data, a flare of 2 hours is seen.'
    """
    return _STATED_EXPOSURE.sub("some", text[:LONGEST])


def quantity_vectors(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return what texts state as vectors: for each kind, how far from a usual value, and whether it is stated at all.

    An exposure is read as not stated (`without_exposures` says why); its two places stay, so that encoders of earlier
    versions can read the vectors.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    ndarray of float32, shape (n, 2 * N_QUANTITIES)
        First the values: log10 in units of `PhysicalQuantity.spread`, 0 where not stated; then 1 where stated.

    Examples
    --------
    >>> quantity_vectors(["a column of 0.5 x 10^22 cm^-2", "no number"]).astype(bool).sum(1).tolist()
    [2, 0]
    """
    out = np.zeros((len(texts), 2, N_QUANTITIES), np.float32)
    place = {q.name: (i, q) for i, q in enumerate(QUANTITIES)}
    for row, text in enumerate(texts):
        for name, value in read_quantities(text).items():
            if name == EXPOSURE:
                continue
            i, quantity = place[name]
            out[row, 0, i] = (np.log10(value) - quantity.middle) / quantity.spread
            out[row, 1, i] = 1.0
    return out.reshape(len(texts), -1)
