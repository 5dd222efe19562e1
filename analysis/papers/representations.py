"""What stands for a detection: vectors of its photons, of the papers about its source, of both, of catalog columns.

A representation is a matrix with one row per detection, all of the same detections in the same order, so that scores
are of the same rows. A baseline of catalog columns does without those that contain the predicted one: hard_hs follows
from hard_hm and hard_ms, and all three from the fluxes of the bands; var_index_b is another spelling of var_prob_b.
Such columns are kin. A baseline that keeps them answers the question by arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embed.inputs.properties import COLUMNS

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


Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PROPERTIES = "properties"
KIN = "properties/kin"
"""Catalog columns with those that contain the predicted one: what arithmetic alone reaches; no baseline."""


@dataclass(frozen=True)
class Scaled:
    """Blocks side by side, each centred and brought to unit total variance, so that none rules a distance.

    Attributes
    ----------
    centre : ndarray of float32, shape (d,)
    factor : ndarray of float32, shape (d,)
        One value per block.
    """

    centre: Floats
    factor: Floats

    @classmethod
    def of(cls, blocks: Sequence[Floats], rows: npt.NDArray[np.int64], last: float = 1.0, n_last: int = 1) -> Scaled:
        """Learn from some rows of blocks of shape (n, d_i); the last `n_last` blocks weigh `last` times as much.

        Examples
        --------
        >>> made = Scaled.of([np.array([[0.0], [2.0]], np.float32)], np.array([0, 1]))
        >>> made.apply(np.array([[2.0]], np.float32)).tolist()
        [[1.0]]
        """
        centres = [b[rows].mean(axis=0) for b in blocks]
        totals = [float(np.sqrt(b[rows].var(axis=0, dtype=np.float64).sum())) for b in blocks]
        factors = [np.full(b.shape[1], 1 / t if t > 0 else 0.0) for b, t in zip(blocks, totals, strict=True)]
        factors[-n_last:] = [f * last for f in factors[-n_last:]]
        return cls(np.concatenate(centres).astype(np.float32), np.concatenate(factors).astype(np.float32))

    def apply(self, x: Floats) -> Floats:
        """Scale rows of the blocks side by side, (n, d)."""
        return np.asarray((x - self.centre) * self.factor, np.float32)


def property_blocks(properties: Floats, column: str) -> dict[str, Floats]:
    """Return representations of catalog columns, from which a column can be predicted without arithmetic.

    Parameters
    ----------
    properties : ndarray, shape (n, 2 n_column)
        Vectors of the properties space: values, then one indicator per column.
    column : str
        What is to be predicted.

    Returns
    -------
    dict of str to ndarray
        properties: all columns but its kin (`kin`). properties/spectral, /timing, /brightness: those of them
        that are of one kind. properties/kin: all but the column itself; a ceiling, not a baseline.

    Examples
    --------
    >>> blocks = property_blocks(np.zeros((1, 2 * len(COLUMNS)), np.float32), "hard_hs")
    >>> [blocks[k].shape[1] // 2 for k in ("properties", "properties/kin")]
    [25, 30]
    """
    n = len(COLUMNS)

    def chosen(names: Sequence[str]) -> Floats:
        at = [COLUMNS.index(c) for c in names]
        return properties[:, [*at, *(n + i for i in at)]]

    related = kin(column, COLUMNS)
    free = [c for c in COLUMNS if c not in related]
    out = {PROPERTIES: chosen(free)}
    for name in GROUPS:
        if members := group(name, free):
            out[f"{PROPERTIES}/{name}"] = chosen(members)
    out[KIN] = chosen([c for c in COLUMNS if c != column])
    return out


def left_out(representation: str, column: str) -> list[str]:
    """Return the columns that a representation of catalog columns does without."""
    if representation == KIN:
        return [column]
    return kin(column, COLUMNS) if representation.startswith(PROPERTIES) else []
