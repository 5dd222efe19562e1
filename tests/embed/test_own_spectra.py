"""A user's own spectra have ids, vectors and neighbours, and those that have none are counted with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import catalog
from catalog.errors import UnknownName
from catalog.store.manifest import Source
from embed.store.encoding_job import Job, run
from embed.store.untrained_spaces import make_ready
from ingest.refresh import refresh

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def own(empty_store, tmp_path_factory, real):
    store = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("own") / "s"))
    broken = [real / "broken" / name for name in ("12845.pi", "back.pi", "source_rate.pi")]
    folders = [real / "spectra", *real.glob("events/acisf23022*"), *broken]
    refresh(store, [Source("files", str(path)) for path in folders])
    make_ready(store, ["spectrum"])
    (outcome,) = run(Job(store), ["spectrum"])
    return store, outcome


def test_every_source_spectrum_with_a_response_has_a_vector_and_the_others_a_reason(own):
    store, outcome = own
    with catalog.open(store) as cat:
        (roles,) = cat.sql(
            "SELECT count(*), count(*) FILTER (role = 'background'), "
            "count(*) FILTER (role = 'source' AND rmf_id IS NOT NULL) FROM product.spectrum"
        ).fetchall()
    assert roles == (18, 4, 11)
    assert (outcome.n_encoded, outcome.n_skipped) == (11, 3)
    assert dict(outcome.skipped) == {"no redistribution matrix with channel energies; ingest the RMF": 3}


def test_ones_own_is_found_by_its_file_and_is_no_detection(own):
    store, _ = own
    with catalog.open(store) as cat:
        rows = cat.sql(
            "SELECT rank, id, detection_id, distance FROM nearest('spectrum', '3c273.pi', k := 11)"
        ).fetchall()
        (id_,) = cat.sql(
            "SELECT spectrum_id FROM product.spectrum JOIN meta.file USING (file_id) WHERE path LIKE '%/3c273.pi'"
        ).fetchall()[0]
        assert rows[0][1:3] == (id_, None)
        assert rows[0][3] == pytest.approx(0, abs=1e-6)
        assert sum(r[2] is None for r in rows) == 4
        own_ = cat.nearest("spectrum", id_, k=3).arrow().to_pylist()
        assert [r["id"] for r in own_] == [r[1] for r in rows[:3]]
        assert cat.sql("SELECT count(*), count(detection_id) FROM embedding.spectrum").fetchall() == [(11, 7)]
        with pytest.raises(UnknownName, match=r"no redistribution matrix"):
            cat.nearest("spectrum", "12845.pi")


def test_a_file_outside_the_store_is_put_into_the_same_space(own, real):
    store, _ = own
    with catalog.open(store) as cat:
        for name in ("9774.pi", "acisf04737_000N001_r0035_pha3.fits"):
            result = cat.nearest_to_file(real / "spectra" / name, k=1)
            assert result.arrow()["distance"][0].as_py() == pytest.approx(0, abs=1e-6)
            assert "does not use it" not in " ".join(result.remarks)
