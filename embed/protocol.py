"""The words that encoders, their training and the jobs share: the protocol, settings, results, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import Terminal
from embed.inputs.prepared import Arrays

Vectors = npt.NDArray[np.float32]
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Configuration = dict[str, Json]
Tensors = dict[str, npt.NDArray[np.generic]]
Stream = Callable[[], Iterator[pa.Table]]
"""Starts the rows of an `Input.query` from the beginning: called again whenever they are needed again."""


class BrokenWeights(Terminal, ValueError):
    """A weights file that is not what its name or its configuration says."""


class NothingToTrainOn(Terminal, ValueError):
    """The selection holds no row from which an encoder could be trained."""


@runtime_checkable
class Encoder(Protocol):
    """Turns prepared inputs into vectors. Frozen once trained: the same input gives the same vector.

    Attributes
    ----------
    space : str
        Embedding space it writes: 'spectrum', 'events', 'papers', 'properties', ...
    model : str
        Kind within the space: 'transformer', 'rnn', 'pca', ...
    modality : str
        Key of `embed.inputs.modalities.INPUTS`: what it reads.
    dim : int
        Length of its vectors.
    """

    @property
    def space(self) -> str:
        """The embedding space it writes."""

    @property
    def model(self) -> str:
        """The kind of encoder within the space."""

    @property
    def modality(self) -> str:
        """Which of `embed.inputs.modalities.INPUTS` it reads."""

    @property
    def dim(self) -> int:
        """The length of its vectors."""

    def encode(self, arrays: Arrays) -> Vectors:
        """Turn prepared arrays (`Input.prepare(rows).arrays`), first axis n, into vectors of shape (n, dim)."""

    def configuration(self) -> Configuration:
        """Return all that is needed besides the weights to restore the encoder; JSON."""

    def state(self) -> Tensors:
        """Return the weights by name."""


@runtime_checkable
class SidedEncoder(Encoder, Protocol):
    """An encoder that gives several vectors per row, one per side: what it was made of, and all of it together.

    Attributes
    ----------
    sides : tuple of str, length s
        'data', 'text', 'both': the modality that each vector carries in the space.
    """

    @property
    def sides(self) -> tuple[str, ...]:
        """The modalities of a row's vectors, in order."""

    def encode_sides(self, arrays: Arrays) -> Vectors:
        """Turn prepared arrays, first axis n, into vectors of shape (n, s, dim); NaN where a side is missing."""


@runtime_checkable
class WideEncoder(Encoder, Protocol):
    """An encoder that knows how well it knows: its vectors have standard deviations."""

    def encode_with_widths(self, arrays: Arrays) -> tuple[Vectors, Vectors]:
        """Turn prepared arrays, first axis n, into vectors and their standard deviations, both of shape (n, dim)."""


@dataclass(frozen=True)
class Progress:
    """One epoch of a training.

    Attributes
    ----------
    epoch, n_epochs : int
        Which of at most how many, from 1.
    training_loss, validation_loss : float
        Means over the epoch and over the held-out sources.
    n_rows : int
        Rows trained on in the epoch.
    seconds : float
        How long the epoch took.
    """

    epoch: int
    n_epochs: int
    training_loss: float
    validation_loss: float
    n_rows: int
    seconds: float


@dataclass(frozen=True)
class Settings:
    """How an encoder is trained; every field has a default that works.

    Attributes
    ----------
    latent : int
        Length of the vectors, where the model lets one choose.
    seed : int
        Of the split, the first weights, and the order of rows.
    epochs, patience : int
        At most so many epochs; stop after so many without improvement on the held-out sources.
    batch_rows : int
        Rows per step.
    learning_rate : float
        Of AdamW, after warm-up.
    held_out : float
        Fraction of the SOURCES kept for validation; all rows of a source stand on one side.
    scratch : Path or None
        Folder for prepared rows and checkpoints; one that holds a checkpoint of the same training is resumed.
        None: a temporary folder, and nothing to resume.
    checkpoint_seconds : float
        At most so much work is lost when the process dies.
    device : str
        'auto' (CUDA where present, else CPU), 'cpu', 'cuda'.
    options : mapping
        The model's own: patch, layers, heads, width, loss, ... (see the model's module).
    report : callable
        Called after each epoch.
    """

    latent: int = 8
    seed: int = 0
    epochs: int = 40
    patience: int = 10
    batch_rows: int = 64
    learning_rate: float = 3e-3
    held_out: float = 0.1
    scratch: Path | None = None
    checkpoint_seconds: float = 30.0
    device: str = "auto"
    options: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    report: Callable[[Progress], None] = lambda _: None


@dataclass(frozen=True)
class Fitted:
    """A trained encoder and how well it does: what meta.encoder keeps.

    Attributes
    ----------
    encoder : Encoder
        Ready to encode and to be saved.
    loss_curve : list of float
        Loss on the held-out sources, per epoch; empty where nothing is iterated.
    validation_error : float or None
        The model's own error on the held-out sources (`error_name`); None where it has none.
    error_name : str
        'reconstruction MAE', 'Poisson deviance per cell', ...
    n_rows, n_sources : int
        Rows and sources it was trained on, the held-out ones not counted.
    epochs : int
        Epochs trained; the weights are those of the best.
    skipped : mapping of str to str
        Rows that could not be prepared: id -> reason.
    """

    encoder: Encoder
    loss_curve: list[float]
    validation_error: float | None
    error_name: str
    n_rows: int
    n_sources: int
    epochs: int
    skipped: Mapping[str, str]


@dataclass(frozen=True)
class Encoded:
    """Vectors of a batch of rows.

    Attributes
    ----------
    ids : list of str, length n
        detection_id or bibcode.
    names : list of (str or None), length n
        Source names; the bibcode for papers.
    modalities : list of str, length n
        What each vector was made from: the encoder's modality, or one of its sides, and then an id may repeat.
    vectors : ndarray of float32, shape (n, dim)
        All finite.
    skipped : dict of str to str
        Rows of the batch that have no vector: id -> reason, in words a user understands.
    sigmas : ndarray of float32, shape (n, dim), or None
        Standard deviations of the vectors; None where the encoder tells none.
    """

    ids: list[str]
    names: list[str | None]
    modalities: list[str]
    vectors: Vectors
    skipped: dict[str, str]
    sigmas: Vectors | None = None


Fit = Callable[[Stream, Settings], Fitted]
Restore = Callable[[Configuration, Tensors], Encoder]
