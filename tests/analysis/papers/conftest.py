"""A store of sources whose papers say how hard they are: properties, papers and an aligned space of both."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from factories.store import write
from factories.word_encoder import publish
from typer.testing import CliRunner

from analysis.__main__ import app
from embed.registry import Settings
from embed.store import encoding_job
from embed.store.training_job import Training, train

N_SOURCES = 150
WORDS = ("very soft", "soft", "rather hard", "very hard")
CLASSES = ("AGN", "YSO", "star", "CV")


def detections(seed):
    rng = np.random.default_rng([3, seed])
    for i in range(N_SOURCES):
        hardness = float(rng.uniform(-1, 1))
        name = f"2CXO J{i // 60:02d}{i % 60:02d}00.0+010000"
        for k in range(1 + i % 2):
            flux = float(10 ** rng.uniform(-14, -12))
            yield (
                name,
                hardness,
                {
                    "detection_id": f"{100 + i % 9 + 50 * k}.0.{i}",
                    "obsid": 100 + i % 9 + 50 * k,
                    "obi": 0,
                    "region_id": i,
                    "name": name,
                    "hard_hs": hardness + 0.05 * float(rng.normal()),
                    "hard_hm": hardness / 2 + 0.05 * float(rng.normal()),
                    "powlaw_gamma": 2 - hardness + 0.3 * float(rng.normal()),
                    "var_prob_b": float(rng.uniform()),
                    "flux_aper_b": flux,
                    "flux_significance_b": 3e13 * flux,
                    "src_cnts_aper_b": 1e15 * flux,
                    "livetime": 1e4,
                    "cnts_aper_b": int(1e15 * flux),
                    "sat_src_flag": i == 5,
                },
            )


@pytest.fixture(scope="session")
def aligned_once(empty_store, tmp_path_factory, any_seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(publish(tmp_path_factory.mktemp("site"))))
        yield make(empty_store, tmp_path_factory, any_seed)


def make(empty_store, tmp_path_factory, seed):
    path = shutil.copytree(empty_store, tmp_path_factory.mktemp("aligned") / "s")
    rows = list(detections(seed))
    write(path, "csc.observation_source", *(row for *_, row in rows))
    hardness = {name: h for name, h, _ in rows}
    papers, links, said = [], [], []
    for i, (name, h) in enumerate(hardness.items()):
        word = WORDS[min(int((h + 1) * 2), 3)]
        code = f"2020ApJ...{i:03d}....1A"
        papers.append({"bibcode": code, "title": f"A {word} source", "abstract": f"Number {i}.", "year": 2020})
        links.append({"bibcode": code, "name": name, "method": "class reference", "file_ids": [1]})
        links += [{"bibcode": code, "name": name, "method": "position in text", "confidence": 0.2}] if i else []
        class_ = "ULX" if i % 8 == 0 else CLASSES[i % 4]
        said.append({"file_id": 1, "row": i, "name": name, "authority": "literature", "otype": class_, "class": class_})
    write(path, "lit.paper", *papers)
    write(path, "lit.paper_source", *links)
    write(path, "csc.classification", *said)
    for space, model in (("papers", "words"), ("properties", None)):
        train(Training(path, space, model))
    encoding_job.run(encoding_job.Job(path))
    settings = Settings(latent=8, epochs=20, learning_rate=1e-3, device="cpu")
    for n in (0, 1):  # the second is another training of the same, and not the current one
        own = replace(settings, seed=2 * seed + n)
        train(Training(path, "aligned", "properties", settings=own, current=n == 0))
    encoding_job.run(encoding_job.Job(path))
    return path


@pytest.fixture(scope="session")
def studied(aligned_once):
    """The store after every study has been made of it once, and what each printed."""
    runner, printed = CliRunner(), {}
    asked = {
        "retrieve": [],
        "regress": ["--columns", "hard_hs,flux_aper_b", "--masked", "--splits", "2"],
        "neighbours": ["--k", "5"],
        "anomalies": ["--space", "aligned", "--draws", "2", "--top", "3"],
    }
    for name, options in asked.items():
        result = runner.invoke(app, [name, *options, "--store", str(aligned_once)])
        if result.exception is not None:
            raise result.exception
        printed[name] = result.output
    return aligned_once, printed
