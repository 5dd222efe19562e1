"""The training loop of all networks: source-disjoint, seeded, stopped early, resumed exactly where it died.

A checkpoint is one safetensors file (weights, best weights, optimiser, random state; counters as JSON in its header),
replaced atomically. A process killed at any moment and started again with the same settings goes on from the last
checkpoint and, on a CPU with as many threads, ends with the same bits as one that was never disturbed. There is no
pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from catalog.formats.whole_files import write_whole
from embed.registry import Configuration, Progress, Settings
from embed.training.networks import Batch, Network, device_of
from embed.training.split import held_out
from embed.training.spool import Rows

WEIGHT_DECAY, WARM_UP, LAST_RATE, LONGEST_GRADIENT = 0.05, 0.03, 0.02, 1.0
IN_MEMORY_BYTES = 1 << 30  # rows that fit are read once; others batch by batch
EVALUATION_ROWS = 1024
LOOK_ROWS = 4096  # that a network may look at before its first step
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Trained:
    """What came of a training; the network holds the best weights.

    Attributes
    ----------
    loss_curve : list of float
        Loss on the held-out sources per epoch.
    validation_error : float or None
        Mean of `Network.errors` on the held-out sources; None where there is one source only.
    training : ndarray of bool, shape (n,)
        Rows that were trained on.
    """

    loss_curve: list[float]
    validation_error: float | None
    training: npt.NDArray[np.bool_]


@dataclass
class _State:
    """Where the loop stands: all that a checkpoint must hold besides tensors."""

    epoch: int = 0
    step: int = 0  # within the epoch
    loss_sum: float = 0.0
    seconds: float = 0.0
    curve: list[float] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = -1

    def finished(self, settings: Settings) -> bool:
        return self.epoch >= settings.epochs or self.epoch - 1 - self.best_epoch >= settings.patience > 0


class Reader:
    """Batches of rows by index, as tensors on the device."""

    def __init__(self, rows: Rows, names: tuple[str, ...], device: torch.device) -> None:
        self.names, self.rows, self.device = names, rows, device
        whole = sum(rows.arrays[k].nbytes for k in names) <= IN_MEMORY_BYTES
        self.held = {k: self._tensor(rows.arrays[k][slice(None)]) for k in names} if whole else None

    def __call__(self, index: npt.NDArray[np.int64]) -> Batch:
        """Return the rows of an index, in its order."""
        if self.held is not None:
            where = torch.from_numpy(index).to(self.device)
            return {k: v[where] for k, v in self.held.items()}
        return {k: self._tensor(self.rows.arrays[k][index]) for k in self.names}

    def _tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def train(network: Network, rows: Rows, settings: Settings, options: Configuration) -> Trained:
    """Train a network.

    Parameters
    ----------
    network : Network
        With its first weights; holds the best ones afterwards.
    rows : Rows
        Prepared rows; checkpoints go beside them.
    settings : Settings
        Seed, epochs, patience, batch, learning rate, device.
    options : dict
        The network's own, part of what names the checkpoint.

    Returns
    -------
    Trained
    """
    device = device_of(settings.device)
    network.to(device)
    out = held_out(rows.sources, settings.held_out, settings.seed)
    training, validation = np.flatnonzero(~out), np.flatnonzero(out)
    read = Reader(rows, tuple(dict.fromkeys(network.reads + network.learns_from)), device)
    sample = training[np.linspace(0, len(training) - 1, min(len(training), LOOK_ROWS)).astype(np.int64)]
    network.prepare_for({k: torch.from_numpy(rows.arrays[k][sample]).to(device) for k in network.reads})
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=WEIGHT_DECAY)
    per_epoch = math.ceil(len(training) / settings.batch_rows)
    checkpoint = rows.folder / f"checkpoint-{_key(network, settings, options)}.safetensors"
    best = _copied(network)
    state = _State()
    if checkpoint.exists():
        state, best = _restore(checkpoint, network, optimiser)
    saved = time.monotonic()
    while not state.finished(settings):
        network.train()
        began = time.monotonic()
        order = np.random.default_rng([settings.seed, state.epoch]).permutation(training)
        for index in _batches(order, settings.batch_rows, state.step):
            rate = learning_rate(state.epoch * per_epoch + state.step, settings.epochs * per_epoch)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * rate
            state.loss_sum += _step(network, optimiser, read(index), device) * len(index)
            state.step += 1
            if state.step < per_epoch and time.monotonic() - saved >= settings.checkpoint_seconds:
                state.seconds += time.monotonic() - began
                _save(checkpoint, state, network, best, optimiser)
                saved = began = time.monotonic()
        loss = _mean(network, read, validation if len(validation) else training, "losses", device)
        state.seconds += time.monotonic() - began
        progress = _turn_page(state, settings, loss, len(training))
        if state.best_epoch == state.epoch - 1:
            best = _copied(network)
        if time.monotonic() - saved >= settings.checkpoint_seconds or state.finished(settings):
            _save(checkpoint, state, network, best, optimiser)
            saved = time.monotonic()
        settings.report(progress)
    network.load_state_dict(best)
    error = _mean(network, read, validation, "errors", device) if len(validation) else None
    return Trained(state.curve, error, ~out)


def learning_rate(step: int, n_steps: int) -> float:
    """Return the share of the full learning rate: a short warm-up, then half a cosine down to a fiftieth.

    Examples
    --------
    >>> learning_rate(0, 1000) < 0.1, learning_rate(30, 1000), round(learning_rate(1000, 1000), 2)
    (True, 1.0, 0.02)
    """
    warm = max(int(WARM_UP * n_steps), 1)
    if step < warm:
        return (step + 1) / (warm + 1)
    through = min((step - warm) / max(n_steps - warm, 1), 1.0)
    return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * through))


def _turn_page(state: _State, settings: Settings, loss: float, n_rows: int) -> Progress:
    state.curve.append(loss)
    if loss < state.best:
        state.best, state.best_epoch = loss, state.epoch
    progress = Progress(state.epoch + 1, settings.epochs, state.loss_sum / n_rows, loss, n_rows, state.seconds)
    state.epoch, state.step, state.loss_sum, state.seconds = state.epoch + 1, 0, 0.0, 0.0
    return progress


def _step(network: Network, optimiser: torch.optim.Optimizer, batch: Batch, device: torch.device) -> float:
    optimiser.zero_grad(set_to_none=True)
    with _precision(device):
        loss = network.losses(batch).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
    optimiser.step()
    return float(loss.detach())


def _mean(network: Network, read: Reader, index: npt.NDArray[np.int64], what: str, device: torch.device) -> float:
    network.eval()
    measure = network.errors if what == "errors" else network.losses
    total = 0.0
    with torch.inference_mode(), _precision(device):
        for part in _batches(index, EVALUATION_ROWS, 0):
            total += float(measure(read(part)).double().sum())
    return total / len(index)


def _precision(device: torch.device) -> torch.autocast:
    # bfloat16 does not pay on a CPU.
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _batches(order: npt.NDArray[np.int64], size: int, first: int) -> Iterator[npt.NDArray[np.int64]]:
    return (order[i : i + size] for i in range(first * size, len(order), size))


def _copied(network: Network) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in network.state_dict().items()}


def _key(network: Network, settings: Settings, options: Configuration) -> str:
    """Name a training by all that its result depends on, the rows apart: they lie in the same folder."""
    numbers = (settings.seed, settings.epochs, settings.patience, settings.batch_rows, settings.learning_rate)
    shapes = {k: list(v.shape) for k, v in network.state_dict().items()}
    text = json.dumps([type(network).__name__, shapes, options, *numbers, settings.held_out], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save(
    path: Path, state: _State, network: Network, best: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> None:
    tensors = {f"network/{k}": v for k, v in network.state_dict().items()} | {f"best/{k}": v for k, v in best.items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{i}/{name}": moments[name] for name in _MOMENTS}
    tensors["random"] = torch.get_rng_state()
    whole = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_whole(path, to_bytes(whole, metadata={"state": json.dumps(vars(state))}))


def _restore(path: Path, network: Network, optimiser: torch.optim.Optimizer) -> tuple[_State, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimiser": {}}
    with safe_open(path, framework="pt") as file:
        state = _State(**json.loads(file.metadata()["state"]))
        torch.set_rng_state(file.get_tensor("random"))
        for key in file.keys():  # noqa: SIM118 - not a mapping
            group, _, name = key.partition("/")
            if name:
                groups[group][name] = file.get_tensor(key)
    network.load_state_dict(groups["network"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimiser"].items():
        i, _, moment = name.partition("/")
        moments.setdefault(int(i), {})[moment] = tensor
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    device = network.centre.device
    return state, {k: v.to(device) for k, v in groups["best"].items()}
