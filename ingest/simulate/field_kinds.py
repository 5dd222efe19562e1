"""Kinds of fields: which classes of sources live where on the sky."""

from __future__ import annotations

from typing import NamedTuple


class FieldKind(NamedTuple):
    """A kind of field: how many in twenty, how many sources, which classes, where, with which array."""

    share: int
    sources: tuple[int, int]
    classes: dict[str, float]
    latitude_deg: tuple[float, float]
    acis_s: float


_LOW, _HIGH = "low-mass star", "high-mass star"
KINDS: dict[str, FieldKind] = {
    "deep field": FieldKind(3, (5, 13), {"AGN": 0.86, _LOW: 0.08, "CV": 0.02, "NS": 0.02, "ULX": 0.02}, (35, 80), 0.25),
    "star-forming region": FieldKind(
        3, (5, 14), {"YSO": 0.66, _LOW: 0.12, _HIGH: 0.14, "AGN": 0.06, "CV": 0.02}, (0, 8), 0.1
    ),
    "open cluster": FieldKind(2, (4, 10), {_LOW: 0.5, _HIGH: 0.16, "YSO": 0.14, "AGN": 0.14, "CV": 0.06}, (1, 12), 0.3),
    "galaxy": FieldKind(
        4, (4, 10), {"HMXB": 0.25, "LMXB": 0.22, "ULX": 0.29, "AGN": 0.16, _LOW: 0.04, "NS": 0.04}, (25, 80), 0.8
    ),
    "globular cluster": FieldKind(
        3, (4, 9), {"LMXB": 0.32, "CV": 0.4, "NS": 0.16, "AGN": 0.07, _LOW: 0.05}, (5, 50), 0.7
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
