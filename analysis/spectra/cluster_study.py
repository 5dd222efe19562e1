"""The study of clusters and classes: every clustering of every representation in every task, on the same rows.

Pure: what was read goes in, rows of analysis.* tables come out; see `analysis.spectra.commands` for the way there.

Everything is repeated: over splits of the sources, over seeds of the clusterings, and over the trainings of an encoder
where the store has several. What is chosen with labels is chosen anew in each split, within its fitting half; the
baselines choose as freely as what is compared with them, among the same algorithms and settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.spectra.classes import Labels
from analysis.spectra.cluster_of import scaling
from analysis.spectra.clustering import ALGORITHMS, Algorithm, Candidates, Clustering, Fitted, candidates_of
from analysis.spectra.contingency import MAPPINGS, Mapping
from analysis.spectra.features import HARDNESS_NAME, Features, plane
from analysis.spectra.scoring import N_SPLITS, Protocol, Score, difference, together
from analysis.spectra.spectrum_samples import Sample
from analysis.study.runs import Model, Record

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]

WITHOUT, WITH, BOTH = "without labels", "with labels", "both"


@dataclass(frozen=True)
class Scored:
    """The ways to cluster one representation, scored in one task with one mapping.

    Attributes
    ----------
    candidates : Candidates
    of_splits : list of list of Score
        By way and split.
    """

    candidates: Candidates
    of_splits: list[list[Score]]

    @property
    def choices(self) -> list[int]:
        """Number of the way that is best within the fitting half, by split."""
        return [int(np.argmax([s.selection for s in scores])) for scores in zip(*self.of_splits, strict=True)]

    def with_labels(self) -> Score:
        """Return what the choice with labels reaches, made anew in each split."""
        return together([self.of_splits[way][split] for split, way in enumerate(self.choices)])

    def without_labels(self) -> Score:
        """Return what the choice without labels reaches; where none was possible, that with labels."""
        way = self.candidates.without_labels
        return self.with_labels() if way is None else together(self.of_splits[way])


@dataclass
class Found:
    """Rows of the tables, and what figures and models are made of."""

    tables: dict[str, list[Record]] = field(default_factory=dict)
    chosen: dict[tuple[str, str, Mapping], tuple[Fitted, Score, Labels]] = field(default_factory=dict)
    current: dict[str, tuple[Features, Clustering]] = field(default_factory=dict)

    def add(self, table: str, rows: Sequence[Record]) -> None:
        """Add rows to a table."""
        self.tables.setdefault(table, []).extend(rows)


def clusters_and_classes(
    sample: Sample,
    tasks: Sequence[Labels],
    algorithms: Sequence[Algorithm] = ALGORITHMS,
    ks: Sequence[int] = tuple(range(4, 17)),
    seed: int = 0,
    say: Say = lambda _: None,
    n_splits: int = N_SPLITS,
) -> Found:
    """Cluster every representation of the rows, and score every clustering in every task.

    Parameters
    ----------
    sample : Sample
    tasks : sequence of Labels
        One per task, each with two labels or more.
    algorithms, ks
        See `analysis.spectra.clustering.clusterings`.
    seed : int
    say : callable
        Called with a line of progress.
    n_splits : int
        How often the sources are split into a half that is fitted to and one that is scored.
    """
    found = Found()
    candidates: list[Candidates] = []
    for features in sample.features:
        more = f" by {len(features.trainings)} trainings" if features.others else ""
        say(f"clustering {features.name}: {sample.n:,} {sample.rows_are} x {features.x.shape[1]}{more}")
        own = candidates_of(features, sample.sources, algorithms, ks, seed, [labels.n for labels in tasks])
        candidates.append(own)
        found.add("analysis.cluster_selection", [_selection_row(sample, features, f) for f in own.fitted])
        if not features.is_baseline:
            current = own.fitted[own.without_labels] if own.without_labels is not None else None
            if current is not None:
                found.current[features.name] = features, current.clustering
                found.add("analysis.cluster_member", members(sample, features, current.clustering))
    for labels in tasks:
        say(f"scoring {labels.task}: {int((labels.code >= 0).sum()):,} {sample.rows_are} of {labels.n} classes")
        splits = Protocol(labels, sample.sources, seed).splits(n_splits)
        for mapping in MAPPINGS:
            _score_task(found, sample, splits, candidates, mapping)
    return found


def _score_task(
    found: Found, sample: Sample, splits: Sequence[Protocol], candidates: Sequence[Candidates], mapping: Mapping
) -> None:
    protocol = splits[0]
    scored = [
        Scored(
            w,
            [
                [p.score(w.labels[r % len(w.labels)][way], mapping) for r, p in enumerate(splits)]
                for way in range(len(w.fitted))
            ],
        )
        for w in candidates
    ]
    baselines = {s.candidates.features.name: {WITH: s.with_labels(), WITHOUT: s.without_labels()} for s in scored
                 if s.candidates.features.is_baseline}  # fmt: skip
    for own in scored:
        features, choices = own.candidates.features, own.choices
        for way, fitted in enumerate(own.candidates.fitted):
            chosen = {(True, True): BOTH, (True, False): WITH, (False, True): WITHOUT}.get(
                (way == choices[0], fitted.best_of_features)
            )
            # The row of what is chosen with labels tells of the choice, made anew in each split: see the column.
            score = own.with_labels() if chosen in {WITH, BOTH} else together(own.of_splits[way])
            how = WITHOUT if chosen == WITHOUT else WITH
            row = _score_row(sample, protocol, features, fitted, mapping, score)
            row |= _repetitions(len(splits), own.candidates) | {"chosen": chosen, "n_chosen": choices.count(way)}
            base = baselines.get(HARDNESS_NAME)
            gain = difference(score.splits, base[how].splits) if base else None
            found.add("analysis.cluster_score", [row | (gain.columns("gain") if gain else {})])
            if chosen is not None:
                counts = _contingency_rows(sample, protocol, features, fitted, mapping, score)
                found.add("analysis.contingency", [{**row, "chosen": chosen} for row in counts])
                key = {"rows_are": sample.rows_are, "task": protocol.labels.task, "features": features.name}
                key |= {"mapping": mapping}
                told = score.recall_rows(key | {"method": fitted.name}, protocol.labels.names, score.counts.sum(axis=1))
                found.add("analysis.class_recall", told)
                key |= {"method": f"clusters, {how}"}
                found.add("analysis.baseline_gain", [
                    key | {"baseline": name} | difference(score.splits, other[how].splits).columns("gain")
                    for name, other in baselines.items() if name != features.name
                ])  # fmt: skip
            if way == choices[0]:
                found.chosen[protocol.labels.task, features.name, mapping] = fitted, score, protocol.labels


def _repetitions(n_splits: int, candidates: Candidates) -> dict[str, object]:
    return {"n_splits": n_splits, "n_seeds": len(candidates.labels), "n_trainings": len(candidates.features.trainings)}


def members(sample: Sample, features: Features, clustering: Clustering) -> list[Record]:
    """Return rows of analysis.cluster_member.

    The distance is that to the mean of the row's cluster, over the cluster's root mean square distance.
    """
    scaled = scaling(features.x)(features.x)
    where = plane(features.x)
    distance = np.full(len(scaled), np.nan)
    for cluster in sorted(set(clustering.labels.tolist())):
        own = clustering.labels == cluster
        apart = np.linalg.norm(scaled[own] - scaled[own].mean(axis=0), axis=1)
        usual = float(np.sqrt((apart**2).mean()))
        distance[own] = apart / usual if usual > 0 else 0.0
    return [
        {
            "space": features.name,
            "id": str(sample.ids[i]),
            "name": str(sample.sources[i]),
            "cluster": int(clustering.labels[i]),
            "distance": float(distance[i]),
            "map_x": float(where[i, 0]),
            "map_y": float(where[i, 1]),
        }
        for i in range(sample.n)
    ]


def models(found: Found) -> list[Model]:
    """Return the models for SQL: of each space with an encoder the clustering that was chosen without labels."""
    made = []
    for features, clustering in found.current.values():
        if features.encoder_id:
            configuration = {
                "kind": clustering.assigner.kind,
                "algorithm": clustering.algorithm,
                "setting": clustering.setting,
                "n_clusters": clustering.n_clusters,
            }
            tensors = {
                name: value.astype(np.float32) if value.dtype == np.float64 else value
                for name, value in clustering.assigner.stored().items()
            }
            dim, encoder = features.x.shape[1], features.encoder_id
            made.append(Model("cluster_of", features.name, encoder, dim, configuration, tensors))
    return made


def _key(sample: Sample, features: Features, fitted: Fitted) -> dict[str, object]:
    return {
        "rows_are": sample.rows_are,
        "features": features.name,
        "algorithm": fitted.clustering.algorithm,
        "setting": fitted.clustering.setting,
    }


def _selection_row(sample: Sample, features: Features, fitted: Fitted) -> Record:
    return _key(sample, features, fitted) | {
        "n_clusters": fitted.clustering.n_clusters,
        "noise_share": float((fitted.clustering.labels < 0).mean()),
        "bic": fitted.clustering.bic,
        "silhouette": fitted.silhouette,
        "stability": fitted.stability,
        "best_of_algorithm": fitted.best_of_algorithm,
        "best_of_features": fitted.best_of_features,
    }


def _score_row(
    sample: Sample, protocol: Protocol, features: Features, fitted: Fitted, mapping: Mapping, score: Score
) -> dict[str, object]:
    labels = protocol.labels
    return (
        _key(sample, features, fitted)
        | {"task": labels.task, "is_baseline": features.is_baseline, "mapping": mapping}
        | score.columns()
        | score.ari.columns("ari")
        | score.v_measure.columns("v_measure")
        | {
            "ami": score.ami,
            "selection": score.selection,
            "n_clusters": fitted.clustering.n_clusters,
            "n_classes": labels.n,
            "n_rows": len(protocol.rows),
            "n_sources": protocol.n_sources,
            "n_scored": int((~protocol.fits).sum()),
            "left_out": ", ".join(labels.left_out) or None,
        }
    )


def _contingency_rows(
    sample: Sample, protocol: Protocol, features: Features, fitted: Fitted, mapping: Mapping, score: Score
) -> list[Record]:
    names, n_clusters = protocol.labels.names, score.counts.shape[1]
    has_noise = bool((fitted.clustering.labels < 0).any())
    total = score.counts.sum(axis=1)
    return [
        _key(sample, features, fitted)
        | {
            "task": protocol.labels.task,
            "mapping": mapping,
            "class": names[i],
            "cluster": -1 if has_noise and j == n_clusters - 1 else j,
            "n_rows": int(score.counts[i, j]),
            "share": float(score.counts[i, j] / total[i]) if total[i] else None,
            "stands_for": names[score.class_of[j]] if score.class_of[j] >= 0 else None,
        }
        for i in range(len(names))
        for j in range(n_clusters)
    ]
