"""In what two detections are alike: columns whose values are nearer, or further apart, than those of the store are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from catalog.catalog import Catalog

_COLUMNS = (
    "hard_hs",
    "hard_hm",
    "hard_ms",
    "var_prob_b",
    "log10(nullif(flux_aper_b, 0)) AS flux_aper_b",
    "log10(nullif(src_cnts_aper_b, 0)) AS src_cnts_aper_b",
    "theta",
)
"""What is physics, and what the instrument makes of it: counts and the angle from the axis."""
NAMES = tuple(column.rpartition(" ")[2] for column in _COLUMNS)
_ALIKE, _UNLIKE = 0.25, 1.0
_HALF = 0.1587
"""Share below one standard deviation under the middle, in a normal distribution."""

Values = Mapping[str, object]


def values(cat: Catalog, ids: list[str]) -> dict[str, Values]:
    """Return detection -> what it has in `NAMES`; fluxes and counts as logarithms."""
    given: dict[str, object] = {f"id{n}": id_ for n, id_ in enumerate(ids)}
    listed = ", ".join(f"${name}" for name in given) or "NULL"
    query = f"SELECT detection_id, {', '.join(_COLUMNS)} FROM csc.observation_source WHERE detection_id IN ({listed})"
    return {str(row.pop("detection_id")): row for row in cat.sql(query, parameters=given).arrow().to_pylist()}


@dataclass
class Spreads:
    """How far the values of a store lie apart, worked out once for each snapshot.

    Parameters
    ----------
    catalog : Catalog
    """

    catalog: Catalog
    _held: tuple[int, dict[str, float]] | None = None

    def of(self) -> dict[str, float]:
        """Return column -> half the width of the middle 68 %; only of columns whose values differ."""
        number = self.catalog.snapshot
        if self._held is None or self._held[0] != number:
            halves = ", ".join(
                f"(approx_quantile({n}, {1 - _HALF}) - approx_quantile({n}, {_HALF})) / 2 AS {n}" for n in NAMES
            )
            query = f"SELECT {halves} FROM (SELECT {', '.join(_COLUMNS)} FROM csc.observation_source)"
            (row,) = self.catalog.sql(query).arrow().to_pylist()
            self._held = number, {n: float(v) for n, v in row.items() if v and math.isfinite(v)}
        return self._held[1]


def alike(one: Values, other: Values, spreads: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Tell in which columns two detections are alike, and in which they are not.

    Parameters
    ----------
    one, other : mapping of str to object
        Column -> value; None where it is not known.
    spreads : mapping of str to float
        Column -> half the width of the middle 68 % of all detections.

    Returns
    -------
    alike : list of str
        Columns in which they are within a quarter of that, the nearest first.
    unlike : list of str
        Those in which they are further apart than all of it, the furthest first.

    Examples
    --------
    >>> alike({"hard_hs": 0.1, "theta": 2.0}, {"hard_hs": 0.12, "theta": 9.0}, {"hard_hs": 0.4, "theta": 2.5})
    (['hard_hs'], ['theta'])
    """
    apart = {
        name: abs(a - b) / spread
        for name, spread in spreads.items()
        if isinstance(a := one.get(name), int | float) and isinstance(b := other.get(name), int | float)
    }
    nearest = sorted(apart, key=lambda name: apart[name])
    return [n for n in nearest if apart[n] <= _ALIKE], [n for n in reversed(nearest) if apart[n] >= _UNLIKE]
