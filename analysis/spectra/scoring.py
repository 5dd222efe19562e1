"""Scores of clusterings and classifiers: fitted on half of the sources, scored on the other, with interval and control.

A split, its bootstrap and its shuffled labels are drawn once and serve every method, so that differences are paired.
The bootstrap is over sources and works on their counts: one product of matrices instead of a thousand scores. Splits
are repeated: of one encoder on 1,757 sources, four splits gave .393, .409, .350 and .386, each with an interval of
.017 to either side that knew nothing of the other three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.spectra.classes import Labels
from analysis.spectra.contingency import Mapping, adjusted_rand, contingency, mapped, recalls, v_measure
from analysis.statistics import Drawn, Interval, codes, pooled, shuffled
from analysis.study.runs import Record

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

N_SPLITS = 10
"""Splits that a study repeats: each a half that mappings are fitted to, and a half that is scored."""
N_BOOTSTRAP, N_SHUFFLES = 1000, 200
_N_BOOTSTRAP_MATRICES = 200
_LEAST_BOOTSTRAP, _LEAST_SHUFFLES = 200, 20  # of one split among several
_NEXT_SPLIT = 100_003  # in the seed: a split draws from its seed and those next to it


@dataclass(frozen=True)
class Control:
    """The same score with labels that belong to other sources.

    Attributes
    ----------
    draws : ndarray of float, shape (n_draw,)
        Of every shuffle.
    """

    draws: Floats

    @property
    def mean(self) -> float:
        """Mean of the shuffles."""
        return float(np.nanmean(self.draws))

    @property
    def high(self) -> float:
        """97.5 % quantile of the shuffles."""
        return float(np.nanquantile(self.draws, 0.975))


@dataclass(frozen=True)
class Recalled:
    """What a method reaches in one task, in one split or in several.

    Attributes
    ----------
    splits : tuple of Drawn
        Mean of the recalls in each split.
    control : Control
    recalls : tuple of tuple of Drawn
        Recall by split and class.
    recall_control : ndarray of float, shape (n_class,)
        Mean recall under shuffled labels.
    """

    splits: tuple[Drawn, ...]
    control: Control
    recalls: tuple[tuple[Drawn, ...], ...]
    recall_control: Floats

    @property
    def balanced_accuracy(self) -> Interval:
        """Mean of the recalls, over the splits."""
        return pooled(self.splits)

    @property
    def recall(self) -> list[Interval]:
        """Recall by class, over the splits."""
        return [pooled(of_class) for of_class in zip(*self.recalls, strict=True)]

    def columns(self) -> dict[str, object]:
        """Return the columns of the balanced accuracy and its control."""
        control = {"control_mean": self.control.mean, "control_high": self.control.high}
        return self.balanced_accuracy.columns("balanced_accuracy") | control

    def recall_rows(self, key: Record, names: Sequence[str], n_rows: Floats | Integers) -> list[Record]:
        """Return the rows of analysis.class_recall, one per class; n_rows of each class were told."""
        return [
            {**key, "class": name, "control_mean": float(control), "n_rows": int(n), **recall.columns("recall")}
            for name, control, n, recall in zip(names, self.recall_control, n_rows, self.recall, strict=True)
        ]


@dataclass(frozen=True)
class Score(Recalled):
    """What one clustering reaches in one task with one mapping.

    Attributes
    ----------
    aris, v_measures : tuple of Drawn
        By split.
    ami : float
    class_of : ndarray of int, shape (n_cluster,)
        Which class each cluster stands for in the first split; -1 for none. The last cluster is HDBSCAN's noise.
    counts : ndarray of float, shape (n_class, n_cluster)
        Of the half that is scored in the first split.
    selection : float
        Balanced accuracy within the fitting half (two quarters, each scored with the other's mapping): what one may
        choose a method by.
    """

    aris: tuple[Drawn, ...]
    v_measures: tuple[Drawn, ...]
    ami: float
    class_of: Integers
    counts: Floats
    selection: float

    @property
    def ari(self) -> Interval:
        """Adjusted Rand index, over the splits."""
        return pooled(self.aris)

    @property
    def v_measure(self) -> Interval:
        """V-measure, over the splits."""
        return pooled(self.v_measures)


def together(scores: Sequence[Score]) -> Score:
    """Return the scores of several splits as one; class_of and counts are those of the first.

    Parameters
    ----------
    scores : sequence of Score
        Of one task and mapping, one per split: of one method, or of what was chosen in each split.
    """
    return replace(
        scores[0],
        splits=tuple(d for s in scores for d in s.splits),
        control=Control(np.concatenate([s.control.draws for s in scores])),
        recalls=tuple(r for s in scores for r in s.recalls),
        recall_control=np.nanmean([s.recall_control for s in scores], axis=0),
        aris=tuple(d for s in scores for d in s.aris),
        v_measures=tuple(d for s in scores for d in s.v_measures),
        ami=float(np.mean([s.ami for s in scores])),
        selection=float(np.mean([s.selection for s in scores])),
    )


@dataclass(frozen=True)
class Protocol:
    """A split of the labelled rows of one task, drawn once.

    Attributes
    ----------
    labels : Labels
    sources : ndarray of str, shape (n,)
    seed : int
    n_bootstrap, n_shuffles : int
        Samples of the sources; permutations of the labels.
    """

    labels: Labels
    sources: npt.NDArray[np.generic]
    seed: int = 0
    n_bootstrap: int = N_BOOTSTRAP
    n_shuffles: int = N_SHUFFLES

    def splits(self, n: int = N_SPLITS) -> list[Protocol]:
        """Return so many splits of the same rows, this one first."""
        n_bootstrap = max(self.n_bootstrap // n, min(_LEAST_BOOTSTRAP, self.n_bootstrap))
        n_shuffles = max(self.n_shuffles // n, min(_LEAST_SHUFFLES, self.n_shuffles))
        return [
            replace(self, seed=self.seed + i * _NEXT_SPLIT, n_bootstrap=n_bootstrap, n_shuffles=n_shuffles)
            for i in range(n)
        ]

    @cached_property
    def rows(self) -> Integers:
        """Numbers of the rows that have a label."""
        return np.flatnonzero(self.labels.code >= 0)

    @cached_property
    def code(self) -> Integers:
        """Labels of `rows`."""
        return self.labels.code[self.rows]

    @cached_property
    def source(self) -> Integers:
        """Sources of `rows`, as numbers."""
        return codes(self.sources[self.rows])

    @cached_property
    def n_sources(self) -> int:
        """Sources that have a label."""
        return int(self.source.max(initial=-1)) + 1

    @cached_property
    def quarter(self) -> Integers:
        """Quarter of the sources of each row, 0 to 3, every class spread over all: 0 and 1 fit, 2 and 3 score."""
        rng = np.random.default_rng(self.seed)
        label_of_source = np.zeros(self.n_sources, np.int64)
        label_of_source[self.source] = self.code
        order = rng.permutation(self.n_sources)
        order = order[np.argsort(label_of_source[order], kind="stable")]
        part = np.empty(self.n_sources, np.int64)
        # 2, 0, 3, 1: of an odd one out the scored half has it.
        part[order] = np.tile([2, 0, 3, 1], len(order) // 4 + 1)[: len(order)]
        return part[self.source]

    @cached_property
    def fits(self) -> Mask:
        """Which of `rows` are of the half that mappings are fitted to."""
        return self.quarter < 2  # noqa: PLR2004 - two of four quarters

    @cached_property
    def weights(self) -> npt.NDArray[np.float32]:
        """How often each source of the scored half is in each bootstrap sample, shape (n_bootstrap, n_sources)."""
        scored = np.unique(self.source[~self.fits])
        draws = np.random.default_rng(self.seed + 1).multinomial(
            len(scored), np.full(len(scored), 1 / max(len(scored), 1)), self.n_bootstrap
        )
        out = np.zeros((self.n_bootstrap, self.n_sources), np.float32)
        out[:, scored] = draws
        return out

    @cached_property
    def shuffled_code(self) -> Integers:
        """Labels of other sources, shape (n_shuffles, n)."""
        return np.stack([self.code[shuffled(self.source, self.seed + i)] for i in range(self.n_shuffles)])

    def per_source(self, *parts: Integers, sizes: Sequence[int]) -> npt.NDArray[np.float32]:
        """Count scored rows by source and by up to two codes, shape (n_sources, product of sizes)."""
        kept = ~self.fits
        flat = self.source[kept]
        for part, size in zip(parts, sizes, strict=True):
            flat = flat * size + part[kept]
        n_cells = int(np.prod(sizes))
        return np.bincount(flat, minlength=self.n_sources * n_cells).reshape(self.n_sources, n_cells).astype(np.float32)

    @cached_property
    def _total_draws(self) -> Floats:
        n = self.labels.n
        return np.asarray(self.weights @ self.per_source(self.code, sizes=[n]), np.float64)

    def recall_draws(self, right: Mask) -> Floats:
        """Return bootstrapped recalls of scored rows, shape (n_bootstrap, n_class); NaN where a class was not drawn."""
        n = self.labels.n
        kept = ~self.fits
        cells = self.source[kept] * n + self.code[kept]
        hits = np.bincount(cells, right[kept].astype(np.float64), self.n_sources * n).reshape(self.n_sources, n)
        drawn = self.weights @ hits.astype(np.float32)
        total = self._total_draws
        return np.asarray(np.divide(drawn, total, out=np.full(drawn.shape, np.nan), where=total > 0))

    def score(self, clusters: Integers, mapping: Mapping) -> Score:
        """Score one clustering.

        Parameters
        ----------
        clusters : ndarray of int, shape (n,)
            Cluster of every row, labelled or not; -1 for noise.
        mapping : {'one-to-one', 'many-to-one'}
        """
        n, own = self.labels.n, clusters[self.rows]
        k = int(clusters.max(initial=0)) + 1
        has_noise = bool((clusters < 0).any())
        own = np.where(own < 0, k, own)  # noise is a cluster of its own
        k += has_noise
        fits = self.fits
        class_of = mapped(contingency(self.code[fits], own[fits], n, k), mapping)
        counts = contingency(self.code[~fits], own[~fits], n, k)
        recall = recalls(counts, class_of)
        drawn = self.recall_draws(class_of[own] == self.code)
        control, recall_control = self._control(own, k, mapping)
        per_cell = self.per_source(self.code, own, sizes=[n, k])
        matrices = self.weights[:_N_BOOTSTRAP_MATRICES] @ per_cell
        boot = matrices.reshape(-1, n, k).astype(np.float64)
        return Score(
            (Drawn(float(_mean(recall)), _mean(drawn)),),
            control,
            (tuple(Drawn(float(r), drawn[:, i]) for i, r in enumerate(recall)),),
            recall_control,
            (_centred(float(adjusted_rand(counts)), adjusted_rand(boot)),),
            (_centred(float(v_measure(counts)), v_measure(boot)),),
            _adjusted_mutual_information(self.code[~fits], own[~fits]),
            class_of,
            counts,
            self._selection(own, k, mapping),
        )

    def _control(self, own: Integers, k: int, mapping: Mapping) -> tuple[Control, Floats]:
        fits, n = self.fits, self.labels.n
        fitted = contingency(self.shuffled_code[:, fits], own[fits], n, k)
        scored = contingency(self.shuffled_code[:, ~fits], own[~fits], n, k)
        found = recalls(scored, np.stack([mapped(counts, mapping) for counts in fitted]))
        return Control(_mean(found)), np.nanmean(found, axis=0)

    def _selection(self, own: Integers, k: int, mapping: Mapping) -> float:
        sides = [contingency(self.code[self.quarter == q], own[self.quarter == q], self.labels.n, k) for q in range(2)]
        both = [_mean(recalls(sides[1 - q], mapped(sides[q], mapping))) for q in range(2)]
        return float(np.mean(both))


def difference(a: Sequence[Drawn], b: Sequence[Drawn]) -> Interval:
    """Return a score minus another's on the same splits and bootstrap samples: the paired difference.

    Parameters
    ----------
    a, b : sequence of Drawn
        By split.

    Examples
    --------
    >>> draws = np.linspace(0.4, 0.6, 11)
    >>> round(difference([Drawn(0.5, draws)], [Drawn(0.4, draws - 0.1)]).low, 6)
    0.1
    """
    return pooled([Drawn(x.value - y.value, x.draws - y.draws) for x, y in zip(a, b, strict=True)])


def _mean(recall: Floats) -> Floats:
    """Mean over the classes that have rows."""
    there = np.isfinite(recall)
    total = np.where(there, recall, 0.0).sum(axis=-1)
    n = there.sum(axis=-1)
    return np.asarray(np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0))


def _centred(value: float, draws: Floats) -> Drawn:
    """Return an agreement's bootstrap, moved by its bias: a source drawn twice agrees with itself."""
    return Drawn(value, draws - draws.mean() + value)


def _adjusted_mutual_information(a: Integers, b: Integers) -> float:
    from sklearn.metrics import adjusted_mutual_info_score  # noqa: PLC0415 - slow to load, and needed here alone

    return float(adjusted_mutual_info_score(a, b)) if len(a) else float("nan")
