"""The published table of low and high degree by object type, and its odds, to be set beside one's own.

The published study counts nodes of low and of high degree by a cut of its own. Its table has 602 nodes of low degree
and 2,222 of high degree: `HIGH_SHARE` of all. `network --as-published` cuts where as large a share of its own nodes is
of high degree; it does not centre the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEGREES: dict[str, tuple[int, int]] = {
    "YSO": (214, 1042),
    "YSO candidate": (34, 149),
    "star": (159, 571),
    "X": (128, 380),
    "HMXB": (58, 80),
    "ULX": (9, 0),
}
"""Published type -> nodes of low degree, nodes of high degree. Source: a talk on variable Chandra sources as a
network, of observations with var_prob_b > 0.9; it gives no intervals and no class sizes beyond these."""
OTYPES: dict[str, str] = {
    "YSO": "YSO",
    "Y*O": "YSO",
    "Candidate_YSO": "YSO candidate",
    "YSO_Candidate": "YSO candidate",
    "Y*?": "YSO candidate",
    "Star": "star",
    "*": "star",
    "X": "X",
    "HMXB": "HMXB",
    "HXB": "HMXB",
    "ULX": "ULX",
    "UX?": "ULX",
    "ULX_Candidate": "ULX",
}
"""Type as SIMBAD spells it -> published type."""
_LOW, _HIGH = (sum(column) for column in zip(*DEGREES.values(), strict=True))
HIGH_SHARE = _HIGH / (_LOW + _HIGH)
"""Share of the published nodes that are of high degree."""
_Z = 1.959964


@dataclass(frozen=True)
class PublishedDegrees:
    """What is published of one type: see the columns published_* of analysis.degree_by_type."""

    published_low: int
    published_high: int
    published_odds_ratio: float
    published_odds_ratio_low: float
    published_odds_ratio_high: float


def published_degrees(otype: str) -> PublishedDegrees | None:
    """Return what is published of a type, and the odds of high degree against the other published types.

    Parameters
    ----------
    otype : str
        As SIMBAD spells it.

    Returns
    -------
    PublishedDegrees or None
        The 95 % interval is Woolf's (1955), half a node added to each cell. It counts observations as independent:
        how many sources they are of is not published, so the true interval is wider.

    Examples
    --------
    >>> round(published_degrees("YSO").published_odds_ratio, 2), published_degrees("QSO")
    (1.6, None)
    """
    if otype not in OTYPES:
        return None
    low, high = DEGREES[OTYPES[otype]]
    cells = np.array([high, low, _HIGH - high, _LOW - low]) + 0.5
    logarithm = float(np.log(cells[0] / cells[1] / (cells[2] / cells[3])))
    error = float(np.sqrt((1.0 / cells).sum()))
    ends = np.exp([logarithm, logarithm - _Z * error, logarithm + _Z * error]).tolist()
    return PublishedDegrees(low, high, *ends)
