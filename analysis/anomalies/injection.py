"""Whether detectors find what is rare: a rare class is hidden among common ones, and one looks who comes out on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.anomalies.detectors import DETECTORS, fit, judge
from analysis.statistics import Interval

Floats = npt.NDArray[np.float32]
Strings = npt.NDArray[np.str_]

ALL = "mean of shares"
N_COMMON, N_RARE, N_HIDDEN = 4, 3, 10
FEWER_TREES = 60
SHARE = 0.8
LEAST = 15
"""Sources that a rare class must have, so that draws of ten differ."""


@dataclass(frozen=True)
class Found:
    """How many of the hidden ones are among the k most anomalous, k being their number.

    Attributes
    ----------
    rare : str
        Hidden class.
    detector : str
    precision : dict of str to Interval
        Space -> precision at k, over draws of sources.
    difference : dict of str to Interval
        Space -> its precision less that of the baseline space, draw by draw.
    chance : float
    n_background, n_hidden, n_draws : int
        n_background: mean number of common sources.
    """

    rare: str
    detector: str
    precision: Mapping[str, Interval]
    difference: Mapping[str, Interval]
    chance: float
    n_background: int
    n_hidden: int
    n_draws: int


def common_and_rare(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the common classes, and the rare ones to hide, rarest first; `labels` has one entry per source.

    Examples
    --------
    >>> common_and_rare(["AGN"] * 40 + ["YSO"] * 30 + ["star"] * 25 + ["CV"] * 24 + ["ULX"] * 16 + ["NS"] * 2)
    (['AGN', 'YSO', 'star', 'CV'], ['ULX'])
    """
    names, counts = np.unique(np.asarray(labels, dtype=str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    common = [str(names[i]) for i in order[:N_COMMON]]
    rare = [str(names[i]) for i in order[N_COMMON:] if counts[i] >= LEAST]
    return common, rare[::-1][:N_RARE]


def hidden(
    spaces: Mapping[str, Floats], sources: Strings, labels: Strings, baseline: str, n_draws: int, seed: int = 0
) -> Iterator[Found]:
    """Hide each rare class among the common ones, many times.

    Parameters
    ----------
    spaces : mapping of str to ndarray, shape (n, d)
        The space in question and the baseline, of the same rows.
    sources, labels : ndarray of str, shape (n,)
    baseline : str
        One of the spaces.
    n_draws : int
        Each takes four fifths of the common sources, ten of the rare ones, and one detection of each.
    seed : int

    Yields
    ------
    Found
        Per rare class and detector. The interval holds 95 % of the draws.
    """
    names, first, code = np.unique(sources, return_index=True, return_inverse=True)
    label = labels[first]
    common, rare = common_and_rare(label.tolist())
    background = np.flatnonzero(np.isin(label, common))
    for class_ in rare:
        members = np.flatnonzero(label == class_)
        rng = np.random.default_rng(seed)
        precision: dict[tuple[str, str], list[float]] = {(s, d): [] for s in spaces for d in (*DETECTORS, ALL)}
        for draw in range(n_draws):
            usual = rng.choice(background, round(SHARE * len(background)), replace=False)
            strange = rng.choice(members, N_HIDDEN, replace=False)
            rows = _one_each(code, np.concatenate([usual, strange]), rng)
            is_strange = np.isin(code[rows], strange)
            for space, vectors in spaces.items():
                found = judge(fit(vectors[rows], names[code[rows]], seed + draw, FEWER_TREES), vectors[rows])
                for detector, score in (*found.raw.items(), (ALL, found.score)):
                    top = np.argsort(-score, kind="stable")[:N_HIDDEN]
                    precision[space, detector].append(float(is_strange[top].mean()))
        n_background = round(SHARE * len(background))
        for detector in (*DETECTORS, ALL):
            of = {s: np.array(precision[s, detector]) for s in spaces}
            yield Found(
                class_,
                detector,
                {s: Interval.of(p.mean(), p) for s, p in of.items()},
                {
                    s: Interval.of((p - of[baseline]).mean(), p - of[baseline])
                    for s, p in of.items()
                    if s != baseline and baseline in of
                },
                N_HIDDEN / (N_HIDDEN + n_background),
                n_background,
                N_HIDDEN,
                n_draws,
            )


def _one_each(
    code: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return one row of each of some sources, drawn at random."""
    rows = rng.permutation(np.flatnonzero(np.isin(code, chosen)))
    _, first = np.unique(code[rows], return_index=True)
    return np.sort(rows[first])
