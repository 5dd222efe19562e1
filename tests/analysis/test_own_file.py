"""A user's own spectrum finds itself in a store that holds it, and is never taken in."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from factories import ogip

import catalog
from catalog.errors import QueryError, UnreadableFile
from catalog.store.manifest import Source
from embed.protocol import Settings
from embed.store import encoding_job
from embed.store.training_job import Training, train
from ingest.one_file import read_file
from ingest.refresh import refresh


@pytest.fixture(scope="module")
def held(empty_store, tmp_path_factory, real):
    """A store of the real spectra, encoded by PCA."""

    store = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("own") / "s"))
    refresh(store, [Source("files", str(real / "spectra"))])
    train(Training(store, "spectrum", "pca", settings=Settings(latent=4)))
    encoding_job.run(encoding_job.Job(store))
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


@pytest.mark.real
def test_it_is_said_what_was_found_beside_a_spectrum(held, real, tmp_path):
    with catalog.open(held) as cat:
        said = cat.nearest_to_file(real / "spectra" / "3c273.pi").remarks
        assert [s.partition(";")[0] for s in said] == [
            "response 3c273.rmf: found",
            "effective area 3c273.arf: found",
            "background 3c273_bg.pi: found",
        ]
        whole = cat.nearest_to_file(real / "spectra" / "acisf04736_000N001_r0079_pha3.fits").remarks
        assert whole[2] == "background: in the file itself"
        alone = Path(shutil.copy(real / "spectra" / "3c273.pi", tmp_path))
        result = cat.nearest_to_file(alone)
        assert "response 3c273.rmf: named in the header (RESPFILE), not found beside 3c273.pi" in result.remarks[0]
        assert result.remarks[2].endswith("not found beside 3c273.pi: none is taken off")
        assert all(line in repr(result) for line in result.remarks)
        assert result.table().meta["remarks"] == "; ".join(result.remarks)


@pytest.mark.real
def test_a_background_is_refused_or_marked(held, real, tmp_path):
    with catalog.open(held) as cat:
        with pytest.raises(UnreadableFile, match=r"3c273_bg\.pi: .*found the background of 3c273\.pi; give 3c273\.pi"):
            cat.nearest_to_file(real / "spectra" / "3c273_bg.pi")
        (tmp_path / "a.pi").write_bytes(ogip.pha(HDUCLAS2="BKG"))
        with pytest.raises(UnreadableFile, match="found a background"):
            cat.nearest_to_file(tmp_path / "a.pi")
        alone = shutil.copy(real / "spectra" / "3c273_bg.pi", tmp_path)
        assert "looks like a background" in cat.nearest_to_file(alone).remarks[-1]


@pytest.mark.real
def test_a_file_of_rates_alone_is_marked(held, real):
    with catalog.open(held) as cat:
        remarks = cat.nearest_to_file(real / "broken" / "source_rate.pi").remarks
    assert "rates and no counts" in remarks[-1]
    assert "the header names none (RESPFILE): channels have ACIS's nominal energies" in remarks[0]
