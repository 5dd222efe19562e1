"""Which catalog columns contain the one that is to be predicted: what a baseline of columns must do without.

hard_hs follows from hard_hm and hard_ms, and all three from the fluxes of the bands; var_index_b is another spelling of
var_prob_b. Such columns are kin. A baseline that keeps them answers the question by arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BANDS = r"_[smhuw](_lolim|_hilim)?$"
_KIN: tuple[tuple[str, ...], ...] = (
    # Colours: made from the fluxes of the bands.
    (r"^hard_", rf"^(flux|photflux|src_rate|src_cnts|cnts)_.*{_BANDS}"),
    # Tests of one light curve for one thing; var_sigma comes out of the same fit (Gregory & Loredo 1992).
    (r"^(var_prob|var_index|ks_prob|kp_prob|var_sigma)_",),
    # A significance is about the square root of the counts.
    (r"^flux_significance_", r"^(src_)?cnts_"),
    (r"^(flux|photflux|src_rate)_(?!significance)", r"^var_(mean|min|max)_"),
    (r"^var_(sigma|mean|min|max)_",),
    # The parameters of one fit.
    *((rf"^{model}_",) for model in ("powlaw", "bb", "brems", "apec")),
)

GROUPS: dict[str, str] = {
    "spectral": r"^(hard|powlaw|bb|brems|apec)_",
    "timing": r"^(var_prob|var_index|ks_prob|kp_prob|var_sigma)",
    "brightness": r"^(flux|photflux|src_|cnts|var_mean|var_max)",
}
"""Subsets of the catalog's columns that are baselines of their own."""


def kin(column: str, known: Sequence[str]) -> list[str]:
    """Return the columns that contain a column by definition, itself among them.

    Parameters
    ----------
    column : str
        What is to be predicted.
    known : sequence of str
        Columns that a baseline has.

    Examples
    --------
    >>> kin("hard_hs", ["hard_hm", "flux_aper_b", "flux_aper_h", "var_prob_b", "powlaw_gamma"])
    ['hard_hm', 'flux_aper_h']
    >>> kin("var_prob_b", ["var_prob_b", "var_index_b", "ks_prob_b", "var_sigma_b"])
    ['var_prob_b', 'var_index_b', 'ks_prob_b', 'var_sigma_b']
    """
    patterns = [p for group in _KIN if any(re.search(p, column) for p in group) for p in group]
    return [c for c in known if c == column or any(re.search(p, c) for p in patterns)]


def group(name: str, known: Sequence[str]) -> list[str]:
    """Return the columns of one of `GROUPS`.

    Examples
    --------
    >>> group("timing", ["hard_hs", "var_prob_b", "ks_prob_b"])
    ['var_prob_b', 'ks_prob_b']
    """
    return [c for c in known if re.search(GROUPS[name], c)]
