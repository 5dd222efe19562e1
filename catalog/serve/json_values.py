"""Rows and numbers as JSON can say them."""

from __future__ import annotations

import math

import pyarrow as pa

from catalog.formats.plain_types import is_plain, json_text

Json = dict[str, object]


def records(table: pa.Table) -> list[Json]:
    """Return a table's rows, each as names and values."""
    columns = []
    for column in table.columns:
        values = column.to_pylist()
        if not is_plain(column.type):
            values = [None if v is None else json_text(v) for v in values]
        elif pa.types.is_temporal(column.type):
            values = [None if v is None else str(v) for v in values]
        columns.append([number(v) if isinstance(v, float) else v for v in values])
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def number(value: object) -> object:
    """Return a value that JSON can say: what it lacks becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
