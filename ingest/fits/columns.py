"""Columns of a FITS binary table: from TTYPEn, TFORMn, ... to native NumPy arrays.

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), section 7.3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.errors import UnreadableFile
from ingest.fits.header import Value, integer, number

Array = npt.NDArray[np.generic]
Rows = npt.NDArray[np.void]

MAX_COLUMNS = 999  # the standard's limit
MAX_ROW = 64 << 20  # bytes; a longer row is a damaged NAXIS1, or made to harm, and no table

_WIDTHS = {"L": 1, "X": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "A": 1, "C": 8, "M": 16, "P": 8, "Q": 16}
_DTYPES = {"L": "S1", "X": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_DTYPES |= {"C": ">c8", "M": ">c16", "P": ">i4", "Q": ">i8"}
# TZERO that turns a signed column into an unsigned one, and bytes into signed ones (table 19 of the standard).
_OFFSET_DTYPES = {("B", -128): "i1", ("I", 1 << 15): "u2", ("J", 1 << 31): "u4", ("K", 1 << 63): "u8"}
_EXACT = 1 << 53  # integers up to here survive a header's floats, and sums with them stay far from 2**63

_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])(.*)", re.DOTALL)
_TDIM = re.compile(r"\(\s*\d+(\s*,\s*\d+)*\s*\)")


@dataclass(frozen=True)
class Field:
    """One column of a binary table, as its TTYPEn/TFORMn/... keywords tell.

    Attributes
    ----------
    name : str
        TTYPEn; 'col<n>' where it is absent.
    code : str
        Letter of TFORMn: L, X, B, I, J, K, A, E, D, C, M, P or Q.
    repeat : int
        Elements per row; bits for X, characters for A.
    offset, width : int
        Place in the row, bytes.
    unit : str
        TUNITn.
    null : int or None
        TNULLn, as stored: before TSCAL and TZERO.
    scale, zero : float
        TSCALn, TZEROn.
    minimum : int or None
        TLMINn.
    element : str
        Letter of the elements of a variable-length column (P, Q).
    dims : tuple of int
        TDIMn, fastest axis first.
    """

    name: str
    code: str
    repeat: int
    offset: int
    width: int
    unit: str = ""
    null: int | None = None
    scale: float = 1.0
    zero: float = 0.0
    minimum: int | None = None
    element: str = ""
    dims: tuple[int, ...] = ()

    @property
    def scaled(self) -> bool:
        """Whether TSCAL or TZERO apply."""
        return self.scale != 1.0 or self.zero != 0.0

    @property
    def integral(self) -> bool:
        """Whether the column's values are integers, after TSCAL and TZERO."""
        if self.code not in "BIJK" or self.scale != 1.0 or self.zero != int(self.zero):
            return False
        exact = self.zero == 0 or (self.code != "K" and abs(self.zero) <= _EXACT)
        return exact or (self.code, int(self.zero)) in _OFFSET_DTYPES

    @property
    def is_number(self) -> bool:
        """Whether each row holds one real number: what a photon's time or energy must be."""
        return self.code in "BIJKED" and self.repeat == 1


def parse_fields(header: Mapping[str, Value]) -> tuple[Field, ...]:
    """Read the columns of a binary table out of its header, in file order.

    Raises
    ------
    UnreadableFile
        If the keywords contradict one another, or the table is tile-compressed.

    Examples
    --------
    >>> parse_fields({"TFIELDS": 1, "NAXIS1": 8, "TTYPE1": "time", "TFORM1": "1D"})[0].name
    'time'
    """
    if header.get("ZTABLE") is True:
        raise UnreadableFile("a plain binary table", "a tile-compressed one (ZTABLE)", "run funpack on the file first")
    count = integer(header, "TFIELDS")
    if count > MAX_COLUMNS:
        raise UnreadableFile(f"at most {MAX_COLUMNS} columns (TFIELDS)", str(count))
    fields: list[Field] = []
    offset = 0
    for n in range(1, count + 1):
        fields.append(_parse_field(header, n, offset))
        offset += fields[-1].width
    if offset != integer(header, "NAXIS1"):
        raise UnreadableFile(f"rows of NAXIS1 = {header.get('NAXIS1')} bytes", f"columns that add up to {offset}")
    if offset > MAX_ROW:
        raise UnreadableFile(f"table rows of at most {MAX_ROW:,} bytes", f"NAXIS1 = {offset:,}")
    return tuple(fields)


