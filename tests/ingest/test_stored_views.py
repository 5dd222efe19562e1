"""Rows of detections that a large store keeps: the same rows, until something changes that they follow from."""

from __future__ import annotations

import contextlib

import pytest
from factories.store import write

import catalog
from catalog.store import lake, stored_views
from catalog.store.manifest import Source
from ingest.follow_up import is_settled
from ingest.forgetting import forget
from ingest.refresh import refresh

ASKED = (
    "product.detection_name",
    "product.detection_region",
    "csc.source_summary",
    "(SELECT detection_id, name, count(*), sum(row) FROM product.detection_event GROUP BY ALL)",
)
COPIES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND table_name LIKE 'detection%stored'"


def answers(store, snapshot=None):
    with catalog.open(store) as cat:
        return [cat.sql(f"SELECT * FROM {what} ORDER BY ALL", snapshot=snapshot).arrow() for what in ASKED]


def copies(store):
    with contextlib.closing(lake.connect(store)) as connection:
        return sorted(name for (name,) in connection.execute(COPIES).fetchall())


def keep(store):
    with lake.writer(store, "test", commit="keep the rows of detections") as connection:
        stored_views.settle(connection)


@pytest.fixture
def kept(beside_small_survey):
    """A store of thirty sources, small as it is, that keeps its rows."""
    keep(beside_small_survey / "s")
    return beside_small_survey / "s"


@pytest.mark.slow
def test_kept_rows_are_those_that_would_be_worked_out(beside_small_survey):
    store = beside_small_survey / "s"
    with catalog.open(store) as cat:
        before = cat.snapshots()[-1].number
    worked_out = answers(store)
    assert all(table.num_rows for table in worked_out)
    keep(store)
    assert copies(store) == ["detection_name_stored", "detection_region_stored"]
    assert answers(store) == worked_out == answers(store, before)
    with catalog.open(store) as cat:
        plan = str(cat.sql("EXPLAIN SELECT * FROM product.detection_region WHERE name IS NOT NULL").fetchall())
        n_snapshots = len(cat.snapshots())
    assert "detection_region_stored" in plan
    assert "observation_source" not in plan
    refresh(store, [])
    with catalog.open(store) as cat:
        assert len(cat.snapshots()) == n_snapshots


@pytest.mark.slow
def test_a_row_that_goes_or_comes_is_gone_or_there_in_the_same_commit(kept):
    before = answers(kept)
    with catalog.open(kept) as cat:
        query = "SELECT f.path FROM product.detection_region JOIN meta.file AS f USING (file_id) ORDER BY 1 LIMIT 1"
        (path,) = cat.sql(query).fetchall()[0]
    forget(kept, [path])
    assert copies(kept) == []
    after = answers(kept)
    assert after[1] != before[1]
    keep(kept)
    assert answers(kept) == after
    refresh(kept, [Source("files", path)])  # named again: it is read again
    assert copies(kept) == []
    assert answers(kept) == before


@pytest.mark.slow
def test_another_version_works_the_rows_out_again(kept):
    before = answers(kept)
    with lake.writer(kept, "test", commit="made by an older version") as connection:
        lake.remember_all(connection, {"*": "older", stored_views.STATE: "older"})
    assert lake.create(kept)
    assert copies(kept) == []
    assert answers(kept) == before


@pytest.mark.slow
def test_a_store_of_many_files_keeps_rows(store):
    header = [
        {"file_id": i, "kind": "spectrum", "detection_id": f"{i}.0.1", "obsid": i} for i in range(stored_views.LARGE)
    ]
    write(store, "product.header", *header[1:])
    refresh(store, [])
    assert copies(store) == []
    write(store, "product.header", header[0])
    with contextlib.closing(lake.connect(store)) as connection:
        assert not is_settled(connection)
    refresh(store, [])
    assert copies(store) == ["detection_name_stored", "detection_region_stored"]
    with catalog.open(store) as cat:
        assert cat.sql("SELECT count(*) FROM product.detection_name").fetchall() == [(stored_views.LARGE,)]
