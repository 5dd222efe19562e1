"""What all networks share: options, devices, latents of unit scale, and attention that can show what it attends to.

Source: Vaswani et al. 2017 (arXiv:1706.03762); layers normalised first after Xiong et al. 2020 (arXiv:2002.04745).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

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
        raise QueryError(f"--device must be auto, cpu or cuda, found {choice!r}")
    return torch.device(choice)


class Block(nn.Module):
    """Self-attention and a two-layer perceptron, each added to its input.

    Parameters
    ----------
    width : int
        Length of a token; a multiple of `heads`.
    heads : int
        Attention heads.
    hidden : int
        Width of the perceptron.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.to_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens, shape (n, n_token, width)."""
        q, k, v = self._heads_of(tokens)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self._finish(tokens, mixed)

    def with_attention(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Transform tokens and return the attention too, shape (n, heads, n_token, n_token); rows sum to one."""
        q, k, v = self._heads_of(tokens)
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
        return self._finish(tokens, weights @ v), weights

    def _heads_of(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, n_token, width = tokens.shape
        qkv = self.to_qkv(self.norm_attention(tokens)).view(n, n_token, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return q, k, v

    def _finish(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        n, _, n_token, _ = mixed.shape
        tokens = tokens + self.to_out(mixed.transpose(1, 2).reshape(n, n_token, -1))
        return tokens + torch.as_tensor(self.perceptron(self.norm_perceptron(tokens)))


class Tower(nn.Module):
    """Some blocks in a row, with a last normalisation."""

    def __init__(self, n_blocks: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens, shape (n, n_token, width)."""
        for block in self.blocks:
            tokens = block(tokens)
        return torch.as_tensor(self.norm(tokens))

    def attention(self, tokens: Tensor) -> Tensor:
        """Return the attention of all blocks, shape (n, n_block, heads, n_token, n_token)."""
        maps = []
        for block in self.blocks:
            assert isinstance(block, Block)  # noqa: S101 - narrows the type that ModuleList forgets
            tokens, weights = block.with_attention(tokens)
            maps.append(weights)
        return torch.stack(maps, dim=1)


def sinusoids(n_token: int, width: int) -> Tensor:
    """Return fixed positions, shape (n_token, width).

    Examples
    --------
    >>> sinusoids(20, 64).shape
    torch.Size([20, 64])
    """
    place = torch.arange(n_token)[:, None].float()
    frequency = torch.exp(-math.log(10000.0) * torch.arange(0, width, 2).float() / width)
    table = torch.zeros(n_token, width)
    table[:, 0::2] = torch.sin(place * frequency)
    table[:, 1::2] = torch.cos(place * frequency)[:, : width // 2]
    return table