def _parse_field(header: Mapping[str, Value], n: int, offset: int) -> Field:
    form = header.get(f"TFORM{n}")
    match = _TFORM.match(form.upper()) if isinstance(form, str) else None
    if not match:
        raise UnreadableFile(f"a column format in TFORM{n}", repr(form))
    repeat, code = int(match[1] or 1), match[2]
    element = match[3].strip()[:1] if code in "PQ" else ""
    if code in "PQ" and (repeat > 1 or not element or element not in _DTYPES | {"A": ""} or element in "PQ"):
        raise UnreadableFile(f"a variable-length format in TFORM{n}, like 1PE(12)", repr(form))
    scale, zero, null, minimum = (number(header, f"{key}{n}") for key in ("TSCAL", "TZERO", "TNULL", "TLMIN"))
    for key, value in (("TSCAL", scale), ("TZERO", zero)):
        if value is None and header.get(f"{key}{n}") is not None:
            raise UnreadableFile(f"{key}{n} to be a number", repr(header[f"{key}{n}"]))
    exact = header.get(f"TNULL{n}")
    dims = header.get(f"TDIM{n}")
    dims = dims.strip() if isinstance(dims, str) else ""
    return Field(
        name=str(header.get(f"TTYPE{n}") or f"col{n}").strip() or f"col{n}",
        code=code,
        repeat=repeat,
        offset=offset,
        width=(repeat + 7) // 8 if code == "X" else repeat * _WIDTHS[code],
        unit=str(header.get(f"TUNIT{n}") or "").strip(),
        null=exact if isinstance(exact, int) else None if null is None else math.floor(null),
        scale=1.0 if scale is None else scale,
        zero=0.0 if zero is None else zero,
        minimum=None if minimum is None else math.floor(minimum),
        element=element,
        dims=tuple(int(word) for word in dims[1:-1].split(",")) if _TDIM.fullmatch(dims) else (),
    )


def resolve(fields: Sequence[Field], *names: str) -> str | None:
    """Find a column by any of several names, whatever its case; None where the table has none of them.

    Examples
    --------
    >>> resolve((Field("TIME", "D", 1, 0, 8),), "time")
    'TIME'
    """
    known = {f.name.lower(): f.name for f in reversed(fields)}
    return next((known[n.lower()] for n in names if n.lower() in known), None)


def resolve_number(fields: Sequence[Field], *names: str) -> Field | None:
    """Find a column of one real number per row by any of several names; None where the table has none of them.

    Raises
    ------
    UnreadableFile
        If the column is there, but holds texts, or several numbers in a row.

    Examples
    --------
    >>> resolve_number((Field("TIME", "D", 1, 0, 8),), "time").code
    'D'
    """
    name = resolve(fields, *names)
    if name is None:
        return None
    f = field_named(fields, name)
    if not f.is_number:
        raise UnreadableFile(f"one number per row in column {name}", f"TFORM {f.repeat}{f.code}")
    return f


def field_named(fields: Sequence[Field], name: str) -> Field:
    """Return the column of exactly this name; the first, where several share it."""
    return next(f for f in fields if f.name == name)


def null_mask(values: Array, f: Field | None = None) -> npt.NDArray[np.bool_] | None:
    """Tell which values are null; None where none is.

    Null are NaN and infinities in floats, TNULLn in integers, and what is neither T nor F in logicals.
    """
    if values.dtype.kind == "f":
        mask = ~np.isfinite(values)
    elif f is not None and (f.element or f.code) == "L":
        mask = values == -1
    elif f is not None and f.null is not None and values.dtype.kind in "iu":
        mask = values == f.null + int(f.zero)  # TNULL is the stored number, the values have TZERO added
    else:
        return None
    return mask if mask.any() else None


def row_dtype(fields: Mapping[str, Field], width: int) -> np.dtype[np.void]:
    """Return the record type that sees the wanted columns of a row of `width` bytes, and nothing else."""
    seen = {key: f for key, f in fields.items() if f.width}  # columns without bytes are made, not read
    return np.dtype(
        {
            "names": list(seen),
            "formats": [_format(f) for f in seen.values()],
            "offsets": [f.offset for f in seen.values()],
            "itemsize": width,
        }
    )


def _format(f: Field) -> str | tuple[str, tuple[int, ...]]:
    if f.code == "A":
        # TDIM of a text column: an array of texts, each as long as the fastest axis.
        if len(f.dims) > 1 and 0 < math.prod(f.dims) == f.repeat:
            return (f"S{f.dims[0]}", tuple(reversed(f.dims[1:])))
        return f"S{f.repeat}"
    if f.code == "X":
        return ("u1", (f.width,))
    if f.code in "PQ":
        return (_DTYPES[f.code], (2,))
    return _DTYPES[f.code] if f.repeat == 1 else (_DTYPES[f.code], (f.repeat,))


