"""The neighbour study of a store: whether neighbours are more alike after the alignment, and stay as photons change.

Alike in what was measured of them, and in what is written about them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.papers.neighbourhood import n_topics, neighbours, overlap, random_sets, semantic_spread, spread
from analysis.papers.pair_samples import ALIGNED, PROPERTIES, Detections, NothingToRead, read
from analysis.papers.predictions import on_scale
from analysis.papers.resampling import EVENTS, aligned_again, encoder_of, photons_again
from analysis.papers.texts import Papers
from analysis.statistics import bootstrap
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Record, Run, once, unfinished
from analysis.study.steps import Steps
from catalog import Catalog
from embed.inputs.pairs import DATA_SPACES
from embed.inputs.papers import blocks
from embed.protocol import SidedEncoder

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


COLUMNS = ("hard_hs", "hard_ms", "hard_hm", "var_prob_b", "flux_significance_b", "flux_aper_b", "powlaw_gamma")
PAPERS, TOPICS = "papers", "topics"
N_TOPICS, N_RESAMPLES = 30, 500
LEAST = 30


@dataclass(frozen=True)
class NeighbourQuestion(Asked):
    """What is asked: neighbours per detection, resamples of photons, which detections."""

    kind = "neighbours"

    k: int
    n_resamples: int
    where: str


def run(cat: Catalog, asked: NeighbourQuestion, ways: Ways) -> Run:
    """Study the neighbours in every space of a store, or find the run that did.

    Raises
    ------
    NothingToRead
        If there are no vectors, or those of too few sources.
    """
    found = read(cat, COLUMNS, asked.where)
    if len(set(found.sources.tolist())) < max(LEAST, 2 * asked.k):
        raise NothingToRead(
            f"expected detections of at least {max(LEAST, 2 * asked.k)} sources in all spaces, found {found.n} "
            "detections; take a wider --where or a smaller --k"
        )
    evidence = Evidence(found.snapshot, found.sha256(), found.sources)
    question = ways.question(cat, asked)
    steps = Steps(unfinished(question, evidence), ways.say)
    return once(question, evidence, lambda: _answer(cat, asked, found, ways, steps))


def _answer(cat: Catalog, asked: NeighbourQuestion, found: Detections, ways: Ways, steps: Steps) -> Answer:
    spaces = _spaces(found)
    sets = {name: neighbours(v, found.sources, asked.k) for name, v in spaces.items()}
    random = random_sets(found.sources, asked.k, ways.seed)
    ways.say(f"{found.n} detections in {', '.join(spaces)}; {len(found.held_out)} sources the alignment has not seen")
    stability = _stability(cat, asked, found, sets, ways, steps)
    rows: list[Record] = [r for name in spaces for r in _rows(name, found, sets[name], stability.get(name), asked)]
    tables = {
        "analysis.neighbour": rows,
        "analysis.neighbour_spread": _spreads(found, {n: s for n, (s, _) in sets.items()}, random, ways.seed),
    }
    return Answer(tables)


def _spaces(found: Detections) -> dict[str, Floats]:
    """Return the spaces in which neighbours are looked for, 'before' the alignment first."""
    out = dict(found.spaces)
    if found.text is not None:
        out["text"] = blocks(found.text)[0]  # what papers are about; quantities have scales of their own
    return out


def _before(found: Detections) -> str:
    return found.data_spaces[0] if found.data_spaces else PROPERTIES


def _spreads(found: Detections, sets: Mapping[str, Indices], random: Indices, seed: int) -> list[Record]:
    """Return how spread neighbours are, in each space, beside random sets and beside the space before the alignment."""
    asked = np.array([s in found.held_out for s in found.sources.tolist()], np.bool_)
    rows = np.flatnonzero(asked) if asked.any() else np.arange(found.n)
    out: list[Record] = []
    for quantity, spread_of in _quantities(found, seed).items():
        of = {name: spread_of(s[rows]) for name, s in sets.items()}
        chance = spread_of(random[rows])
        before = of[_before(found)]
        for name, values in of.items():
            there = np.isfinite(values) & np.isfinite(chance) & np.isfinite(before)
            if there.sum() < LEAST:
                continue
            out.append(
                {"space": name, "quantity": quantity, "k": sets[name].shape[1], "n_detections": int(there.sum())}
                | _compared(values[there], chance[there], before[there], found.sources[rows][there], seed)
            )
    return out


def _compared(
    values: Doubles, chance: Doubles, before: Doubles, sources: npt.NDArray[np.generic], seed: int
) -> dict[str, object]:
    ratio = bootstrap(sources, lambda r: float(values[r].mean() / chance[r].mean()), N_RESAMPLES, seed)
    difference = bootstrap(
        sources, lambda r: float((values[r].mean() - before[r].mean()) / chance[r].mean()), N_RESAMPLES, seed
    )
    return {
        "spread": float(values.mean()),
        "random_spread": float(chance.mean()),
        **ratio.columns("ratio"),
        **difference.columns("difference"),
    }


def _quantities(found: Detections, seed: int) -> dict[str, Callable[[Indices], Doubles]]:
    """Return what tells how spread each quantity is within sets of detections."""
    out: dict[str, Callable[[Indices], Doubles]] = {}
    for column in COLUMNS:
        values = on_scale(column, found.column(column))
        if np.isfinite(values).sum() >= LEAST:
            out[column] = functools.partial(spread, values)
    if found.text is not None and found.papers is not None:
        out[PAPERS] = functools.partial(semantic_spread, blocks(found.text)[0])
        topics = topics_of(found.papers, seed)
        out[TOPICS] = functools.partial(n_topics, [topics.get(s, frozenset()) for s in found.sources.tolist()])
    return out


def topics_of(papers: Papers, seed: int) -> dict[str, frozenset[int]]:
    """Return the topics of each source's papers: clusters of the papers' vectors by k-means."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - seconds to import

    n = min(N_TOPICS, len(papers.bibcodes))
    label = KMeans(n, n_init=3, random_state=seed).fit_predict(papers.vectors)
    out: dict[str, set[int]] = {}
    for paper, source in zip(papers.paper_of_link, papers.source_of_link, strict=True):
        out.setdefault(str(papers.sources[source]), set()).add(int(label[paper]))
    return {s: frozenset(t) for s, t in out.items()}


