"""Real spectra of one source, from products of another release than the catalog's, go by its name in a search."""

from __future__ import annotations

import pytest

from catalog.catalog import Catalog
from catalog.store.manifest import Source
from embed.registry import Settings
from embed.store import encoding_job
from embed.store.training_job import Training, train
from ingest.refresh import refresh

pytestmark = pytest.mark.real
SEYFERT = "2CXO J140515.6+542458"
THREE = ["2779.1.4", "4736.0.79", "4737.0.35"]


@pytest.mark.slow
def test_the_three_spectra_of_a_seyfert_are_found_by_its_name(real, store):
    tables = [real / "tables" / f"csc2_detections_{t}.csv" for t in ("features_simbad", "simbad_type")]
    refresh(store, [Source("files", str(p)) for p in (real / "spectra", *tables)])
    train(Training(store, "spectrum", "pca", settings=Settings(latent=3)))
    encoding_job.run(encoding_job.Job(store))
    with Catalog(store) as cat:
        query = "SELECT detection_id, how FROM product.detection_name WHERE name = $name ORDER BY detection_id"
        found = cat.sql(query, name=SEYFERT).fetchall()
        assert found == [("2779.1.4", "position"), ("4736.0.79", "catalog"), ("4737.0.35", "position")]
        nearest = cat.nearest("spectrum", SEYFERT, k=20).arrow().to_pylist()
    own = [row["detection_id"] for row in nearest if row["name"] == SEYFERT]
    assert sorted(own) == THREE
    assert max(row["distance"] for row in nearest if row["name"] == SEYFERT) < 1e-6  # each is a target itself