def decode(rows: Rows, key: str, f: Field) -> Array:
    """Take one column out of big-endian records.

    Returns
    -------
    ndarray, shape (n,), (n, repeat), or (n, ...) for texts with TDIM
        Contiguous, native byte order, TSCAL and TZERO applied: integers stay integers where they are exact,
        else float64 with NaN for TNULL. L as int8 (1 true, 0 false, -1 null), A as object (str), X as its bytes.
    """
    if not f.width:
        return np.full(len(rows), "", object) if f.code == "A" else np.empty((len(rows), 0), native_dtype(f))
    return _decode(rows[key], f, f.code)


def native_dtype(f: Field) -> np.dtype[np.generic]:
    """Return the type `decode` gives a column."""
    code = f.element or f.code
    if code == "A":
        return np.dtype(object)
    if code == "L":
        return np.dtype(np.int8)
    if not f.scaled or code in "XPQ":
        return np.dtype(_DTYPES[code]).newbyteorder("=")
    if f.integral:
        return np.dtype(_OFFSET_DTYPES.get((code, int(f.zero)), "i8"))
    return np.dtype(np.complex128 if code in "CM" else np.float64)


def _decode(raw: Array, f: Field, code: str) -> Array:
    if code == "A":
        return _text(raw)
    if code == "L":
        return np.where(raw == b"T", np.int8(1), np.where(raw == b"F", np.int8(0), np.int8(-1)))
    native = native_dtype(f)
    if not f.scaled or code in "XPQ":
        return raw.astype(native)
    if f.integral:
        # Wrapping sums are exact here: 2**63 turns int64 into uint64 bit for bit.
        offset = np.int64(int(f.zero) - (1 << 64) if f.zero >= 1 << 63 else int(f.zero))
        return (raw.astype(np.int64) + offset).astype(native)
    with np.errstate(over="ignore", invalid="ignore"):
        values: Array = raw.astype(native) * f.scale + f.zero
    if f.null is not None and raw.dtype.kind in "iu":
        values[raw == f.null] = np.nan
    return values


def _text(raw: Array) -> Array:
    octets = np.ascontiguousarray(raw).view("u1").reshape(*raw.shape, raw.dtype.itemsize)
    after_nul = np.logical_or.accumulate(octets == 0, axis=-1)  # a NUL ends the text; what follows has no meaning
    ended = np.where(after_nul, 0, octets).astype("u1").view(f"S{raw.dtype.itemsize}")[..., 0]
    return np.char.strip(np.char.decode(ended.astype(np.bytes_), "latin-1")).astype(object)


def decode_variable(descriptors: Array, f: Field, heap: memoryview) -> list[Array]:
    """Cut a variable-length column out of the heap: one array per row.

    Parameters
    ----------
    descriptors : ndarray of int, shape (n_rows, 2)
        Number of elements, and offset in the heap, bytes.
    f : Field
        The column; bits (X) come as bytes, text (A) as an array of one str.
    heap : memoryview
        The bytes from THEAP on.

    Raises
    ------
    UnreadableFile
        If a row lies outside the heap, or the rows share its bytes so often that they would not fit in memory.
    """
    dtype = np.dtype(_DTYPES.get(f.element, "S1"))
    numbers, starts = np.asarray(descriptors, np.int64).T
    sizes = (numbers + 7) // 8 if f.element == "X" else numbers
    # Compared by division, so that a damaged length cannot overflow.
    outside = (sizes < 0) | (starts < 0) | (sizes > (len(heap) - starts) // dtype.itemsize)
    outside &= numbers != 0
    if outside.any():
        row = int(outside.argmax())
        raise UnreadableFile(
            f"column {f.name} to lie in the heap of {len(heap):,} bytes",
            f"{numbers[row]:,} elements at {starts[row]:,} in row {row}",
        )
    if int(sizes.sum()) * dtype.itemsize > 4 * len(heap) + (1 << 20):
        raise UnreadableFile(f"column {f.name} to use each byte of the heap once", "rows that overlap many times")
    native = native_dtype(f)
    out = []
    for n, start in zip(sizes.tolist(), starts.tolist(), strict=True):
        if not n:
            out.append(np.empty(0, native))
        elif f.element == "A":
            out.append(_text(np.frombuffer(heap, f"S{n}", 1, start)))
        else:
            out.append(_decode(np.frombuffer(heap, dtype, n, start), f, f.element))
    return out
