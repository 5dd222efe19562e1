"""A vector of a user's own words: the entry point behind nearest(text := '...')."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from catalog.errors import UnknownName
from embed.registry import Encoder, Vectors, load


@runtime_checkable
class ReadsWords(Protocol):
    """An encoder with a text side."""

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Turn words into vectors of shape (n, dim)."""


@lru_cache(maxsize=4)
def _opened(weights: Path) -> Encoder:
    return load(weights)


def vector_of_text(weights: Path, text: str) -> Vectors:
    """Return the vector of a text in the space of an encoder.

    Parameters
    ----------
    weights : Path
        The encoder's weights file, in the store's `models/`.
    text : str
        Words.

    Returns
    -------
    ndarray of float32, shape (dim,)

    Raises
    ------
    UnknownName
        If the encoder has no text side.
    """
    encoder = _opened(weights)
    if not isinstance(encoder, ReadsWords):
        raise UnknownName(f"space {encoder.space} has no text side: give a source, a detection or a vector as target")
    vectors: Vectors = encoder.encode_texts([text])
    return np.asarray(vectors[0], np.float32)
