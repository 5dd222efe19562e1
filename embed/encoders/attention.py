"""Attention blocks that can show what they attend to.

Source: Vaswani et al. 2017 (arXiv:1706.03762); layers normalised first after Xiong et al. 2020 (arXiv:2002.04745).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


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
