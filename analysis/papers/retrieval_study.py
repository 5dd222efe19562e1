"""Does a source's data vector find the papers about it, and the other way round? Ranks, their curve, and chance's.

The pairs are of the aligned space, of sources that took no part in its training. One alignment has held out one fifth
of the sources, and its network is one draw. Where the store has other trainings of it (embed train aligned --repeats),
each is asked of the sources that it has not seen, and the interval is of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.papers.exposure_lookup import exposure_similarity
from analysis.papers.pair_samples import ALIGNED, NothingToRead, alignment_of, held_out_by
from analysis.papers.retrieval import METRICS, Ranks, curve, intervals, ranked, ranks, share_papers
from analysis.papers.texts import Papers
from analysis.papers.texts import read as read_papers
from analysis.statistics import Interval
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Record, Run, once
from analysis.study.samples import Rows, numbers, read, spaces_of
from catalog import Catalog
from catalog.errors import UnknownName, command
from embed.registry import described
from embed.store.status import next_step
from embed.store.sweeps import Twin, twins, vectors_of

Floats = npt.NDArray[np.float32]


DATA_TO_TEXT, TEXT_TO_DATA = "data to text", "text to data"
OWN, SHARED = "own", "shared paper"
LEAST = 20
N_SHUFFLES = 20


@dataclass(frozen=True)
class Pairs:
    """Held-out sources, one pair of vectors each.

    Attributes
    ----------
    sources : ndarray of str objects, shape (n,)
    data, text : ndarray, shape (n, d)
        data: mean over the source's detections.
    papers : list of tuple of str
        Bibcodes of each.
    livetimes_ks : list of ndarray
        Of each source's detections.
    stated_ks : list of list of float
        Exposures that its papers state.
    """

    sources: npt.NDArray[np.object_]
    data: Floats
    text: Floats
    papers: list[tuple[str, ...]]
    livetimes_ks: list[npt.NDArray[np.float64]]
    stated_ks: list[list[float]]


@dataclass(frozen=True)
class RetrievalQuestion(Asked):
    """Which papers are about a source, and back: nothing is to be chosen."""

    kind = "retrieve"


def run(cat: Catalog, ways: Ways) -> Run:
    """Rank the held-out pairs of a store's aligned space, or find the run that did.

    Raises
    ------
    UnknownName
        If there is no aligned space; the message says what to type.
    NothingToRead
        If too few of its sources were held out.
    """
    snapshot = cat.snapshots()[-1].number
    encoders = spaces_of(cat, snapshot)
    if ALIGNED not in encoders:
        raise UnknownName(next_step(lambda query: cat.sql(query).fetchall(), cat.path, ALIGNED))
    sides = {side: read(cat, ALIGNED, ("livetime",), "", snapshot, side) for side in ("data", "text")}
    papers = read_papers(cat, snapshot)
    pairs = _pairs(sides["data"], sides["text"], papers, held_out_by(alignment_of(cat, encoders[ALIGNED], snapshot)))
    if len(pairs.sources) < LEAST:
        raise NothingToRead(
            f"expected at least {LEAST} sources that the alignment has not seen, found {len(pairs.sources)}; "
            f"bring in more papers about its sources: {command('ingest ads', cat.path)}"
        )
    others = twins(cat.path, encoders[ALIGNED], snapshot)
    more = f"; {len(others)} more trainings of it are asked, too" if others else ""
    ways.say(f"{len(pairs.sources)} sources that the alignment has not seen, one candidate each{more}")
    chosen = np.isin(sides["data"].sources.astype(str), pairs.sources.astype(str))
    evidence = Evidence(snapshot, "".join(s.sha256 for s in sides.values()), sides["data"].sources[chosen])

    def answer() -> Answer:
        return _answer([pairs, *(_pairs_of(cat, t, sides, papers, snapshot) for t in others)], ways.seed)

    trainings = [t.encoder_id for t in others]
    question = ways.question(cat, RetrievalQuestion(), encoder_id=encoders[ALIGNED], trainings=trainings)
    return once(question, evidence, answer)


def _pairs_of(cat: Catalog, twin: Twin, sides: Mapping[str, Rows], papers: Papers | None, snapshot: int) -> Pairs:
    """Return the pairs that another training of the alignment has not seen, by its own vectors."""
    encoder = twin.load(cat.path)
    made = vectors_of(cat.path, encoder, [str(i) for i in sides["data"].ids], snapshot)
    own = {}
    for side, rows in sides.items():
        place = {i: n for n, i in enumerate(sides["data"].ids.tolist())}
        kept = rows.take(np.array([n for n, i in enumerate(rows.ids.tolist()) if i in place], np.int64))
        vectors = made[side][[place[i] for i in kept.ids.tolist()]]
        there = np.flatnonzero(np.isfinite(vectors).all(axis=1))
        own[side] = replace(kept, vectors=vectors).take(there)
    return _pairs(own["data"], own["text"], papers, held_out_by(described(encoder)))


def _pairs(data: Rows, text: Rows, papers: Papers | None, held: frozenset[str]) -> Pairs:
    """Pair a source's detections with its text."""
    about = papers.bibcodes_of() if papers is not None else {}
    written = {str(s): v for s, v in zip(text.sources, text.vectors, strict=True)}
    names = sorted({str(s) for s in data.sources} & held & written.keys() & about.keys())
    rows: dict[str, list[int]] = {n: [] for n in names}
    for i, s in enumerate(data.sources.tolist()):
        if s in rows:
            rows[s].append(i)
    dim = data.vectors.shape[1]
    livetime = numbers(data.columns, "livetime")
    stated = papers.exposures_ks() if papers is not None else {}
    means = [data.vectors[rows[n]].mean(axis=0) for n in names]
    return Pairs(
        np.array(names, object),
        np.array(means, np.float32).reshape(-1, dim),
        np.array([written[n] for n in names], np.float32).reshape(-1, dim),
        [about[n] for n in names],
        [livetime[rows[n]] / 1e3 for n in names],
        [[stated[b] for b in about[n] if b in stated] for n in names],
    )


