"""Catalog columns predicted from representations of a detection, on sources that took no part in the learning.

What is learned from, what is chosen by and what is judged on is drawn by source, and drawn several times: a score is
the mean over the splits, its interval that of one split (`analysis.statistics.pooled`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.papers.learners import LEARNERS, Fit, Learner, fit
from analysis.papers.representations import KIN, Scaled
from analysis.statistics import Drawn, Interval, drawn, half, once_each, pooled, shuffled

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MEDIAN, SHUFFLED = "median", "shuffled"
"""Controls: the median of the training rows; the largest representation with the targets of other sources."""
EXPERTS, MIXED = "experts", "mixed"
"""The predictions from text and from data, each by its best learner, mixed."""
SHARES = np.linspace(0.0, 1.0, 21)
WEIGHTS = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Of the text beside the data, by the square root of its share in distances; chosen on validation."""
N_RESAMPLES = 1000


@dataclass(frozen=True)
class Split:
    """Rows that learn, that choose, and that judge; no source is in two of them.

    Attributes
    ----------
    training, validation, test : ndarray of bool, shape (n,)
    """

    training: Mask
    validation: Mask
    test: Mask


@dataclass(frozen=True)
class Score:
    """How well one learner predicts a column from one representation.

    Attributes
    ----------
    representation : str
    learner : str
    validation_mae : float
        What choices are made by.
    splits : tuple of Drawn
        Mean absolute error on the test rows of each split, each source counting once.
    errors : ndarray, shape (n_test,)
        Absolute errors in the first split, for paired differences.
    fit : Fit or None
        Of the first split; None for the median.
    scaled : Scaled or None
    """

    representation: str
    learner: str
    validation_mae: float
    splits: tuple[Drawn, ...]
    errors: Doubles
    fit: Fit | None = None
    scaled: Scaled | None = None

    @property
    def mae(self) -> Interval:
        """Mean absolute error over the splits, and the interval of one."""
        return pooled(self.splits)


@dataclass(frozen=True)
class Gain:
    """How much both modalities together are better than the better one of them, on the same rows.

    Attributes
    ----------
    learner : str
        A learner; 'selected': for each representation the one with the lowest error on validation; 'experts': for both
        the weighed predictions of the selected ones.
    text, data, both : Score
    splits : tuple of Drawn
        Error of the better single modality less that of both, in each split: above zero is a gain. The better one is
        chosen on the test rows, and anew in each resample, so that the choice cannot flatter the gain.
    """

    learner: str
    text: Score
    data: Score
    both: Score
    splits: tuple[Drawn, ...]

    @property
    def difference(self) -> Interval:
        """The gain over the splits, and the interval of one."""
        return pooled(self.splits)

    @property
    def relative(self) -> float:
        """The gain as a share of the error of the better single modality."""
        best = min(self.text.mae.value, self.data.mae.value)
        return self.difference.value / best if best > 0 else float("nan")


def together(scores_: Sequence[Score]) -> Score:
    """Return the scores of one learner, or of what was chosen, in several splits as one."""
    validation = float(np.mean([s.validation_mae for s in scores_]))
    return replace(scores_[0], validation_mae=validation, splits=tuple(d for s in scores_ for d in s.splits))


def gains_together(gains_: Sequence[Gain]) -> Gain:
    """Return the gains of one learner in several splits as one."""
    text, data, both = (together(side) for side in zip(*((g.text, g.data, g.both) for g in gains_), strict=True))
    return Gain(gains_[0].learner, text, data, both, tuple(d for g in gains_ for d in g.splits))


def scores(
    blocks: Mapping[str, Sequence[Floats]],
    y: Doubles,
    sources: npt.NDArray[np.generic],
    split: Split,
    seed: int = 0,
) -> Iterator[Score]:
    """Yield the score of every representation with every learner, and of the controls.

    Parameters
    ----------
    blocks : mapping of str to sequence of ndarrays
        Representation -> blocks of shape (n, d_i) that stand side by side.
    y : ndarray, shape (n,)
        What is to be predicted; no NaN.
    sources : ndarray, shape (n,)
    split : Split
    seed : int
    """
    rows, held, test = (np.flatnonzero(m) for m in (split.training, split.validation, split.test))
    middle = float(np.median(y[rows]))
    of_held = once_each(sources[held])
    yield _score(
        MEDIAN, MEDIAN, _weighted(np.abs(middle - y[held]), of_held), np.abs(middle - y[test]), sources[test], seed
    )
    guesses: dict[str, list[tuple[float, Doubles, Doubles]]] = {}
    for name, parts in blocks.items():
        for learner in LEARNERS:
            n_last = len(blocks["text"]) if name == "both" else 1
            tried = [
                _fitted(learner, Scaled.of(parts, rows, weight, n_last), parts, y, (rows, held, of_held), sources, seed)
                for weight in (WEIGHTS if len(parts) > 1 and learner != "boosting" else (1.0,))
            ]
            validation, made, scaled, x = min(tried, key=lambda t: t[0])
            predicted = made.predict(x[test])
            guesses.setdefault(name, []).append((validation, made.predict(x[held]), predicted))
            found = _score(name, learner, validation, np.abs(predicted - y[test]), sources[test], seed)
            yield replace(found, fit=made, scaled=scaled)
    if {"text", "data"} <= guesses.keys():
        best_two = [min(guesses[side], key=lambda g: g[0]) for side in ("data", "text")]
        yield _experts(best_two, y, sources, (held, test), seed)
    if blocks:
        yield _control(blocks, y, sources, split, seed)


