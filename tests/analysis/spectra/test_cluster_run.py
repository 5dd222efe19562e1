"""From a store to a run: the command, its tables, its views, and cluster_of() in SQL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from factories.classed import fill
from typer.testing import CliRunner

import catalog
from analysis.__main__ import app
from analysis.spectra.classes import read_classes
from analysis.spectra.cluster_run import ClusterQuestion, run
from analysis.spectra.spectrum_samples import TooFewRows, read
from analysis.study.options import Ways
from catalog.errors import QueryError, UnknownName

ASKED = ClusterQuestion(("spectrum",), ("kmeans", "gmm"), (4, 6), ("simbad",), ("eight",), splits=2)


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory, any_seed):
    """A store with one run of the study."""
    import shutil  # noqa: PLC0415 - only here

    store = fill(shutil.copytree(empty_store, tmp_path_factory.mktemp("classed") / "s"), 160, any_seed)
    with catalog.open(store) as cat:
        run(cat, ASKED, Ways())
    return store


@pytest.fixture
def cat(filled):
    with catalog.open(filled) as cat:
        yield cat


def rows(cat, table, run):
    return sorted(cat.sql(f"SELECT * EXCLUDE run_id FROM analysis.{table} WHERE run_id = {run}").fetchall(), key=repr)


TABLES = (
    *("cluster_score", "cluster_selection", "contingency", "class_recall", "probe_score", "cluster_member"),
    "baseline_gain",
)


def test_twice_is_once_and_again_gives_identical_rows(cat):
    assert not run(cat, ASKED, Ways()).made
    again = run(cat, ASKED, Ways(again=True))
    assert again.made
    with catalog.open(cat.path) as reopened:
        for table in TABLES:
            first = rows(reopened, table, 1)
            assert first
            assert first == rows(reopened, table, again.run_id), table


def test_encoders_of_another_store_are_not_judged_on_sources_that_it_has_too(cat):
    names = sorted(set(read(cat, ("spectrum",)).sources.tolist()))
    less = read(cat, ("spectrum",), met={"other": names[:40]})
    assert sorted(set(less.sources.tolist())) == names[40:]
    assert "of a source that is not in other too" in less.notes[0]
    with pytest.raises(TooFewRows, match=r"0 detections are left to compare.* 0 of a source that is not in"):
        run(cat, replace(ASKED, encoders_of=str(cat.path)), Ways())


def test_scores_stand_beside_control_interval_and_gain(cat):
    found = cat.sql(
        "SELECT features, balanced_accuracy AS value, balanced_accuracy_low AS low, control_high, gain_low "
        "FROM analysis.cluster_score WHERE run_id = 1 AND task = 'eight' AND mapping = 'many-to-one' "
        "AND chosen IN ('with labels', 'both') ORDER BY features"
    ).fetchall()
    assert [f[0] for f in found] == ["hardness ratios", "hardness ratios, log counts", "spectrum"]
    hardness, _, spectrum = found
    assert spectrum[2] > spectrum[3]  # the blobs tell the class
    assert spectrum[4] > 0  # and the hardness ratios are noisy copies of them
    assert hardness[1] < spectrum[1]
    ((n,),) = cat.sql(
        "SELECT count(*) FROM analysis.cluster_score WHERE run_id = 1 AND control_high IS NULL"
    ).fetchall()
    assert n == 0


def test_the_baseline_is_chosen_as_freely_as_what_is_compared_with_it(cat):
    ways = "SELECT algorithm, setting FROM analysis.cluster_score WHERE run_id = 1 AND features = $f ORDER BY ALL"
    assert cat.sql(ways, f="hardness ratios").fetchall() == cat.sql(ways, f="spectrum").fetchall()
    # Chosen the same way, it gains nothing over itself; nor does any other choice of it, beyond luck.
    own = "SELECT gain, gain_low, gain_high FROM analysis.cluster_score WHERE run_id = 1 AND features = $f AND chosen"
    for how in ("IN ('with labels', 'both')", "= 'without labels'"):
        assert set(cat.sql(f"{own} {how}", f="hardness ratios").fetchall()) <= {(0.0, 0.0, 0.0)}
    counted = cat.sql(
        "SELECT DISTINCT n_splits, n_seeds, n_trainings, sum(n_chosen) OVER (PARTITION BY task, features, mapping) "
        "FROM analysis.cluster_score WHERE run_id = 1"
    ).fetchall()
    assert counted == [(2, 3, 1, 2)]  # in each split one is chosen
    assert cat.sql("SELECT DISTINCT n_splits FROM analysis.probe_score WHERE run_id = 1").fetchall() == [(2,)]


def test_gains_are_told_over_every_baseline(cat):
    found = cat.sql(
        "SELECT DISTINCT features, baseline FROM analysis.baseline_gain WHERE run_id = 1 ORDER BY ALL"
    ).fetchall()
    names = ("hardness ratios", "hardness ratios, log counts")
    assert found == [(names[0], names[1]), (names[1], names[0]), *(("spectrum", n) for n in names)]
    methods = {m for (m,) in cat.sql("SELECT DISTINCT method FROM analysis.baseline_gain WHERE run_id = 1")}
    assert {"forest", "logistic", "clusters, with labels"} <= methods <= {
        "forest", "logistic", "clusters, with labels", "clusters, without labels"
    }  # fmt: skip
    same = cat.sql(
        "SELECT max(abs(s.gain - b.gain)) FROM analysis.probe_score AS s JOIN analysis.baseline_gain AS b "
        "ON b.run_id = s.run_id AND b.task = s.task AND b.features = s.features AND b.method = s.probe "
        "WHERE s.run_id = 1 AND b.baseline = 'hardness ratios'"
    ).fetchall()
    assert same == [(0.0,)]


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


FEATURES = ("hardness ratios", "hardness ratios, log counts", "spectrum")


def test_the_chosen_clustering_is_one_of_one_run(cat):
    run(cat, replace(ASKED, probes=False), Ways())
    with catalog.open(cat.path) as reopened:
        chosen = reopened.sql(
            "SELECT features, rows_are, run_id, algorithm, setting FROM analysis.chosen_clustering"
        ).fetchall()
        ((newest,),) = reopened.sql("SELECT max(run_id) FROM analysis.cluster_selection").fetchall()
        assert newest > 1
        assert sorted(r[:3] for r in chosen) == [(f, "detections", newest) for f in FEATURES]
        same = reopened.sql("SELECT DISTINCT run_id, algorithm, setting FROM analysis.current_cluster").fetchall()
        assert same == [r[2:] for r in chosen if r[0] == "spectrum"]
        repeated = "GROUP BY features, rows_are, task, mapping, class, cluster HAVING count(*) > 1"
        assert not reopened.sql(f"SELECT 1 FROM analysis.chosen_contingency {repeated}").fetchall()
        assert reopened.sql(f"SELECT 1 FROM analysis.contingency {repeated}").fetchall()
        every = reopened.sql("SELECT DISTINCT chosen FROM analysis.contingency WHERE chosen IS NOT NULL").fetchall()
        assert {c for (c,) in every} <= {"without labels", "with labels", "both"}
        assert not reopened.sql("SELECT 1 FROM analysis.contingency WHERE chosen IS NULL").fetchall()


def test_the_matrix_of_classes_and_clusters_is_one_call(cat):
    frame = cat.sql("SELECT * FROM contingency('spectrum', task := 'eight')").df().set_index("class")
    counted = cat.sql(
        "SELECT class, cluster, n_rows FROM analysis.chosen_contingency "
        "WHERE features = 'spectrum' AND task = 'eight' AND mapping = 'many-to-one'"
    ).fetchall()
    assert frame.size == len(counted)
    for class_, cluster, n in counted:
        assert frame.loc[class_, f"cluster_{cluster}" if cluster >= 0 else "noise"] == n
    shares = cat.sql("SELECT * FROM contingency('spectrum', task := 'eight', share := true)").df().set_index("class")
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
    for call, says in (
        ("'spectrm'", "no clustering with space 'spectrm'; .*did you mean spectrum"),
        ("'papers'", "make one: python -m analysis cluster --space papers --store"),
        ("'spectrum', task := 'ten'", "--tasks ten"),
    ):
        with pytest.raises(UnknownName, match=says):
            cat.sql(f"SELECT * FROM contingency({call})")
    with pytest.raises(QueryError, match="did you mean many-to-one"):
        cat.sql("SELECT * FROM contingency('spectrum', mapping := 'many-to-1')")


def test_predictions_are_truth_only_where_asked(cat):
    sample = read(cat, ["spectrum"])
    assert set(read_classes(cat, sample.sources, sample.snapshot, ["umlcaxs"]).class_) == {None}
    believed = read_classes(cat, sample.sources, sample.snapshot, ["umlcaxs"], predicted=True)
    assert believed.n_predicted == len(set(sample.sources))
    truth = read_classes(cat, sample.sources, sample.snapshot, ["umlcaxs", "simbad"])
    assert truth.n_predicted == 0
    assert truth.class_ == read_classes(cat, sample.sources, sample.snapshot, ["simbad"]).class_ != believed.class_


def test_figures_are_images(cat):
    ((figures,),) = cat.sql("SELECT figures FROM analysis.run WHERE run_id = 1").fetchall()
    assert {f.rsplit("/", 1)[1] for f in figures} >= {"map_spectrum.png", "contingency_spectrum_eight.png"}
    for figure in figures:
        assert (cat.path / figure).read_bytes().startswith(b"\x89PNG")


def test_wrong_names_are_told(cat):
    sample = read(cat, ["spectrum"])
    with pytest.raises(UnknownName, match=r"no authority 'simbat'; did you mean simbad\?; there are simbad, umlcaxs"):
        read_classes(cat, sample.sources, sample.snapshot, ["simbat"])
    with pytest.raises(UnknownName, match=r"spectrm.*did you mean spectrum"):
        read(cat, ["spectrm"])
    with pytest.raises(TooFewRows, match="0 detections are left to compare"):
        read(cat, ["spectrum"], "hard_hs > 2")


def test_the_command_says_what_it_found_and_that_it_is_done(filled):
    command = ["cluster", "--store", str(filled), "--algorithms", "kmeans,gmm", "--k", "4,6", "--tasks", "eight"]
    command += ["--splits", "2"]
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    assert "gain over hardness ratios" in made.output
    assert "mean of 2 splits" in made.output
    assert "already done: run" in made.output
    wrong = CliRunner().invoke(app, [*command, "--algorithms", "kmean"])
    assert "did you mean kmeans" in str(wrong.exception)
    assert "expected numbers as 4..16" in str(CliRunner().invoke(app, [*command, "--k", "four"]).exception)


@pytest.mark.real
@pytest.mark.slow
def test_real_sources_against_literature(real, tmp_path):
    """Hardness ratios of real sources tell eight classes as well as published, and no better."""
    from catalog.store import lake  # noqa: PLC0415 - only here
    from ingest.refresh import refresh  # noqa: PLC0415 - only here

    store = tmp_path / "s"
    lake.create(store)
    refresh(store, [real / "tables" / n for n in ("csc2_sources_umlcaxs.csv", "csc2_sources_literature_class.csv")])
    asked = ClusterQuestion(
        ("csc.master_source",), ("kmeans", "gmm"), (4, 8, 12), ("literature",), ("eight", "agn"), splits=3
    )
    with catalog.open(store) as cat:
        run(cat, asked, Ways())
    with catalog.open(store) as cat:
        found = dict(
            cat.sql(
                "SELECT task, max(balanced_accuracy) FROM analysis.probe_score WHERE probe = 'forest' GROUP BY task"
            ).fetchall()
        )
    assert 0.2 < found["eight"] < 0.6
    assert np.isfinite(found["agn"])
