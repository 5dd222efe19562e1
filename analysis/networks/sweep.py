"""How the graph, and the ranking of its nodes, changes with the threshold; and whether loners are rare objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from analysis.networks.edges import Edges
from analysis.networks.measures import adjacency, components
from analysis.statistics import bootstrap, codes, resamples

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
STEPS = tuple(round(0.3 + 0.05 * i, 2) for i in range(14))
N_RESAMPLES = 200


def sweep(
    edges: Edges, n: int, sources: npt.NDArray[np.generic], reference: float, seed: int
) -> list[dict[str, float | int]]:
    """Return a row per threshold: see analysis.threshold_sweep.

    Parameters
    ----------
    edges : Edges
        All pairs from the lowest step on.
    n : int
        Nodes.
    sources : ndarray of str, shape (n,)
    reference : float
        The threshold whose degrees the others' are compared with.
    seed : int
    """
    ranked = rankdata(_degrees(edges.above(reference), n))
    rows: list[dict[str, float | int]] = []
    for step in STEPS:
        some = edges.above(step)
        degree = _degrees(some, n)
        label = components(adjacency(some, n))
        mine = rankdata(degree)

        def spearman(at: Ints, mine: Floats = mine) -> float:
            a, b = mine[at] - mine[at].mean(), ranked[at] - ranked[at].mean()
            lengths = np.sqrt((a * a).sum() * (b * b).sum())
            return float((a * b).sum() / lengths) if lengths > 0 else float("nan")

        found = bootstrap(sources, spearman, N_RESAMPLES, seed)
        rows.append(
            {
                "threshold": step,
                "n_edges": len(some.left),
                "density": 2 * len(some.left) / (n * (n - 1)),
                "n_isolated": int((degree == 0).sum()),
                "giant_share": float(np.mean(label == 1)),
                "spearman": found.value,
                "spearman_low": found.low,
                "spearman_high": found.high,
                "reference": reference,
            }
        )
    return rows


def _degrees(edges: Edges, n: int) -> Ints:
    return np.bincount(edges.left, minlength=n) + np.bincount(edges.right, minlength=n)


def rare_precision(
    order_by: Mapping[str, Floats], types: Ints, names: Sequence[str], sources: npt.NDArray[np.generic], seed: int
) -> list[dict[str, float | int | str]]:
    """Tell how many of the first k nodes are of a rare type, k being as many as there are of it.

    Parameters
    ----------
    order_by : mapping of str to ndarray, shape (n,)
        Way of looking -> value per node, the most suspect lowest; NaN where it says nothing (last).
    types : ndarray of int, shape (n,)
        Index into `names`; -1 for unknown.
    names : sequence of str
    sources : ndarray of str, shape (n,)
    seed : int

    Returns
    -------
    list of dict
        See analysis.rare_precision. A type is rare here if it has at least 3 sources and at most 5 % of the nodes.
    """
    n = len(types)
    source = codes(sources)
    samples = list(resamples(sources, N_RESAMPLES, seed))
    noise = np.random.default_rng(seed).random(n)  # ties in random order: a long tie must not favour the alphabet
    rows: list[dict[str, float | int | str]] = []
    for code, name in enumerate(names):
        mine = types == code
        k = int(mine.sum())
        if len(set(source[mine].tolist())) < 3 or k > 0.05 * n:  # noqa: PLR2004 - what rare is taken to mean
            continue
        for by, values in order_by.items():
            ranked = np.lexsort((noise, np.nan_to_num(values, nan=np.inf)))
            place = np.empty(n, np.int64)
            place[ranked] = np.arange(n)
            drawn = [_precision(place[r], mine[r]) for r in samples]
            low, high = np.nanquantile(drawn, [0.025, 0.975])
            rows.append(
                {
                    "otype": name,
                    "method": by,
                    "k": k,
                    "precision": _precision(place, mine),
                    "precision_low": float(low),
                    "precision_high": float(high),
                    "chance": k / n,
                }
            )
    return rows


def _precision(place: Ints, mine: npt.NDArray[np.bool_]) -> float:
    k = int(mine.sum())
    if not k:
        return float("nan")
    return float(mine[np.argsort(place, kind="stable")[:k]].mean())
