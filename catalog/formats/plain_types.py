"""Types of the engine that have no faithful place in Arrow, and values that have none in a calendar.

The engine hands out rows as Arrow. Some of its types come out there with other values than they have (an UHUGEINT
beyond 128 signed bits, a time without its zone) or not at all (VARIANT). Those are turned into a type that has a place
before they leave the engine: into text, as the engine writes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
from duckdb.sqltypes import DuckDBPyType

from catalog.errors import QueryError
from catalog.schema.columns import quote


def json_text(value: object) -> str:
    """Write a value as JSON; what JSON lacks (NaN, infinities) becomes null.

    Examples
    --------
    >>> json_text([("a", 1), ("b", None)]), json_text(["x", None]), json_text([float("nan")])
    ('{"a": 1, "b": null}', '["x", null]', '[null]')
    """
    return json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)


def _jsonable(value: object) -> object:
    if isinstance(value, list):
        if value and all(isinstance(v, tuple) for v in value):  # Arrow gives a map as a list of pairs
            return {str(k): _jsonable(v) for k, v in value}
        return [_jsonable(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def time_text(value: object) -> str:
    """Write a moment in ISO 8601 without a zone; an empty text for None.

    Examples
    --------
    >>> time_text(datetime(2021, 5, 15, 9, 27, 36)), time_text(None)
    ('2021-05-15T09:27:36', '')
    """
    return "" if value is None else str(value).replace(" ", "T").removesuffix("+00:00")


def is_plain(type_: pa.DataType) -> bool:
    """Tell whether a cell is one number, text, truth value or time.

    Examples
    --------
    >>> is_plain(pa.int16()), is_plain(pa.list_(pa.int16()))
    (True, False)
    """
    if pa.types.is_duration(type_) or pa.types.is_time(type_):
        return False
    return bool(pa.types.is_primitive(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_))


_AS_TEXT = frozenset(
    {
        "bignum",
        "bit",
        "time with time zone",
        "time_tz",
        "time_ns",
        "interval",
        "variant",
        "union",
        "geometry",
        "unknown",
    }
)
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days since 1970
_INFINITE = (1 << 63) - 1
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def with_places(query: str, names: Sequence[str], types: Sequence[DuckDBPyType]) -> str | None:
    """Return a query that hands out the same rows in types that have a place; None where all have.

    Parameters
    ----------
    query : str
        One SELECT statement.
    names, types : sequence, length n
        Columns of its result.
    """
    wanted = [_place(type_) for type_ in types]
    if not any(wanted):
        return None
    columns = [
        f"#{n} AS {quote(name)}" if new is None else f"CAST(#{n} AS {new}) AS {quote(name)}"
        for n, (name, new) in enumerate(zip(names, wanted, strict=True), 1)
    ]
    return f"SELECT {', '.join(columns)} FROM ({query}\n)"


def _place(type_: DuckDBPyType) -> str | None:
    """Return the type to hand a column out in, as SQL; None for its own."""
    kind = type_.id
    if kind in _AS_TEXT or kind == "uhugeint":
        return "HUGEINT" if kind == "uhugeint" else "VARCHAR"
    if kind not in {"list", "array", "map", "struct"}:
        return None
    # The fields of row(1, 2) have no names; DuckDB counts them from 1.
    children = {name or str(n): child for n, (name, child) in enumerate(type_.children, 1)}
    parts = {name: child for name, child in children.items() if isinstance(child, DuckDBPyType)}
    new = {name: _place(child) for name, child in parts.items()}
    if not any(new.values()) and all(name for name, _ in type_.children):
        return None
    spelled = {name: new[name] or str(child) for name, child in parts.items()}
    if kind == "struct":
        return f"STRUCT({', '.join(f'{quote(name)} {part}' for name, part in spelled.items())})"
    if kind == "map":
        return f"MAP({spelled['key']}, {spelled['value']})"
    return f"{spelled['child']}[{children.get('size', '')}]"


def check_values(column: pa.Array, name: str) -> None:
    """Refuse what neither Python nor FITS nor VOTable can write: infinity, years before 1 and after 9999, 24:00:00.

    Parameters
    ----------
    column : pyarrow.Array
        Of any type; dates are found inside lists and structs too.
    name : str
        For the message.

    Raises
    ------
    QueryError
    """
    type_ = column.type
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        days = type_.bit_width == 32 and pa.types.is_date(type_)  # noqa: PLR2004 - date32
        per_day = 1 if days else _PER_DAY[type_.unit if pa.types.is_timestamp(type_) else "ms"]
        found = pc.min_max(column.cast(pa.int32() if days else pa.int64()))
        low, high = found["min"].as_py(), found["max"].as_py()
        infinite = low is not None and not -_INFINITE < low <= high < _INFINITE  # nanoseconds end before year 9999
        if infinite or (low is not None and (low < _FIRST_DAY * per_day or high >= (_LAST_DAY + 1) * per_day)):
            raise QueryError(
                f"column {name} has a date that no calendar of years 1 to 9999 has, such as infinity; "
                f"write {name}::VARCHAR, or leave it out: WHERE isfinite({name})"
            )
    elif pa.types.is_time(type_):
        last = pc.max(column.cast(pa.int64() if pa.types.is_time64(type_) else pa.int32())).as_py()
        if last is not None and last >= _PER_DAY[type_.unit]:
            raise QueryError(f"column {name} has the time 24:00:00, which no clock shows; write {name}::VARCHAR")
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        check_values(column.flatten(), name)
    elif pa.types.is_map(type_):
        check_values(column.keys, name)
        check_values(column.items, name)
    elif pa.types.is_struct(type_):
        for field in column.flatten():
            check_values(field, name)


def has_times(type_: pa.DataType) -> bool:
    """Tell whether `check_values` has anything to look at.

    Examples
    --------
    >>> has_times(pa.list_(pa.date32())), has_times(pa.map_(pa.string(), pa.int8()))
    (True, False)
    """
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        return True
    return any(has_times(type_.field(i).type) for i in range(type_.num_fields))


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Return the type a column is handed out as: sums of integers are int64, decimals are float64.

    Examples
    --------
    >>> plain_type(pa.decimal128(38, 0)), plain_type(pa.decimal128(4, 2)), plain_type(pa.list_(pa.decimal128(38, 0)))
    (DataType(int64), DataType(double), ListType(list<item: int64>))
    """
    plain = type_
    if pa.types.is_decimal(type_):
        plain = pa.int64() if type_.scale == 0 else pa.float64()
    elif pa.types.is_dictionary(type_):
        plain = type_.value_type
    elif pa.types.is_list(type_):
        plain = pa.list_(_plain_field(type_.value_field))
    elif pa.types.is_fixed_size_list(type_):
        plain = pa.list_(_plain_field(type_.value_field), type_.list_size)
    elif pa.types.is_struct(type_):
        plain = pa.struct([_plain_field(field) for field in type_])
    elif pa.types.is_map(type_):
        plain = pa.map_(plain_type(type_.key_type), plain_type(type_.item_type))
    return plain


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))


def plain(column: pa.Array, type_: pa.DataType, name: str) -> pa.Array:
    """Return a column in its plain type.

    Raises
    ------
    QueryError
        If an integer is too large for 64 bits.
    """
    if column.type == type_:
        return column
    try:
        return column.cast(type_)
    except pa.ArrowException as error:
        raise QueryError(
            f"column {name} has a number that has no place in {type_}; write {name}::DOUBLE, or {name}::VARCHAR with "
            f"all its digits ({error})"
        ) from error
