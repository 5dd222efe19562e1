"""Autoencoders of the 400-point spectrum: patches of points are tokens, read by attention or by a GRU.

The encoder turns all tokens into one latent vector, the decoder turns it back into patches. The loss is the mean
absolute error over unmasked points, as in the field; `loss = mae-noise` weighs points by how well they are known,
`mse` is there for comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from catalog.errors import QueryError
from embed.encoders.torch_encoder import ENCODE_ROWS, TorchEncoder, fit_network, restore_network
from embed.inputs.prepared import Arrays
from embed.inputs.spectra import N_POINTS
from embed.registry import Configuration, Fitted, Settings, Stream, Tensors
from embed.training.networks import Batch, Network, Tower, integer, sinusoids

DEFAULTS: Configuration = {
    "body": "transformer",
    "patch": 20,
    "layers": 2,
    "width": 64,
    "heads": 4,
    "hidden": 128,
    "positions": "learnt",
    "loss": "mae",
    "start": "pca",
}
NOISE_FLOOR = 0.05  # of the MinMax range: no point is trusted more than to a twentieth


class SpectrumAutoencoder(Network):
    """Patches -> tokens -> latent -> tokens -> patches.

    Parameters
    ----------
    configuration : dict
        latent, and the fields of `DEFAULTS`: body (transformer or rnn), patch (points per token, a divisor of 400),
        layers (in each half), width, heads, hidden, positions (learnt or sinusoidal), loss (mae, mae-noise, mse),
        start (pca or random weights).
    """

    reads = ("values", "mask")
    learns_from: tuple[str, ...] = ("noise",)
    error_name = "reconstruction MAE"

    def __init__(self, configuration: Configuration) -> None:
        latent, self.patch = integer(configuration, "latent"), integer(configuration, "patch")
        super().__init__(latent)
        width, layers = integer(configuration, "width"), integer(configuration, "layers")
        heads, hidden = integer(configuration, "heads"), integer(configuration, "hidden")
        if self.patch < 1 or N_POINTS % self.patch or width % heads:
            found = f"patch {self.patch}, width {width}, heads {heads}"
            raise QueryError(
                f"--set: expected a patch that divides {N_POINTS}, and heads that divide width, found {found}"
            )
        self.loss, self.n_token = str(configuration["loss"]), N_POINTS // self.patch
        if self.loss not in {"mae", "mae-noise", "mse"}:
            raise QueryError(f"--set loss: expected mae, mae-noise or mse, found {self.loss!r}")
        self.to_tokens = nn.Linear(2 * self.patch, width)  # values, and where they are missing
        fixed = configuration["positions"] == "sinusoidal"
        start = sinusoids(self.n_token, width) if fixed else 0.02 * torch.randn(self.n_token, width)
        self.position_in = nn.Parameter(start.clone(), requires_grad=not fixed)
        self.position_out = nn.Parameter(start.clone(), requires_grad=not fixed)
        self.encoder: nn.Module
        self.decoder: nn.Module
        if configuration["body"] == "rnn":
            self.encoder, self.decoder = Recurrent(layers, width), Recurrent(layers, width)
        else:
            self.encoder = Tower(layers, width, heads, hidden)
            self.decoder = Tower(layers, width, heads, hidden)
        self.to_latent = nn.Linear(self.n_token * width, latent)
        self.from_latent = nn.Linear(latent, self.n_token * width)
        self.to_patch = nn.Linear(width, self.patch)
        # A linear way round both halves: what a plane can hold, attention need not learn again.
        self.straight_in, self.straight_out = nn.Linear(N_POINTS, latent), nn.Linear(latent, N_POINTS)
        self.start = str(configuration["start"])

    def prepare_for(self, batch: Batch) -> None:
        """Start as principal components of the training rows: the way round is theirs, attention adds nothing yet."""
        if self.start != "pca":
            return
        mask = batch["mask"].double()
        values = batch["values"].double()
        mean = (values * mask).sum(0) / mask.sum(0).clamp_min(1.0)
        _, sizes, directions = torch.linalg.svd((values - mean) * mask, full_matrices=False)
        n = min(int((sizes > 1e-6 * sizes.max()).sum()), len(self.centre))
        spread = (sizes[:n] / len(values) ** 0.5)[:, None]
        with torch.no_grad():
            self.straight_in.weight[:n] = (directions[:n] / spread).float()
            self.straight_in.bias.copy_(-(self.straight_in.weight.double() @ mean).float())
            nn.init.zeros_(self.to_latent.weight)
            nn.init.zeros_(self.to_latent.bias)
            self.prepare_decoder(mean, directions[:n] * spread)

    def prepare_decoder(self, mean: Tensor, directions: Tensor) -> None:
        """Start the decoder; mean has shape (400,), directions (n, 400), scaled to the rows' spread."""
        self.straight_out.weight[:, : len(directions)] = directions.T.float()
        self.straight_out.bias.copy_(mean.float())
        nn.init.zeros_(self.to_patch.weight)
        nn.init.zeros_(self.to_patch.bias)

    def tokens(self, batch: Batch) -> Tensor:
        """Return what enters the encoder, shape (n, n_token, width)."""
        mask = batch["mask"].float()
        shape = (len(mask), self.n_token, self.patch)
        both = torch.cat([(batch["values"] * mask).reshape(shape), (1.0 - mask).reshape(shape)], dim=2)
        return torch.as_tensor(self.to_tokens(both)) + self.position_in

    def latent(self, batch: Batch) -> Tensor:
        """Encode, shape (n, latent)."""
        bent = self.to_latent(self.encoder(self.tokens(batch)).flatten(1))
        return torch.as_tensor(bent + self.straight_in(batch["values"] * batch["mask"]))

    def decoded(self, latent: Tensor) -> Tensor:
        """Decode latents in the network's own units, shape (n, 400)."""
        tokens = self.from_latent(latent).view(len(latent), self.n_token, -1) + self.position_out
        return torch.as_tensor(self.to_patch(self.decoder(tokens)).flatten(1) + self.straight_out(latent))

    def losses(self, batch: Batch) -> Tensor:
        """Return the chosen loss, shape (n,)."""
        residual = (self.decoded(self.latent(batch)) - batch["values"]).float()
        size = residual**2 if self.loss == "mse" else residual.abs()
        weight = batch["mask"].float()
        if self.loss == "mae-noise":
            weight = weight / (batch["noise"] + NOISE_FLOOR)
        return (size * weight).sum(1) / weight.sum(1).clamp_min(1e-9)

    def errors(self, batch: Batch) -> Tensor:
        """Return the mean absolute error over unmasked points, shape (n,)."""
        mask = batch["mask"].float()
        residual = (self.decoded(self.latent(batch)) - batch["values"]).float().abs()
        return (residual * mask).sum(1) / mask.sum(1).clamp_min(1.0)

    def attention(self, batch: Batch) -> Tensor:
        """Return the encoder's attention, shape (n, n_layer, heads, n_token, n_token)."""
        if not isinstance(self.encoder, Tower):
            raise TypeError("a recurrent encoder attends to nothing; train spectrum --model transformer")
        return self.encoder.attention(self.tokens(batch))


