"""A trained network as an `Encoder`: encoding in batches, weights as NumPy arrays, and the road from rows to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from embed.inputs.prepared import Arrays
from embed.registry import FAMILIES, Configuration, Fitted, Settings, Stream, Tensors, Vectors
from embed.training.loop import train
from embed.training.networks import Batch, Network, chosen, device_of
from embed.training.spool import Rows, collected

ENCODE_ROWS = 512
_UNUSED = 1e-3
Build = Callable[[Configuration], Network]


@dataclass(frozen=True)
class TorchEncoder:
    """A network in evaluation mode, on the device it will encode on.

    Attributes
    ----------
    space, model, modality : str
        See `embed.registry.Encoder`.
    options : dict
        What the network was built from.
    network : Network
        Its weights are not to be changed.
    """

    space: str
    model: str
    modality: str
    options: Configuration
    network: Network

    @property
    def dim(self) -> int:
        """Length of the latent."""
        return len(self.network.centre)

    def encode(self, arrays: Arrays) -> Vectors:
        """Encode prepared arrays, n rows -> (n, dim)."""
        n = len(arrays[self.network.reads[0]])
        vectors = np.empty((n, self.dim), np.float32)
        with torch.inference_mode():
            for i in range(0, n, ENCODE_ROWS):
                batch = self.batch({k: arrays[k][i : i + ENCODE_ROWS] for k in self.network.reads})
                vectors[i : i + ENCODE_ROWS] = self.network.vectors(batch).float().cpu().numpy()
        return vectors

    def batch(self, arrays: Arrays) -> Batch:
        """Bring arrays onto the network's device."""
        device = self.network.centre.device
        return {k: torch.from_numpy(np.ascontiguousarray(v)).to(device) for k, v in arrays.items()}

    def configuration(self) -> Configuration:
        """Return what the network is built from."""
        return dict(self.options)

    def state(self) -> Tensors:
        """Return the weights."""
        return {k: v.cpu().numpy() for k, v in self.network.state_dict().items()}


def fit_network(
    space: str, model: str, build: Build, defaults: Configuration, stream: Stream, settings: Settings
) -> Fitted:
    """Train a network on the rows of a stream: the `Fit` of all networks.

    Parameters
    ----------
    space, model : str
        Which family.
    build : callable
        Configuration -> network with first weights.
    defaults : dict
        The model's options; those of `settings` override.
    stream, settings
        See `embed.registry.fit`.
    """
    kind = FAMILIES[space, model]
    options = chosen(defaults, settings.options) | {"latent": settings.latent}
    torch.manual_seed(settings.seed)
    network = build(options)
    with collected(kind.modality, stream, settings, {*network.reads, *network.learns_from}) as rows:
        trained = train(network, rows, settings, options)
        _standardise(network, rows, trained.training)
    network.eval()
    encoder = TorchEncoder(space, model, kind.modality, options, network)
    return Fitted(
        encoder,
        trained.loss_curve,
        trained.validation_error,
        network.error_name,
        int(trained.training.sum()),
        len({s for s, t in zip(rows.sources, trained.training, strict=True) if t}),
        len(trained.loss_curve),
        rows.skipped,
    )


def restore_network(build: Build, configuration: Configuration, tensors: Tensors, device: str = "auto") -> TorchEncoder:
    """Build a network from its configuration and give it its weights: the `Restore` of all networks."""
    network = build(configuration)
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
    network.to(device_of(device)).eval()
    identity = {"space", "model", "modality", "dim"}
    options = {k: v for k, v in configuration.items() if k not in identity}
    space, model, modality = (str(configuration[k]) for k in ("space", "model", "modality"))
    return TorchEncoder(space, model, modality, options, network)


def _standardise(network: Network, rows: Rows, training: npt.NDArray[np.bool_]) -> None:
    """Put mean and spread of the training rows' latents into the network."""
    device = network.centre.device
    n = int(training.sum())
    total, squares = torch.zeros_like(network.centre).double(), torch.zeros_like(network.centre).double()
    network.eval()
    with torch.inference_mode():
        for chunk in rows.chunks():
            batch = {k: torch.from_numpy(rows.arrays[k][chunk][training[chunk]]).to(device) for k in network.reads}
            latent = network.latent(batch).double()
            total, squares = total + latent.sum(0), squares + (latent**2).sum(0)
    mean = total / n
    spread = (squares / n - mean**2).clamp_min(0.0).sqrt()
    widest = float(spread.max())
    # A dimension that the network leaves unused must not be blown up to unit size; nor all of them for one row.
    floor = _UNUSED * widest if widest > _UNUSED else float("inf")
    network.centre.copy_(mean.float())
    network.scale.copy_(torch.where(spread > floor, spread, max(widest, _UNUSED)).float())
