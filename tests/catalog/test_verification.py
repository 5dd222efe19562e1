"""One changed bit anywhere in a store is found, and a backup mends it; what is not known is said to be so."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from factories import tiny_encoder
from factories.seen import pin, seen
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.store import checksums, expiry, lake, unreferenced
from catalog.store.approximate_search import build_index
from catalog.store.backup import BackupDamaged, backup, restore
from catalog.store.location import CATALOG
from catalog.store.verification import verify

N = 500


@pytest.fixture(scope="module")
def made(made_store, tmp_path_factory):
    """A store with a file of each kind: Parquet, vectors with removed rows and an index, weights, a figure."""
    store = shutil.copytree(made_store, tmp_path_factory.mktemp("verified") / "s")
    tiny_encoder.add_papers(store, 0, 50)
    version = pin(store, [f"P{n:05d}" for n in range(N)], 0, None)
    pin(store, [f"P{n:05d}" for n in range(10)], 1, version)
    weights = b"weights"
    (store / "models").mkdir(exist_ok=True)
    (store / "models" / f"{hashlib.sha256(weights).hexdigest()}.safetensors").write_bytes(weights)
    (store / "runs" / "1").mkdir(parents=True)
    (store / "runs" / "1" / "map.png").write_bytes(b"a figure")
    with lake.writer(store, "test") as connection:
        build_index(store, "tiny", 3, "IVF_HNSW_SQ", "cosine")
        with lake.transaction(connection, "test"):
            lake.remember(connection, "word", "photon")
    return store


@pytest.fixture
def store(made, tmp_path):
    return shutil.copytree(made, tmp_path / "s")


def flip(file, seed=0):
    """Change one bit of a file, whose time stays."""
    content, times = bytearray(file.read_bytes()), file.stat()
    place = random.Random(seed).randrange(len(content) * 8)  # noqa: S311 - a place, not a secret
    content[place // 8] ^= 1 << place % 8
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


KINDS = {
    "a table": "lake/lit/paper/*.parquet",
    "vectors": "vectors/tiny.lance/data/*",
    "removed vectors": "vectors/tiny.lance/_deletions/*",
    "versions of vectors": "vectors/tiny.lance/_versions/*.manifest",
    "transactions of vectors": "vectors/tiny.lance/_transactions/*",
    "an index": "vectors/tiny.lance/_indices/*/*",
    "a tag": "vectors/tiny.lance/_refs/tags/*",
    "weights": "models/*.safetensors",
    "a figure": "runs/1/map.png",
    "the catalog": CATALOG,
    "the checksums": checksums.SUMS,
}


def test_one_bit_changed_in_a_table_or_in_the_catalog_is_found(made_store, tmp_path):
    store = shutil.copytree(made_store, tmp_path / "s")
    tiny_encoder.add_papers(store, 0, 50)
    (table,) = store.glob("lake/lit/paper/*.parquet")
    flip(table)
    assert list(verify(store).damaged) == [str(table.relative_to(store))]
    flip(table)  # and back
    flip(store / CATALOG)
    assert list(verify(store).damaged) == [CATALOG]


@pytest.mark.slow
def test_one_bit_changed_in_a_file_of_any_kind_is_found_and_taken_from_a_backup(store, tmp_path):
    assert verify(store).faults == [] == verify(store).unknown
    before = seen(store)
    backup(store, tmp_path / "b")
    for kind, pattern in KINDS.items():
        for file in sorted(store.glob(pattern)):
            content = file.read_bytes()
            flip(file)
            found = verify(store)
            name = str(file.relative_to(store))
            assert found.faults or found.unknown, kind
            if kind != "the checksums":
                assert name in found.damaged, kind
            if kind == "a table":
                with pytest.raises(BackupDamaged, match="changed since it was written"):
                    backup(store, tmp_path / "b2")
            file.write_bytes(content)
    flipped = [min(store.glob(pattern)) for kind, pattern in KINDS.items() if not kind.startswith("the ")]
    for file in flipped[1:]:
        flip(file, seed=1)
    flipped[0].unlink()
    done = CliRunner().invoke(app, ["repair", "--store", str(store)])
    assert done.exit_code == 1
    assert "catalog repair --from BACKUP" in done.output
    assert "missing" in done.output
    done = CliRunner().invoke(app, ["repair", "--store", str(store), "--from", str(tmp_path / "b")])
    assert done.exit_code == 0, done.output
    assert verify(store).faults == []
    assert seen(store) == before


@pytest.mark.slow
def test_two_hundred_bits_anywhere_in_a_store_are_all_found(store):
    files = [store / name for name in [*checksums.listed(store), CATALOG]]
    rng = random.Random(0)  # noqa: S311 - places
    for seed in range(200):
        file = rng.choice(files)
        content = file.read_bytes()
        flip(file, seed)
        assert str(file.relative_to(store)) in verify(store).damaged
        file.write_bytes(content)


@pytest.mark.slow
def test_other_tools_compare_the_checksums(store):
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", checksums.SUMS, checksums.CATALOG_SUM],  # noqa: S607
        cwd=store,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.slow
def test_what_snapshots_leave_behind_is_no_damage(store, tmp_path):
    tiny_encoder.write(store, "DELETE FROM lake.lit.paper WHERE bibcode < 'P00010'")
    with Catalog(store):  # while somebody reads, the newest rows may lie in the log of the catalog
        tiny_encoder.add_papers(store, 100, 150)
        assert verify(store).faults == []
    expiry.expire(store, timedelta(0))
    unreferenced.repair_vectors(store)
    found = verify(store)
    assert (found.faults, found.unknown) == ([], [])
    assert set(checksums.recorded(store)) == set(checksums.listed(store))
    backup(store, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "r")
    found = verify(tmp_path / "r")
    assert (found.faults, found.unknown) == ([], [])


@pytest.mark.slow
def test_a_store_of_an_older_version_says_which_files_have_no_checksum_until_it_is_repaired(store):
    (store / checksums.SUMS).unlink()
    (store / checksums.CATALOG_SUM).unlink()
    found = verify(store)
    assert found.faults == []
    assert CATALOG in found.unknown
    assert "no checksum on record" in str(found)
    tiny_encoder.add_papers(store, 100, 150)  # a commit reads what is new, and not all that was there
    assert len(verify(store).unknown) == len(found.unknown) - 1  # the catalog
    assert "recorded the checksums" in " ".join(unreferenced.repair_tables(store))
    assert verify(store).unknown == []


@pytest.mark.slow
def test_a_catalog_that_another_program_wrote_is_told_until_it_is_accepted(store, caplog):
    with sqlite3.connect(store / CATALOG) as other:
        other.execute("UPDATE ducklake_metadata SET value = 'other' WHERE \"key\" = 'created_by'")
    other.close()
    assert list(verify(store).damaged) == [CATALOG]
    tiny_encoder.add_papers(store, 100, 150)
    assert "catalog check" in caplog.text
    assert list(verify(store).damaged) == [CATALOG]  # a writer does not make it right
    done = CliRunner().invoke(app, ["repair", "--accept", "--store", str(store)])
    assert done.exit_code == 0, done.output
    assert verify(store).faults == []
    assert Path(store / CATALOG).exists()
