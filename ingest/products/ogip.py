"""What spectra and responses share: small OGIP tables read whole, energy grids, content hashes.

Source: OGIP/92-007 (The OGIP Spectral File Format, Arnaud, George & Tennant), CAL/GEN/92-002 and
CAL/GEN/92-002a (The Calibration Requirements for Spectral Analysis, George, Arnaud, Pence & Ruamsuwan).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from catalog.errors import UnreadableFile
from ingest.fits import HDU
from ingest.fits.columns import Array, Field, decode, field_named, native_dtype, null_mask, resolve, row_dtype
from ingest.fits.header import integer
from ingest.products.nullable import scale_to

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_CHANNELS = 1 << 20
"""More channels than any detector has: a damaged keyword must not allocate gigabytes."""

QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Decorates what computes with a file's numbers: damaged ones overflow, and end as NULL."""
_GAP = 0.01  # of a bin's width: above the rounding of single-precision edges, below any real gap
_WIDTHS = {"B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8}


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length, laid end to end.

    Attributes
    ----------
    values : ndarray, shape (n_total,)
    lengths : ndarray of int, shape (n_rows,)
    """

    values: Array
    lengths: Integers

    def heads(self, wanted: Integers) -> Array:
        """Return the first `wanted[i]` values of each row i, laid end to end.

        Parameters
        ----------
        wanted : ndarray of int, shape (n_rows,)
            Between 0 and the row's length.

        Examples
        --------
        >>> Ragged(np.array([1, 2, 3, 4]), np.array([3, 1])).heads(np.array([2, 1])).tolist()
        [1, 2, 4]
        """
        if np.array_equal(wanted, self.lengths):
            return self.values
        starts = np.cumsum(self.lengths) - self.lengths
        place = np.arange(len(self.values)) - np.repeat(starts, self.lengths)
        return self.values[place < np.repeat(wanted, self.lengths)]


class SmallTable:
    """A binary table small enough to be held whole: a spectrum, a response.

    Parameters
    ----------
    hdu : HDU
        Its data are read here.

    Raises
    ------
    UnreadableFile
        If the table contradicts its own header.
    """

    def __init__(self, hdu: HDU) -> None:
        self.hdu = hdu
        self.fields = hdu.fields
        self.n_rows = hdu.n_rows
        self._width = integer(hdu.header, "NAXIS1")
        data = memoryview(hdu.read())
        rows = self._width * self.n_rows
        if len(data) < rows:
            raise UnreadableFile(f"{rows:,} bytes of rows in {hdu.name or 'a table'}", f"{len(data):,} bytes of data")
        self._rows = data[:rows]
        self._heap = data[max(rows, integer(hdu.header, "THEAP", rows)) :]

    def find(self, *names: str) -> Field | None:
        """Return the column that has any of these names, whatever its case; None where there is none."""
        name = resolve(self.fields, *names)
        return None if name is None else field_named(self.fields, name)

    def texts(self, name: str) -> list[str] | None:
        """Return a text column, one str per row; None where there is none."""
        f = self.find(name)
        if f is None or f.code != "A" or not f.width or not self.n_rows:
            return None
        return [str(v) for v in self._fixed(f).reshape(self.n_rows, -1)[:, 0]]

    def numbers(self, *names: str) -> Numbers | None:
        """Return a column of one number per row, shape (n_rows,), NaN where null; None where there is none."""
        ragged = self.ragged(*names)
        if ragged is None:
            return None
        if (ragged.lengths != 1).any():
            raise UnreadableFile(f"one number per row in column {names[0]}", f"{int(ragged.lengths.max())} in some row")
        return ragged.values.astype(np.float64)

    def needed(self, *names: str) -> Numbers:
        """Return a column of one number per row that must be there.

        Raises
        ------
        UnreadableFile
            If it is not.
        """
        values = self.numbers(*names)
        if values is None:
            raise self.lacking(names[0])
        return values

    def lacking(self, name: str) -> UnreadableFile:
        """Return the error that says a column is missing."""
        found = ", ".join(f.name for f in self.fields) or "no column"
        return UnreadableFile(f"a column {name} in {self.hdu.name or 'the table'}", found)

    def rows(self, *names: str) -> list[Numbers] | None:
        """Return a column of numbers as one array per row, NaN where null; None where there is none."""
        ragged = self.ragged(*names)
        if ragged is None:
            return None
        values, ends = ragged.values.astype(np.float64), np.cumsum(ragged.lengths).tolist()
        return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def ragged(self, *names: str) -> Ragged | None:
        """Return a column of numbers, scalar, fixed or variable, with its rows laid end to end.

        Returns
        -------
        Ragged or None
            Floats keep their precision, NaN where null or infinite; None where there is no such column.
        """
        f = self.find(*names)
        if f is None:
            return None
        if (f.element or f.code) not in _WIDTHS:
            raise UnreadableFile(f"numbers in column {f.name}", f"format {f.code}{f.element}")
        if f.element:
            values, lengths = self._variable(f)
        else:
            values = self._fixed(f)
            lengths = np.full(self.n_rows, values.size // max(self.n_rows, 1), np.int64)
            values = values.reshape(-1)
        mask = null_mask(values, f)
        if mask is not None:
            values = np.where(mask, np.nan, values)
        return Ragged(values, lengths)

    def _fixed(self, f: Field) -> Array:
        if not self.n_rows or not f.width:
            return np.empty((self.n_rows, 0), native_dtype(f))
        return decode(np.frombuffer(self._rows, row_dtype({"c": f}, self._width)), "c", f)

    def _variable(self, f: Field) -> tuple[Array, Integers]:
        """Lay a variable-length column end to end: its pieces of the heap are joined, then decoded in one go."""
        element = replace(f, code=f.element, element="", repeat=1, offset=0, width=_WIDTHS[f.element])
        if not self.n_rows:
            return np.empty(0, native_dtype(element)), np.empty(0, np.int64)
        descriptors = np.frombuffer(self._rows, row_dtype({"c": f}, self._width))["c"]
        lengths, starts = np.asarray(descriptors, np.int64).T
        # Compared by division, so that a damaged length cannot overflow.
        outside = (lengths < 0) | (starts < 0) | (lengths > (len(self._heap) - starts) // element.width)
        outside &= lengths != 0
        if outside.any():
            row = int(outside.argmax())
            raise UnreadableFile(
                f"column {f.name} to lie in the heap of {len(self._heap):,} bytes",
                f"{lengths[row]:,} elements at {starts[row]:,} in row {row}",
            )
        sizes = lengths * element.width
        if int(sizes.sum()) > 4 * len(self._heap) + (1 << 20):
            raise UnreadableFile(f"column {f.name} to use each byte of the heap once", "rows that overlap many times")
        pieces = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
        joined = b"".join([self._heap[start:stop] for start, stop in pieces])
        return decode(np.frombuffer(joined, row_dtype({"c": element}, element.width)), "c", element), lengths


def finite(values: Numbers) -> Numbers:
    """Return numbers with NaN for infinities: both become NULL in the store."""
    return np.where(np.isfinite(values), values, np.nan)


def whole(values: Array, what: str) -> Integers:
    """Return numbers that must be integers of at most 31 bits as int64.

    Raises
    ------
    UnreadableFile
        If some are not.

    Examples
    --------
    >>> whole(np.array([1.0, 2.0]), "CHANNEL").tolist()
    [1, 2]
    """
    numbers = values.astype(np.float64)
    bad = ~((np.abs(numbers) < 1 << 31) & (numbers == np.rint(numbers)))  # also where NaN
    if bad.any():
        raise UnreadableFile(f"integers in {what}", f"{numbers[bad][0]}")
    return numbers.astype(np.int64)


def scale(table: SmallTable, name: str, unit: str, say: Callable[[str], None]) -> float:
    """Return how many of a unit one of a column's is: `scale_to`, 1 where there is no such column."""
    column = table.find(name)
    return 1.0 if column is None else scale_to(column, unit, say)


def edges(
    table: SmallTable, lo: Numbers, hi: Numbers, names: tuple[str, str], say: Callable[[str], None]
) -> tuple[Numbers, Numbers]:
    """Bring the edges of energy bins into keV; an upper edge without a unit has the lower one's."""
    factor = scale(table, names[0], "keV", say)
    upper = table.find(names[1])
    return finite(lo * factor), finite(hi * (scale_to(upper, "keV", say) if upper and upper.unit else factor))


def contiguous(lo: Numbers, hi: Numbers) -> bool:
    """Tell whether bins follow one another without gap or overlap, upwards or (gratings) downwards."""
    width = hi - lo
    if not (width > 0).all() or not (lo >= 0).all():  # also where NaN
        return False
    tolerance = _GAP * np.minimum(width[1:], width[:-1])
    up, down = np.abs(lo[1:] - hi[:-1]), np.abs(hi[1:] - lo[:-1])
    return bool((up <= tolerance).all() or (down <= tolerance).all())


def single(values: Array) -> npt.NDArray[np.float32]:
    """Round to single precision, which responses have; what does not fit is null."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    return np.where(np.isfinite(rounded), rounded, np.float32(np.nan))


def content_id(columns: Mapping[str, Array | float | str | bool | None]) -> str:
    """Hash the values of a row: the same on every machine, whatever byte order or file they came from.

    Parameters
    ----------
    columns : mapping of str to ndarray, number, text or None
        All that the row says; the order does not matter, the names and types do.

    Returns
    -------
    str
        16 hex digits of a SHA-256.

    Examples
    --------
    >>> content_id({"a": np.array([0.0])}) == content_id({"a": np.array([-0.0])})
    True
    >>> content_id({"a": 1.0}) == content_id({"b": 1.0})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(columns):
        value = columns[name]
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f":
                floats = value.astype("<f8") + 0.0  # one zero
                data = np.where(np.isnan(floats), np.nan, floats).tobytes()  # one NaN
            else:
                data = value.astype("<i8").tobytes()
            digest.update(f"{name}:{value.dtype.kind}:{value.size};".encode())
            digest.update(data)
        else:
            digest.update(f"{name}={value!r};".encode())
    return digest.hexdigest()[:16]


def small_int(value: float | None) -> int | None:
    """Return a number as an integer of 8 bits; None where it is none.

    Examples
    --------
    >>> small_int(-1.0), small_int(1000.0), small_int(0.5)
    (-1, None, None)
    """
    if value is None or not np.isfinite(value) or value != int(value) or not -(1 << 7) <= value < 1 << 7:
        return None
    return int(value)
