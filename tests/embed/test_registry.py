"""Encoders on disk and in the registry: what is saved is what is loaded, by content, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from factories.encoder_inputs import photon_table, property_table, spectrum_table

from catalog.errors import UnknownName
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.registry import BrokenWeights, Encoder, Settings

SPECTRA, PHOTONS, PROPERTIES = spectrum_table(40), photon_table(30), property_table(50)
SMALL = {"layers": 1, "width": 16, "heads": 2, "hidden": 32}
QUICK = Settings(latent=4, epochs=2, batch_rows=16, device="cpu")
CASES = {
    ("spectrum", "transformer"): (SPECTRA, SMALL),
    ("spectrum", "rnn"): (SPECTRA, SMALL),
    ("spectrum", "pca"): (SPECTRA, {}),
    ("events", "poisson"): (PHOTONS, {"width": 32}),
    ("events", "map"): (PHOTONS, {"channels": 4}),
    ("events", "summary"): (PHOTONS, {}),
    ("properties", "standardised"): (PROPERTIES, {}),
}


def fitted(space, model, settings=QUICK):
    table, options = CASES[space, model]
    return registry.fit(space, model, lambda: iter([table]), replace(settings, options=options))


@pytest.mark.parametrize(("space", "model"), CASES)
def test_saved_and_loaded_gives_the_same_vectors(space, model, tmp_path):
    table, _ = CASES[space, model]
    encoder = fitted(space, model).encoder
    assert isinstance(encoder, Encoder)
    assert (encoder.space, encoder.model, encoder.modality) == (space, model, registry.family(space, model).modality)
    path = registry.save(encoder, tmp_path, {"snapshot": 3})
    again = registry.load(path)
    one, two = registry.encode_rows(encoder, table), registry.encode_rows(again, table)
    assert one.ids == two.ids == table["id"].to_pylist()
    assert one.vectors.dtype == np.float32
    assert one.vectors.shape == (table.num_rows, encoder.dim)
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert registry.save(again, tmp_path) == path
    document = json.loads(path.with_suffix(".json").read_text())
    assert document["configuration"]["dim"] == encoder.dim == again.dim
    assert document["weights_sha256"] == path.stem
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_provenance_stays_beside_the_weights_and_out_of_their_hash(tmp_path):
    encoder = fitted("spectrum", "pca").encoder
    path = registry.save(encoder, tmp_path, {"snapshot": 3})
    assert json.loads(path.with_suffix(".json").read_text())["provenance"] == {"snapshot": 3}
    assert registry.save(encoder, tmp_path, {"snapshot": 4}) == path


def test_weights_that_were_changed_are_refused(tmp_path):
    path = registry.save(fitted("spectrum", "pca").encoder, tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BrokenWeights, match="changed or cut short"):
        registry.load(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x10\0\0\0\0\0\0\0" + b"x" * 16])
def test_files_that_are_no_weights_are_refused(content, tmp_path):
    path = tmp_path / "new.safetensors"
    path.write_bytes(content)
    path = path.rename(tmp_path / f"{hashlib.sha256(content).hexdigest()}.safetensors")
    with pytest.raises(BrokenWeights, match="expected the weights of an encoder"):
        registry.load(path)


def test_unknown_spaces_and_models_are_met_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean spectrum"):
        registry.family("spectrm")
    with pytest.raises(UnknownName, match="did you mean transformer"):
        registry.family("spectrum", "transformr")
    assert {registry.family(space).space for space in registry.DEFAULT_MODEL} == set(registry.DEFAULT_MODEL)
    assert {f.modality for f in registry.FAMILIES.values()} == set(INPUTS)


PLUGIN = """
from embed.registry import Family
family = Family("colours", "plain", "properties", "colours_plugin:fit", "colours_plugin:restore", "from outside")
def fit(stream, settings):
    return sum(t.num_rows for t in stream())
