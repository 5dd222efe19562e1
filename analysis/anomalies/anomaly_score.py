"""anomaly_score(vector) in SQL, answered by the detectors that a search for anomalies left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.anomalies.detectors import judge
from analysis.study.model_functions import of_vector
from analysis.study.stored_models import Stored
from sql.objects import Described

Floats = npt.NDArray[np.float32]


def _anomalous(model: Stored, x: Floats) -> pa.Array:
    return pa.array(judge(model.tensors(), x).score, pa.float64())


ANOMALY_SCORE = of_vector(
    "anomaly_score",
    "DOUBLE",
    _anomalous,
    "python -m analysis anomalies --space {space} --store {store}",
    Described(
        "anomaly_score",
        "Mean share of the space's detections that isolation forest, local outlier factor and distance to the 20th "
        "neighbour find less anomalous, 0 to 1",
    ),
)