def _stability(
    cat: Catalog,
    asked: NeighbourQuestion,
    found: Detections,
    sets: Mapping[str, tuple[Indices, Doubles]],
    ways: Ways,
    steps: Steps,
) -> dict[str, Doubles]:
    """Return the share of neighbours that survive when photons are drawn anew, per space that is made of photons."""
    if not asked.n_resamples or EVENTS not in found.spaces:
        return {}
    ids = [str(i) for i in found.ids]

    def report(n: int) -> None:
        ways.say(f"photons drawn anew {asked.n_resamples} times, and encoded: {n:,} of {len(ids):,} detections")

    encoder = encoder_of(cat.path, found.encoders[EVENTS], found.snapshot)
    drawn = photons_again(cat.path, found.snapshot, encoder, ids, asked.n_resamples, ways.seed, steps, report)
    out = {EVENTS: _surviving(found.spaces[EVENTS], drawn, found, sets[EVENTS][0], asked.k)}
    if ALIGNED in found.encoders:
        aligned = encoder_of(cat.path, found.encoders[ALIGNED], found.snapshot)
        if isinstance(aligned, SidedEncoder) and EVENTS in DATA_SPACES.get(aligned.model, ()):
            again = aligned_again(cat.path, found.snapshot, aligned, ids, drawn)
            for side in ("data", "both"):
                name = f"{ALIGNED}/{side}"
                moved = again[aligned.sides.index(side)]
                out[name] = _surviving(found.spaces[name], moved, found, sets[name][0], asked.k)
    return out


def _surviving(vectors: Floats, drawn: npt.NDArray[np.float32], found: Detections, before: Indices, k: int) -> Doubles:
    total = np.zeros(found.n)
    for queries in drawn:
        there = np.isfinite(queries).all(axis=1)
        after, _ = neighbours(vectors, found.sources, k, np.where(there[:, None], queries, 0.0).astype(np.float32))
        total += np.where(there, overlap(before, after), np.nan)
    return total / len(drawn)


def _rows(
    space: str, found: Detections, sets: tuple[Indices, Doubles], stability: Doubles | None, asked: NeighbourQuestion
) -> list[Record]:
    numbers, distances = sets
    return [
        {
            "space": space,
            "detection_id": str(found.ids[i]),
            "name": str(found.sources[i]),
            "k": numbers.shape[1],
            "neighbours": [str(found.ids[j]) for j in numbers[i]],
            "distances": distances[i].tolist(),
            "stability": float(stability[i]) if stability is not None else None,
            "n_resamples": asked.n_resamples if stability is not None else None,
        }
        for i in range(found.n)
    ]
