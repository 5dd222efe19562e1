"""The regression study of a store: which columns, which rows, what is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.papers.pair_samples import ALIGNED, PROPERTIES, Detections, NothingToRead, held_out_by, read
from analysis.papers.predictions import Predicted, answer, is_logarithmic, on_scale
from analysis.papers.regression import EXPERTS, Score, Split, gains, gains_together, scores, together
from analysis.papers.representations import property_blocks
from analysis.papers.texts import masked_vectors
from analysis.statistics import half
from analysis.study.options import Asked, Ways
from analysis.study.runs import Answer, Evidence, Run, once, unfinished
from analysis.study.steps import Steps, joined
from catalog import Catalog
from catalog.errors import query_command
from catalog.schema import TABLES
from embed.inputs import papers
from embed.inputs.masking import Quantity, quantity_of
from embed.inputs.pooling import Pooling
from embed.registry import described
from embed.store.status import next_step
from embed.store.sweeps import Twin, twins, vectors_of

Floats = npt.NDArray[np.float32]

FIVE = ("hard_hs", "hard_ms", "hard_hm", "var_prob_b", "flux_significance_b")
FIFTEEN = (
    *("powlaw_gamma", "powlaw_nh", "bb_kt", "bb_nh", "brems_kt", "apec_kt", "flux_aper_b", "src_rate_aper_b"),
    *("src_cnts_aper_b", "var_index_b", "ks_prob_b", "kp_prob_b", "var_mean_b", "var_sigma_b", "var_max_b"),
)
TEST_SHARE, VALIDATION_SHARE = 0.25, 0.2
N_SPLITS, _NEXT_SPLIT = 3, 100_003
LEAST = 40
_FILLED = "SELECT column_name, count FROM (SUMMARIZE csc.observation_source) WHERE null_percentage < 50"
"""Rows in each part of a split without which a column is left out."""


@dataclass(frozen=True)
class RegressionQuestion(Asked):
    """What is asked of a store.

    Attributes
    ----------
    columns : tuple of str
        Columns of csc.observation_source.
    where : str
        SQL condition on it.
    data : tuple of str
        Spaces of the data side; none for what is there.
    pooling : str or None
        See `embed.inputs.pairs`; None as the aligned space has it.
    masked : bool
        Score masked texts, too.
    splits : int
        How often the sources are split.
    """

    kind = "regress"

    columns: tuple[str, ...] = FIVE
    where: str = ""
    data: tuple[str, ...] = ()
    pooling: Pooling | None = None
    masked: bool = False
    splits: int = N_SPLITS


def run(cat: Catalog, asked: RegressionQuestion, ways: Ways) -> Run:
    """Answer the question of a store, or find the run that did.

    Raises
    ------
    NothingToRead
        If the store has no vectors, or no column has enough rows.
    UnknownName
        If a space or a column does not exist.
    """
    found = read(cat, asked.columns, asked.where, data=asked.data, pooling=asked.pooling)
    for note in found.notes:
        ways.say(note)
    masked_text = functools.cache(lambda quantity: _masked(cat, found, asked, quantity, ways)) if asked.masked else None

    others = twins(cat.path, found.encoders[ALIGNED], found.snapshot) if ALIGNED in found.encoders else []
    others = others[: asked.splits - 1]
    question = ways.question(cat, asked, trainings=[t.encoder_id for t in others])
    evidence = Evidence(found.snapshot, found.sha256(), found.sources)
    steps = Steps(unfinished(question, evidence), ways.say)

    @functools.cache
    def trainings() -> list[Detections]:
        return [found, *(aligned_by(cat, found, t) for t in others)]

    def one(column: str) -> Answer:
        predicted = predict(trainings(), column, masked_text, ways.seed, asked.splits)
        if predicted is None:
            ways.say(f"{column}: left out, fewer than {LEAST} rows have it in one part of the split")
            return Answer({})
        ways.say(f"{column}: {predicted.n_training} detections to learn from, {predicted.n_test} to judge on")
        return answer(found, predicted)

    def made() -> Answer:
        whole = joined([steps.answer(column, functools.partial(one, column)) for column in asked.columns])
        if not whole.tables:
            raise NothingToRead(
                f"of {found.n} detections none of the columns has {LEAST} in each part of the split; see which columns "
                "are filled: "
                f"{query_command(_FILLED, cat.path)}"
            )
        return whole

    return once(question, evidence, made)


def _masked(cat: Catalog, found: Detections, asked: RegressionQuestion, quantity: Quantity, ways: Ways) -> Floats:
    if found.papers is None:
        advice = next_step(lambda query: cat.sql(query).fetchall(), cat.path, "papers")
        raise NothingToRead(f"--masked needs papers with vectors; {advice}")
    if found.text is None:
        raise NothingToRead("; ".join(["--masked needs papers about more of the sources", *found.notes]))

    def report(n: int, of: int) -> None:
        ways.say(f"texts masked for {quantity}: {n:,} of {of:,} encoded")

    about = found.papers.only(found.sources)
    made = masked_vectors(cat, about, quantity, found.encoders["papers"], found.snapshot, report)
    return about.with_vectors(made).of(found.sources, asked.pooling or found.pooling)


def split_of(found: Detections, rows: npt.NDArray[np.bool_], seed: int) -> Split:
    """Split rows by source: the test rows are of sources that the alignment has not seen, where there is one."""
    sources = found.sources
    if found.held_out:
        test = np.array([s in found.held_out for s in sources.tolist()], np.bool_)
    else:
        test = half(sources, seed, TEST_SHARE)
    validation = half(sources, seed + 1, VALIDATION_SHARE)
    return Split(rows & ~test & ~validation, rows & ~test & validation, rows & test)


def blocks_of(found: Detections, column: str, text: Floats | None) -> dict[str, list[Floats]]:
    """Return the representations of a store's detections for a column: name -> blocks side by side."""
    out: dict[str, list[Floats]] = {}
    data = [found.spaces[s] for s in found.data_spaces]
    if text is not None:
        out["text"] = papers.blocks(text)
    if data:
        out["data"] = data
    if data and text is not None:
        out["both"] = [*data, *papers.blocks(text)]
    out |= {name: [v] for name, v in found.spaces.items() if name.startswith(ALIGNED)}
    if len(data) > 1:
        out |= {s: [found.spaces[s]] for s in found.data_spaces}
    if PROPERTIES in found.spaces:
        out |= {k: [v] for k, v in property_blocks(found.spaces[PROPERTIES], column).items()}
    return out


