"""From a question on clusters to its run: what is read, what is asked of it, what is drawn and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.figures import CLASS_COLOURS, as_png, figure, scatter
from analysis.spectra import cluster_study
from analysis.spectra.classes import Labels, Said, Task, grouping, labels, read_classes, task
from analysis.spectra.clustering import Algorithm
from analysis.spectra.contingency import normalised
from analysis.spectra.features import Spectra, plane
from analysis.spectra.probe import N_REPEATS, probes
from analysis.spectra.scoring import N_SPLITS
from analysis.spectra.spectrum_samples import Sample, completed, read, read_sources, told
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Run, once
from analysis.study.samples import MASTER
from analysis.study.steps import joined
from catalog import Catalog

Say = Callable[[str], None]
_TO_TELL_APART = 2


@dataclass(frozen=True)
class ClusterQuestion(Asked):
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
    splits : int
        How often the sources are split into a half to fit mappings to, and one to score; and cross-validations of a
        probe, up to `analysis.spectra.probe.N_REPEATS`.
    """

    kind = "cluster"

    spaces: tuple[str, ...]
    algorithms: tuple[Algorithm, ...]
    ks: tuple[int, ...]
    authorities: tuple[str, ...]
    tasks: tuple[str, ...]
    groupings: tuple[str, ...] = ()
    probes: bool = True
    predicted: bool = False
    candidates: bool = False
    where: str = ""
    splits: int = N_SPLITS

    def chosen_tasks(self) -> list[Task]:
        """Return the tasks, those of the user's own last."""
        return [*(task(t) for t in self.tasks), *(grouping(g) for g in self.groupings)]


def run(cat: Catalog, asked: ClusterQuestion, ways: Ways) -> Run:
    """Cluster spaces of a store and score the clusters against classes, or find the run that did.

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
        read_classes(
            cat, s.sources, s.snapshot, asked.authorities, predicted=asked.predicted, candidates=asked.candidates
        )
        for s in samples
    ]
    evidence = Evidence(
        samples[0].snapshot,
        samples[0].digest(*((s.digest(told(cat, s)), w) for s, w in zip(samples, said, strict=True))),
        np.concatenate([s.sources for s in samples]),
    )

    def answer() -> Answer:
        for sample, what in zip(samples, said, strict=True):
            _tell(sample, what, asked, ways.say)
        parts = [
            _answer(completed(cat, s, ways.say), w, asked, tasks, ways) for s, w in zip(samples, said, strict=True)
        ]
        return replace(joined(parts), figures={name: drawn for part in parts for name, drawn in part.figures.items()})

    return once(ways.question(cat, asked), evidence, answer)


def _answer(sample: Sample, said: Said, asked: ClusterQuestion, tasks: Sequence[Task], ways: Ways) -> Answer:
    labelled = [labels(t, said.class_, said.otype, sample.sources) for t in tasks]
    scored = [found for found in labelled if found.n >= _TO_TELL_APART]
    for found in labelled:
        if found.n < _TO_TELL_APART:
            there = f"only {', '.join(found.names)}" if found.names else "no class"
            spare = f"; too few: {', '.join(found.left_out)}" if found.left_out else ""
            ways.say(f"{found.task} is not scored on {sample.rows_are}: {there} has sources enough{spare}")
    result = cluster_study.clusters_and_classes(
        sample, scored, asked.algorithms, asked.ks, ways.seed, ways.say, asked.splits
    )
    if asked.probes and scored:
        for name, rows in probes(sample, scored, ways.seed, ways.say, min(asked.splits, N_REPEATS)).items():
            result.add(name, rows)
    return Answer(result.tables, _figures(sample, result, scored, said), cluster_study.models(result))


def _figures(sample: Sample, found: cluster_study.Found, scored: Sequence[Labels], said: Said) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    asked = {f.name for f in sample.features if not f.is_baseline}
    for (name, space, mapping), (fitted, score, of_task) in found.chosen.items():
        if space in asked and mapping == "one-to-one":
            made[f"contingency_{_plain(space)}_{_plain(name)}.png"] = contingency_figure(
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
        made[f"map_{_plain(name)}.png"] = map_figure(plane(features.x), clustering.labels, shown, title)
        if sample.spectra is not None:
            there = sample.spectra.mask.any(axis=1)
            if there.all():
                made[f"spectra_{_plain(name)}.png"] = spectra_figure(sample.spectra, clustering.labels, title)
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


Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_DARK = 0.55
_BIN_KEV_POINTS = 8
_MAP_ROWS = 3000
_LEAST_ROWS = 5


def contingency_figure(
    counts: Floats, classes: Sequence[str], class_of: Integers, title: str, *, has_noise: bool = False
) -> bytes:
    """Draw the contingency matrix, each class's row in per cent, clusters in the order of what they stand for.

    Parameters
    ----------
    counts : ndarray of float, shape (n_class, n_cluster)
    classes : sequence of str
    class_of : ndarray of int, shape (n_cluster,)
        -1 for none.
    title : str
    has_noise : bool
        The last cluster is noise.
    """
    n_clusters = counts.shape[1]
    order = sorted(range(n_clusters), key=lambda j: (class_of[j] < 0, class_of[j], -counts[:, j].sum()))
    shares = normalised(counts)[:, order] * 100
    with figure(max(2.2 + 0.55 * n_clusters, 4.6), 1.9 + 0.42 * len(classes)) as drawn:
        axes = drawn.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=max(float(shares.max()), 1.0), aspect="auto")
        for i in range(len(classes)):
            for j in range(n_clusters):
                if shares[i, j] >= 0.5:  # noqa: PLR2004 - what rounds to nothing is not written
                    dark = shares[i, j] < _DARK * shares.max()
                    own = class_of[order[j]] == i
                    colour, weight = "white" if dark else "black", "bold" if own else "normal"
                    axes.text(
                        j,
                        i,
                        f"{shares[i, j]:.0f}",
                        ha="center",
                        va="center",
                        color=colour,
                        fontsize=8,
                        fontweight=weight,
                    )
        names = ["noise" if has_noise and j == n_clusters - 1 else str(j) for j in order]
        stands = [classes[class_of[j]] if class_of[j] >= 0 else "none" for j in order]
        axes.set_xticks(
            range(n_clusters), [f"{n}: {s}" for n, s in zip(names, stands, strict=True)], rotation=60, ha="right"
        )
        axes.set_yticks(
            range(len(classes)), [f"{c} ({int(n)})" for c, n in zip(classes, counts.sum(axis=1), strict=True)]
        )
        axes.tick_params(labelsize=8)
        axes.set_xlabel("cluster: class it stands for", fontsize=9)
        axes.set_ylabel("class (rows scored)", fontsize=9)
        drawn.suptitle(title, fontsize=9)
        drawn.colorbar(image, ax=axes, label="share of class / %")
        return as_png(drawn)


def map_figure(where: Floats, clusters: Integers, labels: Sequence[str | None], title: str) -> bytes:
    """Draw the first two principal components of the vectors twice: by cluster and by class.

    Parameters
    ----------
    where : ndarray of float, shape (n, 2)
    clusters : ndarray of int, shape (n,)
        -1 for noise.
    labels : sequence of (str or None), length n
    title : str
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(where))[:_MAP_ROWS])
    with figure(10.5, 4.8) as drawn:
        left, right = drawn.subplots(1, 2, sharex=True, sharey=True)
        own = clusters[rows].tolist()
        numbers = [str(c) for c in sorted({c for c in own if c >= 0})]
        classes = [labels[i] for i in rows]
        scatter(left, where[rows], [str(c) for c in own], numbers, 9, "noise")
        scatter(right, where[rows], classes, sorted({c for c in classes if c is not None}), 9, "no class")
        for axes, name in ((left, "cluster"), (right, "class")):
            axes.set_title(f"by {name}", fontsize=9)
            axes.set_xlabel("first principal component")
            axes.legend(fontsize=7, ncols=2, markerscale=1.8, loc="best", framealpha=0.85)
        left.set_ylabel("second principal component")
        for axes in (left, right):
            low, high = np.quantile(where, [0.002, 0.998], axis=0)
            margin = 0.08 * (high - low) + 1e-9
            axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
            axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
        drawn.suptitle(title, fontsize=10)
        return as_png(drawn)


