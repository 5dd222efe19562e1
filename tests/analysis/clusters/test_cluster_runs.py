"""From a store to a run: the command, its tables, its views, and cluster_of() in SQL."""

from __future__ import annotations

import numpy as np
import pytest
from factories.classed import fill
from typer.testing import CliRunner

import catalog
from analysis.__main__ import app
from analysis.clusters.questions import ClusterQuestion, ask_clusters
from analysis.clusters.reading import TooFewRows, read, read_classes
from catalog.errors import QueryError, UnknownName

ASKED = ClusterQuestion(("spectrum",), ("kmeans", "gmm"), (4, 6), ("simbad",), ("eight",))


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory, any_seed):
    """A store with one run of the study."""
    import shutil  # noqa: PLC0415 - only here

    store = fill(shutil.copytree(empty_store, tmp_path_factory.mktemp("classed") / "s"), 160, any_seed)
    with catalog.open(store) as cat:
        ask_clusters(cat, ASKED)
    return store


@pytest.fixture
def cat(filled):
    with catalog.open(filled) as cat:
        yield cat


def rows(cat, table, run):
    return sorted(cat.sql(f"SELECT * EXCLUDE run_id FROM analysis.{table} WHERE run_id = {run}").fetchall(), key=repr)


TABLES = ("cluster_score", "cluster_selection", "contingency", "class_recall", "probe_score", "cluster_member")


def test_twice_is_once_and_again_gives_identical_rows(cat):
    assert not ask_clusters(cat, ASKED).made
    again = ask_clusters(cat, ASKED, again=True)
    assert again.made
    with catalog.open(cat.path) as reopened:
        for table in TABLES:
            first = rows(reopened, table, 1)
            assert first
            assert first == rows(reopened, table, again.run_id), table


def test_scores_stand_beside_control_interval_and_gain(cat):
    found = cat.sql(
        "SELECT features, balanced_accuracy AS value, balanced_accuracy_low AS low, control_high, gain_low "
        "FROM analysis.cluster_score WHERE run_id = 1 AND task = 'eight' AND mapping = 'many-to-one' "
        "AND chosen IN ('with labels', 'both') ORDER BY features"
    ).fetchall()
    assert [f[0] for f in found] == ["hardness ratios", "spectrum"]
    hardness, spectrum = found
    assert spectrum[2] > spectrum[3]  # the blobs tell the class
    assert spectrum[4] > 0  # and the hardness ratios are noisy copies of them
    assert hardness[1] < spectrum[1]
    ((n,),) = cat.sql(
        "SELECT count(*) FROM analysis.cluster_score WHERE run_id = 1 AND control_high IS NULL"
    ).fetchall()
    assert n == 0


def test_methods_are_compared_on_the_same_rows(cat):
    n = cat.sql(
        "SELECT DISTINCT n_rows, n_sources, n_scored FROM analysis.cluster_score WHERE run_id = 1 AND task = 'eight'"
    )
    assert len(n) == 1
    sample = read(cat, ["spectrum"])
    assert all(len(f.x) == sample.n for f in sample.features)
    ((without,),) = cat.sql("SELECT count(*) FROM csc.observation_source WHERE hard_hm IS NULL").fetchall()
    ((every,),) = cat.sql("SELECT count(*) FROM csc.observation_source").fetchall()
    assert without
    assert sample.n == every - without


def test_cluster_of_is_the_clustering_of_the_members(cat):
    differ = cat.sql(
        "SELECT count(*) AS n, count_if(m.cluster <> cluster_of(e.vector)) AS differ FROM embedding.spectrum AS e "
        "JOIN analysis.current_cluster AS m ON m.id = e.id AND m.space = 'spectrum'"
    ).fetchall()
    assert differ[0][0] > 100
    assert differ[0][1] == 0
    ((vector,),) = cat.sql("SELECT vector FROM embedding.spectrum LIMIT 1").fetchall()
    assert len(cat.sql("SELECT cluster_of($v), cluster_of($v::FLOAT[4])", v=list(vector)).fetchall()) == 1
    with pytest.raises(QueryError, match=r"no model takes vectors of 3 dimensions; there are models of spectrum \(4\)"):
        cat.sql("SELECT cluster_of([1.0, 2.0, 3.0])").fetchall()