def _answer(trainings: Sequence[Pairs], seed: int) -> Answer:
    rows: list[Record] = []
    own: dict[str, Ranks] = {}
    of_others: dict[str, list[Ranks]] = {}
    for direction in (DATA_TO_TEXT, TEXT_TO_DATA):
        for answer in (OWN, SHARED):
            asked = [_asked(pairs, direction, answer, seed) for pairs in trainings]
            looked_up = [r for pairs in trainings if (r := _looked_up(pairs, direction, answer)) is not None]
            control = [c.metrics() for _, cs in asked for c in cs]
            rows += _rows(direction, answer, [f for f, _ in asked], looked_up, control, seed)
            if answer == OWN:
                own[direction], of_others[direction] = asked[0]
    return Answer({"analysis.retrieval": rows}, figures={"retrieval_curve.svg": curve(own, of_others)})


def _asked(pairs: Pairs, direction: str, answer: str, seed: int) -> tuple[Ranks, list[Ranks]]:
    """Return the ranks of the right answers, and of those of shuffled queries."""
    n = len(pairs.sources)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(N_SHUFFLES)]
    queries, candidates = (pairs.data, pairs.text) if direction == DATA_TO_TEXT else (pairs.text, pairs.data)
    right = _right(pairs, answer)
    # Whose answers are whose is drawn anew: as many right ones, ties and near ones as before.
    control = [ranks(queries[order], candidates, right) for order in orders]
    return ranks(queries, candidates, right), control


def _right(pairs: Pairs, answer: str) -> npt.NDArray[np.bool_]:
    return np.eye(len(pairs.sources), dtype=bool) if answer == OWN else share_papers(pairs.papers)


def _looked_up(pairs: Pairs, direction: str, answer: str) -> Ranks | None:
    """Return the ranks of the right answers by exposure alone; None where no paper states one."""
    if not any(pairs.stated_ks):
        return None
    similar = exposure_similarity(pairs.livetimes_ks, pairs.stated_ks)
    return ranked(similar if direction == DATA_TO_TEXT else similar.T, _right(pairs, answer))


def _rows(
    direction: str,
    answer: str,
    found: Sequence[Ranks],
    looked_up: Sequence[Ranks],
    control: list[dict[str, float]],
    seed: int,
) -> list[Record]:
    out: list[Record] = []
    baseline = intervals(looked_up, seed) if looked_up else {}
    for metric, interval in intervals(found, seed).items():
        chance = np.array([c[metric] for c in control])
        out.append(
            {
                "direction": direction,
                "answer": answer,
                "metric": metric,
                **interval.columns("value"),
                **Interval.of(chance.mean(), chance).columns("shuffled"),
                **(baseline[metric].columns("lookup") if baseline else {}),
                "chance": _chance(metric, found[0].n_candidates) if answer == OWN else None,
                "n_queries": len(found[0].rank),
                "n_candidates": found[0].n_candidates,
                "n_trainings": len(found),
            }
        )
    return out


def _chance(metric: str, n: int) -> float:
    """Return what a random order gives, of n candidates of which one is right."""
    at = {"recall_1": 0.01, "recall_5": 0.05}
    if metric in at:
        return max(1.0, float(np.ceil(at[metric] * n))) / n
    if metric == "mrr":
        return float((1.0 / np.arange(1, n + 1)).mean())
    return (n + 1) / 2 if metric == METRICS[2] else (n + 1) / 2 / n
