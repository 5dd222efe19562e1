"""Photons and papers in one space: two small projections, brought together by a regularised InfoNCE loss.

    L = L_InfoNCE + gamma * L_reg

L_InfoNCE is symmetric (data to text and text to data), with a learned temperature (van den Oord et al. 2018; Radford
et al. 2021). Two rows that share a paper, as those of one source do, are not negatives of each other. L_reg keeps each
modality's own geometry: the mean squared difference between the cosine of two rows before the projection and after it,
over all pairs of a batch and both modalities. gamma = 0 leaves it out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from embed.inputs.papers import STATED
from embed.training.networks import Batch, Network

FIRST_TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01
_NO_PAIR = -1e4  # exp of it is 0 in every precision that a device may take


class Projection(nn.Module):
    """Standardise, and project by a small network with two hidden layers; of unit length.

    There is no straight way past the hidden layers: a linear map of hundreds of numbers learns the few thousand pairs
    that there are by heart long before the layers have learned anything.

    Parameters
    ----------
    dim, width, latent : int
        Lengths of the input, the hidden layers, the output.
    dropout : float
        Of the hidden layers.
    n_apart : int
        Numbers at the end of the input that are a block of their own. Each of them is brought to unit variance, the
        rest together to the variance of all of them: a few figures are not to drown in a long vector.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, dim: int, width: int, latent: int, dropout: float, n_apart: int = 0) -> None:
        super().__init__()
        self.n_apart = n_apart
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        hidden = [part for n in (dim, width) for part in (nn.Linear(n, width), nn.GELU(), nn.Dropout(dropout))]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, latent))

    def look_at(self, rows: Tensor) -> None:
        """Take mean and spread of training rows, shape (n, dim)."""
        self.mean.copy_(rows.mean(0))
        spread = rows.std(0, correction=0)
        alive = spread > 1e-6 * spread.max().clamp_min(1e-30)
        long = len(spread) - self.n_apart
        if n_alive := int(alive[long:].sum()):
            spread[:long] = (spread[:long].square().sum() / n_alive).sqrt()
        self.spread.copy_(torch.where(alive, spread, torch.inf))

    def standardised(self, rows: Tensor) -> Tensor:
        """Return rows in units of the training rows' spread, shape (n, dim)."""
        return (rows - self.mean) / self.spread

    def forward(self, rows: Tensor) -> Tensor:
        """Project rows, shape (n, dim) -> (n, latent), of unit length."""
        return functional.normalize(self.layers(self.standardised(rows)), dim=1)


class Alignment(Network):
    """Two projections into one space.

    Parameters
    ----------
    data_dim, text_dim : int
        Lengths of the vectors of both modalities; those of text end in `embed.inputs.papers.STATED` quantities.
    latent, width : int
    dropout, gamma : float
    pooling : int
        Which of the pooled text vectors to read: index into `embed.inputs.pooling.POOLINGS`.
    """

    reads = ("data", "text", "has_text", "papers")
    error_name = "mean relative rank of the right one"

    def __init__(
        self, data_dim: int, text_dim: int, latent: int, width: int, dropout: float, gamma: float, pooling: int
    ) -> None:
        super().__init__(latent)
        self.data = Projection(data_dim, width, latent, dropout)
        self.text = Projection(text_dim, width, latent, dropout, n_apart=STATED)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(FIRST_TEMPERATURE)))
        self.gamma, self.pooling = gamma, pooling

    def prepare_for(self, sample: Batch) -> None:
        """Take mean and spread of both modalities from training rows."""
        self.data.look_at(sample["data"])
        self.text.look_at(sample["text"][:, self.pooling])

    def latent(self, batch: Batch) -> Tensor:
        """Project the data side."""
        projected: Tensor = self.data(batch["data"])
        return projected

    def sides(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Project both sides, each of shape (n, latent)."""
        return self.data(batch["data"]), self.text(batch["text"][:, self.pooling])

    def losses(self, batch: Batch) -> Tensor:
        """Return InfoNCE of both directions, and gamma times what the projections change of the geometry."""
        data, text = self.sides(batch)
        scale = self.log_scale.clamp(max=-math.log(LEAST_TEMPERATURE)).exp()
        similar = (data @ text.T).float()
        logits = (scale * similar).masked_fill(_same_but_itself(batch["papers"]), _NO_PAIR)
        right = torch.arange(len(logits), device=logits.device)
        loss: Tensor = 0.5 * (
            functional.cross_entropy(logits, right, reduction="none")
            + functional.cross_entropy(logits.T, right, reduction="none")
        )
        if self.gamma:
            bent = _bent(self.data.standardised(batch["data"]), data)
            bent = bent + _bent(self.text.standardised(batch["text"][:, self.pooling]), text)
            loss = loss + self.gamma * bent
        return loss

    def errors(self, batch: Batch) -> Tensor:
        """Return the share of wrong candidates that score above the right one, mean of both directions, per row."""
        data, text = self.sides(batch)
        similar = (data @ text.T).float()
        wrong = ~_same_but_itself(batch["papers"])
        wrong.fill_diagonal_(fill_value=False)
        right = similar.diagonal()
        n_wrong = wrong.sum(1).clamp_min(1)
        ahead = ((similar > right[:, None]) & wrong).sum(1) + ((similar > right[None, :]) & wrong).sum(0)
        return ahead / (2 * n_wrong)


def _bent(before: Tensor, after: Tensor) -> Tensor:
    """Return the mean squared change of a row's cosines with all rows, shape (n,)."""
    straight = functional.normalize(before, dim=1)
    return (straight @ straight.T - after @ after.T).square().mean(1)


def shares_paper(papers: Tensor) -> Tensor:
    """Tell which rows share a paper, from hashes of shape (n, m), 0 for none; bool, shape (n, n).

    Examples
    --------
    >>> shares_paper(torch.tensor([[5, 7], [7, 0], [9, 0]]))[0].tolist()
    [True, True, False]
    """
    known, code = torch.unique(papers, return_inverse=True)
    holds = torch.zeros(len(papers), len(known), device=papers.device)
    holds.scatter_(1, code, 1.0)
    holds[:, known == 0] = 0.0
    return (holds @ holds.T) > 0


def _same_but_itself(papers: Tensor) -> Tensor:
    same = shares_paper(papers)
    same.fill_diagonal_(fill_value=False)
    return same
