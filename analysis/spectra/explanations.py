"""The symbolic study: each latent dimension from columns, each column from latents; what a formula knows, and how sure.

Formulas are fitted to two thirds of half of the sources, pruned and chosen on the other third, and scored on the other
half; so are the linear model and the shuffled targets they are compared with. What is chosen is the simplest formula
that cannot be told from the best one on the sources it was chosen on.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.spectra.formulas import LENGTHS, Formula, fitted, pareto, pruned
from analysis.statistics import Interval, codes, half, shuffled

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

N_BOOTSTRAP = 1000
N_SHUFFLES = 3
FIT_ROWS = 1500
SIMPLER = 0.01
IDLE = 0.001


@dataclass(frozen=True)
class Scored:
    """One formula of a target's Pareto front.

    Attributes
    ----------
    formula : Formula
    r2_fitted : float
    r2, gain : Interval
        On the other half; gain over the linear model, paired.
    chosen, found : bool
        The simplest within the interval of the best, or within .01 of it, where they were chosen; its interval above
        shuffled targets' and 0.
    """

    formula: Formula
    r2_fitted: float
    r2: Interval
    gain: Interval
    chosen: bool
    found: bool


@dataclass(frozen=True)
class Explained:
    """What was found for one target.

    Attributes
    ----------
    target : str
    front : list of Scored
    linear : Interval
        R2 of the linear model on the other half.
    control_mean, control_high : float
        R2 of formulas for shuffled targets.
    """

    target: str
    front: list[Scored]
    linear: Interval
    control_mean: float
    control_high: float

    @property
    def chosen(self) -> Scored:
        """The formula that stands for the target."""
        return next(s for s in self.front if s.chosen)


def explain(
    target: str,
    y: Floats,
    x: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    seed: int = 0,
    lengths: Sequence[int] = LENGTHS,
    n_shuffles: int = N_SHUFFLES,
) -> Explained:
    """Find formulas for one target.

    Parameters
    ----------
    target : str
    y : ndarray of float, shape (n,)
    x : ndarray of float, shape (n, n_input)
    names : sequence of str
        Of the inputs.
    sources : ndarray of str, shape (n,)
    seed : int
    lengths : sequence of int
        See `analysis.spectra.formulas.fitted`.
    n_shuffles : int
        Shuffled targets that formulas are fitted to.
    """
    fits = half(sources, seed)
    picks = fits.copy()
    picks[fits] = half(sources[fits], seed + 1, share=1 / 3)
    learns, scores = fits & ~picks, ~fits
    splits = _Splits(learns, picks, scores)
    front = _front(x, y, names, sources, splits, seed, lengths)
    linear = _linear(x, y, learns)
    scored_sources = codes(sources[scores])
    weights = _weights(scored_sources, seed)
    linear_r2, linear_draws = _r2_interval(y[scores], linear[scores], scored_sources, weights)
    middle = [sorted(lengths)[len(lengths) // 2]]
    others = [y[shuffled(sources, seed + 1000 + i)] for i in range(n_shuffles)]
    control_mean, control_high = _control(others, x, names, sources, splits, seed, middle)
    found = []
    for formula, chosen in front:
        predicted = _filled(formula(x, names), y[learns])
        r2, draws = _r2_interval(y[scores], predicted[scores], scored_sources, weights)
        gain = Interval.of(r2.value - linear_r2.value, draws - linear_draws)
        sure = r2.low > max(control_high, 0.0)
        found.append(Scored(formula, _r2(y[learns], predicted[learns]), r2, gain, chosen, sure))
    return Explained(target, found, linear_r2, control_mean, control_high)


@dataclass(frozen=True)
class _Splits:
    """Rows that formulas are fitted to, chosen on and scored on."""

    learns: Mask
    picks: Mask
    scores: Mask


def _front(
    x: Floats,
    y: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    splits: _Splits,
    seed: int,
    lengths: Sequence[int],
) -> list[tuple[Formula, bool]]:
    """Return formulas that no shorter one beats, the shortest first, and which one is chosen."""
    rows, picks = _sample(splits.learns, seed), splits.picks
    picked = codes(sources[picks])
    weights = _weights(picked, seed)

    def score(values: Floats) -> tuple[Interval, Floats]:
        return _r2_interval(y[picks], _filled(values, y[splits.learns]), picked, weights)

    def as_good(values: Floats, best: tuple[Interval, Floats], allowed: float) -> bool:
        r2, draws = score(values)
        loss = Interval.of(best[0].value - r2.value, best[1] - draws)
        return loss.low <= 0 or loss.value <= allowed

    formulas: dict[str, Formula] = {}
    for whole in fitted(x[rows], y[rows], names, lengths, seed):
        test = functools.partial(as_good, best=score(whole(x[picks], names)), allowed=IDLE)
        formula = pruned(whole, x[rows], y[rows], names, x[picks], test)
        formulas[formula.text] = formula
    kept = list(formulas.values())
    values = [f(x[picks], names) for f in kept]
    scored = [score(v)[0].value for v in values]
    front = sorted(pareto(kept, scored), key=lambda i: kept[i].complexity)
    best = score(values[max(front, key=lambda i: scored[i])])
    chosen = next(i for i in front if as_good(values[i], best, SIMPLER))
    return [(kept[i], i == chosen) for i in front]


def _control(
    others: Sequence[Floats],
    x: Floats,
    names: Sequence[str],
    sources: npt.NDArray[np.generic],
    splits: _Splits,
    seed: int,
    lengths: Sequence[int],
) -> tuple[float, float]:
    """Return mean R2 for shuffled targets, and the 97.5 % quantile of the shuffles and their bootstraps together."""
    values, draws = [], []
    learns, scores = splits.learns, splits.scores
    scored_sources = codes(sources[scores])
    weights = _weights(scored_sources, seed)
    for i, other in enumerate(others):
        formula = next(f for f, chosen in _front(x, other, names, sources, splits, seed + i, lengths) if chosen)
        predicted = _filled(formula(x[scores], names), other[learns])
        r2, drawn = _r2_interval(other[scores], predicted, scored_sources, weights)
        values.append(r2.value)
        draws.append(drawn)
    return float(np.mean(values)), float(np.quantile(np.concatenate(draws), 0.975))


def _linear(x: Floats, y: Floats, learns: Mask) -> Floats:
    """Predict all rows by a linear model with a ridge that only keeps collinear columns in check."""
    mean, width = x[learns].mean(axis=0), x[learns].std(axis=0)
    scaled = (x - mean) / np.where(width > 0, width, 1.0)
    a, b = scaled[learns], y[learns] - y[learns].mean()
    weights = np.linalg.solve(a.T @ a + 1e-3 * len(a) * np.eye(a.shape[1]), a.T @ b)
    return np.asarray(scaled @ weights + y[learns].mean())


def _sample(rows: Mask, seed: int) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(rows))[:FIT_ROWS])


def _filled(predicted: Floats, y: Floats) -> Floats:
    """Predict the mean where a formula is not defined, and keep to the values that were seen, twice as wide."""
    low, high = float(y.min()), float(y.max())
    spread = (high - low) / 2
    return np.clip(np.where(np.isfinite(predicted), predicted, y.mean()), low - spread, high + spread)


def _r2(y: Floats, predicted: Floats) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def _weights(source: npt.NDArray[np.int64], seed: int) -> Floats:
    n = int(source.max()) + 1
    return np.random.default_rng(seed + 1).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP).astype(np.float64)


def _r2_interval(
    y: Floats, predicted: Floats, source: npt.NDArray[np.int64], weights: Floats
) -> tuple[Interval, Floats]:
    """Return R2 with its bootstrap over sources, from sums by source."""
    n = weights.shape[1]
    centred = y - y.mean()
    parts = (np.ones(len(y)), centred, centred**2, (y - predicted) ** 2)
    count, total, squares, residual = (weights @ np.stack([np.bincount(source, p, n) for p in parts], axis=1)).T
    draws = 1 - residual / np.maximum(squares - total**2 / count, 1e-300)
    return Interval.of(_r2(y, predicted), draws), draws
