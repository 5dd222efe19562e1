"""What a run keeps of a predicted column: rows of analysis.regression and its gain, and models that answer in SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analysis.papers.pair_samples import ALIGNED, PROPERTIES, Detections
from analysis.papers.regression import Gain, Score, best, selected
from analysis.papers.representations import left_out
from analysis.study.runs import Answer, Model, Record
from embed.inputs.properties import COLUMNS, LOG_COLUMNS


def is_logarithmic(column: str) -> bool:
    """Tell whether the logarithm of a column is predicted, because it spans decades.

    Examples
    --------
    >>> is_logarithmic("flux_aper_b"), is_logarithmic("flux_significance_b")
    (True, False)
    """
    return column in LOG_COLUMNS and not column.startswith("flux_significance")


def on_scale(column: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the values of a column as they are predicted and compared: NaN where a logarithm does not exist."""
    if not is_logarithmic(column):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log10(values), np.nan)


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
    n_trainings : int
        Of the alignment.
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
    n_trainings: int = 1


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
            **s.mae.columns("mae"),
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
            "n_splits": len(s.splits),
            "n_trainings": p.n_trainings,
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
        **g.difference.columns("gain"),
        "relative_gain": g.relative,
        "unit": p.unit,
        "n_splits": len(g.splits),
        "n_trainings": p.n_trainings,
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
