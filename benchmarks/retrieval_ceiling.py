"""How well could text find photons at all? An oracle in the place of the papers: what a simulated source really is.

The oracle is told class, kind of light curve, spectral model with its parameters, and flux; linear canonical
correlation brings it together with a space's vectors on four fifths of the sources, and it is judged on the rest. No
abstract says more than that: what the oracle does not find, no alignment of text can be asked to find.

Type: python benchmarks/retrieval_ceiling.py STORE SPACE [SPACE ...]     (a simulated store)
"""

from __future__ import annotations

import json
import sys

import numpy as np
import numpy.typing as npt

import catalog
from analysis.statistics import bootstrap
from embed.split import held_out

Floats = npt.NDArray[np.float64]
DIMENSIONS, RIDGE = 12, 0.1


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


def correlated(x: Floats, y: Floats, training: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Project both sides on their canonical directions (Hotelling 1936), with a ridge."""
    sides = []
    for side in (x, y):
        scaled = (side - side[training].mean(0)) / (side[training].std(0) + 1e-9)
        values, vectors = np.linalg.eigh(np.cov(scaled[training].T) + RIDGE * np.eye(scaled.shape[1]))
        sides.append((scaled, vectors / np.sqrt(values) @ vectors.T))
    (a, white_a), (b, white_b) = sides
    u, s, v = np.linalg.svd(white_a @ (a[training].T @ b[training] / training.sum()) @ white_b)
    k = min(DIMENSIONS, len(s))
    return a @ white_a @ u[:, :k] * np.sqrt(s[:k]), b @ white_b @ v[:k].T * np.sqrt(s[:k])


def relative_ranks(a: Floats, b: Floats) -> Floats:
    """Return the share of other candidates that are nearer than the right one; ties count half."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    similar = a @ b.T
    right = np.diag(similar)[:, None]
    ahead = (similar > right).sum(1) + 0.5 * ((similar == right).sum(1) - 1)
    ranks: Floats = ahead / (len(a) - 1)
    return ranks


def main(store: str, spaces: list[str]) -> None:
    """Print the oracle's median rank and recall for each space, one detection per source."""
    with catalog.open(store) as cat:
        query = "SELECT name, class, spectral_model, variability, flux FROM simulated.truth"
        truth = {n: tuple(rest) for n, *rest in cat.sql(query).fetchall()}
        owner = dict(cat.sql("SELECT detection_id, name FROM csc.observation_source ORDER BY livetime").fetchall())
        print(f"{'space':<12} {'the oracle knows':<36} {'median rank':<24} Recall@1%")
        for space in spaces:
            ids, vectors = cat.vectors(space)
            chosen = {owner[i]: n for n, i in enumerate(ids) if owner.get(i) in truth}  # the longest observation
            names, rows = sorted(chosen), np.array([chosen[n] for n in sorted(chosen)])
            test = held_out(names, 0.2, 99)
            for what in ("class", "class, light curve, spectrum, flux"):
                oracle = told(truth, names, what)
                ranks = relative_ranks(*(s[test] for s in correlated(vectors[rows].astype(float), oracle, ~test)))
                sources = np.array(names)[test]
                median = bootstrap(sources, lambda r, q=ranks: float(np.median(q[r])), 500)
                recall = bootstrap(sources, lambda r, q=ranks: float((q[r] < 0.01).mean()), 500)
                print(
                    f"{space:<12} {what:<36} {median.value:.3f} [{median.low:.3f}, {median.high:.3f}]   "
                    f"{recall.value:.3f} [{recall.low:.3f}, {recall.high:.3f}]"
                )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["events", "spectrum", "properties"])
