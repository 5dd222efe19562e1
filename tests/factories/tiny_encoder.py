"""An encoder of numpy alone, published as an entry point, and a store with papers for it to encode."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.store import lake
from embed.registry import Family, Fitted, Settings
from embed.store.training_job import Trained, Training, train

ENTRY_POINTS = """\
[photonlake.encoders]
tiny.hash = factories.tiny_encoder:FAMILY

[photonlake.targets]
text = embed.store.typed_text:vector_of_text
"""


@dataclass(frozen=True)
class Tiny:
    """Numbers from the hash of a text, times a matrix that the seed gives; `seconds` per text makes it slow."""

    matrix: np.ndarray
    seconds: float
    space: str = "tiny"
    model: str = "hash"
    modality: str = "papers"

    @property
    def dim(self):
        return self.matrix.shape[1]

    def encode(self, arrays):
        return self.encode_texts([str(t) for t in arrays["text"]])

    def encode_texts(self, texts):
        time.sleep(self.seconds * len(texts))
        digests = [np.frombuffer(hashlib.sha256(t.encode()).digest(), np.uint8) for t in texts]
        return ((np.array(digests, np.float32) - 128) / 128) @ self.matrix

    def configuration(self):
        return {"seconds": self.seconds}

    def state(self):
        return {"matrix": self.matrix}


def fit(stream, settings):
    n_rows = sum(rows.num_rows for rows in stream())
    matrix = np.random.default_rng(settings.seed).normal(size=(32, settings.latent)).astype(np.float32)
    return Fitted(Tiny(matrix, float(settings.options.get("seconds", 0.0))), [], None, "none", n_rows, n_rows, 1, {})


def restore(configuration, tensors):
    return Tiny(tensors["matrix"], float(configuration["seconds"]))


FAMILY = Family("tiny", "hash", "papers", "factories.tiny_encoder:fit", "factories.tiny_encoder:restore", "a hash")


def publish(folder: Path) -> Path:
    """Write what makes the encoder an entry point; put the folder on the path."""
    made = folder / "tiny_encoder-1.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-encoder\nVersion: 1\n")
    (made / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def write(store: Path, statement: str, parameters=()) -> None:
    """Change a store by one statement."""
    with (
        lake.lock(store, "test"),
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        lake.transaction(connection, "test"),
    ):
        connection.execute(statement, list(parameters))


def add_papers(store: Path, first: int, last: int) -> None:
    """Add papers P<first>...P<last - 1>; every tenth has neither title nor abstract."""
    write(
        store,
        "INSERT INTO lake.lit.paper BY NAME SELECT printf('P%05d', i) AS bibcode, "
        "CASE WHEN i % 10 <> 9 THEN 'title ' || i END AS title, (2000 + i % 25)::INTEGER AS year FROM range(?, ?) t(i)",
        [first, last],
    )


def train_tiny(store: Path, seed: int = 0, latent: int = 8, seconds: float = 0.0) -> Trained:
    """Train the tiny encoder and make it the current one."""
    return train(Training(store, "tiny", settings=Settings(seed=seed, latent=latent, options={"seconds": seconds})))
