"""How the graph, and the ranking of its nodes, changes with the threshold; and whether loners are rare objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom, rankdata

from analysis.networks.edges import Edges
from analysis.networks.measures import adjacency, components
from analysis.statistics import Interval, bootstrap, resamples
from analysis.study.runs import Record

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
STEPS = tuple(round(0.3 + 0.05 * i, 2) for i in range(14))
N_RESAMPLES = 200
ANY_RARE = "(any rare type)"
_LOOKED_AT = (10, 25, 100)
_RARE_SOURCES, _RARE_SHARE = 3, 0.05


def sweep(
    edges: Edges, n: int, sources: npt.NDArray[np.generic], reference: float, seed: int, lowest: float = STEPS[0]
) -> list[Record]:
    """Return a row per threshold: see analysis.threshold_sweep.

    Parameters
    ----------
    edges : Edges
        All pairs from the lowest step on, or from a later one: the sweep then begins there.
    n : int
        Nodes.
    sources : ndarray of str, shape (n,)
    reference : float
        The threshold whose degrees the others' are compared with.
    seed : int
    lowest : float
        From what similarity on the edges are all.
    """
    ranked = rankdata(_degrees(edges.above(reference), n))
    rows: list[Record] = []
    for step in (s for s in STEPS if s >= lowest):
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
                **found.columns("spearman"),
                "reference": reference,
            }
        )
    return rows


def _degrees(edges: Edges, n: int) -> Ints:
    return np.bincount(edges.left, minlength=n) + np.bincount(edges.right, minlength=n)


def rare_precision(
    order_by: Mapping[str, Floats], types: Ints, names: Sequence[str], sources: npt.NDArray[np.generic], seed: int
) -> list[Record]:
    """Tell how many of the first k nodes are of a rare type: of each, and of all of them together.

    Parameters
    ----------
    order_by : mapping of str to ndarray, shape (n,)
        Way of looking -> value per node, the most suspect lowest; NaN where it says nothing (last).
    types : ndarray of int, shape (n,)
        Index into `names`; -1 for unknown. Such nodes are left out: nobody can tell whether they are rare.
    names : sequence of str
    sources : ndarray of str, shape (n,)
    seed : int

    Returns
    -------
    list of dict
        See analysis.rare_precision. A type is rare here if it has at least 3 sources and at most 5 % of the typed
        nodes. k is as many as there are of the type, and 10, 25 and 100 where there are four times as many nodes.
    """
    typed = np.flatnonzero(types >= 0)
    types, sources = types[typed], sources[typed]
    n = len(types)
    samples = list(resamples(sources, N_RESAMPLES, seed))
    noise = np.random.default_rng(seed).random(n)  # ties in random order: a long tie must not favour the alphabet
    place = {}
    for by, values in order_by.items():
        place[by] = np.empty(n, np.int64)
        place[by][np.lexsort((noise, np.nan_to_num(values[typed], nan=np.inf)))] = np.arange(n)
    rare = [c for c in range(len(names)) if _is_rare(types == c, sources)]
    rows: list[Record] = []
    for name, mine in [(names[c], types == c) for c in rare] + [(ANY_RARE, np.isin(types, rare))]:
        n_mine = int(mine.sum())
        for k in sorted({n_mine, *(k for k in _LOOKED_AT if 4 * k <= n)}) if n_mine else ():
            low, high = hypergeom.ppf([0.025, 0.975], n, n_mine, k) / k
            control = Interval(n_mine / n, float(low), float(high)).columns("chance")
            for by, at in place.items():
                drawn = np.array([_precision(at[r], mine[r], k) for r in samples])
                value = Interval.of(_precision(at, mine, k), drawn).columns("precision")
                rows.append({"otype": name, "method": by, "k": k, "n": n_mine, **value, **control})
    return rows


def _is_rare(mine: npt.NDArray[np.bool_], sources: npt.NDArray[np.generic]) -> bool:
    return len(set(sources[mine].tolist())) >= _RARE_SOURCES and int(mine.sum()) <= _RARE_SHARE * len(mine)


def _precision(place: Ints, mine: npt.NDArray[np.bool_], k: int) -> float:
    first = np.argpartition(place, k - 1)[:k] if k < len(place) else np.arange(len(place))
    return float(mine[first].mean())
