"""Columns as files spell them -> columns as the catalog types them, vectorised; nothing is lost.

A value that does not fit its type is not an error: it is reported, so that the caller keeps it as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.schema.columns import INT16, INT32, TEXT
from catalog.schema.identifiers import DETECTION_ID, MINUS_SIGNS, NOT_OF_A_NAME, PLUS_SIGNS, SOURCE_NAME

_NOTHING = ("", "nan", "null", "<null>", "n/a", "<na>", "not available", "not applicable", "\\n", "masked")
NULL_WORDS = (*_NOTHING, "none", "na", "-", "--", "---", ".", "..", "...", "…", "?", "nat", "inf", "+inf", "-inf")
"""Words that stand for no number and no truth, in lower case."""

TEXT_NULLS = (*_NOTHING, "--", "---", "...", "…")
"""Words that stand for no text, in lower case: 'NONE' is a grating, and 'NA' may be anything."""

INTEGER_SENTINELS = ("-2147483648", "-9223372036854775808")
_TRUE, _FALSE = ("true", "t", "1", "yes", "y", "1.0"), ("false", "f", "0", "no", "n", "0.0")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_SEXAGESIMAL = r"^(?P<sign>[+-]?)(?P<a>\d{1,3})[ :hd°](?P<b>\d{1,2})[ :m'](?P<c>\d{1,2}(?:\.\d*)?)[s\"]?$"
_NO_BREAK_SPACES = r"[\x{a0}\x{2007}\x{2009}\x{202f}]"
_INVISIBLE = r"[\x{200b}-\x{200f}\x{2060}\x{feff}]"
_THOUSANDS = r"^[+-]?\d{1,3}([\x{a0}\x{2007}\x{2009}\x{202f}]\d{3})+(\.\d*)?$"


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

    Lists and records become JSON, bytes are read as Latin-1; NULL stays NULL, and so do the words that mean it: blanks,
    NaN, '...', 'Not Available'.

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
        return _null_where(text, _is_word(text, TEXT_NULLS))
    if pa.types.is_nested(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return pa.array([None if v is None else _spell(v) for v in values.to_pylist()], pa.string())
    if pa.types.is_floating(type_):
        values = _null_where(values, pc.invert(pc.is_finite(values)))
    return values.cast(pa.string())


def cast_column(values: pa.Array, type_: pa.DataType, factor: float = 1.0) -> Cast:
    """Bring a column into a type of the catalog: float, integer, boolean or text.

    Parameters
    ----------
    values : pyarrow.Array
        Text as a file has it (padded, 'NaN', 'TRUE', '1.50D-14', with a typesetter's minus sign), or numbers.
    type_ : pyarrow.DataType
        The type to bring it into.
    factor : float
        How many of the catalog's units one of the file's is: numbers are multiplied by it.

    Examples
    --------
    >>> cast_column(pa.array([" 1.5", "NaN", "", "1D-3", "x"]), pa.float64()).values.to_pylist()
    [1.5, None, None, 0.001, None]
    >>> cast_column(pa.array(["\N{MINUS SIGN}2", "...", "0.5"]), pa.float64(), 60.0).values.to_pylist()
    [-120.0, None, 30.0]
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
        return _fit(
            values if pa.types.is_boolean(values.type) else _scaled(values.cast(pa.float64(), safe=False), factor),
            type_,
        )
    text = as_text(values)
    if pa.types.is_boolean(type_):
        return _to_bool(text)
    numbers, misfits = _to_float(text, sentinels=pa.types.is_integer(type_))
    fitted = _fit(_scaled(numbers, factor), type_)
    return Cast(fitted.values, _either(misfits, fitted.misfits))


def cast_angle(values: pa.Array, *, hours: bool, factor: float = 1.0) -> Cast:
    """Read positions in decimal degrees or sexagesimal ('08 42 29.22', '-48:07:06.0').

    Parameters
    ----------
    values : pyarrow.Array
    hours : bool
        Whether sexagesimal values count hours (right ascension) or degrees (declination).
    factor : float
        How many degrees one of the file's units is, for values that are plain numbers.

    Examples
    --------
    >>> cast_angle(pa.array(["08 42 30.00", "130.625"]), hours=True).values.to_pylist()
    [130.625, 130.625]
    >>> cast_angle(pa.array(["-00:30:00"]), hours=False).values.to_pylist()
    [-0.5]
    """
    cast = cast_column(values, pa.float64(), factor)
    if cast.misfits is None:
        return cast
    parts = pc.extract_regex(_plain(as_text(values)), _SEXAGESIMAL)
    sign, a, b, c = (pc.struct_field(parts, name) for name in ("sign", "a", "b", "c"))
    whole, minutes, seconds = (part.cast(pa.float64()) for part in (a, b, c))
    degrees = pc.add(whole, pc.add(pc.divide(minutes, 60.0), pc.divide(seconds, 3600.0)))
    factor = pc.if_else(pc.equal(sign, "-"), -15.0 if hours else -1.0, 15.0 if hours else 1.0)
    sexagesimal = pc.multiply(degrees, factor)
    misfits = pc.and_(cast.misfits, pc.is_null(sexagesimal))
    return Cast(pc.coalesce(cast.values, sexagesimal), misfits if pc.any(misfits).as_py() else None)


def cast_name(values: pa.Array, bare: str | None = None) -> Cast:
    """Bring CSC source names into canonical form, as `schema.identifiers.source_name` does; else NULL and a misfit.

    Parameters
    ----------
    values : pyarrow.Array
    bare : str, optional
        What a name without designation is one of ('2CXO'), where the table tells it: VizieR writes 'J031948.1+413046'.

    Examples
    --------
    >>> cast_name(pa.array([" 2CXO  J031948.1+413046x", "[2cxo]_J031948.1+413046", "M 82"])).values.to_pylist()
    ['2CXO J031948.1+413046X', '2CXO J031948.1+413046', None]
    >>> cast_name(pa.array(["J031948.1+413046"]), "2CXO").values.to_pylist()
    ['2CXO J031948.1+413046']
    """
    text = as_text(values)
    name = pc.replace_substring_regex(_signs(text), r"^b(['\"])(.*)['\"]$", r"\2")
    name = pc.utf8_upper(pc.replace_substring_regex(name, NOT_OF_A_NAME, ""))
    if bare:
        name = pc.replace_substring_regex(name, r"^J([0-9])", rf"{bare}J\1")
    parts = pc.extract_regex(name, f"^{SOURCE_NAME}$")
    prefix, ra, dec, suffix = (pc.struct_field(parts, part) for part in ("prefix", "ra", "dec", "suffix"))
    found = pc.binary_join_element_wise(prefix, pc.binary_join_element_wise("J", ra, dec, suffix, ""), " ")
    misfits = pc.and_(pc.is_valid(text), pc.is_null(found))
    return Cast(found, misfits if pc.any(misfits).as_py() else None)


def _signs(text: pa.Array) -> pa.Array:
    """Write the signs of typesetters as '-' and '+'; at no cost where all is ASCII."""
    if pc.all(pc.string_is_ascii(text)).as_py() is not False:
        return text
    text = pc.replace_substring_regex(text, f"[{MINUS_SIGNS}]", "-")
    return pc.replace_substring_regex(text, f"[{PLUS_SIGNS}]", "+")


def _plain(text: pa.Array) -> pa.Array:
    """Write numbers of typesetters in ASCII: signs, no-break spaces, invisible characters."""
    if pc.all(pc.string_is_ascii(text)).as_py() is not False:
        return text
    text = pc.replace_substring_regex(_signs(text), _INVISIBLE, "")
    grouped = pc.fill_null(pc.match_substring_regex(text, _THOUSANDS), fill_value=False)
    text = pc.if_else(grouped, pc.replace_substring_regex(text, _NO_BREAK_SPACES, ""), text)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(text, _NO_BREAK_SPACES, " "))


