"""Kinds of fields: which classes of sources live where on the sky, and how far away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """Something that sources can be members of: how far away (least and greatest, pc), and which classes are."""

    distance_pc: tuple[float, float]
    members: frozenset[str]


class FieldKind(NamedTuple):
    """A kind of field: how many in twenty, how many sources, which classes, where, with which array, at what place."""

    share: int
    sources: tuple[int, int]
    classes: dict[str, float]
    latitude_deg: tuple[float, float]
    acis_s: float
    place: Place | None = None


_LOW, _HIGH = "low-mass star", "high-mass star"
DISTANCES_PC = {
    "AGN": (2e8, 8e9),
    "YSO": (130.0, 2e3),
    _LOW: (10.0, 600.0),
    _HIGH: (400.0, 5e3),
    "CV": (150.0, 4e3),
    "HMXB": (1e3, 1e4),
    "LMXB": (1.5e3, 1.2e4),
    "NS": (300.0, 8e3),
    "ULX": (3e6, 2e7),
}
"""How far sources are that belong to nothing in their field, by class."""
KINDS: dict[str, FieldKind] = {
    "deep field": FieldKind(3, (5, 13), {"AGN": 0.86, _LOW: 0.08, "CV": 0.02, "NS": 0.02, "ULX": 0.02}, (35, 80), 0.25),
    "star-forming region": FieldKind(
        3,
        (5, 14),
        {"YSO": 0.66, _LOW: 0.12, _HIGH: 0.14, "AGN": 0.06, "CV": 0.02},
        (0, 8),
        0.1,
        Place((140.0, 2e3), frozenset({"YSO", _HIGH})),
    ),
    "open cluster": FieldKind(
        2,
        (4, 10),
        {_LOW: 0.5, _HIGH: 0.16, "YSO": 0.14, "AGN": 0.14, "CV": 0.06},
        (1, 12),
        0.3,
        Place((150.0, 2e3), frozenset({_LOW, _HIGH, "YSO"})),
    ),
    "galaxy": FieldKind(
        4,
        (4, 10),
        {"HMXB": 0.25, "LMXB": 0.22, "ULX": 0.29, "AGN": 0.16, _LOW: 0.04, "NS": 0.04},
        (25, 80),
        0.8,
        Place((2e6, 2e7), frozenset({"HMXB", "LMXB", "ULX", "NS"})),
    ),
    "globular cluster": FieldKind(
        3,
        (4, 9),
        {"LMXB": 0.32, "CV": 0.4, "NS": 0.16, "AGN": 0.07, _LOW: 0.05},
        (5, 50),
        0.7,
        Place((2e3, 1.2e4), frozenset({"LMXB", "CV", "NS"})),
    ),
    "Galactic plane": FieldKind(
        3,
        (4, 9),
        {"CV": 0.2, _LOW: 0.18, "HMXB": 0.14, "NS": 0.16, _HIGH: 0.12, "AGN": 0.1, "LMXB": 0.1},
        (0, 3),
        0.3,
    ),
    "targeted source": FieldKind(
        2, (1, 2), {"HMXB": 0.24, "LMXB": 0.2, "NS": 0.3, "CV": 0.16, "ULX": 0.1}, (0, 60), 0.7
    ),
}


def distance_pc(kind: str, class_: str, of_field: np.random.Generator, own: np.random.Generator) -> float:
    """Draw how far a source is: as far as the field's cluster or galaxy where it is a member, else as its class is.

    Parameters
    ----------
    kind, class_ : str
        Of the field; of the source.
    of_field, own : numpy Generator
        The same for all sources of a field; the source's.

    Examples
    --------
    >>> one, two = (distance_pc("galaxy", c, np.random.default_rng(1), np.random.default_rng(2)) for c in ("ULX", "NS"))
    >>> one == two, 2e6 <= one <= 2e7
    (True, True)
    """
    place = KINDS[kind].place
    member = place is not None and class_ in place.members
    low, high = place.distance_pc if place is not None and member else DISTANCES_PC[class_]
    return float(np.exp((of_field if member else own).uniform(np.log(low), np.log(high))))
