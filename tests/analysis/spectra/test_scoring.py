"""Contingency, mapping, bootstrap and control: right by brute force, honest on noise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from factories.classed import classed_rows
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score, v_measure_score

from analysis.spectra.classes import Labels, grouping, labels, task
from analysis.spectra.cluster_of import restored
from analysis.spectra.clustering import ALGORITHMS, clusterings, stability
from analysis.spectra.contingency import adjusted_rand, contingency, mapped, normalised, recalls, v_measure
from analysis.spectra.probe import predicted, probe
from analysis.spectra.scoring import Protocol, difference, together
from analysis.statistics import shuffled
from catalog.errors import QueryError, UnknownName


def test_one_to_one_has_the_greatest_trace_of_all_assignments(any_seed):
    rng = np.random.default_rng(any_seed)
    counts = rng.integers(1, 20, (3, 4)).astype(float)
    shares = normalised(counts)
    best = max(sum(shares[c, k] for c, k in enumerate(ks)) for ks in itertools.permutations(range(4), 3))
    found = mapped(counts, "one-to-one")
    assert sum(shares[c, k] for k, c in enumerate(found) if c >= 0) == pytest.approx(best)
    assert sorted(c for c in found if c >= 0) == [0, 1, 2]


def test_scores_of_matrices_are_those_of_sklearn(any_seed):
    rng = np.random.default_rng(any_seed)
    a, b = rng.integers(0, 3, 300), rng.integers(0, 5, 300)
    b[a == 1] = 2
    counts = contingency(a, b, 3, 5)
    assert float(adjusted_rand(counts)) == pytest.approx(adjusted_rand_score(a, b))
    assert float(v_measure(counts)) == pytest.approx(v_measure_score(a, b))
    class_of = mapped(counts, "many-to-one")
    assert recalls(counts, class_of).mean() == pytest.approx(balanced_accuracy_score(a, class_of[b]))
    many = contingency(np.stack([a, a]), b, 3, 5)
    assert (many == counts).all()


def planted(seed, n_sources=240):
    source, code, x = classed_rows(n_sources, seed)
    return Protocol(Labels("t", tuple("abcd"), code, ()), source.astype(str), seed), code, x


def test_no_source_is_on_both_sides_and_every_class_is(any_seed):
    protocol, code, _ = planted(any_seed)
    assert not set(protocol.source[protocol.fits]) & set(protocol.source[~protocol.fits])
    assert set(code[protocol.fits]) == set(code[~protocol.fits]) == {0, 1, 2, 3}
    quarters = [set(protocol.source[protocol.quarter == q]) for q in range(4)]
    assert all(not a & b for a, b in itertools.combinations(quarters, 2))


@pytest.mark.parametrize("mapping", ["one-to-one", "many-to-one"])
def test_a_score_is_that_of_the_scored_half_under_the_mapping_of_the_other(mapping, any_seed):
    protocol, code, x = planted(any_seed)
    clusters = next(iter(clusterings(x, "kmeans", [6]))).labels
    score = protocol.score(clusters, mapping)
    fits = protocol.fits
    class_of = mapped(contingency(code[fits], clusters[fits], 4, 6), mapping)
    right = class_of[clusters[~fits]] == code[~fits]
    recall = [right[code[~fits] == c].mean() for c in range(4)]
    assert score.balanced_accuracy.value == pytest.approx(np.mean(recall))
    assert [r.value for r in score.recall] == pytest.approx(recall)
    assert score.balanced_accuracy.low < score.balanced_accuracy.value < score.balanced_accuracy.high
    assert score.ari.value == pytest.approx(adjusted_rand_score(code[~fits], clusters[~fits]))
    assert score.ari.low < score.ari.value < score.ari.high


def test_the_bootstrap_over_counts_is_the_bootstrap_over_sources(any_seed):
    """The fast way and the plain one (draw sources, gather their rows, score) give the same spread."""
    protocol, code, x = planted(any_seed, 80)
    clusters = next(iter(clusterings(x, "kmeans", [4]))).labels
    score = protocol.score(clusters, "many-to-one")
    rng, scored = np.random.default_rng(5), np.unique(protocol.source[~protocol.fits])
    right = score.class_of[clusters] == code
    plain = []
    for _ in range(600):
        rows = np.concatenate([np.flatnonzero(protocol.source == s) for s in rng.choice(scored, len(scored))])
        plain.append(np.mean([right[rows][code[rows] == c].mean() for c in range(4)]))
    low, high = np.quantile(plain, [0.025, 0.975])
    assert (score.balanced_accuracy.low, score.balanced_accuracy.high) == pytest.approx((low, high), abs=0.02)


def test_shuffled_labels_score_like_the_control_and_real_ones_beyond(any_seed):
    protocol, code, x = planted(any_seed)
    clusters = next(iter(clusterings(x, "kmeans", [8]))).labels
    real = protocol.score(clusters, "many-to-one")
    assert real.balanced_accuracy.low > real.control.high
    assert real.control.mean == pytest.approx(0.25, abs=0.05)
    other = Labels("t", tuple("abcd"), code[shuffled(protocol.sources, 99)], ())
    noise = Protocol(other, protocol.sources).score(clusters, "many-to-one")
    assert noise.balanced_accuracy.value < noise.control.high + 0.05
    gain = difference(real.splits, noise.splits)
    assert gain.value == pytest.approx(real.balanced_accuracy.value - noise.balanced_accuracy.value)


def test_the_interval_of_several_splits_holds_what_each_of_them_gives():
    """Four splits of one clustering differ by more than the bootstrap of each says: the interval of all is wider."""
    protocol, _, x = planted(3, 120)
    clusters = next(iter(clusterings(x + np.random.default_rng(1).normal(size=x.shape) * 2.5, "kmeans", [6]))).labels
    splits = protocol.splits(8)
    assert len({tuple(np.flatnonzero(s.fits)) for s in splits}) == 8
    assert [s.n_bootstrap for s in splits] == [200] * 8
    scores = [s.score(clusters, "many-to-one") for s in splits]
    every = together(scores)
    values = [s.balanced_accuracy.value for s in scores]
    assert every.balanced_accuracy.value == pytest.approx(np.mean(values))
    assert sum(every.balanced_accuracy.low <= v <= every.balanced_accuracy.high for v in values) >= 7
    width = [s.balanced_accuracy.high - s.balanced_accuracy.low for s in scores]
    assert every.balanced_accuracy.high - every.balanced_accuracy.low > np.mean(width)
    assert every.control.mean == pytest.approx(0.25, abs=0.05)
    assert difference(every.splits, every.splits).value == 0
    assert len(every.recall) == 4
    assert (every.counts == scores[0].counts).all()


def test_noise_is_a_cluster_of_its_own(any_seed):
    protocol, _, _ = planted(any_seed)
    clusters = np.where(np.arange(len(protocol.sources)) % 3 == 0, -1, 0)
    score = protocol.score(clusters, "many-to-one")
    assert score.counts.shape == (4, 2)
    assert score.counts[:, -1].sum() == (clusters[protocol.rows][~protocol.fits] < 0).sum()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithms_find_blobs_and_assign_new_rows(algorithm, any_seed):
    _, code, x = planted(any_seed)
    made = list(clusterings(x, algorithm, [4]))
    best = max(made, key=lambda c: adjusted_rand_score(code, c.labels))
    assert adjusted_rand_score(code, best.labels) > (0.15 if algorithm == "hdbscan" else 0.5)
    again = restored(best.assigner.kind, best.assigner.stored())
    assert (again(x) == best.labels).all()
    assert len(stability(x, np.arange(len(x)).astype(str), algorithm, [4])) == len(made)


def test_probes_predict_from_other_sources_alone(any_seed):
    source, code, x = classed_rows(seed=any_seed)
    names = source.astype(str)
    leak = np.column_stack([x * 0, source])  # tells the source, and nothing else
    assert (predicted(leak, code, names, "forest") == code).mean() < 0.45
    found = probe([x], code, names, 4, "logistic", n_repeats=2)
    assert found.balanced_accuracy.low > 0.8
    assert 0.4 > found.control.high > found.control.mean


def test_tasks_and_groupings():
    assert task("eight").label("ULX", "ULX") is None
    own = grouping("type 1=QSO+Seyfert_1,others=Seyfert_2+YSO")
    assert own.label("AGN", "qso") == "type 1"
    assert own.label("YSO", "TTau*") == "others"
    assert own.label("AGN", "BLLac") is None
    with pytest.raises(UnknownName, match=r"no task 'eigth'; did you mean eight\?"):
        task("eigth")
    with pytest.raises(UnknownName, match=r"'Seifert_1' is no class or object type; did you mean Seyfert_1"):
        grouping("a=Seifert_1,b=YSO")
    for wrong in ("a=YSO", "a", "a=YSO,b=YSO", "=YSO,b=AGN"):
        with pytest.raises(QueryError, match="--grouping"):
            grouping(wrong)
    few = labels(task("eight"), ["AGN"] * 10 + ["CV"], ["QSO"] * 11, np.arange(11).astype(str), 5)
    assert (few.names, few.left_out, few.code[-1]) == (("AGN",), ("CV (1)",), -1)


def test_halves_of_unlike_size_leave_what_both_pairs_have():
    x = np.random.default_rng(0).normal(size=(70, 2))
    sizes = (20, 20, 10, 10, 5, 5)
    sources = np.repeat([f"source {i}" for i in range(len(sizes))], sizes)
    found = [len(stability(x, sources, "kmeans", [2, 3], seed)) for seed in range(6)]
    assert found == [1, 1, 1, 2, 1, 2]  # 35 rows in the smaller half of both pairs allow three clusters
