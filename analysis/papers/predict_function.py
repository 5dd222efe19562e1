"""predict_<column>(vector) in SQL, answered by the models that regressions left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.papers.learners import LEARNERS, Fit
from analysis.papers.representations import Scaled
from analysis.study.model_functions import of_vector
from analysis.study.stored_models import Stored
from catalog.query.functions import ScalarFunction
from catalog.schema import TABLES
from sql.objects import Described

Floats = npt.NDArray[np.float32]


def predict(name: str) -> ScalarFunction:
    """Return the SQL function `predict_<column>`.

    Parameters
    ----------
    name : str
        'predict_hard_hs'.
    """
    column = name.removeprefix("predict_")
    table = TABLES["csc.observation_source"]
    known = table.column(column) if column in table.column_names else None
    what = f"{column} as the newest regression of the vector's space predicts it"
    described = Described(name, what, known.unit if known else "", known.ucd if known else "")
    advice = f"python -m analysis regress --columns {column} --store {{store}}"
    return of_vector(name, "DOUBLE", _predicted, advice, described)


def _predicted(model: Stored, x: Floats) -> pa.Array:
    tensors = model.tensors()
    learner = next(k for k in LEARNERS if k == model.configuration["learner"])
    scaled = Scaled(np.asarray(tensors["centre"], np.float32), np.asarray(tensors["factor"], np.float32))
    values = Fit(learner, tensors).predict(scaled.apply(x[:, np.asarray(tensors["taken"], np.int64)]))
    return pa.array(10.0**values if model.configuration["log10"] else values, pa.float64())
