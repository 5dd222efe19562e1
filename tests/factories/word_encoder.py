"""An encoder of papers by the words they use, published as an entry point: what MiniLM does, without its weight."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed.registry import Family, Fitted

ENTRY_POINTS = """\
[photonlake.encoders]
papers.words = factories.word_encoder:FAMILY
"""
DIM = 48


@dataclass(frozen=True)
class Words:
    """The sum of a vector per word, drawn from the word's hash; of unit length."""

    space: str = "papers"
    model: str = "words"
    modality: str = "papers"
    dim: int = DIM

    def encode(self, arrays):
        return self.encode_texts([str(t) for t in arrays["text"]])

    def encode_texts(self, texts):
        rows = [sum((vector(w) for w in re.findall(r"\w+", t.lower())), np.zeros(DIM)) for t in texts]
        made = np.array(rows, np.float32).reshape(-1, DIM)
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-6)

    def configuration(self):
        return {}

    def state(self):
        return {"nothing": np.zeros(1)}


def vector(word):
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=DIM)


def fit(stream, settings):
    del settings
    n = sum(rows.num_rows for rows in stream())
    return Fitted(Words(), [], None, "none", n, n, 1, {})


def restore(configuration, tensors):
    del configuration, tensors
    return Words()


FAMILY = Family("papers", "words", "papers", "factories.word_encoder:fit", "factories.word_encoder:restore", "words")


def publish(folder: Path) -> Path:
    """Write what makes the encoder an entry point; put the folder on the path."""
    made = folder / "word_encoder-1.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: word-encoder\nVersion: 1\n")
    (made / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
