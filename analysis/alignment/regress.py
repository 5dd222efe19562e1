"""The regression study of a store: which columns, which rows, what is kept."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.alignment import masked_texts
from analysis.alignment.reading import ALIGNED, PROPERTIES, Detections, NothingToRead, read
from analysis.alignment.regression import EXPERTS, Gain, Score, Split, best, gains, scores, selected
from analysis.alignment.representations import left_out, property_blocks
from analysis.alignment.ways import Ways
from analysis.runs import Answer, Evidence, Model, Record, Run, once, unfinished
from analysis.statistics import half
from analysis.steps import Steps, joined
from catalog import Catalog
from catalog.errors import query_command
from catalog.tables import TABLES
from embed import paper_vectors
from embed.masking import Quantity, quantity_of
from embed.next_step import next_step
from embed.pooling import Pooling
from embed.property_rows import COLUMNS, LOG_COLUMNS

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

FIVE = ("hard_hs", "hard_ms", "hard_hm", "var_prob_b", "flux_significance_b")
FIFTEEN = (
    *("powlaw_gamma", "powlaw_nh", "bb_kt", "bb_nh", "brems_kt", "apec_kt", "flux_aper_b", "src_rate_aper_b"),
    *("src_cnts_aper_b", "var_index_b", "ks_prob_b", "kp_prob_b", "var_mean_b", "var_sigma_b", "var_max_b"),
)
TEST_SHARE, VALIDATION_SHARE = 0.25, 0.2
LEAST = 40
_FILLED = "SELECT column_name, count FROM (SUMMARIZE csc.observation_source) WHERE null_percentage < 50"
"""Rows in each part of a split without which a column is left out."""


def is_logarithmic(column: str) -> bool:
    """Tell whether the logarithm of a column is predicted, because it spans decades.

    Examples
    --------
    >>> is_logarithmic("flux_aper_b"), is_logarithmic("flux_significance_b")
    (True, False)
    """
    return column in LOG_COLUMNS and not column.startswith("flux_significance")


@dataclass(frozen=True)
class Asked:
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
        See `embed.pooling`; None as the aligned space has it.
    masked : bool
        Score masked texts, too.
    """

    columns: tuple[str, ...] = FIVE
    where: str = ""
    data: tuple[str, ...] = ()
    pooling: Pooling | None = None
    masked: bool = False


@dataclass(frozen=True)
class Predicted:
    """What was found of one column.

    Attributes
    ----------
    column, unit : str
    scores : list of Score
    gains : list of Gain
    n_training, n_validation, n_test, n_test_sources : int
    masked_scores, masked_gains : list
        The same with masked texts.
    """

    column: str
    unit: str
    scores: list[Score]
    gains: list[Gain]
    n_training: int
    n_validation: int
    n_test: int
    n_test_sources: int
    masked_scores: list[Score] = field(default_factory=list)
    masked_gains: list[Gain] = field(default_factory=list)


def run(cat: Catalog, asked: Asked, ways: Ways) -> Run:
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

    question = ways.question(cat.path, "regress", asdict(asked))
    evidence = Evidence(found.snapshot, found.sha256(), found.sources)
    steps = Steps(unfinished(question, evidence), ways.say)

    def one(column: str) -> Answer:
        predicted = predict(found, column, masked_text, ways.seed)
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


def _masked(cat: Catalog, found: Detections, asked: Asked, quantity: Quantity, ways: Ways) -> Floats:
    if found.papers is None:
        advice = next_step(lambda query: cat.sql(query).fetchall(), cat.path, "papers")
        raise NothingToRead(f"--masked needs papers with vectors; {advice}")
    if found.text is None:
        raise NothingToRead("; ".join(["--masked needs papers about more of the sources", *found.notes]))

    def report(n: int, of: int) -> None:
        ways.say(f"texts masked for {quantity}: {n:,} of {of:,} encoded")

    about = found.papers.only(found.sources)
    made = masked_texts.vectors(cat, about, quantity, found.encoders["papers"], found.snapshot, report)
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
        out["text"] = paper_vectors.blocks(text)
    if data:
        out["data"] = data
    if data and text is not None:
        out["both"] = [*data, *paper_vectors.blocks(text)]
    out |= {name: [v] for name, v in found.spaces.items() if name.startswith(ALIGNED)}
    if len(data) > 1:
        out |= {s: [found.spaces[s]] for s in found.data_spaces}
    if PROPERTIES in found.spaces:
        out |= {k: [v] for k, v in property_blocks(found.spaces[PROPERTIES], column).items()}
    return out


