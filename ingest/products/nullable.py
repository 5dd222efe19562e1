"""Numbers with nulls: from what a file has to what a table wants, with nothing lost unnoticed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.fits import Array, Field, null_mask

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
