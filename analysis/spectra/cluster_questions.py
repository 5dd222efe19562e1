"""From a question to its run: what is read, what is asked of it, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.spectra import cluster_figures, cluster_study
from analysis.spectra.baselines import completed, told
from analysis.spectra.classes import Labels, Task, grouping, labels, task
from analysis.spectra.features import plane
from analysis.spectra.probe import N_REPEATS
from analysis.spectra.probe_study import probes
from analysis.spectra.scoring import N_SPLITS
from analysis.spectra.spectrum_samples import Said, Sample, read, read_classes, read_sources
from analysis.study.runs import Answer, Evidence, Question, Record, Run, find, once
from analysis.study.source_samples import MASTER
from catalog import Catalog

Say = Callable[[str], None]
_TO_TELL_APART = 2


@dataclass(frozen=True)
class ClusterQuestion:
    """What `python -m analysis cluster` is asked.

    Attributes
    ----------
    spaces : tuple of str
    algorithms : tuple of str
    ks : tuple of int
    authorities : tuple of str
        In order of trust.
    tasks, groupings : tuple of str
    probes, predicted, candidates : bool
    where : str
        SQL condition on csc.observation_source.
    seed : int
    splits : int
        How often the sources are split into a half to fit mappings to, and one to score; and cross-validations of a
        probe, up to `analysis.spectra.probe.N_REPEATS`.
    """

    spaces: tuple[str, ...]
    algorithms: tuple[str, ...]
    ks: tuple[int, ...]
    authorities: tuple[str, ...]
    tasks: tuple[str, ...]
    groupings: tuple[str, ...] = ()
    probes: bool = True
    predicted: bool = False
    candidates: bool = False
    where: str = ""
    seed: int = 0
    splits: int = N_SPLITS

    def chosen_tasks(self) -> list[Task]:
        """Return the tasks, those of the user's own last."""
        return [*(task(t) for t in self.tasks), *(grouping(g) for g in self.groupings)]


def ask_clusters(
    cat: Catalog, asked: ClusterQuestion, *, again: bool = False, wait: bool = True, say: Say = lambda _: None
) -> Run:
    """Answer a question on clusters once; see `analysis.study.runs.once`.

    Raises
    ------
    UnknownName
        If a space, an authority or a task does not exist.
    TooFewRows
        If there is too little to compare.
    """
    tasks = asked.chosen_tasks()
    detections = tuple(s for s in asked.spaces if s != MASTER)
    samples = [read(cat, detections, asked.where)] if detections else []
    if MASTER in asked.spaces:
        samples.append(read_sources(cat, "" if detections else asked.where))
    said = [
        read_classes(cat, s, asked.authorities, predicted=asked.predicted, candidates=asked.candidates) for s in samples
    ]
    evidence = Evidence(
        samples[0].snapshot,
        samples[0].digest(*((s.digest(told(cat, s)), w) for s, w in zip(samples, said, strict=True))),
        np.concatenate([s.sources for s in samples]),
    )
    parameters = {k: v for k, v in asdict(asked).items() if k != "seed"}
    question = Question(cat.path, "cluster", parameters, asked.seed, again, wait, say)
    if not again and (known := find(question, evidence)) is not None:
        return known
    for sample, what in zip(samples, said, strict=True):
        _tell(sample, what, asked, say)

    def answer() -> Answer:
        parts = [_answer(completed(cat, s, say), w, asked, tasks, say) for s, w in zip(samples, said, strict=True)]
        tables: dict[str, list[Record]] = {}
        for part in parts:
            for name, rows in part.tables.items():
                tables.setdefault(name, []).extend(rows)
        return Answer(
            tables,
            {name: content for part in parts for name, content in part.figures.items()},
            [m for part in parts for m in part.models],
        )

    return once(question, evidence, answer)


def _answer(sample: Sample, said: Said, asked: ClusterQuestion, tasks: Sequence[Task], say: Say) -> Answer:
    labelled = [labels(t, said.class_, said.otype, sample.sources) for t in tasks]
    scored = [found for found in labelled if found.n >= _TO_TELL_APART]
    for found in labelled:
        if found.n < _TO_TELL_APART:
            there = f"only {', '.join(found.names)}" if found.names else "no class"
            spare = f"; too few: {', '.join(found.left_out)}" if found.left_out else ""
            say(f"{found.task} is not scored on {sample.rows_are}: {there} has sources enough{spare}")
    result = cluster_study.clusters_and_classes(
        sample, scored, asked.algorithms, asked.ks, asked.seed, say, asked.splits
    )
    if asked.probes and scored:
        for name, rows in probes(sample, scored, asked.seed, say, min(asked.splits, N_REPEATS)).items():
            result.add(name, rows)
    return Answer(result.tables, _figures(sample, result, scored, said), cluster_study.models(result))


def _figures(sample: Sample, found: cluster_study.Found, scored: Sequence[Labels], said: Said) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    asked = {f.name for f in sample.features if not f.is_baseline}
    for (name, space, mapping), (fitted, score, of_task) in found.chosen.items():
        if space in asked and mapping == "one-to-one":
            made[f"contingency_{_plain(space)}_{_plain(name)}.png"] = cluster_figures.contingency_figure(
                score.counts,
                of_task.names,
                score.class_of,
                f"{space}, {fitted.name}, one-to-one\nbalanced accuracy {score.balanced_accuracy.value:.2f}, "
                f"shuffled {score.control.mean:.2f}",
                has_noise=bool((fitted.clustering.labels < 0).any()),
            )
    shown = _labels_for_map(scored, said)
    for name, (features, clustering) in found.current.items():
        title = f"{name}, {clustering.algorithm} {clustering.setting}"
        made[f"map_{_plain(name)}.png"] = cluster_figures.map_figure(plane(features.x), clustering.labels, shown, title)
        if sample.spectra is not None:
            there = sample.spectra.mask.any(axis=1)
            if there.all():
                made[f"spectra_{_plain(name)}.png"] = cluster_figures.spectra_figure(
                    sample.spectra, clustering.labels, title
                )
    return made


def _labels_for_map(scored: Sequence[Labels], said: Said) -> list[str | None]:
    if not scored:
        return list(said.class_)
    return [scored[0].names[c] if c >= 0 else None for c in scored[0].code.tolist()]


def _tell(sample: Sample, said: Said, asked: ClusterQuestion, say: Say) -> None:
    for note in sample.notes:
        say(note)
    n = sum(c is not None for c in said.class_)
    say(
        f"{n:,} of {sample.n:,} {sample.rows_are} have a class by {', '.join(asked.authorities)}; of "
        f"{said.n_conflicting:,} sources different things are said: analysis.class_conflict"
    )
    if said.n_predicted:
        say(f"{said.n_predicted:,} of the classes were predicted by a model: agreement with it is no truth")


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_").lower()[:40]
