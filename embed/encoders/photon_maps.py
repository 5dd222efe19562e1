"""Autoencoder of the E-t map, photons by normalised time and log energy, 24 x 16, or of the E-t-dt cube.

The map is scaled to a greatest cell of 1, which takes brightness out, and read on a square-root scale, which makes
the Poisson noise of all cells alike. With the option `cube` the photons are told apart by their waiting times too: the
16 planes of the cube enter together, as colours of an image do.

Source: E-t maps and E-t-dt cubes after Dillmann et al. 2024 (arXiv:2412.01150).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embed.encoders.torch_encoder import TorchEncoder, fit_network, restore_network
from embed.inputs.event_maps import N_ENERGY, N_STEP, N_TIME
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors
from embed.training.networks import Batch, Network, integer

DEFAULTS: Configuration = {"channels": 16, "hidden": 128, "cube": False}
_SMALL = (N_TIME // 4, N_ENERGY // 4)


class MapAutoencoder(Network):
    """Two strided convolutions down to 6 x 4, a perceptron to the latent, and back.

    Parameters
    ----------
    configuration : dict
        latent; channels of the first convolution (the second has twice as many); hidden; cube (true or false).
    """

    reads = ("map",)
    error_name = "reconstruction MAE of the scaled map"

    def __init__(self, configuration: Configuration) -> None:
        latent, channels, hidden = (integer(configuration, k) for k in ("latent", "channels", "hidden"))
        super().__init__(latent)
        self.channels, planes = channels, 1
        if configuration.get("cube"):
            self.reads, planes = ("cube",), N_STEP
            self.error_name = "reconstruction MAE of the scaled cube"
        flat = 2 * channels * _SMALL[0] * _SMALL[1]
        self.encoder = nn.Sequential(
            nn.Conv2d(planes, channels, 4, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), nn.GELU(),
            nn.Flatten(), nn.Linear(flat, hidden), nn.GELU(), nn.Linear(hidden, latent),
        )  # fmt: skip
        self.from_latent = nn.Sequential(nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, flat), nn.GELU())
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1), nn.GELU(),
            nn.ConvTranspose2d(channels, planes, 4, stride=2, padding=1),
        )  # fmt: skip

    def scaled(self, batch: Batch) -> Tensor:
        """Return square roots of the counts over those of the greatest cell, shape (n, planes, 24, 16)."""
        counts = batch[self.reads[0]]
        counts = counts[:, None] if self.reads == ("map",) else counts.permute(0, 3, 1, 2)
        return torch.sqrt(counts / counts.amax((1, 2, 3), keepdim=True).clamp_min(1.0))

    def latent(self, batch: Batch) -> Tensor:
        """Encode, shape (n, latent)."""
        return torch.as_tensor(self.encoder(self.scaled(batch)))

    def decoded(self, latent: Tensor) -> Tensor:
        """Decode, shape (n, planes, 24, 16): square roots of the scaled map or cube."""
        small = self.from_latent(latent).view(len(latent), 2 * self.channels, *_SMALL)
        return torch.as_tensor(self.decoder(small))

    def losses(self, batch: Batch) -> Tensor:
        """Return the mean squared error, shape (n,): an absolute one would call every sparse map empty."""
        residual = self.decoded(self.latent(batch)).float() - self.scaled(batch)
        return (residual**2).mean((1, 2, 3))

    def errors(self, batch: Batch) -> Tensor:
        """Return the mean absolute error, shape (n,)."""
        return (self.decoded(self.latent(batch)).float() - self.scaled(batch)).abs().mean((1, 2, 3))


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train; `embed.registry.Fit`."""
    return fit_network("events", "map", MapAutoencoder, DEFAULTS, stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> TorchEncoder:
    """Restore; `embed.registry.Restore`."""
    return restore_network(MapAutoencoder, configuration, tensors)
