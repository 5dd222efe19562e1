"""The neighbour study of a store: whether neighbours are more alike after the alignment, and stay as photons change.

Alike in what was measured of them, and in what is written about them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.distances import nearest, unit
from analysis.papers.pair_samples import ALIGNED, PROPERTIES, Detections, NothingToRead, read
from analysis.papers.predictions import on_scale
from analysis.papers.resampling import EVENTS, aligned_again, encoder_of, photons_again
from analysis.papers.texts import Papers
from analysis.statistics import bootstrap, codes
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Record, Run, once, unfinished
from analysis.study.steps import Steps
from catalog import Catalog
from embed.inputs.pairs import DATA_SPACES
from embed.inputs.paper_vectors import blocks
from embed.protocol import SidedEncoder

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_BLOCK = 1024


def neighbours(
    vectors: Floats, sources: npt.NDArray[np.generic], k: int, queries: Floats | None = None
) -> tuple[Indices, Doubles]:
    """Return the k nearest rows of other sources by cosine, nearest first, and their distances, (n, k) each.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
    sources : ndarray, shape (n,)
    k : int
    queries : ndarray, shape (n, d), optional
        Other vectors of the same rows: where they would stand.

    Examples
    --------
    >>> x = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> neighbours(x, np.array(["a", "a", "b", "c"]), 1)[0].ravel().tolist()
    [3, 3, 3, 2]
    """
    code = codes(sources)
    return nearest(vectors if queries is None else queries, vectors, k, groups=(code, code))


def random_sets(sources: npt.NDArray[np.generic], k: int, seed: int = 0) -> Indices:
    """Return k rows of other sources for each row, drawn at random, (n, k): what no neighbourhood would give."""
    code = codes(sources)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(code), (len(code), k))
    for _ in range(_TRIES):
        own = code[drawn] == code[:, None]
        if not own.any():
            break
        drawn[own] = rng.integers(0, len(code), int(own.sum()))
    return drawn.astype(np.int64)


_TRIES = 50


def spread(values: Doubles, sets: Indices) -> Doubles:
    """Return the standard deviation of a column in each set of rows, shape (n,); NaN where fewer than two have it.

    Examples
    --------
    >>> spread(np.array([0.0, 2.0, np.nan]), np.array([[0, 1, 2], [2, 2, 0]])).round(2).tolist()
    [1.0, nan]
    """
    found = values[sets]
    there = np.isfinite(found)
    n = there.sum(axis=1)
    mean = np.divide(np.where(there, found, 0.0).sum(axis=1), n, out=np.zeros(len(n)), where=n > 0)
    square = (np.where(there, found - mean[:, None], 0.0) ** 2).sum(axis=1)
    out: Doubles = np.sqrt(np.divide(square, n, out=np.full(len(n), np.nan), where=n > 1))
    return out


def semantic_spread(text: Floats, sets: Indices) -> Doubles:
    """Return the mean cosine distance between the texts of each set, pair by pair, shape (n,).

    Examples
    --------
    >>> semantic_spread(np.eye(2, dtype=np.float32), np.array([[0, 1], [0, 0]])).tolist()
    [1.0, 0.0]
    """
    units = unit(text)
    k = sets.shape[1]
    out = np.empty(len(sets))
    for i in range(0, len(sets), _BLOCK):
        summed = units[sets[i : i + _BLOCK]].sum(axis=1)
        # The sum of all products is the square of the sum; k of them are of a text with itself.
        out[i : i + _BLOCK] = 1.0 - ((summed**2).sum(axis=1) - k) / (k * (k - 1))
    return out


def n_topics(topics: list[frozenset[int]], sets: Indices) -> Doubles:
    """Return how many topics the papers of each set have together, shape (n,).

    Examples
    --------
    >>> n_topics([frozenset({1}), frozenset({1, 2})], np.array([[0, 1], [0, 0]])).tolist()
    [2.0, 1.0]
    """
    return np.array([float(len(frozenset().union(*(topics[j] for j in row)))) for row in sets.tolist()])


def overlap(first: Indices, second: Indices) -> Doubles:
    """Return the share of each row's neighbours that are among its others, shape (n,).

    Examples
    --------
    >>> overlap(np.array([[1, 2]]), np.array([[2, 3]])).tolist()
    [0.5]
    """
    return np.asarray((first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1), np.float64)


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
