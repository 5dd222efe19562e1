"""The retrieval curve: how many right answers stand among the first candidates, however many one reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from analysis.figures import CLASS_COLOURS, OTHER_COLOUR, as_svg, figure
from analysis.papers.retrieval import Ranks

Doubles = npt.NDArray[np.float64]
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


def draw(found: Mapping[str, Ranks], control: Mapping[str, Sequence[Ranks]]) -> bytes:
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
