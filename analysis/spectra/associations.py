"""Latent dimensions and physical columns: the columns with their units, and how the two go together, pair by pair.

Rank correlation and mutual information. p-values are of permutations of sources, so that detections of one source do
not count as independent; they are corrected for the number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import rankdata

from analysis.statistics import Interval, codes, false_discovery, shuffled
from analysis.study.samples import numbers
from catalog.errors import QueryError
from catalog.schema import TABLES
from embed.inputs.property_rows import LOG_COLUMNS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

N_PERMUTATIONS = 1000
N_BOOTSTRAP = 1000
N_BINS = 8
_LEAST_ROWS = 30
_BLOCK = 100


@dataclass(frozen=True)
class Association:
    """One pair.

    Attributes
    ----------
    dimension : int
    column : str
    spearman : Interval
    spearman_p, spearman_q : float
        Two-sided; q is p corrected for all pairs.
    mutual_information : float
        nat, of ranks in 8 bins, less the mean of the permutations.
    mutual_information_p, mutual_information_q : float
    n_rows : int
    """

    dimension: int
    column: str
    spearman: Interval
    spearman_p: float
    spearman_q: float
    mutual_information: float
    mutual_information_p: float
    mutual_information_q: float
    n_rows: int


def associations(
    z: npt.NDArray[np.floating],
    columns: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    seed: int = 0,
    n_permutations: int = N_PERMUTATIONS,
) -> list[Association]:
    """Return all pairs of a dimension and a column.

    Parameters
    ----------
    z : ndarray of float, shape (n, d)
    columns : ndarray of float, shape (n, m)
        NaN where NULL: such rows are left out of the column's pairs.
    names : sequence of str, length m
    sources : ndarray of str, shape (n,)
    seed, n_permutations : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(200, 1))
    >>> found = associations(z, np.column_stack([z, rng.normal(size=(200, 1))]), ["same", "other"], np.arange(200))
    >>> [round(f.spearman.value, 1) for f in found][0], found[0].spearman_q < 0.01 < found[1].spearman_q
    (1.0, True)
    """
    source = codes(sources)
    orders = np.stack([shuffled(source, seed + i) for i in range(n_permutations)])
    pairs = []
    for j, name in enumerate(names):
        there = np.flatnonzero(np.isfinite(columns[:, j]))
        if len(there) >= _LEAST_ROWS and np.ptp(columns[there, j]) > 0:
            pairs += [
                (i, name, len(there), *_pair(np.asarray(z[:, i], np.float64), columns[there, j], there, source, orders))
                for i in range(z.shape[1])
            ]
    q_spearman = false_discovery([p[4] for p in pairs])
    q_mutual = false_discovery([p[6] for p in pairs])
    return [
        Association(i, name, spearman, p, float(q_spearman[k]), mutual, p_mutual, float(q_mutual[k]), n)
        for k, (i, name, n, spearman, p, mutual, p_mutual) in enumerate(pairs)
    ]


def _pair(
    z: Floats, column: Floats, there: Integers, source: Integers, orders: Integers
) -> tuple[Interval, float, float, float]:
    """Return rank correlation, its p, mutual information, its p."""
    own, other = _standard(rankdata(z[there])), _standard(rankdata(column))
    value = float(own @ other) / len(own)
    ranks = rankdata(z)
    column_bins, z_bins = _bins(column), _bins(z)
    null, null_mutual = np.empty(len(orders)), np.empty(len(orders))
    for start in range(0, len(orders), _BLOCK):
        block = orders[start : start + _BLOCK][:, there]
        permuted = ranks[block]
        permuted = permuted - permuted.mean(axis=1, keepdims=True)
        null[start : start + _BLOCK] = permuted @ other / (len(own) * np.maximum(permuted.std(axis=1), 1e-300))
        null_mutual[start : start + _BLOCK] = _mutual(z_bins[block], column_bins)
    mutual = float(_mutual(z_bins[there][None], column_bins)[0])
    return (
        Interval.of(value, _bootstrap(own, other, source[there])),
        float((1 + np.count_nonzero(np.abs(null) >= abs(value))) / (1 + len(null))),
        mutual - float(null_mutual.mean()),
        float((1 + np.count_nonzero(null_mutual >= mutual)) / (1 + len(null_mutual))),
    )


def _standard(ranks: Floats) -> Floats:
    centred = ranks - ranks.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-300))


def _bins(values: Floats) -> Integers:
    """Return each value's bin, of about equal counts; equal values share one."""
    below = np.asarray(rankdata(values, "min"), np.int64) - 1
    return np.minimum(below * N_BINS // len(values), N_BINS - 1)


def _mutual(a: Integers, b: Integers) -> Floats:
    """Mutual information in nat of (m, n) against (n,) bin numbers, shape (m,)."""
    m, n = a.shape
    cells = (a * N_BINS + b + np.arange(m)[:, None] * N_BINS**2).ravel()
    p = np.bincount(cells, minlength=m * N_BINS**2).reshape(m, N_BINS, N_BINS) / n
    expected = p.sum(axis=2, keepdims=True) * p.sum(axis=1, keepdims=True)
    terms = p * np.log(np.where(p > 0, p, 1.0) / np.where(p > 0, expected, 1.0))
    return np.asarray(terms.sum(axis=(1, 2)))


def _bootstrap(a: Floats, b: Floats, source: Integers) -> Floats:
    """Return bootstraps over sources of the correlation of two rankings, from sums by source."""
    number = np.unique(source, return_inverse=True)[1]
    n = int(number.max()) + 1
    sums = np.stack([np.bincount(number, w, n) for w in (np.ones(len(a)), a, b, a * a, b * b, a * b)], axis=1)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP)
    count, sa, sb, saa, sbb, sab = (weights @ sums).T
    spread = np.sqrt(np.maximum(saa - sa**2 / count, 1e-300) * np.maximum(sbb - sb**2 / count, 1e-300))
    return np.asarray((sab - sa * sb / count) / spread)


