"""A variational autoencoder of X-ray spectra: what is known of a spectrum, and how well it is known.

The encoder reads counts in 48 bins, the background expected among them, and the response. The decoder gives a photon
flux at 60 energies, free of the detector; folded through ARF and RMF, with the background added, it is judged by the
Poisson likelihood of the counts. Its amplitude is fitted per spectrum, since flux depends on distance: the latent holds
the shape. In training, counts are thinned at random, so that the encoder has met each source bright and faint.

A vector is the mean of the posterior, in units in which the prior is a normal distribution; its widths are the standard
deviations of the posterior, which are near 1 where the counts say nothing.

Source: Kingma & Welling 2014 (arXiv:1312.6114) for the variational bound and its gradient; Higgins et al. 2017 (ICLR,
beta-VAE) for the weight of the divergence; Sonderby et al. 2016 (arXiv:1602.02282) for its warm-up; Cash 1979 (ApJ 228,
939) for the likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from embed.encoders.poisson import deviance, folded, scaled_to
from embed.encoders.torch_encoder import ENCODE_ROWS, TorchEncoder, fit_network, restore_network
from embed.inputs.binned_counts import N_BINS, N_ENERGIES
from embed.inputs.prepared import Arrays
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.networks import Batch, Network, integer, real

DEFAULTS: Configuration = {
    "hidden": 256,
    "divergence": 0.3,
    "warm_up": 400,
    "thinnest": 8,
}
_OFFSET = 10.0  # counts: a spectrum of N weighs (N + 10)**-0.5
_LEAST_AREA = 1e-3  # of the greatest
_LOG_VARIANCES = (-9.0, 1.0)
_LOG_FLUXES = 12.0


class SpectrumVae(Network):
    """Counts, background and response -> mean and variance of the latent -> photon flux -> counts.

    Parameters
    ----------
    configuration : dict
        latent, and the fields of `DEFAULTS`: hidden (width of the perceptrons), divergence (weight of the
        Kullback-Leibler divergence), warm_up (steps over which it comes in), thinnest (a spectrum is thinned to so many
        counts at least).
    """

    reads = ("counts", "background", "area")
    learns_from = ("fold",)
    error_name = "C-statistic per channel bin"
    steps: Tensor

    def __init__(self, configuration: Configuration) -> None:
        latent, hidden = integer(configuration, "latent"), integer(configuration, "hidden")
        super().__init__(latent)
        self.divergence, self.warm_up = real(configuration, "divergence"), integer(configuration, "warm_up")
        self.thinnest = real(configuration, "thinnest")
        self.register_buffer("steps", torch.zeros(()))
        self.encoder = nn.Sequential(
            nn.Linear(4 * N_BINS + 1, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, 2 * latent),
        )  # fmt: skip
        self.straight_out = nn.Linear(latent, N_ENERGIES)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.GELU(), nn.Linear(hidden, N_ENERGIES))

    def posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the latent, each of shape (n, latent)."""
        counts, background, area = (batch[name].float() for name in self.reads)
        total = counts.sum(1, keepdim=True).clamp_min(1.0)
        share, expected = counts / total, background / total
        # What a source of one count in every bin would look like to this detector is told apart from the counts.
        net = (share - expected) / area.clamp_min(_LEAST_AREA).sqrt()
        read = [N_BINS**0.5 * share.sqrt(), N_BINS**0.5 * expected.sqrt(), net * N_BINS**0.5,
                area.clamp_min(_LEAST_AREA).log(), total.log() - 5.0]  # fmt: skip
        mean, log_variance = self.encoder(torch.cat(read, dim=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCES)

    def latent(self, batch: Batch) -> Tensor:
        """Return the mean of the posterior, shape (n, latent)."""
        return self.posterior(batch)[0]

    def vectors(self, batch: Batch) -> Tensor:
        """Return the mean of the posterior: its units are those of the prior, and need no scaling."""
        return self.latent(batch)

    def widths(self, batch: Batch) -> Tensor:
        """Return the standard deviations of the posterior, shape (n, latent).

        A divergence of weight b has its optimum at prior x likelihood ** (1 / b): the precision that the counts add is
        1 / b times what it should be. That is taken back, as for normal distributions.
        """
        precision = torch.exp(-self.posterior(batch)[1])
        return (1.0 + self.divergence * (precision - 1.0)).clamp_min(0.5) ** -0.5

    def flux(self, latent: Tensor) -> Tensor:
        """Return photons/s/cm**2/keV up to a factor, shape (n, 60)."""
        log_flux = (self.straight_out(latent) + self.decoder(latent)).float()
        return torch.as_tensor(log_flux.clamp(-_LOG_FLUXES, _LOG_FLUXES).exp())

    def expected(self, latent: Tensor, batch: Batch) -> Tensor:
        """Return expected counts, source and background, shape (n, 48)."""
        shape = folded(self.flux(latent), batch["fold"].float())
        return scaled_to(shape, batch["counts"].float(), batch["background"].float())

    def losses(self, batch: Batch) -> Tensor:
        """Return minus the variational bound, weighed by counts; of thinned counts and a drawn latent in training."""
        weight = self.divergence
        if self.training:
            self.steps += 1
            weight = self.divergence * min(1.0, float(self.steps) / max(self.warm_up, 1))
            batch = self.thinned(batch)
        mean, log_variance = self.posterior(batch)
        drawn = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        c_statistic = deviance(self.expected(drawn, batch), batch["counts"].float()).sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(1)
        return (0.5 * c_statistic + weight * divergence) * (batch["counts"].sum(1) + _OFFSET) ** -0.5

    def errors(self, batch: Batch) -> Tensor:
        """Return the C-statistic per bin of the posterior's mean, shape (n,)."""
        return deviance(self.expected(self.latent(batch), batch), batch["counts"].float()).mean(1)

    def thinned(self, batch: Batch) -> Batch:
        """Keep each count by chance: from all of a spectrum's counts down to the fewest, evenly in the logarithm."""
        counts = batch["counts"].float()
        total = counts.sum(1, keepdim=True).clamp_min(1.0)
        fewest = (self.thinnest / total).clamp(max=1.0)
        kept = fewest ** torch.rand_like(total)
        return {
            **batch,
            "counts": torch.binomial(counts.round(), kept.expand_as(counts).contiguous()),
            "background": batch["background"] * kept,
        }


@dataclass(frozen=True)
class VariationalEncoder(TorchEncoder):
    """The trained network; besides vectors it gives their widths, and the spectrum that a vector stands for."""

    def encode_with_widths(self, arrays: Arrays) -> tuple[Vectors, Vectors]:
        """Return vectors and the standard deviations of each, both of shape (n, dim)."""
        network = cast("SpectrumVae", self.network)
        n = len(arrays[network.reads[0]])
        widths = np.empty((n, self.dim), np.float32)
        with torch.inference_mode():
            for i in range(0, n, ENCODE_ROWS):
                batch = self.batch({k: arrays[k][i : i + ENCODE_ROWS] for k in network.reads})
                widths[i : i + ENCODE_ROWS] = network.widths(batch).float().cpu().numpy()
        return self.encode(arrays), widths

    def expected_counts(self, arrays: Arrays, seen: Arrays | None = None) -> Vectors:
        """Return the counts that the vectors of spectra predict, source and background.

        Parameters
        ----------
        arrays : mapping
            Prepared `binned_counts`, n spectra: their response is folded, their counts set the amplitude.
        seen : mapping, optional
            What the vectors are made from, such as one half of the photons; else `arrays`.

        Returns
        -------
        ndarray of float32, shape (n, 48)
        """
        network = cast("SpectrumVae", self.network)
        with torch.inference_mode():
            latent = network.latent(self.batch(arrays if seen is None else seen))
            return np.asarray(network.expected(latent, self.batch(arrays)).cpu().numpy(), np.float32)


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train; `embed.registry.Fit`."""
    fitted = fit_network("spectrum", "vae", SpectrumVae, DEFAULTS, stream, settings)
    return Fitted(**{**vars(fitted), "encoder": _variational(cast("TorchEncoder", fitted.encoder))})


def restore(configuration: Configuration, tensors: Tensors) -> VariationalEncoder:
    """Restore; `embed.registry.Restore`."""
    return _variational(restore_network(SpectrumVae, configuration, tensors))


def _variational(encoder: TorchEncoder) -> VariationalEncoder:
    return VariationalEncoder(encoder.space, encoder.model, encoder.modality, encoder.options, encoder.network)
