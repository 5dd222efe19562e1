"""What all networks of photonlake share: how the training sees them, options, devices, and latents of unit scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from catalog.errors import QueryError, UnknownName, suggestion
from embed.registry import Configuration, Json

Batch = Mapping[str, Tensor]
"""Arrays of `Prepared` as tensors, first axis n."""


class Network(nn.Module, ABC):
    """An autoencoder: arrays -> latent -> reconstruction, with a loss per row.

    Attributes
    ----------
    reads : tuple of str
        Arrays that the encoder half needs.
    learns_from : tuple of str
        Arrays that the loss needs besides.
    error_name : str
        What `errors` measures.
    centre, scale : Tensor, shape (latent,)
        Mean and standard deviation of the training rows' latents: vectors are given in these units, so that no
        dimension rules a distance only because the decoder likes it long.
    """

    reads: tuple[str, ...] = ()
    learns_from: tuple[str, ...] = ()
    error_name: str = ""
    centre: Tensor
    scale: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(latent))
        self.register_buffer("scale", torch.ones(latent))

    @abstractmethod
    def latent(self, batch: Batch) -> Tensor:
        """Encode, shape (n, latent), in the network's own units."""

    @abstractmethod
    def losses(self, batch: Batch) -> Tensor:
        """Return what training makes small, per row, shape (n,)."""

    @abstractmethod
    def errors(self, batch: Batch) -> Tensor:
        """Return what is reported on held-out rows, per row, shape (n,)."""

    def vectors(self, batch: Batch) -> Tensor:
        """Encode in units of the training rows' spread, shape (n, latent)."""
        return (self.latent(batch) - self.centre) / self.scale

    def prepare_for(self, batch: Batch) -> None:
        """Look at some training rows before the first step (initial biases); nothing by default."""


def chosen(defaults: Configuration, options: Mapping[str, int | float | str | bool]) -> Configuration:
    """Return the defaults with a user's options, in the defaults' types.

    Raises
    ------
    UnknownName
        For an option that the model does not have, with the nearest that it has.
    QueryError
        For a value that is no number where one is needed.

    Examples
    --------
    >>> chosen({"patch": 20, "loss": "mae"}, {"patch": 10})
    {'patch': 10, 'loss': 'mae'}
    """
    for name in options:
        if name not in defaults:
            raise UnknownName(f"no option {name!r}{suggestion(name, defaults)}; known: {', '.join(sorted(defaults))}")
    return defaults | {name: _like(name, defaults[name], value) for name, value in options.items()}


def _like(name: str, default: Json, value: float | str | bool) -> Json:
    if isinstance(default, str):
        return str(value)
    try:
        return float(value) if isinstance(default, float) else int(value)
    except ValueError as error:
        raise QueryError(f"--set {name}: expected a number as {default}, found {value!r}") from error


def integer(configuration: Configuration, name: str) -> int:
    """Read a whole number of a configuration."""
    value = configuration[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return int(value)


def real(configuration: Configuration, name: str) -> float:
    """Read a number of a configuration."""
    value = configuration[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return float(value)


def device_of(choice: str) -> torch.device:
    """Return the device: 'auto' takes CUDA where it is present."""
    if choice == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if choice == "cuda" and not torch.cuda.is_available():
        raise QueryError("--device cuda: torch finds no such device here; take --device cpu, or leave it out")
    if choice.partition(":")[0] not in {"cpu", "cuda"}:
        raise QueryError(f"--device is to be auto, cpu or cuda, found {choice!r}")
    return torch.device(choice)
