"""Ranks of the right answers among candidates: their measures, their curve, and those of chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.distances import unit
from analysis.statistics import Drawn, Interval, drawn, pooled
from catalog.palette import CLASS_COLOURS, OTHER_COLOUR

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
METRICS = ("recall_1", "recall_5", "median_rank", "relative_median_rank", "mrr")
"""Recall at 1 % and at 5 % of the candidates, median rank, the same as a share of them, mean reciprocal rank."""
N_RESAMPLES = 1000
_SAME = 1e-9


@dataclass(frozen=True)
class Ranks:
    """Where the right answer stands.

    Attributes
    ----------
    rank : ndarray of float, shape (n,)
        From 1. Candidates that are as near as the right one share their ranks: each stands in the middle of them.
    n_candidates : int
    """

    rank: Doubles
    n_candidates: int

    def metrics(self, rows: npt.NDArray[np.int64] | slice = slice(None)) -> dict[str, float]:
        """Return `METRICS` of some of the queries.

        Examples
        --------
        >>> {k: round(v, 2) for k, v in Ranks(np.array([1.0, 3.0, 50.0]), 100).metrics().items()}
        {'recall_1': 0.33, 'recall_5': 0.67, 'median_rank': 3.0, 'relative_median_rank': 0.03, 'mrr': 0.45}
        """
        rank = self.rank[rows]
        at = [max(1.0, np.ceil(share * self.n_candidates)) for share in (0.01, 0.05)]
        median = float(np.median(rank))
        return {
            "recall_1": float((rank <= at[0]).mean()),
            "recall_5": float((rank <= at[1]).mean()),
            "median_rank": median,
            "relative_median_rank": median / self.n_candidates,
            "mrr": float((1.0 / rank).mean()),
        }


def ranks(queries: Floats, candidates: Floats, right: Mask) -> Ranks:
    """Rank candidates by cosine similarity.

    Parameters
    ----------
    queries : ndarray, shape (n, d)
    candidates : ndarray, shape (m, d)
    right : ndarray of bool, shape (n, m)
        Which candidates are right answers; the best of them counts, and the other right ones stand in nobody's way.

    Returns
    -------
    Ranks
        Among as many candidates as are not merely another right answer, on average.

    Examples
    --------
    >>> e = np.eye(3, dtype=np.float32)
    >>> ranks(e, e, np.eye(3, dtype=bool)).rank.tolist()
    [1.0, 1.0, 1.0]
    >>> ranks(e[:1], np.stack([e[0], e[0], e[1]]), np.array([[True, False, False]])).rank.tolist()
    [1.5]
    """
    return ranked(unit(queries) @ unit(candidates).T, right)


def ranked(similarity: Doubles, right: Mask) -> Ranks:
    """Rank candidates by any similarity.

    Parameters
    ----------
    similarity : ndarray, shape (n, m)
        Of n queries to m candidates; the greatest is the first.
    right : ndarray of bool, shape (n, m)
        See `ranks`.

    Examples
    --------
    >>> ranked(np.array([[0.1, 0.9, 0.1]]), np.array([[True, False, False]])).rank.tolist()
    [2.5]
    """
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    close = np.abs(similarity - best) <= _SAME
    better = ((similarity > best) & ~close & ~right).sum(axis=1)
    tied = (close & ~right).sum(axis=1)
    return Ranks(1.0 + better + tied / 2, similarity.shape[1])


def share_papers(papers: Sequence[tuple[str, ...]]) -> Mask:
    """Return which sources share a paper, themselves included, shape (n, n).

    Examples
    --------
    >>> share_papers([("a", "b"), ("b",), ("c",)]).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    names = sorted({b for p in papers for b in p})
    at = {b: i for i, b in enumerate(names)}
    about = np.zeros((len(papers), len(names)), np.float32)
    for i, p in enumerate(papers):
        about[i, [at[b] for b in p]] = 1.0
    return ((about @ about.T) > 0) | np.eye(len(papers), dtype=bool)


def intervals(found: Sequence[Ranks], seed: int = 0) -> dict[str, Interval]:
    """Return every metric with its interval; a query is a source.

    Parameters
    ----------
    found : sequence of Ranks
        Of one alignment, or of several that differ in the seed: each has held out other sources.
    seed : int
    """

    def of(ranks_: Ranks, metric: str) -> Drawn:
        return drawn(np.arange(len(ranks_.rank)), lambda rows: ranks_.metrics(rows)[metric], N_RESAMPLES, seed)

    return {m: pooled([of(r, m) for r in found]) for m in METRICS}


N_POINTS = 200


def shares(found: Ranks, read: Doubles) -> Doubles:
    """Return the share of queries whose right answer is among the first candidates.

    Parameters
    ----------
    found : Ranks
    read : ndarray, shape (n,)
        Shares of the candidates that are read, 0 to 1.

    Examples
    --------
    >>> shares(Ranks(np.array([1.0, 3.0, 50.0]), 100), np.array([0.01, 0.05, 1.0])).round(2).tolist()
    [0.33, 0.67, 1.0]
    """
    first = np.sort(found.rank / found.n_candidates)
    return np.searchsorted(first, read, side="right") / len(first)


def curve(found: Mapping[str, Ranks], control: Mapping[str, Sequence[Ranks]]) -> bytes:
    """Draw the curve of each direction, and where 95 % of those with the texts of other sources lie.

    Parameters
    ----------
    found : mapping of str to Ranks
        Direction -> ranks of the right answers.
    control : mapping of str to sequence of Ranks
        Direction -> the same of shuffled pairs.

    Returns
    -------
    bytes
        SVG.
    """
    from analysis.figures import as_svg, figure  # noqa: PLC0415 - Matplotlib takes a second

    least = 1.0 / max(r.n_candidates for r in found.values())
    read = np.geomspace(least, 1.0, N_POINTS)
    with figure(5.0, 3.6) as drawn:
        axes = drawn.subplots()
        of_others = np.array([shares(r, read) for some in control.values() for r in some])
        low, high = np.quantile(of_others, [0.025, 0.975], axis=0)
        axes.fill_between(100 * read, low, high, color=OTHER_COLOUR, lw=0, label="texts of other sources, 95 %")
        for colour, (direction, ranks) in zip(CLASS_COLOURS, found.items(), strict=False):
            axes.plot(100 * read, shares(ranks, read), color=colour, label=direction)
        axes.set(xscale="log", xlim=(100 * least, 100), ylim=(0, 1))
        axes.set_xlabel(f"candidates read / % of {next(iter(found.values())).n_candidates:,}")
        axes.set_ylabel("right answer among them / share of queries")
        axes.legend(loc="upper left")
        return as_svg(drawn)