def _fitted(
    learner: Learner,
    scaled: Scaled,
    blocks: Sequence[Floats],
    y: Doubles,
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Doubles],
    sources: npt.NDArray[np.generic],
    seed: int,
) -> tuple[float, Fit, Scaled, Floats]:
    """Fit, and return the error on validation, the fit, and what it was given."""
    rows, held, of_held = parts
    x = scaled.apply(np.concatenate(list(blocks), axis=1))
    widths = [b.shape[1] for b in blocks]
    made = fit(learner, x[rows], y[rows], (x[held], y[held]), seed, widths, sources[rows])
    return _weighted(np.abs(made.predict(x[held]) - y[held]), of_held), made, scaled, x


def _experts(
    guesses: Sequence[tuple[float, Doubles, Doubles]],
    y: Doubles,
    sources: npt.NDArray[np.generic],
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    seed: int,
) -> Score:
    """Mix the predictions from data and from text; their shares have the lowest error on validation.

    Its own error on validation is of halves of the sources by which the share was not chosen.
    """
    held, test = parts
    (_, data, data_test), (_, text, text_test) = guesses
    first, weight = half(sources[held], seed), once_each(sources[held])
    errors = np.empty(len(held))
    for mask in (first, ~first):
        share = _share(data[~mask], text[~mask], y[held][~mask], weight[~mask])
        errors[mask] = np.abs(share * text[mask] + (1 - share) * data[mask] - y[held][mask])
    share = _share(data, text, y[held], weight)
    judged = np.abs(share * text_test + (1 - share) * data_test - y[test])
    return _score(EXPERTS, MIXED, _weighted(errors, weight), judged, sources[test], seed)


def _share(data: Doubles, text: Doubles, y: Doubles, weight: Doubles) -> float:
    """Return the share of the text with the lowest mean absolute error."""
    errors = [_weighted(np.abs(w * text + (1 - w) * data - y), weight) if len(y) else 0.0 for w in SHARES]
    return float(SHARES[int(np.argmin(errors))])


def _weighted(errors: Doubles, weight: Doubles) -> float:
    return float(np.average(errors, weights=weight))


def selected(found: Sequence[Score], representation: str) -> Score:
    """Return a representation's learner with the lowest error on validation.

    Raises
    ------
    ValueError
        If the representation has no score.
    """
    return min((s for s in found if s.representation == representation), key=lambda s: s.validation_mae)


def best(found: Sequence[Score]) -> Score:
    """Return the representation and learner with the lowest error on validation: the mixture's choice for the column.

    Neither the controls nor the columns that contain the target are for choice.
    """
    return min((s for s in found if s.representation not in {MEDIAN, SHUFFLED, KIN}), key=lambda s: s.validation_mae)


def gains(found: Sequence[Score], sources: npt.NDArray[np.generic], seed: int = 0) -> Iterator[Gain]:
    """Yield the gain of both modalities, per learner and for the selected ones.

    Parameters
    ----------
    found : sequence of Score
        Of one column, from `scores`; nothing is yielded where text, data or both is missing.
    sources : ndarray, shape (n_test,)
        Of the test rows.
    seed : int
    """
    by = {(s.representation, s.learner): s for s in found}
    if ("both", LEARNERS[0]) not in by:
        return
    for learner in LEARNERS:
        yield _gain(learner, by["text", learner], by["data", learner], by["both", learner], sources, seed)
    chosen = selected(found, "text"), selected(found, "data"), selected(found, "both")
    yield _gain("selected", *chosen, sources, seed)
    yield _gain(EXPERTS, chosen[0], chosen[1], by[EXPERTS, MIXED], sources, seed)


def _gain(learner: str, text: Score, data: Score, both: Score, sources: npt.NDArray[np.generic], seed: int) -> Gain:
    weight = once_each(sources)

    def difference(rows: npt.NDArray[np.int64]) -> float:
        of = [float(np.average(s.errors[rows], weights=weight[rows])) for s in (text, data, both)]
        return min(of[:2]) - of[2]

    return Gain(learner, text, data, both, (drawn(sources, difference, N_RESAMPLES, seed),))


def _control(
    blocks: Mapping[str, Sequence[Floats]], y: Doubles, sources: npt.NDArray[np.generic], split: Split, seed: int
) -> Score:
    """Learn from targets of other sources: nothing better than the median may come of it."""
    name = max(blocks, key=lambda k: sum(b.shape[1] for b in blocks[k]))
    rows, held, test = (np.flatnonzero(m) for m in (split.training, split.validation, split.test))
    scaled = Scaled.of(blocks[name], rows)
    x = scaled.apply(np.concatenate(list(blocks[name]), axis=1))
    wrong, wrong_held = y[rows][shuffled(sources[rows], seed)], y[held][shuffled(sources[held], seed)]
    made: Learner = "ridge"
    control = fit(made, x[rows], wrong, (x[held], wrong_held), seed)
    validation = _weighted(np.abs(control.predict(x[held]) - wrong_held), once_each(sources[held]))
    return _score(SHUFFLED, made, validation, np.abs(control.predict(x[test]) - y[test]), sources[test], seed)


def _score(
    name: str, learner: str, validation: float, errors: Doubles, sources: npt.NDArray[np.generic], seed: int
) -> Score:
    weight = once_each(sources)
    found = drawn(sources, lambda rows: float(np.average(errors[rows], weights=weight[rows])), N_RESAMPLES, seed)
    return Score(name, learner, validation, (found,), errors)
