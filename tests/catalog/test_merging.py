"""Merging: one row per key, releases never mix, order alone decides, batches do not matter."""

from __future__ import annotations

import contextlib

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.columns import EXTRA, FLOAT64, LONGS, TEXT, Column
from catalog.merging import merge as merge_into
from catalog.tables import Table

TABLE = Table(
    "main.t",
    "A table for tests",
    ("name",),
    (
        Column("name", TEXT, "Key"),
        Column("a", FLOAT64, "A"),
        Column("b", FLOAT64, "B"),
        Column("release", TEXT, "Release"),
        Column("extra", EXTRA, "More"),
        Column("file_ids", LONGS, "Files"),
    ),
    writing="merge",
)


def row(name, a=None, b=None, release=None, extra=None, file_id=1):
    return {"name": name, "a": a, "b": b, "release": release, "extra": extra or [], "file_ids": [file_id]}


def merge(*batches):
    """Merge batches of rows one after another into an empty table; return rows by key."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("ATTACH ':memory:' AS lake")
        connection.execute(f"CREATE TABLE lake.t ({', '.join(c.ddl for c in TABLE.columns)})")
        for batch in batches:
            connection.register("batch", pa.Table.from_pylist(batch, TABLE.schema))
            merge_into(connection, TABLE, "batch")
        rows = connection.execute("SELECT * FROM lake.t").to_arrow_table().to_pylist()
    assert len({r["name"] for r in rows}) == len(rows)
    return {r["name"]: {k: v for k, v in r.items() if k != "name"} for r in rows}


def test_null_means_not_said_and_later_overrides():
    merged = merge([row("x", a=1, b=2)], [row("x", a=3, file_id=2)])
    assert merged["x"] == {"a": 3, "b": 2, "release": None, "extra": [], "file_ids": [1, 2]}


def test_within_one_batch_too():
    first, second = row("x", a=1, b=2), row("x", a=3, file_id=2)
    assert merge([first, second]) == merge([first], [second])


@pytest.mark.parametrize("together", [True, False])
def test_releases_never_mix(together):
    old, new = row("x", a=1, b=2, release="2.0"), row("x", a=3, release="2.1", file_id=2)
    expected = {"a": 3, "b": None, "release": "2.1", "extra": [], "file_ids": [2]}
    for first, second in ((old, new), (new, old)):
        merged = merge([first, second]) if together else merge([first], [second])
        assert merged["x"] == expected


def test_a_row_without_release_gives_way():
    merged = merge([row("x", a=1)], [row("x", b=2, release="2.0", file_id=2)], [row("x", a=9, file_id=3)])
    assert merged["x"] == {"a": None, "b": 2, "release": "2.0", "extra": [], "file_ids": [2]}


def test_extra_columns_are_united():
    merged = merge([row("x", extra=[("u", "1"), ("v", "1")])], [row("x", extra=[("v", "2"), ("w", "2")], file_id=2)])
    assert dict(merged["x"]["extra"]) == {"u": "1", "v": "2", "w": "2"}
    merged = merge([row("x", extra=[("u", "1")]), row("x", extra=[("u", "2")], file_id=2)])
    assert dict(merged["x"]["extra"]) == {"u": "2"}


values = st.one_of(st.none(), st.integers(0, 3).map(float))
rows = st.builds(
    row,
    st.sampled_from("xyz"),
    values,
    values,
    st.sampled_from([None, "2.0", "2.1"]),
    st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("12")), max_size=2, unique_by=lambda kv: kv[0]),
    st.integers(1, 5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, max_size=12), st.data())
def test_where_batches_are_cut_does_not_matter(rows, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    batches = [rows[i:j] for i, j in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    one, many = merge(rows), merge(*batches)
    for merged in (one, many):
        for r in merged.values():
            r["extra"] = dict(r["extra"])
    assert one == many
