"""Abstracts as text and text as vectors, with no network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from catalog.errors import UntrustedStore
from embed import registry
from embed.encoders import sentences
from embed.encoders.sentences import ModelNotFound
from embed.inputs.modalities import INPUTS
from embed.registry import BrokenWeights, Settings

PAPERS = {
    "2014Natur.514..202B": ("An ultraluminous X-ray source powered by an accreting neutron star",
        "We report pulsations with an average period of 1.37 s from M82 X-2, a ULX powered by a neutron star."),
    "2017Sci...355..817I": ("An accreting pulsar with extreme properties drives an ultraluminous x-ray source",
        "Pulsations of 1.43 s are found in a ULX in NGC 5907; it hosts an accreting neutron star."),
    "2005ApJS..160..319G": ("Chandra Orion Ultradeep Project: observations and source lists",
        "Young stellar objects in the Orion Nebula Cluster show frequent magnetic flares."),
    "2000AJ....120.1579Y": ("The Sloan Digital Sky Survey: technical summary", None),
    "empty": (None, " "),
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return registry.fit("papers", None, lambda: iter([])).encoder


def rows():
    bibcodes = list(PAPERS)
    titles, abstracts = zip(*PAPERS.values(), strict=True)
    return pa.table({"id": bibcodes, "name": bibcodes, "title": titles, "abstract": abstracts})


def test_papers_about_the_same_are_near(encoder):
    encoded = registry.encode_rows(encoder, rows())
    assert encoder.dim == 384
    assert encoded.ids == list(PAPERS)[:4]
    assert encoded.names == encoded.ids
    assert encoded.skipped == {"empty": "the paper has neither title nor abstract"}
    assert np.linalg.norm(encoded.vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    cosine = encoded.vectors @ encoded.vectors.T
    assert cosine[0, 1] > 0.6
    assert max(cosine[0, 2], cosine[0, 3], cosine[1, 3]) < 0.5


def test_a_users_words_find_the_paper(encoder):
    query = encoder.encode_texts(["flaring protostars"])
    cosine = registry.encode_rows(encoder, rows()).vectors @ query[0]
    assert cosine.argmax() == 2
    assert encoder.encode_texts([]).shape == (0, 384)


def test_it_is_restored_from_disk_and_knows_its_weights(encoder, tmp_path):
    path = registry.save(encoder, tmp_path)
    again = registry.load(path)
    assert again == encoder
    configuration = json.loads(path.with_suffix(".json").read_text())["configuration"]
    with pytest.raises(BrokenWeights, match="train the space 'papers' anew"):
        sentences.restore(configuration | {"sentence_sha256": "0" * 64}, {})


def test_a_model_by_path_is_the_same_model(encoder):
    settings = Settings(options={"sentence_model": str(sentences._folder(sentences.PACKAGED))})
    by_path = registry.fit("papers", "sentence", lambda: iter([]), settings).encoder
    assert by_path.weights_sha256 == encoder.weights_sha256
    assert (by_path.encode_texts(["a"]) == encoder.encode_texts(["a"])).all()


def test_a_model_that_is_not_here_is_not_fetched():
    with pytest.raises(ModelNotFound, match="pass a path"):
        registry.fit("papers", None, lambda: iter([]), Settings(options={"sentence_model": "no-such-model"}))


def named_by_a_store(name):
    return {"sentence_model": str(name), "sentence_sha256": "0" * 64, "dim": 384, "batch": 32}


@pytest.mark.parametrize(
    "name", ["{}", "{}/../model", "/no/such/folder", "../model", "model", ".", "~/model", "a/b/c", ""]
)
def test_a_store_names_no_folder_to_open(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHOTONLAKE_SENTENCE_MODELS", raising=False)
    (tmp_path / "model").symlink_to(sentences._folder(sentences.PACKAGED))
    with pytest.raises(UntrustedStore, match="export PHOTONLAKE_SENTENCE_MODELS=") as caught:
        sentences.restore(named_by_a_store(name.format(tmp_path / "model")), {})
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_is_opened_that_the_user_lists(tmp_path, monkeypatch, encoder):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(sentences._folder(sentences.PACKAGED))
    monkeypatch.setenv("PHOTONLAKE_SENTENCE_MODELS", f"/no/such{os.pathsep}{tmp_path / 'models'}")
    given = named_by_a_store(tmp_path / "models" / "mine") | {"sentence_sha256": encoder.weights_sha256}
    assert sentences.restore(given, {}).dim == 384
    with pytest.raises(UntrustedStore, match="names the folder"):
        sentences.restore(named_by_a_store(tmp_path / "models" / ".." / "other"), {})


def test_a_folder_of_the_packaged_models_name_is_not_taken_for_it(tmp_path, monkeypatch, encoder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / sentences.PACKAGED).mkdir()
    sentences._folder.cache_clear()
    assert sentences._folder(sentences.PACKAGED) != tmp_path / sentences.PACKAGED
    assert sentences.restore(encoder.configuration() | {"dim": 384}, {}).weights_sha256 == encoder.weights_sha256


def test_code_in_a_models_folder_is_not_run(tmp_path):
    no_weights = shutil.ignore_patterns("*.safetensors")
    folder = Path(shutil.copytree(sentences._folder(sentences.PACKAGED), tmp_path / "model", ignore=no_weights))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(Exception, match=r"trust_remote_code"):
        sentences._opened(str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.real
def test_real_abstracts(encoder, real):
    lines = (real / "papers" / "arxiv_high_energy.jsonl").read_text().splitlines()[:40]
    papers = [json.loads(line) for line in lines]
    title = [p["title"][0] if isinstance(p["title"], list) else p["title"] for p in papers]
    ids = [p["bibcode"] for p in papers]
    table = pa.table({"id": ids, "name": ids, "title": title, "abstract": [p["abstract"] for p in papers]})
    prepared = INPUTS["papers"].prepare(table)
    vectors = encoder.encode(prepared.arrays)
    own = encoder.encode_texts(title)
    rank = (own @ vectors.T).argsort(1)[:, ::-1]
    assert np.mean(rank[:, 0] == np.arange(len(ids))) > 0.9