def test_views_tell_members_outliers_and_class_mix(cat):
    members = cat.sql("SELECT count(*), count(DISTINCT id), min(distance) FROM analysis.current_cluster").fetchall()
    assert members[0][0] == members[0][1] == read(cat, ["spectrum"]).n
    for space, cluster, authority in cat.sql(
        "SELECT DISTINCT space, cluster, authority FROM analysis.cluster_class_mix"
    ):
        shares = cat.sql(
            "SELECT sum(share_of_cluster) FROM analysis.cluster_class_mix "
            "WHERE space = $space AND cluster = $cluster AND authority = $authority",
            space=space,
            cluster=cluster,
            authority=authority,
        ).fetchall()
        assert shares[0][0] == pytest.approx(1)
        assert authority == "simbad"  # predictions are no truth
    outliers = cat.sql("SELECT distance FROM analysis.cluster_outlier").fetchall()
    assert all(d > 2 for (d,) in outliers)


def test_predictions_are_truth_only_where_asked(cat):
    sample = read(cat, ["spectrum"])
    assert set(read_classes(cat, sample, ["umlcaxs"]).class_) == {None}
    believed = read_classes(cat, sample, ["umlcaxs"], predicted=True)
    assert believed.n_predicted == len(set(sample.sources))
    truth = read_classes(cat, sample, ["umlcaxs", "simbad"])
    assert truth.n_predicted == 0
    assert truth.class_ == read_classes(cat, sample, ["simbad"]).class_ != believed.class_


def test_figures_are_images(cat):
    ((figures,),) = cat.sql("SELECT figures FROM analysis.run WHERE run_id = 1").fetchall()
    assert {f.rsplit("/", 1)[1] for f in figures} >= {"map_spectrum.png", "contingency_spectrum_eight.png"}
    for figure in figures:
        assert (cat.path / figure).read_bytes().startswith(b"\x89PNG")


def test_wrong_names_are_told(cat):
    with pytest.raises(UnknownName, match=r"no authority 'simbat'; did you mean simbad\?; there are simbad, umlcaxs"):
        read_classes(cat, read(cat, ["spectrum"]), ["simbat"])
    with pytest.raises(UnknownName, match=r"spectrm.*did you mean spectrum"):
        read(cat, ["spectrm"])
    with pytest.raises(TooFewRows, match="0 detections are left to compare"):
        read(cat, ["spectrum"], "hard_hs > 2")


def test_the_command_says_what_it_found_and_that_it_is_done(filled):
    command = ["cluster", "--store", str(filled), "--algorithms", "kmeans,gmm", "--k", "4,6", "--tasks", "eight"]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    assert "gain over hardness ratios" in made.output
    assert "already done: run" in made.output
    wrong = CliRunner().invoke(app, [*command, "--algorithms", "kmean"])
    assert "did you mean kmeans" in str(wrong.exception)
    assert "expected numbers as 4..16" in str(CliRunner().invoke(app, [*command, "--k", "four"]).exception)


@pytest.mark.real
@pytest.mark.slow
def test_real_sources_against_literature(real, tmp_path):
    """Hardness ratios of real sources tell eight classes as well as published, and no better."""
    from catalog import lake  # noqa: PLC0415 - only here
    from ingest.refresh import refresh  # noqa: PLC0415 - only here

    store = tmp_path / "s"
    lake.create(store)
    refresh(store, [real / "tables" / n for n in ("csc2_sources_umlcaxs.csv", "csc2_sources_literature_class.csv")])
    asked = ClusterQuestion(("csc.master_source",), ("kmeans", "gmm"), (4, 8, 12), ("literature",), ("eight", "agn"))
    with catalog.open(store) as cat:
        ask_clusters(cat, asked)
    with catalog.open(store) as cat:
        found = dict(
            cat.sql(
                "SELECT task, max(balanced_accuracy) FROM analysis.probe_score WHERE probe = 'forest' GROUP BY task"
            ).fetchall()
        )
    assert 0.2 < found["eight"] < 0.6
    assert np.isfinite(found["agn"])
