"""Cells of a result that files have no room for: lists, maps and structs become JSON."""

from __future__ import annotations

import json
import math
from datetime import date, datetime

import pyarrow as pa


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
