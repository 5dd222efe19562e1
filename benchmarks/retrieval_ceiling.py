"""How well could text find photons at all? An oracle in the place of the papers: what a simulated source really is.

The oracle is told class, kind of light curve, spectral model with its parameters, and flux. The network that aligns
papers aligns the oracle with a space's vectors on four fifths of the sources, and is judged on the rest. What is
missing between the oracle and one is not in the photons, or not in their vectors; what is missing between the papers
and the oracle is not in the papers, or lost in reading them.

Type: python benchmarks/retrieval_ceiling.py STORE MODEL [MODEL ...]   (a simulated store; models of the aligned space)
"""

from __future__ import annotations

import json
import sys

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import catalog
from analysis.statistics import bootstrap
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.inputs.pairs import DATA_SPACES, modality
from embed.protocol import Settings

Floats = npt.NDArray[np.float64]
SETTINGS = Settings(latent=64, epochs=60, learning_rate=1e-3, options={"gamma": 0.0})


def told(truth: dict[str, tuple[str, str, str, float]], names: list[str], what: str) -> Floats:
    """Return what the oracle is told of each source, shape (n, m)."""
    classes = sorted({t[0] for t in truth.values()})
    kinds = sorted({json.loads(t[2])["kind"] for t in truth.values()})
    rows = []
    for name in names:
        class_, model, variability, flux = truth[name]
        parts = [c for c in json.loads(model)["base"] if c["kind"] != "line"]
        main = max(parts, key=lambda c: c["fraction"])
        row = [float(class_ == c) for c in classes]
        if what != "class":
            row += [float(json.loads(variability)["kind"] == k) for k in kinds]
            row += [np.log10(main["nh"] + 0.01), main["value"], np.log10(flux)]
            row += [float(main["kind"] == k) for k in ("powerlaw", "thermal", "blackbody")]
        rows.append(row)
    return np.array(rows)


def pairs(ids: list[str], names: list[str], data: Floats, oracle: Floats) -> pa.Table:
    """Return rows of an aligned space's input in which each source has one paper, and its vector is the oracle."""
    papers = [
        [{"bibcode": n, "year": 2000, "citation_count": 0, "title": None, "abstract": None, "vector": v}]
        for n, v in zip(names, oracle.tolist(), strict=True)
    ]
    return pa.table(
        {
            "id": ids,
            "name": names,
            "data": pa.array(data.tolist(), pa.list_(pa.float32())),
            "papers": pa.array(papers),
            "learned_from": pa.array([[("papers", "oracle")]] * len(ids), pa.map_(pa.string(), pa.string())),
            "text_configuration": ["{}"] * len(ids),
        }
    )


def relative_ranks(a: Floats, b: Floats) -> Floats:
    """Return the share of other candidates that are nearer than the right one; ties count half."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    similar = a @ b.T
    right = np.diag(similar)[:, None]
    ahead = (similar > right).sum(1) + 0.5 * ((similar == right).sum(1) - 1)
    ranks: Floats = ahead / (len(a) - 1)
    return ranks


def found(model: str, rows: pa.Table) -> Floats:
    """Align rows, and return the relative rank of each unseen source's oracle, by its last detection."""
    encoder = registry.fit("aligned", model, lambda: iter([rows]), SETTINGS).encoder
    unseen = set(encoder.configuration()["held_out_sources"])  # type: ignore[arg-type]
    last = {n: i for i, n in enumerate(rows["name"].to_pylist()) if n in unseen}
    arrays = INPUTS[modality(model)].prepare(rows.take(pa.array(list(last.values())))).arrays
    sides = encoder.encode_sides(arrays)  # type: ignore[attr-defined]
    return relative_ranks(sides[:, 0], sides[:, 1])


def main(store: str, models: list[str]) -> None:
    """Print the oracle's median rank and recall for each model of the aligned space."""
    with catalog.open(store) as cat:
        query = "SELECT name, class, spectral_model, variability, flux FROM simulated.truth"
        truth = {n: tuple(rest) for n, *rest in cat.sql(query).fetchall()}
        owner = dict(cat.sql("SELECT detection_id, name FROM csc.observation_source ORDER BY livetime").fetchall())
        print(f"{'vectors of':<16} {'the oracle knows':<36} {'median rank':<24} Recall@1%")
        for model in models:
            vectors = [dict(zip(*cat.vectors(space), strict=True)) for space in DATA_SPACES[model]]
            ids = [i for i in owner if owner[i] in truth and all(i in v for v in vectors)]
            names = [owner[i] for i in ids]
            data = np.array([np.concatenate([v[i] for v in vectors]) for i in ids], np.float64)
            for what in ("class", "class, light curve, spectrum, flux"):
                ranks = found(model, pairs(ids, names, data, told(truth, names, what)))
                each = np.arange(len(ranks))
                median = bootstrap(each, lambda r, q=ranks: float(np.median(q[r])), 500)
                recall = bootstrap(each, lambda r, q=ranks: float((q[r] < 0.01).mean()), 500)
                print(
                    f"{model:<16} {what:<36} {median.value:.3f} [{median.low:.3f}, {median.high:.3f}]   "
                    f"{recall.value:.3f} [{recall.low:.3f}, {recall.high:.3f}]",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["events", "spectrum", "events-spectrum", "properties"])
