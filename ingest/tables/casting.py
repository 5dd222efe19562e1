"""Columns as files spell them -> columns as the catalog types them, vectorised; nothing is lost.

A value that does not fit its type is not an error: it is reported, so that the caller keeps it as text.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL_WORDS = ("", "nan", "null", "none", "n/a", "na", "--", "-", "\\n", "inf", "+inf", "-inf", "...", "masked")
INTEGER_SENTINELS = ("-2147483648", "-9223372036854775808")
_TRUE, _FALSE = ("true", "t", "1", "yes", "y", "1.0"), ("false", "f", "0", "no", "n", "0.0")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_SEXAGESIMAL = r"^(?P<sign>[+-]?)(?P<a>\d{1,3})[ :hd°](?P<b>\d{1,2})[ :m'](?P<c>\d{1,2}(?:\.\d*)?)[s\"]?$"
_SOURCE_NAME = r"^[12]CXOU? J\d{6}\.\d[+-]\d{6}[A-Z]?$"
_TEXT_NULLS = ("", "nan", "NaN", "NULL", "null")


class Cast(NamedTuple):
    """A column in its new type, and which of its values did not fit.

    Attributes
    ----------
    values : pyarrow.Array
        NULL where blank, not finite, a sentinel, or not of the type.
    misfits : pyarrow.BooleanArray or None
        True where a value was there but is not of the type; None where all fit.
    """

    values: pa.Array
    misfits: pa.Array | None = None


def as_text(values: pa.Array) -> pa.Array:
    """Spell any column as text: what `extra` keeps.

    Lists and records become JSON, bytes are read as Latin-1; NULL stays NULL, blanks and NaN become NULL.

    Examples
    --------
    >>> as_text(pa.array([1.5, None, float("nan")])).to_pylist()
    ['1.5', None, None]
    >>> as_text(pa.array([[1, 2], None])).to_pylist()
    ['[1, 2]', None]
    """
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return as_text(values.dictionary_decode())
    if pa.types.is_null(type_):
        return pa.nulls(len(values), pa.string())
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        text = pc.utf8_trim_whitespace(values.cast(pa.string()))
        return _null_where(text, pc.is_in(text, value_set=pa.array(_TEXT_NULLS)))
    if pa.types.is_nested(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return pa.array([None if v is None else _spell(v) for v in values.to_pylist()], pa.string())
    if pa.types.is_floating(type_):
        values = _null_where(values, pc.invert(pc.is_finite(values)))
    return values.cast(pa.string())


def cast_column(values: pa.Array, type_: pa.DataType) -> Cast:
    """Bring a column into a type of the catalog: float, integer, boolean or text.

    Parameters
    ----------
    values : pyarrow.Array
        Text as a file has it (padded, 'NaN', 'TRUE', '1.50D-14'), or numbers.
    type_ : pyarrow.DataType
        The type to bring it into.

    Examples
    --------
    >>> cast_column(pa.array([" 1.5", "NaN", "", "1D-3", "x"]), pa.float64()).values.to_pylist()
    [1.5, None, None, 0.001, None]
    >>> flags = cast_column(pa.array([" TRUE", "F", "0", "maybe"]), pa.bool_())
    >>> flags.values.to_pylist(), flags.misfits.to_pylist()
    ([True, False, False, None], [False, False, False, True])
    """
    if pa.types.is_string(type_):
        return Cast(as_text(values))
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type):
        if pa.types.is_boolean(type_) and not pa.types.is_boolean(values.type):
            return _to_bool(as_text(values))
        # Beyond 2**53 a float is not exact: no column of the catalog holds such a number.
        return _fit(values if pa.types.is_boolean(values.type) else values.cast(pa.float64(), safe=False), type_)
    text = as_text(values)
    if pa.types.is_boolean(type_):
        return _to_bool(text)
    numbers, misfits = _to_float(text, sentinels=pa.types.is_integer(type_))
    fitted = _fit(numbers, type_)
    return Cast(fitted.values, _either(misfits, fitted.misfits))


def cast_angle(values: pa.Array, *, hours: bool) -> Cast:
    """Read positions in decimal degrees or sexagesimal ('08 42 29.22', '-48:07:06.0').

    Parameters
    ----------
    values : pyarrow.Array
    hours : bool
        Whether sexagesimal values count hours (right ascension) or degrees (declination).

    Examples
    --------
    >>> cast_angle(pa.array(["08 42 30.00", "130.625"]), hours=True).values.to_pylist()
    [130.625, 130.625]
    >>> cast_angle(pa.array(["-00:30:00"]), hours=False).values.to_pylist()
    [-0.5]
    """
    cast = cast_column(values, pa.float64())
    if cast.misfits is None:
        return cast
    parts = pc.extract_regex(as_text(values), _SEXAGESIMAL)
    sign, a, b, c = (pc.struct_field(parts, name) for name in ("sign", "a", "b", "c"))
    whole, minutes, seconds = (part.cast(pa.float64()) for part in (a, b, c))
    degrees = pc.add(whole, pc.add(pc.divide(minutes, 60.0), pc.divide(seconds, 3600.0)))
    factor = pc.if_else(pc.equal(sign, "-"), -15.0 if hours else -1.0, 15.0 if hours else 1.0)
    sexagesimal = pc.multiply(degrees, factor)
    misfits = pc.and_(cast.misfits, pc.is_null(sexagesimal))
    return Cast(pc.coalesce(cast.values, sexagesimal), misfits if pc.any(misfits).as_py() else None)


def cast_name(values: pa.Array) -> Cast:
    """Bring CSC source names into canonical form; what is none becomes NULL and a misfit.

    Examples
    --------
    >>> cast_name(pa.array([" 2CXO  J031948.1+413046x", "M 82"])).values.to_pylist()
    ['2CXO J031948.1+413046X', None]
    """
    text = pc.utf8_upper(as_text(values))
    text = pc.replace_substring_regex(text, r"^([12]CXOU?)[\s_]*J\s*", r"\1 J")
    valid = pc.match_substring_regex(text, _SOURCE_NAME)
    misfits = pc.fill_null(pc.invert(valid), fill_value=False)
    return Cast(_null_where(text, pc.invert(valid)), misfits if pc.any(misfits).as_py() else None)


def _spell(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else json.dumps(value, default=str)


def _null_where(values: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, fill_value=False), pa.scalar(None, values.type), values)


def _either(a: pa.Array | None, b: pa.Array | None) -> pa.Array | None:
    return b if a is None else a if b is None else pc.or_(a, b)


def _to_float(text: pa.Array, *, sentinels: bool) -> tuple[pa.Array, pa.Array | None]:
    """Parse numbers: at full speed where all are, one regular expression more where some are not."""
    words = NULL_WORDS + (INTEGER_SENTINELS if sentinels else ())
    text = _null_where(text, pc.is_in(pc.utf8_lower(text), value_set=pa.array(words)))
    try:
        return text.cast(pa.float64()), None
    except pa.ArrowInvalid:
        text = pc.replace_substring_regex(text, r"^([+-]?[\d.]+)[dD]([+-]?\d+)$", r"\1E\2")
    valid = pc.match_substring_regex(text, _NUMBER)
    misfits = pc.fill_null(pc.invert(valid), fill_value=False)
    numbers = _null_where(text, misfits).cast(pa.float64())
    return numbers, misfits if pc.any(misfits).as_py() else None


def _to_bool(text: pa.Array) -> Cast:
    text = pc.utf8_lower(text)
    text = _null_where(text, pc.is_in(text, value_set=pa.array(NULL_WORDS + INTEGER_SENTINELS)))
    true, false = pc.is_in(text, value_set=pa.array(_TRUE)), pc.is_in(text, value_set=pa.array(_FALSE))
    misfits = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
    values = pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
    return Cast(values, misfits if pc.any(misfits).as_py() else None)


def _fit(numbers: pa.Array, type_: pa.DataType) -> Cast:
    """Finite floats into a float, an integer (whole and in range) or a boolean column."""
    if pa.types.is_boolean(numbers.type):
        return Cast(numbers.cast(type_) if not pa.types.is_floating(type_) else numbers.cast(pa.int8()).cast(type_))
    numbers = _null_where(numbers, pc.invert(pc.is_finite(numbers)))
    if not pa.types.is_integer(type_):
        return Cast(numbers.cast(type_))
    limits = np.iinfo(type_.to_pandas_dtype())
    whole = pc.equal(pc.round(numbers), numbers)
    # 2**63 is not below itself as a float: strictly less, so that the cast cannot overflow.
    inside = pc.and_(pc.greater_equal(numbers, float(limits.min)), pc.less(numbers, float(limits.max) + 1.0))
    sentinel = pc.is_in(numbers, value_set=pa.array([float(s) for s in INTEGER_SENTINELS]))
    good = pc.and_(pc.and_(whole, inside), pc.invert(sentinel))
    misfits = pc.fill_null(pc.and_(pc.invert(good), pc.invert(sentinel)), fill_value=False)
    values = _null_where(numbers, pc.invert(good)).cast(type_)
    return Cast(values, misfits if pc.any(misfits).as_py() else None)
