"""Numbers with nulls: from what a file has to what a table wants, with nothing lost unnoticed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.fits import Array, Field, null_mask
from ingest.units import factor

Mask = npt.NDArray[np.bool_] | None


class Nullable(NamedTuple):
    """Values, which of them are null, and whether every other one is what the file has, to the last bit.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Whatever stands at a null has no meaning.
    null : ndarray of bool, shape (n,), or None
        None where no value is null.
    exact : bool
        False where a value did not fit the type: it was rounded, or is null now.
    """

    values: Array
    null: Mask
    exact: bool

    @property
    def known(self) -> Array:
        """The values that are not null."""
        return self.values if self.null is None else self.values[~self.null]

    @property
    def floats(self) -> npt.NDArray[np.float64]:
        """The values as float64, NaN where null."""
        values = np.asarray(self.values, np.float64)
        return values if self.null is None else np.where(self.null, np.nan, values)

    def arrow(self) -> pa.Array:
        """Return the same as Arrow; without a copy where nothing is null."""
        return pa.array(self.values, mask=self.null)


def reals(values: Array, f: Field | None, dtype: npt.DTypeLike) -> Nullable:
    """Bring a column into a float type; NaN, infinities and TNULL become null.

    Parameters
    ----------
    values : ndarray of int or float, shape (n,)
        As `HDU.chunks` gives them.
    f : Field or None
        The column, for its TNULL.
    dtype : float32 or float64
        Wanted type.

    Examples
    --------
    >>> reals(np.array([1.5, np.nan]), None, np.float32).arrow().to_pylist()
    [1.5, None]
    """
    null = null_mask(values, f)
    if values.dtype == dtype:
        return Nullable(values, null, exact=True)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(dtype)
        same = narrow == values
    exact = bool((same if null is None else same | null).all())
    overflown = null_mask(narrow)  # too large for the type
    return Nullable(narrow, _either(null, overflown), exact)


def scaled(values: Array, f: Field, scale: float, dtype: npt.DTypeLike) -> Nullable:
    """Bring a column into a float type and another unit; all is null where the scale is NaN.

    Parameters
    ----------
    values : ndarray of int or float, shape (n,)
        As `HDU.chunks` gives them.
    f : Field
        The column, for its TNULL.
    scale : float
        How many of the wanted unit one of the column's is; NaN where that is not known.
    dtype : float32 or float64
        Wanted type.

    Examples
    --------
    >>> scaled(np.array([1.5, 2.0]), Field("energy", "D", 1, 0, 8), 1000.0, np.float32).arrow().to_pylist()
    [1500.0, 2000.0]
    """
    if scale == 1.0:
        return reals(values, f, dtype)
    wide = reals(values, f, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        product = wide.floats * scale
        narrow = product.astype(dtype)
    return Nullable(narrow, null_mask(narrow), bool(np.isfinite(narrow).sum() == np.isfinite(product).sum()))


def scale_to(f: Field, unit: str, say: Callable[[str], None], *, usual: bool = True) -> float:
    """Return how many of the wanted unit one of a column's is, and say what is assumed or not known.

    Parameters
    ----------
    f : Field
        The column, for its TUNIT.
    unit : str
        The registry's.
    say : callable
        Takes a flag: 'unknown_unit: ENERGY (furlong)', or 'unit_assumed: ENERGY (eV)'.
    usual : bool
        Whether a column without a unit is worth a flag.

    Returns
    -------
    float
        1 for a column without a unit; NaN for a unit that cannot be converted.

    Examples
    --------
    >>> scale_to(Field("ENERGY", "D", 1, 0, 8, "keV"), "eV", print)
    1000.0
    >>> scale_to(Field("ENERGY", "D", 1, 0, 8, "furlong"), "eV", print)
    unknown_unit: ENERGY (furlong)
    nan
    """
    if not f.unit:
        if usual:
            say(f"unit_assumed: {f.name} ({unit})")
        return 1.0
    scale = factor(f.unit, unit)
    if scale is None:
        say(f"unknown_unit: {f.name} ({f.unit})")
        return math.nan
    return scale


def integers(values: Array, f: Field | None, dtype: npt.DTypeLike) -> Nullable:
    """Bring a column into an integer type; TNULL, NaN, and what is no whole number of the type become null.

    Parameters
    ----------
    values : ndarray of int or float, shape (n,)
        As `HDU.chunks` gives them.
    f : Field or None
        The column, for its TNULL.
    dtype : an integer type
        Wanted type.

    Examples
    --------
    >>> integers(np.array([7, 300]), None, np.int8).arrow().to_pylist()
    [7, None]
    """
    null = null_mask(values, f)
    limits = np.iinfo(np.dtype(dtype))
    if values.dtype == dtype:
        return Nullable(values, null, exact=True)
    with np.errstate(invalid="ignore"):
        unfit = np.less(values, limits.min) | np.greater(values, limits.max)
        if values.dtype.kind == "f":
            unfit |= np.floor(values) != values
    exact = not (unfit if null is None else unfit & ~null).any()
    null = _either(null, unfit if unfit.any() else None)
    whole = values if null is None else np.where(null, 0, values)
    return Nullable(whole.astype(dtype), null, exact)


def _either(one: Mask, other: Mask) -> Mask:
    if one is None or other is None:
        return one if other is None else other
    return one | other