DETECTIONS = "csc.observation_source"
PHYSICAL = (
    *("flux_aper_b", "flux_aper_s", "flux_aper_m", "flux_aper_h", "hard_hs", "hard_ms", "hard_hm"),
    *("powlaw_nh", "powlaw_gamma", "bb_kt", "apec_kt", "var_prob_b", "var_index_b", "var_sigma_b"),
    *("flux_significance_b", "src_cnts_aper_b"),
)
"""Fluxes by band, hardness ratios, absorption, slope, temperatures, variability, and how much was seen."""
_FAR = 3  # powers of ten from 1 at which a unit of its own helps a reader
SHARE = 0.6
"""Columns that fewer rows have are no input: every formula needs all of them."""


@dataclass(frozen=True)
class Inputs:
    """Columns ready for formulas.

    Attributes
    ----------
    names : tuple of str
        'hard_hs'; 'log_flux_aper_b' for a logarithm.
    units : tuple of str
        What each is in: 'log10(flux_aper_b / 1e-14 erg s**-1 cm**-2)'; '' for a pure number.
    values : ndarray of float, shape (n, n_column)
        NaN where NULL.
    left_out : tuple of str
        Columns that too few rows have.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Floats
    left_out: tuple[str, ...]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Which rows have all columns, shape (n,)."""
        return np.asarray(np.isfinite(self.values).all(axis=1))

    def units_of(self, names: Sequence[str]) -> str:
        """Return the units of some inputs, 'name [unit]', in one text."""
        unit = dict(zip(self.names, self.units, strict=True))
        return ", ".join(f"{n} [{unit[n]}]" if unit.get(n) else n for n in names)


def inputs(table: pa.Table, columns: Sequence[str] = PHYSICAL) -> Inputs:
    """Make inputs of columns of csc.observation_source.

    Parameters
    ----------
    table : pyarrow.Table
        With these columns.
    columns : sequence of str

    Raises
    ------
    QueryError
        If no column is there for enough rows.

    Examples
    --------
    >>> made = inputs(pa.table({"hard_hs": [0.1, 0.2], "flux_aper_b": [1e-14, 1e-13]}), ["hard_hs", "flux_aper_b"])
    >>> made.names, made.units[1], made.values.tolist()
    (('hard_hs', 'log_flux_aper_b'), 'log10(flux_aper_b / 1e-14 erg s**-1 cm**-2)', [[0.1, 0.0], [0.2, 1.0]])
    """
    names, units, values, left_out = [], [], [], []
    for column in columns:
        value = numbers(table, column)
        unit = TABLES[DETECTIONS].column(column).unit
        name = column
        if column in LOG_COLUMNS:
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.log10(np.where(value > 0, value, np.nan))
            scale = int(np.floor(np.nanmedian(value))) if np.isfinite(value).any() else 0
            scale = scale if abs(scale) >= _FAR else 0
            value = value - scale
            reference = " ".join(p for p in (f"1e{scale}" if scale else "", unit) if p)
            name, unit = f"log_{column}", f"log10({column} / {reference})" if reference else f"log10({column})"
        share = float(np.isfinite(value).mean()) if len(value) else 0.0
        if share < SHARE or np.nanstd(value) == 0:
            left_out.append(f"{column} ({share:.0%})")
            continue
        names.append(name)
        units.append(unit)
        values.append(value)
    if not names:
        raise QueryError(
            f"no column has values for {SHARE:.0%} of the rows: {', '.join(left_out)}; name others with --columns"
        )
    return Inputs(tuple(names), tuple(units), np.column_stack(values), tuple(left_out))
