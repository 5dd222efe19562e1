"""Autoencoder of the E-t map: photons by normalised time and log energy, 24 x 16.

The map is scaled to a greatest cell of 1, which takes brightness out, and read on a square-root scale, which makes
the Poisson noise of all cells alike.

Source: E-t maps after Dillmann et al. 2024 (arXiv:2412.01150).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from embed.encoders import Configuration, Fitted, Settings, Stream, Tensors
from embed.event_maps import N_ENERGY, N_TIME
from embed.networks import Batch, Network, integer
from embed.torch_encoder import TorchEncoder, fit_network, restore_network

DEFAULTS: Configuration = {"channels": 16, "hidden": 128}
_SMALL = (N_TIME // 4, N_ENERGY // 4)


class MapAutoencoder(Network):
    """Two strided convolutions down to 6 x 4, a perceptron to the latent, and back.

    Parameters
    ----------
    configuration : dict
        latent; channels of the first convolution (the second has twice as many); hidden.
    """

    reads = ("map",)
    error_name = "reconstruction MAE of the scaled map"

    def __init__(self, configuration: Configuration) -> None:
        latent, channels, hidden = (integer(configuration, k) for k in ("latent", "channels", "hidden"))
        super().__init__(latent)
        self.channels = channels
        flat = 2 * channels * _SMALL[0] * _SMALL[1]
        self.encoder = nn.Sequential(
            nn.Conv2d(1, channels, 4, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), nn.GELU(),
            nn.Flatten(), nn.Linear(flat, hidden), nn.GELU(), nn.Linear(hidden, latent),
        )  # fmt: skip
        self.from_latent = nn.Sequential(nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, flat), nn.GELU())
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1), nn.GELU(),
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
        )  # fmt: skip

    def latent(self, batch: Batch) -> Tensor:
        """Encode, shape (n, latent)."""
        return torch.as_tensor(self.encoder(scaled(batch["map"])[:, None]))

    def decoded(self, latent: Tensor) -> Tensor:
        """Decode, shape (n, 24, 16): square roots of the scaled map."""
        small = self.from_latent(latent).view(len(latent), 2 * self.channels, *_SMALL)
        return torch.as_tensor(self.decoder(small))[:, 0]

    def losses(self, batch: Batch) -> Tensor:
        """Return the mean squared error, shape (n,): an absolute one would call every sparse map empty."""
        residual = self.decoded(self.latent(batch)).float() - scaled(batch["map"])
        return (residual**2).mean((1, 2))

    def errors(self, batch: Batch) -> Tensor:
        """Return the mean absolute error, shape (n,)."""
        return (self.decoded(self.latent(batch)).float() - scaled(batch["map"])).abs().mean((1, 2))


def scaled(counts: Tensor) -> Tensor:
    """Return square roots of maps scaled to a greatest cell of 1, shape (n, 24, 16); 0 where there is no photon."""
    return torch.sqrt(counts / counts.amax((1, 2), keepdim=True).clamp_min(1.0))


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train; `embed.encoders.Fit`."""
    return fit_network("events", "map", MapAutoencoder, DEFAULTS, stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> TorchEncoder:
    """Restore; `embed.encoders.Restore`."""
    return restore_network(MapAutoencoder, configuration, tensors)
