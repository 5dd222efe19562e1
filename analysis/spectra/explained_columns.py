"""Physical columns of the catalog as inputs of formulas, with their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.study.samples import numbers
from catalog.errors import QueryError
from catalog.schema import TABLES
from embed.inputs.properties import LOG_COLUMNS

Floats = npt.NDArray[np.float64]


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
