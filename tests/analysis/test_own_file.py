"""A user's own spectrum finds itself in a store that holds it, and is never taken in."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from factories import ogip

import catalog
from catalog.errors import QueryError, UnreadableFile
from catalog.manifest import Source
from embed import jobs
from embed.protocol import Settings
from embed.trained import Training, train
from ingest.one_file import read_file
from ingest.refresh import refresh


@pytest.fixture(scope="module")
def held(empty_store, tmp_path_factory, real):
    """A store of the real spectra, encoded by PCA."""

    store = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("own") / "s"))
    refresh(store, [Source("files", str(real / "spectra"))])
    train(Training(store, "spectrum", "pca", settings=Settings(latent=4)))
    jobs.run(jobs.Job(store))
    return store


@pytest.mark.real
def test_a_spectrum_of_the_store_finds_itself(held, real):
    with catalog.open(held) as cat:
        ids = set(cat.vectors("spectrum")[0])
        found = {}
        for file in sorted((real / "spectra").glob("*pha3.fits*")):
            (row,) = cat.nearest_to_file(file, k=1).arrow().to_pylist()
            assert row["distance"] < 1e-6, file.name
            found[file.name] = row["id"]
        assert len(set(found.values())) == len(found) > 1
        assert set(found.values()) <= ids
        before = cat.sql("SELECT count(*) FROM product.spectrum").fetchall()
        cat.nearest_to_file(real / "spectra" / "3c273.pi")
        assert cat.sql("SELECT count(*) FROM product.spectrum").fetchall() == before


@pytest.mark.real
def test_what_is_no_spectrum_is_told(held, real, tmp_path):
    with catalog.open(held) as cat:
        with pytest.raises(UnreadableFile, match=r"3c273\.arf: expected a spectrum, found rows of product\.arf"):
            cat.nearest_to_file(real / "spectra" / "3c273.arf")
        with pytest.raises(FileNotFoundError):
            cat.nearest_to_file(tmp_path / "none.pi")
        (tmp_path / "text.pi").write_text("not a spectrum")
        with pytest.raises(UnreadableFile, match=r"text\.pi: expected"):
            cat.nearest_to_file(tmp_path / "text.pi")
        with pytest.raises(QueryError):
            cat.nearest_to_file(real / "spectra" / "3c273.pi", metric="cosin")


def test_one_file_is_read_without_a_store(tmp_path):
    path = tmp_path / "a.pi.gz"
    path.write_bytes(gzip.compress(ogip.pha()))
    rows = read_file(path)
    assert rows["product.spectrum"].num_rows == 1
    path.write_bytes(gzip.compress(ogip.pha())[:200])
    with pytest.raises(UnreadableFile, match=r"a\.pi\.gz: expected"):
        read_file(path)