class Recurrent(nn.Module):
    """A GRU over the tokens in both directions, added to them."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width // 2, layers, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens, shape (n, n_token, width)."""
        return torch.as_tensor(self.norm(tokens + self.gru(tokens)[0]))


@dataclass(frozen=True)
class SpectrumEncoder(TorchEncoder):
    """The trained autoencoder; besides encoding it can reconstruct, and show what it attends to."""

    def reconstruct(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Encode and decode `values` under `mask`, shape (n, 400), in MinMax units."""
        return self._over(arrays, lambda n, b: n.decoded(n.latent(b)))

    def attention(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """Return what each patch attends to, shape (n, n_layer, heads, n_patch, n_patch); rows sum to one."""
        return self._over(arrays, lambda n, b: n.attention(b))

    def _over(self, arrays: Arrays, what: Callable[[SpectrumAutoencoder, Batch], Tensor]) -> npt.NDArray[np.float64]:
        network = cast("SpectrumAutoencoder", self.network)
        parts = []
        with torch.inference_mode():
            for i in range(0, len(arrays["values"]), ENCODE_ROWS):
                batch = self.batch({k: arrays[k][i : i + ENCODE_ROWS] for k in network.reads})
                parts.append(what(network, batch).double().cpu().numpy())
        return np.concatenate(parts)


def fit(stream: Stream, settings: Settings) -> Fitted:
    """Train the transformer; `embed.registry.Fit`."""
    return _fitted("transformer", DEFAULTS, stream, settings)


def fit_rnn(stream: Stream, settings: Settings) -> Fitted:
    """Train the GRU; `embed.registry.Fit`."""
    return _fitted("rnn", DEFAULTS | {"body": "rnn"}, stream, settings)


def restore(configuration: Configuration, tensors: Tensors) -> SpectrumEncoder:
    """Restore either; `embed.registry.Restore`."""
    return _spectrum_encoder(restore_network(SpectrumAutoencoder, configuration, tensors))


def _fitted(model: str, defaults: Configuration, stream: Stream, settings: Settings) -> Fitted:
    fitted = fit_network("spectrum", model, SpectrumAutoencoder, defaults, stream, settings)
    return replace(fitted, encoder=_spectrum_encoder(cast("TorchEncoder", fitted.encoder)))


def _spectrum_encoder(encoder: TorchEncoder) -> SpectrumEncoder:
    return SpectrumEncoder(encoder.space, encoder.model, encoder.modality, encoder.options, encoder.network)