def spectra_figure(spectra: Spectra, clusters: Integers, title: str) -> bytes:
    """Draw the mean input spectrum of each cluster with the 16 to 84 % band of its rows.

    Parameters
    ----------
    spectra : Spectra
    clusters : ndarray of int, shape (n,)
        -1 for noise, which is not drawn.
    title : str
    """
    names = [c for c in sorted(set(clusters.tolist())) if c >= 0 and (clusters == c).sum() >= _LEAST_ROWS]
    n_columns = min(4, max(len(names), 1))
    n_lines = -(-max(len(names), 1) // n_columns)
    with figure(2.7 * n_columns, 1.0 + 1.9 * n_lines) as drawn:
        grid = drawn.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
        energy = spectra.energy_kev.reshape(-1, _BIN_KEV_POINTS).mean(axis=1)
        binned = _binned(spectra)
        for axes, cluster in zip(grid.flat, names, strict=False):
            own = binned[clusters == cluster]
            there = np.isfinite(own).any(axis=0)
            low, high = np.nanquantile(own[:, there], [0.16, 0.84], axis=0)
            axes.fill_between(energy[there], low, high, color=CLASS_COLOURS[5], alpha=0.45, linewidth=0)
            axes.plot(energy[there], np.nanmean(own[:, there], axis=0), color=CLASS_COLOURS[0], linewidth=1.3)
            axes.set_title(f"cluster {cluster} ({len(own):,})", fontsize=8)
            axes.set_xscale("log")
            axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"], fontsize=8)
            axes.minorticks_off()
            axes.tick_params(labelsize=8)
        for axes in list(grid.flat)[len(names) :]:
            axes.set_visible(False)
        drawn.supxlabel("energy / keV", fontsize=9)
        drawn.supylabel("counts/s/keV, MinMax", fontsize=9)
        drawn.suptitle(f"{title}: mean, and 16 to 84 % of the rows", fontsize=9)
        return as_png(drawn)


def _binned(spectra: Spectra) -> Floats:
    """Average spectra over 8 points; NaN where none of them is measured."""
    values = np.where(spectra.mask, spectra.values, 0.0).reshape(len(spectra.values), -1, _BIN_KEV_POINTS).sum(axis=2)
    n = spectra.mask.reshape(len(spectra.mask), -1, _BIN_KEV_POINTS).sum(axis=2)
    return np.asarray(np.divide(values, n, out=np.full(values.shape, np.nan), where=n > 0))
