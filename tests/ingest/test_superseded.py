"""A newer version was fetched, or the original of a copy changed: no snapshot is without the rows."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys

import pytest
from factories import fits

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.refresh import refresh
from ingest.superseded import older_versions

FOLDER = "2CXOJ000001.0+000000/1_000"
POLLER = """
import sys
from catalog.catalog import Catalog
print("asks", flush=True)
fewest = 1 << 60
with Catalog(sys.argv[1]) as cat:
    while True:
        n, versions = cat.sql("SELECT count(*), count(DISTINCT file_id) FROM product.event_stored").fetchall()[0]
        fewest = min(fewest, n)
        if n > 30 or versions > 1:
            break
print(fewest, versions)
"""


def fetched(root, version, n, seed=0):
    """A region event file as a fetch lays it down."""
    path = root / FOLDER / f"acisf00001_000N{version:03d}_r0001_regevt3.fits.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(fits.events_file(n=n, seed=seed, obs_id="1", compress=True))
    return path


def load(store, *roots):
    return refresh(store, [Source("files", str(root)) for root in roots], workers=1)


def query(store, sql):
    with contextlib.closing(lake.connect(store)) as connection:
        return connection.execute(sql).fetchall()


def photons_at_each_snapshot(store, since):
    """Photons of each file in every snapshot after one."""
    last = newest(store)
    counted = "SELECT list(n ORDER BY n) FROM (SELECT count(*) AS n FROM product.event_stored {} GROUP BY file_id)"
    return [query(store, counted.format(f"AT (VERSION => {n})"))[0][0] for n in range(since + 1, last + 1)]


def newest(store):
    return query(store, "SELECT max(snapshot_id) FROM lake.snapshots()")[0][0]


def test_a_newer_version_replaces_the_older_in_one_commit(store):
    files = store / "files"
    old = fetched(files, 2, 20)
    load(store, files)
    before = newest(store)
    new = fetched(files, 10, 31, seed=1)
    load(store, files)
    seen = photons_at_each_snapshot(store, before)
    assert {tuple(counts) for counts in seen} <= {(20,), (31,)}
    assert query(store, "SELECT path FROM meta.file WHERE status = 'loaded'") == [(str(new),)]
    assert not old.exists()
    assert not refresh(store).changed
    # the same bytes under a newer name
    again = new.with_name(new.name.replace("N010", "N011"))
    shutil.copy(new, again)
    before = newest(store)
    load(store, files)
    assert {tuple(counts) for counts in photons_at_each_snapshot(store, before)} == {(31,)}
    assert query(store, "SELECT path FROM meta.file WHERE status = 'loaded'") == [(str(again),)]


def test_an_older_version_stays_until_the_newer_can_be_read(store):
    files = store / "files"
    old, new = fetched(files, 2, 20), fetched(files, 3, 31, seed=1)
    new.rename(files / "kept")
    load(store, files / FOLDER)
    (files / "kept").rename(new)
    whole = new.read_bytes()
    new.write_bytes(whole[: len(whole) // 2])
    assert load(store, files).problems
    assert query(store, "SELECT count(*) FROM product.event") == [(20,)]
    assert old.exists()
    new.write_bytes(whole)
    load(store, files)
    assert query(store, "SELECT count(*) FROM product.event") == [(31,)]
    assert not old.exists()


def test_a_newer_version_that_was_ingested_alone_replaces_the_older_at_the_next_refresh(store):
    files = store / "files"
    old = fetched(files, 2, 20)
    load(store, files)
    new = fetched(files, 3, 31, seed=1)
    load(store, new)
    load(store, files)
    assert query(store, "SELECT count(*) FROM product.event_stored") == [(31,)]
    assert not old.exists()


def test_of_two_that_come_together_the_older_is_read_where_the_newer_is_broken(store):
    files = store / "files"
    old, new = fetched(files, 2, 20), fetched(files, 3, 31, seed=1)
    new.write_bytes(new.read_bytes()[:900])
    load(store, files)
    assert query(store, "SELECT path FROM meta.file WHERE status = 'loaded'") == [(str(old),)]
    assert not load(store, files).changed
    assert old.exists()


@pytest.mark.parametrize("below_the_store", [False, True])
def test_versions_in_folders_of_the_user_both_stay(store, tmp_path, below_the_store):
    mine = (store if below_the_store else tmp_path) / "mine"
    paths = [fetched(mine, 2, 20), fetched(mine, 3, 31, seed=1)]
    load(store, mine)
    assert query(store, "SELECT count(*) FROM product.event_stored") == [(51,)]
    assert all(path.exists() for path in paths)
    assert older_versions(map(str, paths), store) == {}
    assert not refresh(store).changed


@pytest.mark.parametrize("how", ["changed", "touched copy", "copy first"])
def test_a_copy_takes_over_in_the_commit_that_changes_its_original(store, tmp_path, how):
    mine = tmp_path / "mine"
    original = fetched(mine, 2, 20)
    copy = tmp_path / "mine" / ("a" if how == "copy first" else "z") / "acisf00001_000N002_r0001_regevt3.fits.gz"
    copy.parent.mkdir()
    load(store, original)
    shutil.copy(original, copy)
    load(store, mine)
    before = newest(store)
    original.write_bytes(fits.events_file(n=7, seed=3, obs_id="1", compress=True))
    if how != "changed":
        copy.touch()
    load(store, mine)
    assert {tuple(counts) for counts in photons_at_each_snapshot(store, before)} == {(7, 20)}
    assert query(store, "SELECT count(*) FROM meta.file WHERE status = 'loaded'") == [(2,)]
    assert not refresh(store).changed


@pytest.mark.slow
def test_a_reader_that_polls_sees_no_moment_without_the_rows(store):
    files = store / "files"
    fetched(files, 2, 30)
    load(store, files)
    with subprocess.Popen([sys.executable, "-c", POLLER, str(store)], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "asks\n"
        for version in range(3, 8):
            fetched(files, version, 30, seed=version)
            load(store, files)
        fetched(files, 9, 31, seed=9)
        load(store, files)
        assert reader.stdout.read().split() == ["30", "1"]
