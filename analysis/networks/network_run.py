"""A network run: asked once of the same data, and kept whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.networks.network_study import Asked, study
from analysis.networks.node_samples import Nodes
from analysis.study.runs import Evidence, Question, Run, Value, once
from catalog import Catalog


def run(
    store: Path,
    cat: Catalog,
    nodes: Nodes,
    asked: Asked,
    where: str,
    authority: str,
    *,
    again: bool = False,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
) -> Run:
    """Find the run that asked the same of the same nodes, or make it.

    Parameters
    ----------
    store : Path
    cat : Catalog
        Open on it; tells the newest anomaly scores.
    nodes : Nodes
    asked : Asked
    where, authority : str
        How the nodes were chosen and typed.
    again, wait, on_wait
        See `analysis.study.runs.Question`.
    """
    parameters: dict[str, Value] = {
        "spaces": [m.name for m in nodes.modalities],
        "thresholds": list(asked.thresholds),
        "where": where,
        "combine": asked.rule,
        "centre": asked.centre,
        "within_source": asked.within_source,
        "authority": authority,
        "n_null": asked.n_null,
        "n_without": {m.name: int((~m.has).sum()) for m in nodes.modalities},
    }
    scores = _anomaly(cat, nodes)
    read = hashlib.sha256(f"{nodes.sha256} {None if scores is None else scores.tolist()}".encode()).hexdigest()
    question = Question(store, "network", parameters, asked.seed, again=again, wait=wait, on_wait=on_wait)
    evidence = Evidence(nodes.snapshot, read, nodes.sources)
    return once(question, evidence, lambda: study(nodes, asked, scores))


def _anomaly(cat: Catalog, nodes: Nodes) -> npt.NDArray[np.float64] | None:
    """Return the scores of the newest anomaly run for the nodes; None where it knows none of them."""
    found = cat.sql(
        "SELECT detection_id, score FROM analysis.anomaly "
        "WHERE run_id = (SELECT max(run_id) FROM analysis.anomaly) AND score IS NOT NULL",
        snapshot=nodes.snapshot,
    ).fetchall()
    score = {str(i): float(str(s)) for i, s in found}
    scores = np.array([score.get(str(i), np.nan) for i in nodes.ids])
    return scores if np.isfinite(scores).any() else None
