"""Neighbours of photons: a simulated survey, its photons drawn anew, encoded by the encoder that made the space."""

from __future__ import annotations

import pytest

import catalog
from analysis.papers import neighbour_study
from analysis.study.options import Ways
from catalog.store.manifest import Source
from embed.registry import Settings
from embed.store import encoding_job
from embed.store.training_job import Training, train
from ingest.refresh import refresh
from ingest.simulate import simulate


@pytest.mark.slow
def test_bright_detections_keep_their_neighbours_and_faint_ones_do_not(store, tmp_path, any_seed):
    simulate(tmp_path / "survey", sources=60, seed=2 + any_seed)
    refresh(store, [Source("files", str(tmp_path / "survey"))])
    train(Training(store, "events", "summary", settings=Settings(device="cpu")))
    encoding_job.run(encoding_job.Job(store), ("events",))
    with catalog.open(store) as cat:
        run = neighbour_study.run(cat, neighbour_study.NeighbourQuestion(5, 3, ""), Ways())
    with catalog.open(store) as cat:
        query = """SELECT n.stability, o.cnts_aper_b FROM analysis.neighbour_stability AS n
            JOIN csc.observation_source AS o USING (detection_id) ORDER BY o.cnts_aper_b"""
        found = cat.sql(query).fetchall()
        assert cat.sql("SELECT DISTINCT run_id FROM analysis.neighbour_stability").fetchall() == [(run.run_id,)]
    third = len(found) // 3
    faint, bright = ([s for s, _ in part] for part in (found[:third], found[-third:]))
    assert all(0 <= s <= 1 for s, _ in found)
    assert sum(bright) / len(bright) > sum(faint) / len(faint)
    assert sum(bright) / len(bright) > 5 * 5 / len(found)
