"""The anomalies of a space: who they are, whether the detectors agree, why they may be no anomalies at all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

from analysis.anomalies import artefacts
from analysis.anomalies.detectors import DETECTORS, Judged, fit, judge
from analysis.anomalies.injection import Found, hidden
from analysis.papers.pair_samples import PROPERTIES, NothingToRead
from analysis.statistics import bootstrap, shuffled
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Model, Record, Run, once
from analysis.study.samples import MASTER, Rows, read, read_master, spaces_of
from catalog import Catalog
from catalog.errors import command
from catalog.schema.identifiers import whole_number

LEAST = 30
N_NEIGHBOURS, N_PAPERS = 5, 3
N_RESAMPLES = 200


@dataclass(frozen=True)
class AnomalyQuestion(Asked):
    """What is asked: which space, which detections, and how often rare classes are hidden among common ones."""

    kind = "anomalies"

    space: str
    where: str
    n_draws: int


@dataclass(frozen=True)
class Known:
    """What is said of sources elsewhere: types and papers.

    Attributes
    ----------
    types : mapping of str to (type, authority, predicted)
        The type of a source; what a model predicted only where nobody else says anything.
    classes : mapping of str to str
        Its class, where an authority that predicts nothing says it and does not contradict itself.
    papers : mapping of str to list of str
        Bibcodes, newest first.
    """

    types: Mapping[str, tuple[str, str, bool]]
    classes: Mapping[str, str]
    papers: Mapping[str, list[str]]


def run(cat: Catalog, asked: AnomalyQuestion, ways: Ways) -> Run:
    """Find the anomalies of a space of a store, or the run that did.

    Raises
    ------
    NothingToRead
        If the space has too few detections.
    UnknownName
        If there is no such space.
    """
    if asked.space == MASTER:
        found = read_master(cat, asked.where, artefacts.COLUMNS)
    else:
        found = read(cat, asked.space, artefacts.COLUMNS, asked.where)
    if found.n < LEAST or len(set(found.sources.tolist())) < LEAST:
        raise NothingToRead(
            f"expected detections of at least {LEAST} sources in space {asked.space}, found {found.n} detections; "
            f"take a wider --where, or bring in more: {command('ingest files FOLDER', cat.path)}"
        )
    baseline = _baseline(cat, asked, found)
    evidence = Evidence(found.snapshot, found.sha256 + (baseline.sha256 if baseline else ""), found.sources)
    return once(ways.question(cat, asked), evidence, lambda: _answer(cat, asked, found, baseline, ways))


def _baseline(cat: Catalog, asked: AnomalyQuestion, found: Rows) -> Rows | None:
    """Read the properties of the same detections, to compare with."""
    if asked.space in {PROPERTIES, MASTER} or not asked.n_draws or PROPERTIES not in spaces_of(cat, found.snapshot):
        return None
    return read(cat, PROPERTIES, (), asked.where, found.snapshot)


def _answer(cat: Catalog, asked: AnomalyQuestion, found: Rows, baseline: Rows | None, ways: Ways) -> Answer:
    tensors = fit(found.vectors, found.sources, ways.seed)
    judged = judge(tensors, found.vectors)
    known = known_of(cat, found.snapshot)
    ways.say(f"{found.n} detections judged; {len(known.classes)} sources have a class")
    hidden_ones = list(_hidden(asked, found, baseline, known, ways)) if asked.n_draws else []
    model = Model(
        "anomaly_score",
        asked.space,
        found.encoder_id,
        found.vectors.shape[1],
        {"where": asked.where, "detectors": list(DETECTORS), "n_rows": found.n},
        tensors,
    )
    tables = {
        "analysis.anomaly": _rows(asked.space, found, tensors, judged, known),
        "analysis.anomaly_agreement": _agreement(asked.space, found, judged, ways.seed),
        "analysis.anomaly_injection": [r for h in hidden_ones for r in _injection_rows(h)],
    }
    return Answer(tables, models=[] if asked.space == MASTER else [model])  # columns are no vector that SQL has


def known_of(cat: Catalog, snapshot: int) -> Known:
    """Read what is said of sources."""
    said = cat.sql(
        "SELECT name, coalesce(otype, class), authority, predicted, class, conflicting FROM csc.object_type "
        "ORDER BY name, predicted, authority NOT IN ('literature', 'simbad'), authority",
        snapshot=snapshot,
    ).fetchall()
    types: dict[str, tuple[str, str, bool]] = {}
    classes: dict[str, str] = {}
    for name, otype, authority, predicted, class_, conflicting in said:
        types.setdefault(str(name), (str(otype), str(authority), bool(predicted)))
        if class_ and not predicted and not conflicting:
            classes.setdefault(str(name), str(class_))
    linked = cat.sql(
        "SELECT name, bibcode FROM lit.confident_link ORDER BY name, bibcode DESC", snapshot=snapshot
    ).fetchall()
    papers = {n: [str(b) for _, b in rows] for n, rows in itertools.groupby(linked, key=lambda r: str(r[0]))}
    return Known(types, classes, papers)


def _rows(
    space: str, found: Rows, tensors: Mapping[str, npt.NDArray[np.generic]], judged: Judged, known: Known
) -> list[Record]:
    columns = {name: found.column(name) for name in artefacts.COLUMNS}
    warned, extreme = artefacts.warnings(columns), artefacts.extremes(columns)
    for i in np.flatnonzero(artefacts.measured_otherwise(columns)).tolist():
        warned[i].append("other columns measured than of most")
    order = np.argsort(-judged.score, kind="stable")
    rank = np.empty(found.n, np.int64)
    rank[order] = np.arange(1, found.n + 1)
    learned = found.ids if len(np.asarray(tensors["rows"])) == found.n else None
    out: list[Record] = []
    for i in order:
        name = str(found.sources[i])
        otype, authority, predicted = known.types.get(name, (None, None, None))
        out.append(
            {
                "space": space,
                "detection_id": str(found.ids[i]),
                "name": name,
                "obsid": whole_number(str(found.ids[i]).partition(".")[0]),
                "rank": int(rank[i]),
                "score": float(judged.score[i]),
                **{d: float(judged.raw[d][i]) for d in DETECTORS},
                **{f"{d}_share": float(judged.share[d][i]) for d in DETECTORS},
                "hard_hs": float(columns["hard_hs"][i]),
                "otype": otype,
                "authority": authority,
                "predicted": predicted,
                "warnings": warned[i],
                "extremes": extreme[i],
                "counts_per_frame": float(artefacts.counts_per_frame({k: v[i : i + 1] for k, v in columns.items()})[0]),
                "neighbours": [str(learned[j]) for j in judged.neighbours[i, :N_NEIGHBOURS]]
                if learned is not None
                else None,
                "bibcodes": known.papers.get(name, [])[:N_PAPERS],
            }
        )
    return out


def _agreement(space: str, found: Rows, judged: Judged, seed: int) -> list[Record]:
    out: list[Record] = []
    for first, second in itertools.combinations(DETECTORS, 2):
        a, b = judged.raw[first], judged.raw[second]

        def spearman(
            rows: npt.NDArray[np.int64], a: npt.NDArray[np.float64] = a, b: npt.NDArray[np.float64] = b
        ) -> float:
            return float(spearmanr(a[rows], b[rows]).statistic)

        interval = bootstrap(found.sources, spearman, N_RESAMPLES, seed)
        out.append(
            {
                "space": space,
                "detector": first,
                "other_detector": second,
                **interval.columns("spearman"),
                "kendall": float(kendalltau(a, b).statistic),
                "shuffled_spearman": float(spearmanr(a, b[shuffled(found.sources, seed)]).statistic),
            }
        )
    return out


def _hidden(asked: AnomalyQuestion, found: Rows, baseline: Rows | None, known: Known, ways: Ways) -> list[Found]:
    ids = found.ids.tolist()
    at = {i: n for n, i in enumerate(baseline.ids.tolist())} if baseline is not None else {}
    chosen = [n for n, i in enumerate(ids) if str(found.sources[n]) in known.classes and (not at or i in at)]
    if not chosen:
        return []
    rows = np.array(chosen, np.int64)
    sources = found.sources[rows].astype(str)
    labels = np.array([known.classes[s] for s in sources.tolist()])
    spaces = {asked.space: found.vectors[rows]}
    if baseline is not None:
        spaces[PROPERTIES] = baseline.vectors[[at[ids[n]] for n in chosen]]
    out = []
    for one in hidden(spaces, sources, labels, PROPERTIES, asked.n_draws, ways.seed):
        if one.detector == DETECTORS[0]:
            ways.say(f"{one.rare}: hidden among {one.n_background} others, {one.n_draws} times")
        out.append(one)
    return out


def _injection_rows(one: Found) -> list[Record]:
    out: list[Record] = []
    for name, precision in one.precision.items():
        difference = one.difference.get(name)
        out.append(
            {
                "space": name,
                "hidden_class": one.rare,
                "detector": one.detector,
                **precision.columns("precision"),
                **(difference.columns("difference") if difference else {}),
                "chance": one.chance,
                "k": one.n_hidden,
                "n_background": one.n_background,
                "n_draws": one.n_draws,
            }
        )
    return out
