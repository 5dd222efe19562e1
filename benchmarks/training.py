"""Spectra per second: training against a plain PyTorch loop of the same size; encoding, projected to the archive."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from catalog.store import lake
from embed import registry
from embed.encoders.spectrum_autoencoder import DEFAULTS, SpectrumAutoencoder
from embed.encoders.torch_encoder import TorchEncoder
from embed.inputs.modalities import EVERYTHING, INPUTS
from embed.inputs.spectra import N_POINTS
from embed.registry import Encoder, Settings
from embed.training.loop import train
from embed.training.networks import device_of
from embed.training.spool import Rows, Sorted

N, BATCH, EPOCHS, LATENT = int(os.environ.get("PHOTONLAKE_BENCH_SPECTRA", "8192")), 64, 3, 8
DETECTIONS = 2_100_000
SOURCES, PAPERS = 200, 128
MODELS = (
    ("spectrum", "transformer"),
    ("spectrum", "rnn"),
    ("spectrum", "pca"),
    ("events", "poisson"),
    ("events", "map"),
    ("properties", None),
    ("papers", None),
)


class Plain(nn.Module):
    """What one would write without us: nn.TransformerEncoder on patches, and another one back."""

    def __init__(self) -> None:
        super().__init__()
        width, heads, hidden, layers = (int(str(DEFAULTS[k])) for k in ("width", "heads", "hidden", "layers"))
        self.patch = int(str(DEFAULTS["patch"]))
        self.n_token = N_POINTS // self.patch
        self.to_tokens = nn.Linear(self.patch, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.n_token, width))
        self.encoder, self.decoder = (
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True),
                layers,
                enable_nested_tensor=False,
            )
            for _ in range(2)
        )
        self.to_latent = nn.Linear(self.n_token * width, LATENT)
        self.from_latent = nn.Linear(LATENT, self.n_token * width)
        self.to_patch = nn.Linear(width, self.patch)

    def forward(self, values: Tensor) -> Tensor:
        """Reconstruct, shape (n, 400)."""
        n = len(values)
        tokens = self.to_tokens(values.view(n, self.n_token, self.patch)) + self.position
        latent = self.to_latent(self.encoder(tokens).flatten(1))
        back = self.decoder(self.from_latent(latent).view(n, self.n_token, -1) + self.position)
        return torch.as_tensor(self.to_patch(back).flatten(1))


def spectra() -> dict[str, np.ndarray]:
    """N power laws with a cut-off and noise, scaled as the input is."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, N_POINTS)
    values = np.exp(-rng.uniform(0.5, 5, (N, 1)) * x) - rng.uniform(0, 1, (N, 1)) * np.exp(-20 * x)
    values = np.clip(values + 0.05 * rng.normal(size=values.shape), 0, 1).astype(np.float32)
    return {"values": values, "mask": np.ones(values.shape, np.bool_), "noise": np.full_like(values, 0.05)}


def ours(arrays: dict[str, np.ndarray], folder: Path) -> float:
    """Return spectra trained on per second in the median epoch; checking the held-out sources is part of an epoch."""
    order = np.arange(N)
    stored = {k: Sorted(v, order) for k, v in arrays.items()}
    ids = [str(i) for i in range(N)]
    rates: list[float] = []
    settings = Settings(LATENT, epochs=EPOCHS, batch_rows=BATCH, report=lambda p: rates.append(p.n_rows / p.seconds))
    torch.manual_seed(0)
    network = SpectrumAutoencoder(DEFAULTS | {"latent": LATENT})
    train(network, Rows(ids, ids, stored, {}, folder), settings, {})
    return statistics.median(rates)


def plain(values: np.ndarray) -> float:
    """Return spectra per second of the plain loop in its median epoch; it has nothing held out to check."""
    device = device_of("auto")
    held, network = torch.from_numpy(values).to(device), Plain().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    rates = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for index in torch.randperm(N).split(BATCH):
            batch = held[index.to(device)]
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = (network(batch) - batch).abs().mean()
            loss.backward()
            optimiser.step()
            float(loss.detach())
        rates.append(N / (time.perf_counter() - start))
    return statistics.median(rates)


def survey(folder: Path) -> Path:
    """Simulate and ingest a small survey."""
    data, store = folder / "survey", folder / "store"
    for arguments in (
        ["simulate", "--output", str(data), "--sources", str(SOURCES), "--seed", "1"],
        ["files", str(data), "--store", str(store)],
    ):
        subprocess.run([sys.executable, "-m", "ingest", *arguments], check=True, capture_output=True)
    return store


def read(connection: lake.Connection, modality: str) -> Iterator[pa.Table]:
    """Read the rows of an input as the jobs do."""
    kind = INPUTS[modality]
    cursor = connection.cursor()
    cursor.execute("USE lake")
    for batch in cursor.execute(kind.query(EVERYTHING[modality])).to_arrow_reader(kind.batch_rows):
        yield pa.Table.from_batches([batch])


def encoding(connection: lake.Connection, encoder: Encoder) -> tuple[int, float, float]:
    """Return the number of rows, and seconds to read them and to make vectors of them: medians of three passes."""
    n, reading, making = 0, [], []
    for _ in range(3):
        start = time.perf_counter()
        tables = list(read(connection, encoder.modality))
        if encoder.space == "papers":  # they take long, and all alike
            tables = [tables[0].slice(0, PAPERS)]
        middle = time.perf_counter()
        n = sum(len(registry.encode_rows(encoder, t).ids) for t in tables)
        reading.append(middle - start)
        making.append(time.perf_counter() - middle)
    return n, statistics.median(reading), statistics.median(making)


def main() -> None:
    """Print both tables."""
    device = device_of("auto")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    sizes = [
        sum(p.numel() for p in m.parameters()) for m in (SpectrumAutoencoder(DEFAULTS | {"latent": LATENT}), Plain())
    ]
    arrays = spectra()
    pairs = []
    for _ in range(2):  # taking turns, so that whatever else the machine does meets both
        with tempfile.TemporaryDirectory() as folder:
            pairs.append((ours(arrays, Path(folder)), plain(arrays["values"])))
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"training, {N:,} spectra in batches of {BATCH} ({where})")
    print(f"{'':32}{'parameters':>12}{'spectra/s':>12}")
    print(f"{'photonlake transformer':32}{sizes[0]:>12,}{mine:>12,.0f}")
    print(f"{'plain nn.TransformerEncoder loop':32}{sizes[1]:>12,}{theirs:>12,.0f}   ours: {mine / theirs:.2f} of it")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(os.environ.get("PHOTONLAKE_BENCH_STORE") or survey(Path(folder)))
        with contextlib.closing(lake.connect(store)) as connection:
            print(f"\nencoding the rows of {store.name}, a simulated survey ({where})")
            head = ("rows", "read/s", "encode/s", f"hours for {DETECTIONS / 1e6:.1f} M detections")
            print(f"{'':24}{head[0]:>7}{head[1]:>10}{head[2]:>10}   {head[3]}")
            for space, model in MODELS:
                kind = registry.family(space, model)
                settings = Settings(LATENT, epochs=1)
                encoder = registry.fit(space, kind.model, lambda m=kind.modality: read(connection, m), settings).encoder
                n, reading, making = encoding(connection, encoder)
                hours = f"{DETECTIONS * (reading + making) / n / 3600:.2f}" if space != "papers" else "(papers)"
                on = "" if not isinstance(encoder, TorchEncoder) else f" ({encoder.network.centre.device.type})"
                print(
                    f"{space + ' ' + kind.model + on:24}{n:>7,}{n / reading:>10,.0f}{n / making:>10,.0f}   {hours}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
