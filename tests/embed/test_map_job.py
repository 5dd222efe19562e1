"""Maps by t-SNE and UMAP: what is near stays near, they are kept, and are stale when vectors change."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.objects.stored_map import names_of_maps, stored_map
from catalog.store import lake, vectors
from embed.__main__ import app
from embed.store.map_job import checked, make_map, placed

N_CLUMPS, N = 4, 120


def clumps(seed=0):
    """Return vectors of four clumps, in turn, which two principal components cannot tell apart."""
    random = np.random.default_rng(seed)
    far = np.zeros((N_CLUMPS, 8))
    far[[0, 1, 2, 3], [0, 1, 2, 3]] = 10
    return (far[np.arange(N) % N_CLUMPS] + random.normal(size=(N, 8))).astype(np.float32)


def pin(store, x, base=None):
    ids = [f"{i}.0.1" for i in range(len(x))]
    rows = vectors.rows(ids, ["a"] * len(x), x, ["spectrum"] * len(x), "e", ["h"] * len(x))
    turned = range(len(x))[:: -1 if base is None else 1]  # a map does not depend on the order of rows
    written = vectors.write(store, "spectrum", rows.take(list(turned)), base)
    with lake.writer(store, "test") as connection, lake.transaction(connection):
        vectors.publish(connection, vectors.Pin("spectrum", written.version, "e", len(x), x.shape[1]))
    return written.version


@pytest.fixture
def spaced(empty_store, tmp_path):
    store = shutil.copytree(empty_store, tmp_path / "s")
    pin(store, clumps())
    return store


def share_beside_their_own(points, clump):
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.mean(clump[apart.argmin(axis=1)] == clump)


def test_a_map_keeps_clumps_is_kept_once_and_is_stale_when_vectors_change(spaced):
    made = make_map(spaced, "spectrum", "tsne", {"perplexity": 20})
    assert (made.n_points, made.n_fitted, made.was_there) == (N, N, False)
    with Catalog(spaced) as cat:
        kept = stored_map(cat, "spectrum", "tsne")
        clump = np.array([int(i.split(".")[0]) % N_CLUMPS for i in kept.ids.to_pylist()])
        assert share_beside_their_own(kept.points, clump) > 0.95
        assert np.abs(np.quantile(kept.points, [0.01, 0.99], axis=0)).max() == pytest.approx(1, abs=1e-5)
        assert "t-SNE, perplexity 20.0" in kept.said
        assert not kept.is_stale
        first = cat.snapshot
    assert make_map(spaced, "spectrum", "tsne", {"perplexity": 20}).was_there
    with Catalog(spaced) as cat:
        before = cat.sql("SELECT lance_version FROM meta.space").fetchall()
    version = pin(spaced, clumps(), base=before[0][0])  # the same vectors in a newer version, as an index makes one
    assert (version,) != before[0]
    with Catalog(spaced) as cat:
        assert not stored_map(cat, "spectrum", "tsne").is_stale
    changed = clumps()
    changed[0] += 1
    pin(spaced, changed, base=version)
    with Catalog(spaced) as cat:
        stale = stored_map(cat, "spectrum", "tsne")
        assert stale.is_stale
        assert f"python -m embed map spectrum --method tsne --store {spaced}" in stale.said
        found = cat.map("spectrum", method="tsne")
        assert len(found) == N
        assert "older vectors" in found.about
        at_first = cat.sql("SELECT count(*) FROM meta.map_point", snapshot=first).fetchall()
    assert at_first == [(N,)]


@pytest.mark.slow
def test_the_command_line_tells_of_a_stale_map_and_makes_it_again(spaced):
    make_map(spaced, "spectrum", "pca")
    with lake.writer(spaced, "test") as connection, lake.transaction(connection):
        connection.execute("UPDATE lake.meta.space_map SET encoder_id = 'older', method = 'tsne'")
        connection.execute("UPDATE lake.meta.map_point SET method = 'tsne'")
    assert "It is of older vectors" in CliRunner().invoke(app, ["status", "--store", str(spaced)]).output
    shown = CliRunner().invoke(
        app, ["map", "spectrum", "--rows", "60", "--set", "perplexity=20", "--store", str(spaced)]
    )
    assert shown.exit_code == 0, shown.output
    assert f"{N} rows (perplexity 20.0, metric euclidean, seed 0, fitted rows 60)" in shown.output
    with Catalog(spaced) as cat:
        assert not stored_map(cat, "spectrum", "tsne").is_stale
        assert cat.sql("SELECT n_points, n_fitted FROM meta.space_map").fetchall() == [(N, 60)]
        assert cat.sql("SELECT count(*), count(DISTINCT id) FROM meta.map_point").fetchall() == [(N, N)]


@pytest.mark.slow
def test_a_store_from_before_there_were_maps_has_none_until_one_is_made(spaced):
    with contextlib.closing(lake.connect(spaced, read_only=False)) as connection:
        connection.execute("DROP TABLE lake.meta.space_map; DROP TABLE lake.meta.map_point")
        connection.execute("DELETE FROM lake.meta.state WHERE name = '*'")
    with Catalog(spaced) as cat:
        assert names_of_maps(cat) == []
    make_map(spaced, "spectrum", "pca")
    with Catalog(spaced) as cat:
        assert names_of_maps(cat) == [("spectrum", "pca")]


def test_rows_outside_of_the_fit_stand_with_their_own():
    points = placed(clumps(), "tsne", checked("tsne", {"perplexity": 10, "metric": "cosine"}), 60, 0)
    assert np.isfinite(points).all()
    assert share_beside_their_own(points, np.arange(N) % N_CLUMPS) > 0.95


def test_principal_components_can_be_kept_too(spaced):
    assert make_map(spaced, "spectrum", "pca").settings == {}
    with Catalog(spaced) as cat:
        assert stored_map(cat, "spectrum", "pca").said == "spectrum: principal components"
        with pytest.raises(UnknownName, match="no map of spectrum by t-SNE; type: python -m embed map spectrum"):
            cat.map("spectrum", method="tsne")


@pytest.mark.parametrize(
    ("method", "options", "says"),
    [
        ("tsne", {"perplexty": 30}, "did you mean perplexity"),
        ("tsne", {"perplexity": "wide"}, "perplexity must be a number"),
        ("tsne", {"perplexity": float("nan")}, "perplexity must be a number"),
        ("tsne", {"perplexity": 0.5}, "perplexity must be 1 or more"),
        ("tsne", {"perplexity": 200}, "must be less than the 120 rows to fit to"),
        ("tsne", {"metric": "dot"}, "metric must be one of euclidean, cosine"),
        ("umap", {"n_neighbors": 1}, "n_neighbors must be 2 or more"),
        ("umap", {"n_neighbors": 2.5}, "must be a whole number"),
        ("umap", {"n_neighbors": 120}, "must be less than the 120 rows"),
        ("umap", {"min_dist": 2}, "min_dist must be at most 1"),
        ("pca", {"perplexity": 30}, "it has none"),
    ],
)
def test_options_out_of_range_are_refused(method, options, says):
    with pytest.raises((QueryError, UnknownName), match=says):
        placed(clumps(), method, checked(method, options), N, 0)


def test_too_few_vectors_unknown_spaces_and_methods_are_refused(spaced):
    with pytest.raises(QueryError, match="needs 4 vectors or more, found 3"):
        placed(clumps()[:3], "tsne", checked("tsne", {}), 3, 0)
    with pytest.raises(UnknownName, match="did you mean tsne"):
        make_map(spaced, "spectrum", "tsnee")
    with pytest.raises(UnknownName, match="spectrm"):
        make_map(spaced, "spectrm", "tsne")


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="UMAP is installed")
def test_without_umap_the_error_names_what_to_install():
    with pytest.raises(QueryError, match=r"pip install 'photonlake\[umap\]'"):
        placed(clumps(), "umap", checked("umap", {}), N, 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # umap-learn's own, of the libraries it can use
def test_umap_keeps_clumps_and_draws_the_same_map_again():
    pytest.importorskip("umap")
    one, other = (placed(clumps(), "umap", checked("umap", {}), N, 0) for _ in range(2))
    assert share_beside_their_own(one, np.arange(N) % N_CLUMPS) > 0.95
    assert np.array_equal(one, other)
