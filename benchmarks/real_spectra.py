"""How well the vector of one half of a spectrum's photons predicts the other half: C-statistic per bin.

The source spectra of STORE that have a response and belong to no simulated source. Each photon goes to the half that is
seen or to the one that is not, by chance, ten times. Of the seen half are made, and held against the unseen one:

* the ready-made encoder: the vector of the seen half, decoded and folded, with the amplitude of the seen half;
* a power law with photoelectric absorption (Morrison & McCammon 1983), three parameters, fitted to the seen half;
* a moving average of the seen half, five bins of 48, with 0.1 of a count added to each bin;
* the seen half itself, with 0.5 of a count added: no model at all.

1 is what a perfect model has where bins have many counts; where they have few, it has less. Intervals of 95 %: over the
spectra of the table.

Type: python benchmarks/real_spectra.py STORE [--draws 10] [--seed 0].
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

from catalog.store import lake
from embed import registry
from embed.encoders.poisson import deviance
from embed.encoders.spectrum_vae import VariationalEncoder
from embed.inputs.binned_counts import ENERGY_EDGES_KEV, N_BINS
from embed.inputs.modalities import EVERYTHING, INPUTS
from embed.store import ready_made
from ingest.simulate.models import transmission

Floats = npt.NDArray[np.float64]
MIDDLE_KEV = np.sqrt(ENERGY_EDGES_KEV[:-1] * ENERGY_EDGES_KEV[1:])
STARTS = ((0.1, 1.7), (1.0, 1.7), (0.01, 3.0))


def c_per_bin(expected: Floats, counts: Floats, area: Floats) -> float:
    """Return the C-statistic over the bins that the response reaches."""
    c = deviance(torch.from_numpy(np.asarray(expected, np.float64)), torch.from_numpy(counts)).numpy()
    return float(c[area > 0].mean())


def absorbed_power_law(counts: Floats, background: Floats, fold: Floats, area: Floats) -> Floats:
    """Return expected counts of the absorbed power law that fits best, shape (48,)."""

    def model(p: Floats) -> Floats:
        flux = transmission(MIDDLE_KEV, float(np.exp(np.clip(p[0], -9, 4)))) * MIDDLE_KEV ** -float(p[1])
        shape = flux @ fold
        return np.asarray(np.exp(np.clip(p[2], -20, 20)) * shape / shape.sum() + background)

    amplitude = np.log(max(counts.sum() - background.sum(), 1.0))
    fits = [
        minimize(lambda p: c_per_bin(model(p), counts, area), [np.log(nh), gamma, amplitude], method="Nelder-Mead")
        for nh, gamma in STARTS
    ]
    return model(min(fits, key=lambda f: f.fun).x)


def spectra(store: Path) -> tuple[list[str], dict[str, Floats], dict[str, str]]:
    """Return ids of the spectra, their prepared arrays, and those that have none, with the reason."""
    kind = INPUTS["binned_counts"]
    with contextlib.closing(lake.connect(store)) as connection:
        simulated = {str(n) for (n,) in connection.execute("SELECT name FROM simulated.truth").fetchall()}
        table = connection.execute(kind.query(EVERYTHING["binned_counts"])).to_arrow_table()
    real = [i for i, n in enumerate(table["name"].to_pylist()) if n not in simulated]
    prepared = kind.prepare(table.take(real))
    return prepared.ids, {k: np.asarray(v, np.float64) for k, v in prepared.arrays.items()}, dict(prepared.skipped)


def main() -> int:
    """Print a row per spectrum, and the means."""
    read = argparse.ArgumentParser(description="How well one half of the photons predicts the other.")
    read.add_argument("store", type=Path)
    read.add_argument("--draws", type=int, default=10)
    read.add_argument("--seed", type=int, default=0)
    asked = read.parse_args()
    encoder = cast("VariationalEncoder", registry.load(ready_made.of("spectrum").path))
    ids, arrays, skipped = spectra(asked.store)
    if not ids:
        print("error: the store has no real source spectrum with a response")
        return 1
    rng = np.random.default_rng(asked.seed)
    names = ("encoder", "absorbed power law", "moving average", "the seen half itself")
    print("| spectrum | counts | " + " | ".join(names) + " |\n" + "|---" * 6 + "|")
    order = np.argsort(-arrays["counts"].sum(axis=1))
    found = np.zeros((len(ids), len(names)))
    for i in order:
        own = {k: v[i] for k, v in arrays.items()}
        for _ in range(asked.draws):
            seen = rng.binomial(own["counts"].astype(np.int64), 0.5).astype(np.float64)
            unseen, background, area = own["counts"] - seen, own["background"] / 2, own["area"]
            half = {**own, "counts": seen, "background": background}
            by_vector = encoder.expected_counts({k: v[None].astype(np.float32) for k, v in half.items()})[0]
            made = (
                by_vector.astype(np.float64),
                absorbed_power_law(seen, background, own["fold"], area),
                np.convolve(seen + 0.1, np.ones(5), "same") / np.convolve(np.ones(N_BINS), np.ones(5), "same"),
                seen + 0.5,
            )
            found[i] += [c_per_bin(m, unseen, area) / asked.draws for m in made]
        cells = " | ".join(f"{x:.2f}" for x in found[i])
        print(f"| {ids[i]} | {own['counts'].sum():,.0f} | {cells} |", flush=True)
    drawn = rng.integers(0, len(ids), (2000, len(ids)))
    low, high = np.quantile(found[drawn].mean(axis=1), [0.025, 0.975], axis=0)
    cells = " | ".join(f"{m:.2f} [{a:.2f}, {b:.2f}]" for m, a, b in zip(found.mean(axis=0), low, high, strict=True))
    print(f"| mean of {len(ids)} | | {cells} |")
    for id_, why in skipped.items():
        print(f"no vector: {id_}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
