"""Merging: one row per key, made of what the files say; the order of arrival does not matter, releases never mix."""

from __future__ import annotations

import contextlib
import itertools

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.schema import Table
from catalog.schema.columns import EXTRA, FLOAT64, INT16, LONGS, TEXT, Column
from catalog.store import merging
from catalog.store.merging import merge as merge_into
from catalog.store.merging import take_back

TABLE = Table(
    "main.t",
    "A table for tests",
    ("name",),
    (
        Column("name", TEXT, "Key"),
        Column("a", FLOAT64, "A"),
        Column("b", FLOAT64, "B"),
        Column("standing", INT16, "Standing"),
        Column("release", TEXT, "Release"),
        Column("extra", EXTRA, "More"),
        Column("file_ids", LONGS, "Files"),
    ),
    writing="merge",
)
TABLES, OWN = 50, 1050
"""Standings: of a table, and of a file of the catalog's own."""


def row(name, a=None, b=None, release=None, extra=None, file_id=1, standing=TABLES):
    whose = {"name": name, "standing": standing, "release": release, "file_ids": [file_id]}
    return whose | {"a": a, "b": b, "extra": extra or []}


@contextlib.contextmanager
def store():
    """An empty table with its contributions, and a ledger of nine files whose paths are in the order of their ids."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("ATTACH ':memory:' AS lake")
        for table in (TABLE, TABLE.said):
            connection.execute(f"CREATE TABLE lake.{table.name} ({', '.join(c.ddl for c in table.columns)})")
        connection.execute("CREATE SCHEMA lake.meta")
        connection.execute("CREATE TABLE lake.meta.file AS SELECT i AS file_id, '/' || i AS path FROM range(10) t(i)")
        yield connection


def add(connection, rows):
    connection.register("batch", pa.Table.from_pylist(rows, TABLE.schema))
    return merge_into(connection, TABLE, "batch")


def rows_of(connection, table="t"):
    rows = connection.execute(f"SELECT * FROM lake.{table} ORDER BY ALL").to_arrow_table().to_pylist()
    for r in rows:
        r["extra"] = dict(r["extra"] or {})
    return rows


def merge(*batches):
    """Merge batches of rows one after another into an empty table; return rows by key."""
    with store() as connection:
        for batch in batches:
            add(connection, batch)
        rows = rows_of(connection)
    assert len({r["name"] for r in rows}) == len(rows)
    return {r["name"]: {k: v for k, v in r.items() if k != "name"} for r in rows}


def kept(a=None, b=None, release=None, extra=None, files=(1,), standing=TABLES):
    return {"a": a, "b": b, "release": release, "extra": extra or {}, "file_ids": [*files], "standing": standing}


def test_null_means_not_said_and_of_equal_files_the_last_by_path_holds():
    first, second = row("x", a=1, b=2), row("x", a=3, file_id=2)
    for batches in ([[first], [second]], [[second], [first]], [[first, second]]):
        assert merge(*batches)["x"] == kept(a=3, b=2, files=(1, 2))


def test_a_list_never_overrides_a_table_and_no_table_a_file_of_the_catalogs_own():
    listed, table = row("x", a=9, b=9, file_id=9, standing=2), row("x", a=1, file_id=2)
    own = row("x", a=0.5, file_id=1, standing=OWN)
    for batches in itertools.permutations([[listed], [table], [own]]):
        assert merge(*batches)["x"] == kept(a=0.5, b=9, files=(1, 2, 9), standing=OWN)


@pytest.mark.parametrize("release", [None, "2.0", "2.1"])
def test_a_list_with_a_release_does_not_hide_a_table_without_one(release):
    listed, table = row("x", a=9, release="2.1", file_id=9, standing=3), row("x", a=1, b=2, release=release)
    expected = kept(a=1, b=2, release=release, files=(1, 9) if release == "2.1" else (1,))
    assert merge([listed], [table])["x"] == merge([table], [listed])["x"] == expected


@pytest.mark.parametrize("together", [True, False])
def test_releases_never_mix(together):
    old, new = row("x", a=1, b=2, release="2.0"), row("x", a=3, release="2.1", file_id=2)
    for first, second in ((old, new), (new, old)):
        merged = merge([first, second]) if together else merge([first], [second])
        assert merged["x"] == kept(a=3, release="2.1", files=(2,))


def test_a_row_without_release_gives_way_but_keeps_its_own_columns():
    untold = row("x", a=1, extra=[("z", "0.1")])
    merged = merge([untold], [row("x", b=2, release="2.0", file_id=2)], [row("x", a=9, file_id=3)])
    assert merged["x"] == kept(b=2, release="2.0", extra={"z": "0.1"}, files=(1, 2))


def test_extra_columns_are_united():
    merged = merge([row("x", extra=[("u", "1"), ("v", "1")])], [row("x", extra=[("v", "2"), ("w", "2")], file_id=2)])
    assert merged["x"]["extra"] == {"u": "1", "v": "2", "w": "2"}
    merged = merge([row("x", extra=[("u", "1")]), row("x", extra=[("u", "2")], file_id=2)])
    assert merged["x"]["extra"] == {"u": "2"}


def test_of_several_rows_of_one_file_the_last_counts():
    assert merge([row("x", a=1, b=5), row("x", a=2), row("y", a=7)])["x"] == kept(a=2, b=5)


def test_what_only_one_file_says_is_stored_once():
    with store() as connection:
        add(connection, [row("x", a=1), row("y", a=1)])
        assert rows_of(connection, "t_said") == []
        add(connection, [row("y", b=2, file_id=2)])
        assert [(r["name"], r["file_ids"]) for r in rows_of(connection, "t_said")] == [("y", [1]), ("y", [2])]


@pytest.mark.parametrize(
    ("here", "held", "differ"),
    [(99.0, 211.3151912, True), (211.315, 211.3151912, False), (211.316, 211.3151912, True), (9.0, 9.4, False),
     (100.0, 140.0, True), (1.23e-14, 1.2345e-14, False), (1.24e-14, 1.2345e-14, True), (0.0, 0.4, True),
     (0.699999988079071, 0.7, False), (-0.5, 0.5, True), (16777217.0, 16777218.0, False)],
)  # fmt: skip
def test_a_value_that_does_not_hold_is_disputed_unless_it_is_the_same_rounded(here, held, differ):
    with store() as connection:
        add(connection, [row("x", a=here, b=1.0, standing=2), row("y", a=here)])
        add(connection, [row("x", a=held, b=1.0, file_id=2), row("y", b=3, file_id=3)])
        said = rows_of(connection, "t_said")
        disputed = {r["file_ids"][0]: r["disputed"] for r in said if r["name"] == "x"}
        assert disputed == {1: ["a"] if differ else None, 2: None}
        assert [r["disputed"] for r in said if r["name"] == "y"] == [None, None]


def test_a_row_of_an_older_store_holds_and_its_files_are_asked_for_again():
    """There rows of several files have no contributions, and no row says how much its file counts."""
    with store() as connection:
        connection.register("old", pa.Table.from_pylist(
            [row("x", a=1, b=2, standing=None) | {"file_ids": [1, 2]}, row("y", a=5, standing=None, file_id=1)],
            TABLE.schema,
        ))  # fmt: skip
        connection.execute("INSERT INTO lake.t BY NAME FROM old")
        again = add(connection, [row("x", a=9, file_id=9, standing=2), row("y", a=9, file_id=9, standing=2)])
        assert again.again == {1, 2}
        assert [(r["name"], r["a"], r["b"]) for r in rows_of(connection)] == [("x", 1, 2), ("y", 5, None)]
        for file_id, rows in ((1, [row("x", a=1.5), row("y", a=5.5)]), (2, [row("x", b=2.5, file_id=2)])):
            take_back(connection, TABLE, [file_id])
            add(connection, rows)
        assert [(r["name"], r["a"], r["b"]) for r in rows_of(connection)] == [("x", 1.5, 2.5), ("y", 5.5, None)]
        assert sorted((r["name"], r["file_ids"]) for r in rows_of(connection, "t_said")) == [
            ("x", [1]), ("x", [2]), ("x", [9]), ("y", [1]), ("y", [9])]  # fmt: skip


values = st.one_of(st.none(), st.integers(0, 3).map(float))
rows = st.builds(
    row,
    st.sampled_from("xyz"),
    values,
    values,
    st.sampled_from([None, "2.0", "2.1"]),
    st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("12")), max_size=2, unique_by=lambda kv: kv[0]),
    st.integers(1, 5),
).map(lambda r: r | {"standing": [2, TABLES, TABLES, OWN, 1][r["file_ids"][0] - 1]})
"""A file has one standing."""


def by_file(rows):
    return [[r for r in rows if r["file_ids"] == [f]] for f in range(1, 6)]


@settings(max_examples=50, deadline=None)
@given(st.lists(rows, max_size=12), st.permutations(range(5)), st.sets(st.integers(1, 5)), st.integers(1, 4))
def test_neither_order_nor_batches_nor_files_that_came_and_went_matter(rows, order, gone, bucket):
    """However files arrive and go: row for row and contribution for contribution as if only the others had come."""
    files = by_file(rows)
    with store() as one, store() as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "BUCKET", bucket)
        for f in order:
            add(one, files[f])
        for file_id in sorted(gone)[:1]:
            take_back(one, TABLE, [file_id])
        take_back(one, TABLE, sorted(gone))
        add(other, [r for f in files for r in f if r["file_ids"][0] not in gone])
        assert rows_of(one) == rows_of(other)
        assert rows_of(one, "t_said") == rows_of(other, "t_said")


def test_a_contribution_that_does_not_tell_its_release_is_compared_and_one_of_another_release_is_not():
    with store() as connection:
        add(connection, [row("x", a=1.0, release="2.1", standing=OWN)])
        add(connection, [row("x", a=9.0, file_id=2), row("x", a=9.0, release="2.0", file_id=3)])
        said = rows_of(connection, "t_said")
        assert {r["file_ids"][0]: r["disputed"] for r in said} == {1: None, 2: ["a"], 3: None}
        assert rows_of(connection, "t")[0]["a"] == 1.0
