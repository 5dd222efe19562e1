"""Which figures an abstract states: drawn as often as published abstracts state them.

Most abstracts give no flux, no column and no exposure. A simulation whose abstracts give them all is an exam with the
answers printed on it: the figures then find a source, and nothing else has to be read. Whoever wants such an exam asks
for rich papers by that name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Counted(NamedTuple):
    """How many published abstracts state a figure: of those that name Chandra, of those that name X-rays, of all."""

    chandra: int
    x_ray: int
    all: int


ABSTRACTS = Counted(95, 752, 2126)
STATED: dict[str, Counted] = {
    "flux": Counted(2, 4, 5),
    "luminosity": Counted(7, 31, 47),
    "exposure": Counted(12, 31, 34),
    "column": Counted(0, 3, 3),
    "photon index": Counted(5, 14, 26),
    "temperature": Counted(4, 26, 28),
    "period": Counted(5, 30, 52),
    "duration": Counted(1, 23, 38),
}
"""Source: our own count of 2,126 abstracts of arXiv astro-ph.HE (metadata are CC0), titles and abstracts read by
`embed.inputs.quantities.read_quantities`; a duration by 'time scale', 'decay', 'lasts' and the like before a figure
with a unit of time. 'Chandra' is a word of its own, not the beginning of Chandrasekhar."""

RICH: dict[str, float] = {
    "flux": 0.86,
    "luminosity": 0.20,
    "exposure": 0.84,
    "column": 0.53,
    "photon index": 0.33,
    "temperature": 0.44,
    "period": 0.07,
    "duration": 0.06,
}
"""Of rich papers: as the simulation had them before anyone counted real ones."""

_OF_BLANK = {
    "flux": "flux",
    "lum": "luminosity",
    "ks": "exposure",
    "one_ks": "exposure",
    "nh": "column",
    "gamma": "photon index",
    "kt": "temperature",
    "period": "period",
    "decay": "duration",
    "cycle_share": "duration",
}
_BLANK = re.compile(r"{(\w+)}")


def rate(figure: str) -> float:
    """Return the share of abstracts that state a figure.

    It is that of the abstracts that name Chandra. Where none of these states the figure, it is that of those that name
    X-rays.

    Parameters
    ----------
    figure : str
        Key of `STATED`.

    Examples
    --------
    >>> round(rate("exposure"), 3), round(rate("column"), 3)
    (0.126, 0.004)
    """
    counted = STATED[figure]
    return counted.chandra / ABSTRACTS.chandra if counted.chandra else counted.x_ray / ABSTRACTS.x_ray


@lru_cache(maxsize=2048)  # of sentences
def figures_of(sentence: str) -> frozenset[str]:
    """Return which figures a sentence states once its blanks are filled.

    Examples
    --------
    >>> sorted(figures_of("A power law with Gamma = {gamma}, absorbed by N_H = {nh} x 10^22 cm^-2, fits {target}."))
    ['column', 'photon index']
    """
    return frozenset(_OF_BLANK[blank] for blank in _BLANK.findall(sentence) if blank in _OF_BLANK)


def drawn(able: Sequence[frozenset[str]], rng: np.random.Generator, *, rich: bool = False) -> list[frozenset[str]]:
    """Draw which figures each paper of a survey states, at the rates of published abstracts.

    Only a paper on a power law can state a photon index. So that as many of *all* papers state one as of published
    ones, those that can do so more often.

    Parameters
    ----------
    able : sequence of frozenset of str, length n
        The figures that each paper could state.
    rng : numpy.random.Generator
    rich : bool
        At the rates of `RICH` instead.

    Returns
    -------
    list of frozenset of str, length n

    Examples
    --------
    >>> made = drawn([frozenset({"exposure"})] * 10_000, np.random.default_rng(1))
    >>> abs(sum(map(len, made)) / 10_000 - rate("exposure")) < 0.02
    True
    """
    tossed = {figure: rng.random(len(able)) for figure in STATED}
    wanted = RICH if rich else {f: rate(f) for f in STATED}
    share = {f: wanted[f] * len(able) / max(1, sum(f in figures for figures in able)) for f in STATED}
    return [frozenset(f for f in figures if tossed[f][row] < share[f]) for row, figures in enumerate(able)]
