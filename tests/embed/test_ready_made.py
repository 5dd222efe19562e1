"""Encoders that come with the program: a fresh store has vectors untrained, and two stores speak of one space."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from factories.encoder_inputs import folded_table
from factories.store import write
from typer.testing import CliRunner

import catalog
import embed
import embed.__main__
from catalog.errors import UnknownName
from catalog.store.manifest import Source
from embed import registry
from embed.inputs.modalities import INPUTS, outgrown
from embed.inputs.pairs import DATA_SPACES, modality
from embed.inputs.properties import COLUMNS
from embed.store import ready_made
from embed.store.encoding_job import Job, run
from embed.store.untrained_spaces import make_ready
from ingest.refresh import refresh

WEIGHTS = Path(embed.__file__).parent / "weights"


def test_each_is_whole_small_and_says_what_made_it():
    assert {"spectrum", "events"} == set(ready_made.ready())
    assert len(ready_made.ready()) == len(list(WEIGHTS.glob("*.json"))) == len(list(WEIGHTS.glob("*.safetensors")))
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir() if f.is_file()) < 4e6
    for space, ready in ready_made.ready().items():
        encoder = registry.load(ready.path)
        assert (encoder.space, encoder.model) == (space, ready.model)
        assert ready.whole("input_version") == INPUTS[encoder.modality].version
        told = json.loads(ready.path.with_suffix(".json").read_text("utf-8"))
        assert told["weights_sha256"] == ready.path.stem
        assert told["provenance"]["command"].startswith(f"photonlake embed train {space}")
        assert "--seed 11" in told["provenance"]["survey"]
        assert told["provenance"]["n_rows"] > 1000
        assert told["provenance"]["limits"]


def test_the_project_says_that_they_are_packaged():
    tomllib = pytest.importorskip("tomllib")
    root = WEIGHTS.parent.parent
    built = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "embed" in built["packages"]
    assert not {"exclude", "only-include"} & built.keys()
    ignored = (root / ".gitignore").read_text("utf-8").split()  # hatch leaves out what git ignores
    assert not [line for line in ignored if "weights" in line or "safetensors" in line or "json" in line]


def test_faint_spectra_know_that_they_know_little():
    table = folded_table(30)
    encoder = registry.load(ready_made.of("spectrum").path)
    thin = np.random.default_rng(0).binomial(np.array(table["counts"].to_pylist()), 0.0012)
    place = table.column_names.index
    faint = table.set_column(place("counts"), "counts", pa.array(thin.tolist(), table.schema.field("counts").type))
    nothing = pa.array([[0] * 1024] * 30, table.schema.field("background_counts").type)
    faint = faint.set_column(place("background_counts"), "background_counts", nothing)
    bright, dark = (registry.encode_rows(encoder, t) for t in (table, faint))
    assert np.median(dark.sigmas / bright.sigmas) > 2
    assert (dark.sigmas < 1.5).all()


def test_a_space_without_one_says_which_have():
    with pytest.raises(UnknownName, match=r"no encoder of aligned comes with the program; there are .*spectrum"):
        ready_made.of("aligned")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--model", "pca"], "--model"),
        (["--where", "theta < 5", "--seed", "0"], "--where, --seed"),
        (["--set", "hidden=64", "--epochs", "60", "--repeats", "2"], "--epochs, --set, --repeats"),
        (["--again", "--latent", "6", "--device", "cpu"], "--latent, --device, --again"),
    ],
)
def test_options_of_a_training_are_refused_where_nothing_is_trained(tmp_path, given, named):
    words = ["train", "spectrum", "--ready-made", *given, "--store", str(tmp_path)]
    error = CliRunner().invoke(embed.__main__.app, words).exception
    assert str(error) == f"--ready-made trains nothing: leave out {named}, or leave out --ready-made"


def test_a_spectrum_without_energies_has_another_hash_and_others_keep_theirs(tmp_path, empty_store):
    store = Path(shutil.copytree(empty_store, tmp_path / "s"))
    for file, instrument in ((1, "ACIS"), (2, "HRC")):
        write(store, "product.header", {"file_id": file, "instrument": instrument})
        write(store, "product.spectrum", {"spectrum_id": f"p{file}", "file_id": file, "role": "source"})
    with catalog.open(store) as cat:
        hashes = "SELECT id, input_sha256 FROM meta.embedding_input WHERE modality = 'spectrum'"
        found = dict(cat.sql(hashes).fetchall())
    version = INPUTS["spectrum"].version
    told = {"p1": f"spectrum-{version}|p1|-|-", "p2": f"spectrum-{version}|p2|-|-|HRC"}
    assert found == {id_: hashlib.sha256(text.encode()).hexdigest() for id_, text in told.items()}


def test_an_alignment_that_learned_from_exposures_is_outgrown():
    for model in DATA_SPACES:
        assert "rows are prepared by version" in outgrown(modality(model), 1)


def test_catalog_columns_are_scaled_to_the_rows_of_the_store(tmp_path, empty_store):
    store = Path(shutil.copytree(empty_store, tmp_path / "s"))
    rows = [{"detection_id": f"1.0.{i}", "name": f"s{i}", "var_prob_s": i / 4, "hard_hs": 0.1} for i in range(5)]
    write(store, "csc.observation_source", *rows)
    (made,) = make_ready(store, ["properties"])
    assert (made.n_rows, made.ready_made) == (5, False)
    assert make_ready(store, ["properties"]) == []
    run(Job(store), ["properties"])
    with catalog.open(store) as cat:
        ids, vectors = cat.vectors("properties")
    scaled = dict(zip(ids, vectors[:, COLUMNS.index("var_prob_s")].tolist(), strict=True))
    assert [round(scaled[f"1.0.{i}"], 2) for i in range(5)] == [-1.41, -0.71, 0.0, 0.71, 1.41]


@pytest.fixture(scope="module")
def two_stores(small_survey, empty_store, tmp_path_factory):
    """A store of the survey, and one of a few of its files, that came in another order and from another folder."""
    folder = tmp_path_factory.mktemp("ready")
    survey = small_survey / "survey"
    few = sorted(p for p in survey.iterdir() if p.name.startswith("2CXO"))[:4]
    stores = [Path(shutil.copytree(empty_store, folder / name)) for name in ("a", "b")]
    refresh(stores[0], [Source("files", str(survey))])
    for source in reversed(few):
        copy = shutil.copytree(source, folder / "elsewhere" / source.name)
        refresh(stores[1], [Source("files", str(copy))])
    for store in stores:
        assert {t.ready_made for t in make_ready(store, ["spectrum", "events"])} == {True}
        assert make_ready(store, ["spectrum", "events"]) == []
        run(Job(store), ["spectrum", "events"])
    return stores


def test_vectors_of_two_stores_are_the_same_for_the_same_spectrum(two_stores):
    found = []
    for store in two_stores:
        with catalog.open(store) as cat:
            rows = cat.sql(
                "SELECT detection_id, vector, vector_sigma, encoder_id FROM embedding.spectrum ORDER BY 1"
            ).fetchall()
        found.append({r[0]: r[1:] for r in rows})
    assert len(found[1]) > 3
    assert found[1].keys() <= found[0].keys()
    for id_, (vector, sigma, encoder) in found[1].items():
        assert encoder == found[0][id_][2]
        assert vector == pytest.approx(found[0][id_][0], abs=1e-5)
        assert sigma == pytest.approx(found[0][id_][1], abs=1e-5)


def test_widths_are_asked_for_in_sql(two_stores):
    with catalog.open(two_stores[0]) as cat:
        ((n, zero, far),) = cat.sql(
            "SELECT count(*), min(sigmas_apart(a.vector, a.vector_sigma, b.vector, b.vector_sigma)), "
            "max(sigmas_apart(a.vector, a.vector_sigma, b.vector, b.vector_sigma)) "
            "FROM embedding.spectrum a, embedding.spectrum b"
        ).fetchall()
        assert n > 100
        assert zero == 0
        assert far > 3
        assert cat.sql("SELECT count(vector), count(vector_sigma) FROM embedding.events").fetchall()[0][1] == 0
        few, many = cat.sql(
            "SELECT avg(list_avg(vector_sigma)) FILTER (src_cnts_aper_b < 40), "
            "avg(list_avg(vector_sigma)) FILTER (src_cnts_aper_b > 400) "
            "FROM embedding.spectrum JOIN csc.observation_source USING (detection_id)"
        ).fetchall()[0]
        assert few > 1.5 * many
        assert len(cat.nearest("spectrum", cat.vectors("spectrum")[0][0], k=3)) == 3


def test_a_command_takes_the_ready_made_one_though_another_is_there(two_stores):
    done = CliRunner().invoke(embed.__main__.app, ["train", "spectrum", "--ready-made", "--store", str(two_stores[0])])
    assert done.exit_code == 0, done.output
    assert "ready made, version 1" in done.output


def test_a_sweep_needs_no_model_to_be_named(two_stores):
    done = CliRunner().invoke(
        embed.__main__.app, ["sweep", "spectrum", "--runs", "1", "--epochs", "1", "--store", str(two_stores[1])]
    )
    assert done.exit_code == 0, done.output
    with catalog.open(two_stores[1]) as cat:
        made = "SELECT count(*) FROM meta.encoder WHERE space = 'spectrum' AND NOT current"
        assert cat.sql(made).fetchall() == [(1,)]