def predict(
    found: Detections,
    column: str,
    masked_text: Callable[[Quantity], Floats] | None = None,
    seed: int = 0,
) -> Predicted | None:
    """Score all representations of one column; None where too few rows have it."""
    values = found.column(column)
    if is_logarithmic(column):
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log10(values)
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


def answer(found: Detections, p: Predicted) -> Answer:
    """Return the rows and models that a run keeps of one column."""
    gain_rows = [
        _gain_row(p, g, masked=masked) for masked, gains_ in ((False, p.gains), (True, p.masked_gains)) for g in gains_
    ]
    rows = _rows(p, p.scores, masked=False) + _rows(p, p.masked_scores, masked=True)
    return Answer({"analysis.regression": rows, "analysis.regression_gain": gain_rows}, models=_models(found, p))


def _rows(p: Predicted, found: Sequence[Score], *, masked: bool) -> list[Record]:
    if not found:
        return []
    first = best(found)
    chosen = {s.representation: selected(found, s.representation) for s in found}
    return [
        {
            "column_name": p.column,
            "representation": s.representation,
            "learner": s.learner,
            "masked": masked,
            "mae": s.mae.value,
            "mae_low": s.mae.low,
            "mae_high": s.mae.high,
            "validation_mae": s.validation_mae,
            "unit": p.unit,
            "selected": s is chosen[s.representation],
            "best": s is first,
            "left_out": left_out(s.representation, p.column) or None,
            "dim": len(s.scaled.centre) if s.scaled else None,
            "n_training": p.n_training,
            "n_validation": p.n_validation,
            "n_test": p.n_test,
            "n_test_sources": p.n_test_sources,
        }
        for s in found
    ]


def _gain_row(p: Predicted, g: Gain, *, masked: bool) -> Record:
    return {
        "column_name": p.column,
        "learner": g.learner,
        "masked": masked,
        "mae_text": g.text.mae.value,
        "mae_data": g.data.mae.value,
        "mae_both": g.both.mae.value,
        "gain": g.difference.value,
        "gain_low": g.difference.low,
        "gain_high": g.difference.high,
        "relative_gain": g.relative,
        "unit": p.unit,
    }


def _models(found: Detections, p: Predicted) -> list[Model]:
    """Keep, for each space that SQL can hand a vector of, the learner with the lowest error on validation."""
    spaces = {f"{ALIGNED}/both": ALIGNED, PROPERTIES: PROPERTIES}
    spaces |= {s: s for s in found.data_spaces} if len(found.data_spaces) > 1 else dict.fromkeys(("data",), "")
    out: list[Model] = []
    for representation, space in spaces.items():
        name = space or "".join(found.data_spaces)
        if name not in found.encoders or not any(s.representation == representation for s in p.scores):
            continue
        s = selected(p.scores, representation)
        if s.fit is None or s.scaled is None:
            continue
        dim = found.spaces[representation if representation in found.spaces else name].shape[1]
        configuration: Mapping[str, object] = {
            "learner": s.learner,
            "column": p.column,
            "log10": is_logarithmic(p.column),
            "unit": p.unit,
            "mae": s.mae.value,
            "mae_interval": [v if math.isfinite(v) else None for v in (s.mae.low, s.mae.high)],
            "median_mae": selected(p.scores, "median").mae.value,
            "n_training": p.n_training,
        }
        tensors = {
            **s.fit.tensors,
            "centre": s.scaled.centre,
            "factor": s.scaled.factor,
            "taken": _taken(representation, p.column, dim),
        }
        function = f"predict_{p.column}"
        out.append(Model(function, name, found.encoders[name], dim, configuration, tensors))
    return out


def _taken(representation: str, column: str, dim: int) -> npt.NDArray[np.int32]:
    """Return which numbers of a space's vector a model reads."""
    if representation != PROPERTIES:
        return np.arange(dim, dtype=np.int32)
    related = left_out(PROPERTIES, column)
    free = [i for i, c in enumerate(COLUMNS) if c not in related]
    return np.array([*free, *(len(COLUMNS) + i for i in free)], np.int32)
