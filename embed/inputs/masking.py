"""A guard against leakage: texts without the numbers and the words that state the quantity which is to be predicted.

An abstract that says "the source is heavily absorbed" or "a flare was seen" states a hardness or a variability. A score
with the text as it is, beside one with the text masked, tells how much was read off and how much was inferred.

What goes, always: numbers with their units (values, dates, ObsIDs), and words that name a class of object, since a
class stands for physics. What goes for a quantity: the words of its list. `hard*` takes every word that begins so; any
other entry takes itself and its plural.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, get_args

Quantity = Literal["hardness", "variability", "brightness", "temperature"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
NUMBER, WORD = "#", "something"
"""What stands in the place of a number and of a word: a sentence model reads on over them."""

CLASS_WORDS: tuple[str, ...] = (
    *("AGN*", "active galactic nucle*", "active nucle*", "galactic nucle*", "quasar*", "QSO*", "blazar*", "BL Lac*"),
    *("Seyfert*", "LINER", "supermassive*", "black hole*", "black-hole*", "YSO*", "young stellar object*", "T Tauri*"),
    *("pre-main-sequence*", "pre-main sequence*", "protostar*", "Herbig*", "M dwarf*", "K dwarf*", "brown dwarf*"),
    *("late-type*", "early-type*", "low-mass*", "high-mass*", "massive star*", "OB star*", "Wolf-Rayet*", "corona*"),
    *("active binar*", "RS CVn*", "cataclysmic*", "CV", "white dwarf*", "white-dwarf*", "dwarf nova*", "nova", "novae"),
    *("polar", "intermediate polar*", "binar*", "X-ray binar*", "HMXB*", "LMXB*", "Be star*", "Be/X-ray*", "magnetar*"),
    *("neutron star*", "neutron-star*", "pulsar*", "burster*", "microquasar*", "ULX*", "ultraluminous*"),
    *("ultra-luminous*", "super-Eddington*", "supersoft*", "supernova*", "SNR", "wind-fed*", "accretor*"),
    *("Roche-lobe*", "colliding-wind*", "off-nuclear*", "transient*", "star", "stellar"),
)
"""Words that name a class of object."""

QUANTITY_WORDS: dict[Quantity, tuple[str, ...]] = {
    "hardness": (
        *("hard*", "soft*", "colour*", "color*", "absorb*", "absorp*", "obscur*", "column densit*", "column", "N_H*"),
        *("NH", "photon index*", "spectral index*", "gamma", "power law*", "power-law*", "black body*", "blackbod*"),
        *("thermal*", "non-thermal*", "temperature*", "kT", "keV", "disc*", "disk*", "Compton*", "redden*", "plasma*"),
        *("extinction*", "steep*", "flat*", "curv*", "continu*", "energies", "photon", "count"),
    ),
    "variability": (
        *(
            "variab*",
            "vary*",
            "varie*",
            "variation*",
            "constant*",
            "steady",
            "persist*",
            "flar*",
            "outburst*",
            "burst*",
        ),
        *("eclips*", "dip", "dipp*", "pulsat*", "pulse*", "period*", "modulat*", "oscillat*", "quasi-period*", "QPO"),
        *(
            "red noise",
            "power spectr*",
            "light curve*",
            "light-curve*",
            "lightcurve*",
            "fad*",
            "decay*",
            "ris*",
            "rose",
        ),
        *("time scale*", "time-scale*", "timescale*", "occult*", "spin*", "aperiodic*", "chang*", "epoch*", "drop*"),
        *("declin*", "flicker*", "rotation*", "folded*"),
    ),
    "brightness": (
        *("bright*", "faint*", "lumin*", "flux*", "count", "count rate*", "signific*", "dim*", "deep*", "detect*"),
        *("upper limit*", "erg"),
    ),
    "temperature": (
        *("temperature*", "kT", "keV", "thermal*", "hot*", "cool*", "plasma*", "black body*", "blackbod*", "disc*"),
        *("disk*", "hard*", "soft*", "colour*", "color*"),
    ),
}
"""Words that state a quantity."""

_UNITS = (
    *("[kMG]?eV", "TeV", "m?Jy", "[kMG]?pc", "ly", "[mkM]?s", "min", "hours?", "h", "days?", "d", "yr", "years?", "K"),
    *(r"erg\S*", r"cm\S*", r"km\S*", "mag", "per cent", "%", "sigma", "arcsec", "arcmin", "deg", "[kMG]?Hz"),
)
_NUMBERS = re.compile(
    r"(?<![\w.])[+-]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:\s*(?:e|x\s*10\^?|\\times\s*10\^?)\{?[+-]?\d+\}?)?"
    rf"(?:\s*(?:\+/-|\\pm|±|-+)\s*[\d.]+)?(?:\s*(?:{'|'.join(_UNITS)})(?!\w))?"
)
_SPELT = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "dozen*", "hundred*", "thousand*"),
    *("million*", "billion*", "order of magnitude", "orders of magnitude"),
)


def masked(text: str, quantity: Quantity | None = None) -> str:
    """Return a text without numbers, without words of classes, and without the words that state a quantity.

    Parameters
    ----------
    text : str
        Title and abstract, without mark-up.
    quantity : {'hardness', 'variability', 'brightness', 'temperature'}, optional
        What is to be predicted; numbers and classes go in any case.

    Returns
    -------
    str

    Examples
    --------
    >>> masked("We find kT = 1.2 keV and a photon index of 1.7 +/- 0.2 for the Seyfert nucleus.", "hardness")
    'We find something = # and a something of # for the something nucleus.'
    >>> masked("Flaring accounts for 20 per cent of the fluence of NGC 4151.", "variability")
    'something accounts for # of the fluence of NGC #.'
    """
    return _words(quantity).sub(WORD, _NUMBERS.sub(NUMBER, text))


def quantity_of(column: str) -> Quantity:
    """Return the quantity that a catalog column measures.

    Parameters
    ----------
    column : str
        Column of csc.observation_source.

    Examples
    --------
    >>> [quantity_of(c) for c in ("hard_hs", "var_prob_b", "flux_significance_b", "bb_kt", "powlaw_gamma")]
    ['hardness', 'variability', 'brightness', 'temperature', 'hardness']
    """
    if column.startswith(("var_", "ks_", "kp_")):
        return "variability"
    if "_kt" in column:
        return "temperature"
    if column.startswith(("hard_", "powlaw_gamma")) or "_nh" in column:
        return "hardness"
    return "brightness"


@cache
def _words(quantity: Quantity | None) -> re.Pattern[str]:
    entries = {*CLASS_WORDS, *_SPELT, *(QUANTITY_WORDS[quantity] if quantity else ())}
    # The longest first: 'supernova remnant' before 'supernova'.
    patterns = [_pattern(e) for e in sorted(entries, key=lambda e: (-len(e), e))]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _pattern(entry: str) -> str:
    stem = re.escape(entry.removesuffix("*")).replace(r"\ ", r"\s+")
    return stem + (r"[\w-]*" if entry.endswith("*") else "s?")
