"""The Poisson-process autoencoder of photons: counts per time bin and band -> latent -> rate per time bin and band.

Amortised: an encoder gives the latent in one forward pass, where an autodecoder would fit each new source anew. The
loss is the Poisson likelihood of the counts under rate x exposure, with a penalty for the total variation of the rate
and one for the size of the latent. So gaps and observations shorter than the window carry no information instead of
reading as darkness.

Source: Song et al. 2025, Poisson process autodecoder for X-ray sources (bands, 8 h windows, total variation and
latent penalties); the encoder in place of per-source optimisation is ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from catalog.errors import QueryError
from embed.encoders.poisson import deviance, total_variation
from embed.encoders.torch_encoder import TorchEncoder, fit_network, restore_network
from embed.inputs.event_maps import BIN_S, N_BAND, N_BIN
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors
from embed.training.networks import Batch, Network, integer, real

DEFAULTS: Configuration = {"width": 256, "hidden": 128, "total_variation": 0.05, "latent_penalty": 1e-3}
N_FEATURES = N_BIN * N_BAND + N_BIN + N_BAND
GREATEST_LOG_RATE = 8.0  # 3,000 counts/s: beyond any Chandra source


class PoissonProcess(Network):
    """Perceptrons on both sides of the latent; the decoder's output is the log rate in counts/s.

    The first three latents are not learnt: they are the log mean rate per band, which tell brightness and colour at
    once. The others shape the rate in time and colour about that mean, and start from none: a source whose latents
    beyond the third are 0 is constant.

    Parameters
    ----------
    configuration : dict
        latent (more than 3); width and hidden of the perceptrons; total_variation and latent_penalty, the weights of
        the two penalties against the negative log likelihood per cell of the window.
    """

    reads = ("counts", "exposure")
    error_name = "Poisson deviance per observed cell"
    typical: Tensor

    def __init__(self, configuration: Configuration) -> None:
        latent, width, hidden = (integer(configuration, k) for k in ("latent", "width", "hidden"))
        if latent <= N_BAND:
            raise QueryError(
                f"--latent: expected more than {N_BAND} numbers, the mean rates of the bands, found {latent}"
            )
        super().__init__(latent)
        self.variation_weight = real(configuration, "total_variation")
        self.latent_weight = real(configuration, "latent_penalty")
        self.register_buffer("typical", torch.zeros(N_BAND))  # log rate per band of the training rows together
        self.encoder = _perceptron(N_FEATURES, width, hidden, latent - N_BAND)
        self.decoder = _perceptron(latent, hidden, width, N_BIN * N_BAND)

    def prepare_for(self, batch: Batch) -> None:
        """Start from the mean rate of the training rows."""
        seconds = (batch["exposure"].sum() * BIN_S).clamp_min(1.0)
        self.typical.copy_(torch.log((batch["counts"].sum((0, 1)) + 0.5) / seconds))

    def latent(self, batch: Batch) -> Tensor:
        """Encode, shape (n, latent)."""
        counts, exposure = batch["counts"], batch["exposure"]
        seconds = (exposure.sum(1, keepdim=True) * BIN_S).clamp_min(1.0)
        mean = torch.log((counts.sum(1) + 0.5) / seconds) - self.typical
        features = torch.cat([torch.log1p(counts).flatten(1), exposure, mean], dim=1)
        return torch.cat([mean, torch.as_tensor(self.encoder(features))], dim=1)

    def log_rate(self, latent: Tensor) -> Tensor:
        """Decode latents in the network's own units: natural log of counts/s, shape (n, 64, 3)."""
        constant = torch.cat([latent[:, :N_BAND], torch.zeros_like(latent[:, N_BAND:])], dim=1)
        shape = (self.decoder(latent) - self.decoder(constant)).view(len(latent), N_BIN, N_BAND)
        log_rate = shape + (latent[:, :N_BAND] + self.typical)[:, None, :]
        return torch.as_tensor(log_rate.clamp(-20.0, GREATEST_LOG_RATE))

    def losses(self, batch: Batch) -> Tensor:
        """Return the negative log likelihood over the number of cells, plus the penalties; shape (n,).

        The likelihood is that of all observed cells together, less what it would be if the rates were the counts: half
        the deviance. It is divided by all 192 cells of a window, the same for every row: an observation that is half as
        long counts half as much, as a likelihood has it.
        """
        latent = self.latent(batch)
        log_rate = self.log_rate(latent).float()
        unlikely = 0.5 * self._cells(log_rate, batch).sum((1, 2)) / (N_BIN * N_BAND)
        variation = total_variation(log_rate, batch["exposure"])
        size = (latent[:, N_BAND:].float() ** 2).mean(1)
        return unlikely + self.variation_weight * variation + self.latent_weight * size

    def errors(self, batch: Batch) -> Tensor:
        """Return the deviance per observed cell, shape (n,)."""
        cells = self._cells(self.log_rate(self.latent(batch)).float(), batch)
        return cells.sum((1, 2)) / ((batch["exposure"] > 0).sum(1) * N_BAND).clamp_min(1)

    def _cells(self, log_rate: Tensor, batch: Batch) -> Tensor:
        """Return the deviance of each cell, 0 where it was not observed, shape (n, 64, 3)."""
        exposure = batch["exposure"][:, :, None]
        return deviance(torch.exp(log_rate) * exposure * BIN_S, batch["counts"]) * (exposure > 0)


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train; `embed.registry.Fit`."""
    return fit_network("events", "poisson", PoissonProcess, DEFAULTS, stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> TorchEncoder:
    """Restore; `embed.registry.Restore`."""
    return restore_network(PoissonProcess, configuration, tensors)


def _perceptron(n_in: int, first: int, second: int, n_out: int) -> nn.Sequential:
    last = nn.Linear(second, n_out)
    nn.init.normal_(last.weight, std=0.5 / math.sqrt(second))
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(n_in, first), nn.LayerNorm(first), nn.GELU(), nn.Linear(first, second), nn.GELU(), last
    )
