"""The spectrum transformer judged by counts: its flux is folded through ARF and RMF, and the loss is the C-statistic.

The step beyond MAE on MinMax points: the network's output is a photon flux, free of the detector; each count weighs
as Poisson says; the background is modelled, not subtracted (`embed.inputs.responses.smoothed`). What the encoder
reads is the same gridded spectrum.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from embed.encoders.poisson import deviance, folded, scaled_to
from embed.encoders.spectrum_autoencoder import DEFAULTS, SpectrumAutoencoder
from embed.encoders.torch_encoder import TorchEncoder, fit_network, restore_network
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors
from embed.training.networks import Batch


class FoldedAutoencoder(SpectrumAutoencoder):
    """The decoder's 400 points are the photon flux, on a softplus scale, of any amplitude."""

    learns_from = ("counts", "background", "fold")
    error_name = "C-statistic per channel bin"

    def prepare_decoder(self, mean: Tensor, directions: Tensor) -> None:
        """Leave the decoder as it is: its output is a flux, not a spectrum of counts."""

    def flux(self, latent: Tensor) -> Tensor:
        """Return photons/s/cm**2/keV up to a factor, shape (n, 400)."""
        return functional.softplus(self.decoded(latent).float()) + 1e-6

    def losses(self, batch: Batch) -> Tensor:
        """Return the C-statistic per channel bin, shape (n,)."""
        return self.errors(batch)

    def errors(self, batch: Batch) -> Tensor:
        """Return the C-statistic per channel bin, shape (n,)."""
        model = folded(self.flux(self.latent(batch)), batch["fold"].float())
        return deviance(scaled_to(model, batch["counts"], batch["background"]), batch["counts"]).mean(1)


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train; `embed.registry.Fit`."""
    return fit_network("spectrum", "transformer-poisson", FoldedAutoencoder, DEFAULTS, stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> TorchEncoder:
    """Restore; `embed.registry.Restore`."""
    return restore_network(FoldedAutoencoder, configuration, tensors)