"""


def test_another_package_can_publish_an_encoder(tmp_path, monkeypatch):
    (tmp_path / "colours_plugin.py").write_text(PLUGIN)
    info = tmp_path / "colours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[photonlake.encoders]\ncolours.plain = colours_plugin:family\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.family("colours").description == "from outside"
    assert registry.fit("colours", "plain", lambda: iter([PROPERTIES, PROPERTIES])) == 100


def test_pca_is_that_of_numpy(any_seed):
    encoder = fitted("spectrum", "pca", replace(QUICK, seed=any_seed, held_out=0.0)).encoder
    values = INPUTS["spectrum"].prepare(SPECTRA).arrays["values"].astype(float)
    _, _, rows = np.linalg.svd(values - values.mean(0), full_matrices=False)
    assert np.abs(encoder.components @ rows[:4].T) == pytest.approx(np.eye(4), abs=1e-6)
    vectors = registry.encode_rows(encoder, SPECTRA).vectors
    assert vectors.std(0) == pytest.approx(np.sqrt(np.linalg.eigvalsh(np.cov(values.T, ddof=0))[::-1][:4]), rel=1e-4)


def test_properties_are_standardised_and_say_what_is_missing():
    encoder = fitted("properties", "standardised").encoder
    n = encoder.dim // 2
    encoded = registry.encode_rows(encoder, PROPERTIES)
    there = encoded.vectors[:, n:] == 0
    column = encoder.configuration()["columns"].index("hard_hs")
    seen = encoded.vectors[there[:, column], column]
    assert abs(seen.mean()) < 1e-5
    assert seen.std() == pytest.approx(1, abs=1e-4)
    assert not encoded.vectors[:, :n][~there].any()
    never = encoder.configuration()["columns"].index("bb_kt")
    assert not there[:, never].any()
    assert np.abs(encoded.vectors).max() <= 5
    bare = PROPERTIES.slice(0, 1).select(["id", "name"])
    for name in PROPERTIES.column_names[2:]:
        bare = bare.append_column(name, pa.nulls(1, pa.float64()))
    assert list(registry.encode_rows(encoder, bare).skipped.values()) == ["the catalog has no measurement of it"]


def test_properties_of_any_chunks_and_order_are_the_same(tmp_path):
    one = registry.fit("properties", None, lambda: iter([PROPERTIES]), QUICK).encoder
    pieces = [PROPERTIES.slice(30), PROPERTIES.slice(0, 30)]
    two = registry.fit("properties", None, lambda: iter(pieces), QUICK).encoder
    assert registry.save(one, tmp_path) == registry.save(two, tmp_path)


def test_no_rows_give_no_vectors():
    encoded = registry.encode_rows(fitted("spectrum", "pca").encoder, SPECTRA.slice(0, 0))
    assert encoded.ids == []
    assert encoded.vectors.shape == (0, 4)


def test_the_package_and_its_inputs_load_no_torch():
    modules = "embed, embed.registry, embed.inputs.modalities, embed.store.reconstruction"
    code = f"import {modules}, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_whole_scratch_is_reused_and_a_broken_one_is_not(tmp_path):
    settings = replace(QUICK, scratch=tmp_path)
    calls = []

    def stream():
        calls.append(1)
        return iter([SPECTRA])

    registry.fit("spectrum", "pca", stream, settings)
    registry.fit("spectrum", "pca", stream, replace(settings, latent=2))
    assert len(calls) == 1
    (tmp_path / "rows-spectrum" / "index.json").unlink()  # as if killed while it was written
    encoder = registry.fit("spectrum", "pca", stream, settings).encoder
    assert len(calls) == 2
    shutil.rmtree(tmp_path)
    assert encoder.state()["mean"].tobytes() == fitted("spectrum", "pca").encoder.state()["mean"].tobytes()


@pytest.mark.parametrize(
    "change", [{"columns": None}, {"columns": ["x"]}, {"mean": "x"}, {"mean": [10**400]}, {"std": None}]
)
def test_weights_of_their_right_name_that_make_no_encoder_are_refused(change, tmp_path):
    content = registry.save(fitted("properties", "standardised").encoder, tmp_path).read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    told = json.loads(header["__metadata__"]["photonlake"]) | change
    header["__metadata__"]["photonlake"] = json.dumps({k: v for k, v in told.items() if v is not None})
    text = json.dumps(header).encode()
    made = len(text).to_bytes(8, "little") + text + content[length:]
    path = tmp_path / f"{hashlib.sha256(made).hexdigest()}.safetensors"
    path.write_bytes(made)
    with pytest.raises(BrokenWeights, match="expected the weights of an encoder"):
        registry.load(path)