def aligned_by(cat: Catalog, found: Detections, twin: Twin) -> Detections:
    """Return the same detections as another training of the alignment has them, with the sources it has not seen."""
    encoder = twin.load(cat.path)
    made = vectors_of(cat.path, encoder, [str(i) for i in found.ids], found.snapshot)
    spaces = {
        name: np.where(np.isfinite(v := made[name.partition("/")[2]]), v, 0.0) if name.startswith(ALIGNED) else own
        for name, own in found.spaces.items()
    }
    return replace(found, spaces=spaces, held_out=held_out_by(described(encoder)))


def predict(
    trainings: Sequence[Detections],
    column: str,
    masked_text: Callable[[Quantity], Floats] | None = None,
    seed: int = 0,
    n_splits: int = N_SPLITS,
) -> Predicted | None:
    """Score all representations of one column in several splits; None where too few rows have it.

    Parameters
    ----------
    trainings : sequence of Detections
        The same detections by each training of the alignment, which the splits take turns with.
    column : str
    masked_text : callable, optional
        Gives the vectors of texts that do not tell a quantity.
    seed, n_splits : int
    """
    parts = [
        _predicted(trainings[i % len(trainings)], column, masked_text, seed + i * _NEXT_SPLIT) for i in range(n_splits)
    ]
    made = [p for p in parts if p is not None]
    if not made or parts[0] is None:
        return None
    return replace(
        made[0],
        scores=_scores_together([p.scores for p in made]),
        gains=[gains_together(g) for g in zip(*(p.gains for p in made), strict=True)],
        masked_scores=_scores_together([p.masked_scores for p in made]),
        masked_gains=[gains_together(g) for g in zip(*(p.masked_gains for p in made), strict=True)],
        n_trainings=min(len(trainings), n_splits),
    )


def _scores_together(splits: Sequence[Sequence[Score]]) -> list[Score]:
    by = [{(s.representation, s.learner): s for s in found} for found in splits]
    return [together([found[key] for found in by]) for key in by[0] if all(key in found for found in by)]


def _predicted(
    found: Detections, column: str, masked_text: Callable[[Quantity], Floats] | None, seed: int
) -> Predicted | None:
    """Score all representations of one column in one split."""
    values = on_scale(column, found.column(column))
    rows = np.isfinite(values)
    split = split_of(found, rows, seed)
    counts = [int(m.sum()) for m in (split.training, split.validation, split.test)]
    if min(counts) < LEAST:
        return None
    y = np.where(rows, values, 0.0)
    test_sources = found.sources[split.test]
    made = list(scores(blocks_of(found, column, found.text), y, found.sources, split, seed))
    masked_scores: list[Score] = []
    if masked_text is not None and found.text is not None:
        blocks = blocks_of(found, column, masked_text(quantity_of(column)))
        kept = {k: v for k, v in blocks.items() if k in {"text", "data", "both"}}
        masked_scores = [s for s in scores(kept, y, found.sources, split, seed) if s.representation in {*kept, EXPERTS}]
    return Predicted(
        column,
        "dex" if is_logarithmic(column) else TABLES["csc.observation_source"].column(column).unit,
        made,
        list(gains(made, test_sources, seed)),
        counts[0],
        counts[1],
        counts[2],
        len(set(test_sources.tolist())),
        masked_scores,
        list(gains(masked_scores, test_sources, seed)),
    )
