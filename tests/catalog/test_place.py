"""Where the parts of a store are: in its directory, or where store.toml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.store import lake, network_disk
from catalog.store.network_disk import NetworkDisk
from catalog.store.place import FILE, PlaceWrong, checked_address, place_of, team_place, write


def test_a_directory_without_store_toml_holds_all():
    place = place_of(Path("/s"))
    assert not place.is_team
    assert place.address == Path("/s/catalog.sqlite")
    assert [place.data, place.vectors, place.models, place.incoming] == [
        Path("/s", name) for name in ("lake", "vectors", "models", "incoming")
    ]
    assert place.folders == (Path("/s"),)


def test_what_is_written_is_what_is_read(tmp_path):
    place = team_place(tmp_path / "t", "postgresql://me@db:5433/lake?sslmode=require", "/shared/a \"b' é")
    write(place)
    assert place_of(tmp_path / "t") == place
    assert place.attachment == "ducklake:postgres:postgresql://me@db:5433/lake?sslmode=require"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:secret@db/lake",
        "postgres://:secret@db/lake",
        "postgresql://db/lake?password=secret",
        "postgresql://db/lake?sslmode=require&PASSWORD=secret",
        "postgresql://me:secret/x@db/lake",
        "postgresql://me:secret@x@db/lake",
        "postgresql://db/lake?sslpassword=secret",
    ],
)
def test_a_password_is_refused_and_not_repeated(address, tmp_path):
    with pytest.raises(PlaceWrong, match="PGPASSWORD") as refused:
        checked_address(address)
    assert "secret" not in str(refused.value)
    (tmp_path / FILE).write_text(f'catalog = "{address}"\ndata = "/d"\nvectors = "/v"\nmodels = "/m"\n')
    with pytest.raises(PlaceWrong, match="PGPASSWORD") as refused:
        place_of(tmp_path)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("catalog = ", "cannot be read"),
        ('catalog = "postgresql://db/lake"', "expected a line 'data"),
        ('catalog = "mysql://db/lake"\ndata = "/d"\nvectors = "/v"\nmodels = "/m"', "postgresql://HOST/DATABASE"),
        ('catalog = "postgresql://db"\ndata = "/d"\nvectors = "/v"\nmodels = "/m"', "the name of a database"),
        ('catalog = "postgresql://db/x"\ndata = "d"\nvectors = "/v"\nmodels = "/m"', "a path from the root"),
        ('catalog = "postgresql://db/x"\ndata = "s3://b/d"\nvectors = "/v"\nmodels = "/m"', "an address of s3"),
    ],
)
def test_a_store_toml_that_cannot_be_used_says_what_is_wrong(text, said, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(PlaceWrong, match=said):
        place_of(tmp_path)


def test_sqlite_on_a_disk_of_another_machine_is_not_written(store, tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(network_disk, "_MOUNTS", mounts)
    network_disk._kind_of.cache_clear()
    try:
        with pytest.raises(NetworkDisk, match=r"another \(nfs4\).*PHOTONLAKE_ONE_MACHINE"), lake.writer(store, "write"):
            pass
        lake.connect(store).close()  # it can be read
        monkeypatch.setenv(network_disk.ALLOW, "1")
        with lake.lock(store, "write"):
            pass
    finally:
        network_disk._kind_of.cache_clear()


def test_folders_that_a_store_toml_of_others_names_are_neither_read_nor_emptied(tmp_path):
    mine = tmp_path / "home" / "incoming"
    mine.mkdir(parents=True)
    (mine / "raw.fits").write_text("mine")
    write(team_place(tmp_path / "theirs", "postgresql://127.0.0.1:1/evil", str(tmp_path / "home")))
    with pytest.raises(PlaceWrong, match="catalog init"):
        lake.connect(tmp_path / "theirs")
    with pytest.raises(PlaceWrong, match="catalog init"), lake.writer(tmp_path / "theirs", "refresh"):
        pytest.fail("it must not be written")
    assert (mine / "raw.fits").read_text() == "mine"
