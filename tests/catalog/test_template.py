"""A new store is a copy of one that was made statement by statement, and has an identity of its own."""

from __future__ import annotations

import contextlib
import shutil

import pytest

from catalog.schema import TABLES
from catalog.store import engine, lake, template
from catalog.store.location import CATALOG
from sql.objects import OBJECTS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and nothing in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(template, "_MEMORY", {})
    return tmp_path / "cache" / "photonlake"


@pytest.fixture
def place(tmp_path, empty_store):
    """Place a catalog in a new folder, and tell whether it had to be made."""

    def placed(name):
        made = []

        def make(folder):
            made.append(folder)
            shutil.copyfile(empty_store / CATALOG, folder / CATALOG)

        (tmp_path / name).mkdir()
        template.place(tmp_path / name, make)
        with contextlib.closing(lake.connect(tmp_path / name)) as connection:
            assert lake.is_current(connection)
        return bool(made)

    return placed


def test_a_store_is_copied_where_one_was_made_before(cache, place, monkeypatch):
    assert place("first")
    assert not place("second")
    monkeypatch.setattr(template, "_MEMORY", {})  # as another process has it
    assert not place("third")
    assert [file.name for file in cache.iterdir()] == [f"template-{template._fingerprint()}.sqlite"]


@pytest.mark.parametrize("damage", [b"", b"no checksum and no catalog, but longer than a checksum is"])
def test_a_damaged_template_is_made_anew(cache, place, monkeypatch, damage):
    place("first")
    (file,) = cache.iterdir()
    file.write_bytes(damage or file.read_bytes()[:-1])
    monkeypatch.setattr(template, "_MEMORY", {})
    assert place("second")
    monkeypatch.setattr(template, "_MEMORY", {})
    assert not place("third")


def test_without_a_cache_folder_stores_are_made_all_the_same(cache, place, monkeypatch):
    cache.parent.write_text("a file where the folder should be")
    assert place("first")
    monkeypatch.setattr(template, "_MEMORY", {})
    assert place("second")


def test_templates_of_few_versions_stay(cache, place):
    cache.mkdir(parents=True)
    for n in range(9):
        (cache / f"template-{n}.sqlite").write_bytes(b"")
    place("first")
    assert len(list(cache.iterdir())) == template._KEPT


def test_two_stores_share_tables_but_no_identity(tmp_path):
    identities, names = set(), ("one", "other")
    for name in names:
        assert lake.create(tmp_path / name)
        assert not lake.create(tmp_path / name)
        with contextlib.closing(lake.connect(tmp_path / name)) as connection:
            identities.add(lake.identity(connection))
            ids = "SELECT table_uuid::VARCHAR FROM __ducklake_metadata_lake.ducklake_table"
            identities.update(uuid for (uuid,) in connection.execute(ids).fetchall())
            place = "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'data_path'"
            assert connection.execute(place).fetchone() == (f"{tmp_path / name}/lake/",)
            assert [(s.number, s.message) for s in lake.snapshots(connection)] == [
                (0, ""),
                (1, "tables, views and macros of this version"),
            ]
    assert len(identities) == len(names) * (1 + len(TABLES))
    assert not [file for file in (tmp_path / "one").iterdir() if file.name.startswith(".")]


def test_bare_duckdb_reads_the_comments_and_views_of_a_new_store(tmp_path):
    lake.create(tmp_path / "s")
    with engine.start() as bare:
        bare.execute(f"ATTACH 'ducklake:sqlite:{tmp_path / 's' / CATALOG}' AS lake (READ_ONLY)")
        views = "SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE database_name = 'lake'"
        said = dict(bare.execute(views).fetchall())
        assert all(said[item.full_name] == item.purpose for item in OBJECTS if item.kind == "view")
        columns = (
            "SELECT comment FROM duckdb_columns() WHERE database_name = 'lake' AND table_name = ? AND column_name = ?"
        )
        theta = TABLES["csc.observation_source"].column("theta")
        assert bare.execute(columns, ["observation_source", "theta"]).fetchone() == (theta.comment,)
        assert bare.execute("FROM lake.csc.source_summary").fetchall() == []
