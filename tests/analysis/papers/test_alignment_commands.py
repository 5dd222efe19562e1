"""The studies of alignment on a store: what they find, that twice is once, what SQL then answers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import catalog
from analysis.__main__ import app
from analysis.anomalies import anomaly_study
from analysis.papers import neighbour_study, pair_samples, regression_study, retrieval_study
from analysis.study.options import Ways
from catalog.errors import UnknownName
from catalog.store import lake
from embed.store.sweeps import twins

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ask(studied):
    def answer(query, **params):
        with catalog.open(studied[0]) as cat:
            return cat.sql(query, **params).fetchall()

    return answer


def test_retrieval_finds_what_the_text_tells_and_the_control_is_at_chance(ask, studied):
    assert "Recall@1%" in studied[1]["retrieve"]
    query = """SELECT value, high, shuffled_low, shuffled_high, chance, n_queries FROM analysis.retrieval
        WHERE direction = 'data to text' AND answer = 'own' AND metric = 'relative_median_rank'"""
    ((value, high, shuffled_low, shuffled_high, chance, n),) = ask(query)
    assert n >= 20
    assert value < shuffled_low < chance < shuffled_high
    assert high < chance
    ((figures,),) = ask("SELECT figures FROM analysis.run WHERE kind = 'retrieve' ORDER BY run_id LIMIT 1")
    assert [Path(f).name for f in figures] == ["retrieval_curve.svg"]


def test_other_trainings_of_the_alignment_are_asked_too_each_of_what_it_has_not_seen(ask, studied):
    assert "interval over sources and 2 trainings" in studied[1]["retrieve"]
    assert ask("SELECT DISTINCT n_trainings FROM analysis.retrieval") == [(2,)]
    assert ask("SELECT DISTINCT n_splits, n_trainings FROM analysis.regression") == [(2, 2)]
    with catalog.open(studied[0]) as cat:
        found = pair_samples.read(cat, ["hard_hs"])
        (twin,) = twins(studied[0], found.encoders["aligned"])
        other = regression_study.aligned_by(cat, found, twin)
    assert other.held_out != found.held_out
    assert other.held_out & {str(s) for s in found.sources}
    same, moved = (k for k in ("properties", "aligned/both"))
    assert (other.spaces[same] == found.spaces[same]).all()
    assert not (other.spaces[moved] == found.spaces[moved]).all()


def test_regression_keeps_scores_controls_and_kin(ask, studied):
    assert "chosen on validation" in studied[1]["regress"]
    query = "SELECT * FROM analysis.regression WHERE column_name = 'hard_hs' AND NOT masked"
    held = {
        (r, learner): (mae, low, high)
        for r, learner, mae, low, high in ask(f"SELECT representation, learner, mae, mae_low, mae_high FROM ({query})")
    }
    assert {("text", "knn"), ("aligned/both", "ridge"), ("properties", "boosting"), ("median", "median")} <= set(held)
    assert all(low <= mae <= high for mae, low, high in held.values())
    median = held["median", "median"][0]
    assert held["text", "ridge"][0] < 0.8 * median
    assert held["shuffled", "ridge"][0] > 0.85 * median
    left_out = f"SELECT DISTINCT list_contains(left_out, 'hard_hm') FROM ({query}) WHERE representation = 'properties'"
    assert ask(left_out) == [(True,)]
    assert ask(f"SELECT count(*) FROM ({query}) WHERE best") == [(1,)]


def test_masked_texts_say_less(ask):
    query = """SELECT mae FROM analysis.regression
        WHERE column_name = 'hard_hs' AND representation = 'text' AND learner = 'ridge' AND masked = $m"""
    plain, hidden = (ask(query, m=m)[0][0] for m in (False, True))
    assert hidden > 1.2 * plain


def test_predictions_in_sql_are_those_of_the_run(ask):
    query = """SELECT avg(abs(predict_hard_hs(e.vector) - o.hard_hs)), avg(abs(o.hard_hs)),
          min(predict_flux_aper_b(e.vector)), max(predict_flux_aper_b(e.vector)) FROM embedding.aligned AS e
        JOIN csc.observation_source AS o ON o.detection_id = e.id WHERE e.modality = 'both'"""
    error, spread, least, most = ask(query)[0]
    assert error < 0.8 * spread
    assert 1e-15 < least < most < 1e-11
    with pytest.raises(UnknownName, match="predict_hard_hs"):
        ask("SELECT predict_hard_sh(vector) FROM embedding.aligned")


def test_a_prediction_from_properties_does_without_kin(ask):
    ((dim, learned),) = ask(
        "SELECT dim, configuration FROM analysis.model WHERE space = 'properties' AND function = 'predict_hard_hs'"
    )
    assert dim == 62
    assert '"log10": false' in learned
    moved = """SELECT count(*) FROM (SELECT predict_hard_hs(vector) AS a,
        predict_hard_hs(list_transform(vector::FLOAT[], lambda x, i: if(i IN (1, 2, 3), 4, x))) AS b
        FROM embedding.properties LIMIT 50) WHERE abs(a - b) > 1e-9"""
    assert ask(moved) == [(0,)]  # hard_hm, hard_hs and hard_ms stand first


def test_neighbours_are_alike_in_what_the_space_holds(ask, studied):
    assert "random sets" in studied[1]["neighbours"]
    rows = ask("SELECT space, ratio_high FROM analysis.neighbour_spread WHERE quantity = 'hard_hs'")
    assert dict(rows)["properties"] < 1
    assert ask("SELECT count(*), max(len(neighbours)) FROM analysis.neighbour WHERE space = 'text'") == [(225, 5)]
    own = """SELECT count(*) FROM (SELECT name, unnest(neighbours) AS other FROM analysis.neighbour) AS n
        JOIN csc.observation_source AS o ON o.detection_id = n.other WHERE o.name = n.name"""
    assert ask(own) == [(0,)]


def test_anomalies_are_scored_in_sql_as_in_the_run(ask, studied):
    assert "do the detectors agree?" in studied[1]["anomalies"]
    assert "precision@k" in studied[1]["anomalies"]
    query = """SELECT max(abs(a.score - anomaly_score(e.vector))) * count(*) FROM analysis.anomaly AS a
        JOIN embedding.aligned AS e ON e.id = a.detection_id AND e.modality = 'both'"""
    assert ask(query)[0][0] < 1  # in ranks: where two are nearly alike, the last digit decides, and processors differ
    warned = ask("SELECT DISTINCT name FROM analysis.anomaly WHERE list_contains(warnings, 'saturated')")
    assert warned == [("2CXO J000500.0+010000",)]
    of_paper = "SELECT DISTINCT otype FROM analysis.anomaly WHERE list_contains(bibcodes, '2020ApJ...000....1A')"
    assert ask(of_paper) == [("ULX",)]
    assert ask("SELECT count(DISTINCT detector), max(chance) < 0.2 FROM analysis.anomaly_injection") == [(4, True)]


def test_twice_is_once(studied):
    store, _ = studied
    silent = Ways()
    with catalog.open(store) as cat:
        n_snapshots = len(cat.snapshots())
        made = [
            retrieval_study.run(cat, silent),
            regression_study.run(
                cat, regression_study.RegressionQuestion(("hard_hs", "flux_aper_b"), masked=True, splits=2), silent
            ),
            neighbour_study.run(cat, neighbour_study.NeighbourQuestion(5, 5, ""), silent),
            anomaly_study.run(cat, anomaly_study.AnomalyQuestion("aligned", "", 2), silent),
        ]
        assert [(r.run_id, r.made) for r in made] == [(1, False), (2, False), (3, False), (4, False)]
        assert len(cat.snapshots()) == n_snapshots


def test_a_link_that_is_not_sure_gives_no_text(studied):
    with catalog.open(studied[0]) as cat:
        found = pair_samples.read(cat, ["hard_hs"])
    assert found.papers is not None
    assert len(found.papers.paper_of_link) == 150  # the 149 links of low confidence stay out
    assert {len(b) for b in found.papers.bibcodes_of().values()} == {1}


def test_a_store_without_vectors_says_what_to_type(store):
    with catalog.open(store) as cat:
        with pytest.raises(UnknownName, match="python -m embed train aligned"):
            retrieval_study.run(cat, Ways())
        with pytest.raises(pair_samples.NothingToRead, match="python -m embed"):
            regression_study.run(cat, regression_study.RegressionQuestion(("hard_hs",)), Ways())
        with pytest.raises(UnknownName, match="python -m embed"):
            anomaly_study.run(cat, anomaly_study.AnomalyQuestion("properties", "", 0), Ways())


def test_a_wrong_option_is_told():
    result = CliRunner().invoke(app, ["regress", "--pooling", "atention"])
    assert "did you mean attention" in str(result.exception)


def test_help_is_light():
    code = "import sys, analysis.__main__; print([m for m in ('sklearn', 'torch', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"


def test_sources_are_judged_by_their_columns_where_there_is_no_space(store):
    command = ["anomalies", "--space", "csc.master_source", "--draws", "0", "--top", "3", "--store", str(store)]
    empty = CliRunner().invoke(app, command)
    assert "expected detections" in str(empty.exception)
    with contextlib.closing(lake.connect(store, read_only=False)) as connection, lake.transaction(connection):
        connection.execute(
            "INSERT INTO lake.csc.master_source (name, hard_hs, hard_hm, var_intra_prob_b, flux_aper_b) "
            "SELECT 'S' || i, if(i = 7, 0.99, sin(i) / 10), if(i = 7, -0.99, cos(i) / 10), "
            "(i * 0.618) % 1, 1e-14 * (1 + i % 7) FROM range(200) t(i)"
        )
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.exception
    assert "anomaly_score" not in result.output
    with catalog.open(store) as cat:
        query = "SELECT detection_id, name, space, len(extremes) FROM analysis.anomaly ORDER BY rank"
        found = cat.sql(query).fetchall()
    assert found[0] == ("S7", "S7", "csc.master_source", 2)  # both hardness ratios
    assert len(found) == 200
    wrong = CliRunner().invoke(app, [*command, "--where", "hard_sh > 0"])
    assert "hard_sh" in str(wrong.exception)