def _is_word(text: pa.Array, words: tuple[str, ...]) -> pa.Array:
    return pc.is_in(pc.utf8_lower(text), value_set=pa.array(words))


def _scaled(numbers: pa.Array, factor: float) -> pa.Array:
    return numbers if factor == 1.0 else pc.multiply(numbers, factor)


def _spell(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else json.dumps(value, default=str)


def _null_where(values: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, fill_value=False), pa.scalar(None, values.type), values)


def _either(a: pa.Array | None, b: pa.Array | None) -> pa.Array | None:
    return b if a is None else a if b is None else pc.or_(a, b)


def _to_float(text: pa.Array, *, sentinels: bool) -> tuple[pa.Array, pa.Array | None]:
    """Parse numbers: at full speed where all are, one regular expression more where some are not."""
    words = NULL_WORDS + (INTEGER_SENTINELS if sentinels else ())
    text = _plain(text)
    text = _null_where(text, _is_word(text, words))
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


def add_identifiers(columns: dict[str, pa.Array], ids: pa.Array) -> None:
    """Take obsid, obi and region_id out of detection ids, where the table has no columns of their own."""
    parts = pc.extract_regex(ids, DETECTION_ID)
    for name, type_ in (("obsid", INT32), ("obi", INT16), ("region_id", INT32)):
        text = pc.struct_field(parts, "region" if name == "region_id" else name)
        values = cast_column(text, type_).values
        columns[name] = pc.coalesce(columns[name], values) if name in columns else values


def detection_ids(detection: Mapping[str, pa.Array], names: pa.Array) -> pa.Array:
    """Build 'obsid.obi.region_id' as `catalog.schema.identifiers.detection_id` does, for all rows at once."""
    missing = pa.nulls(len(names), TEXT)
    obsid = detection["obsid"].cast(TEXT)
    obi = pc.fill_null(detection["obi"].cast(TEXT) if "obi" in detection else missing, "-")
    region = pc.coalesce(detection["region_id"].cast(TEXT) if "region_id" in detection else missing, names)
    return pc.binary_join_element_wise(obsid, obi, region, ".")
