"""Planted graphs are told apart; scores of the null lie where they should; measures agree with networkx."""

from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.networks import measures
from analysis.networks.edges import Edges, Modality, TooManyEdges, centred, edges, similarities
from analysis.networks.null import null_graphs
from analysis.networks.types import balanced_degree, corrected, degree_by_type, expected_degree


def of_networkx(graph):
    left, right = np.array(sorted(tuple(sorted(e)) for e in graph.edges)).reshape(-1, 2).T
    return Edges(left.astype(np.int64), right.astype(np.int64), np.ones(len(left)))


def block_model(n_core, n_periphery, p_core, p_between, p_periphery, seed):
    sizes = [n_core, n_periphery]
    return of_networkx(nx.stochastic_block_model(sizes, [[p_core, p_between], [p_between, p_periphery]], seed=seed))


def z_score(found, n, n_null=40):
    score = measures.core_periphery(measures.adjacency(found, n)).score
    null = [measures.core_periphery(measures.adjacency(g, n)).score for g in null_graphs(found, n, n_null, 1)]
    return score, (score - np.mean(null)) / np.std(null), null


@pytest.fixture(scope="module")
def random_graph(any_seed):
    return nx.gnm_random_graph(80, 400, seed=3 + any_seed)


def test_measures_agree_with_networkx(random_graph):
    found = of_networkx(random_graph)
    matrix = measures.adjacency(found, 80)
    assert measures.clustering(matrix) == pytest.approx([nx.clustering(random_graph)[i] for i in range(80)])
    drawn = measures.clustering(matrix, most=0)
    assert np.sqrt(np.mean((drawn - measures.clustering(matrix)) ** 2)) < 0.05
    assert drawn.mean() == pytest.approx(nx.average_clustering(random_graph), abs=0.02)
    assert measures.core_numbers(matrix).tolist() == [nx.core_number(random_graph)[i] for i in range(80)]
    exact = nx.betweenness_centrality(random_graph)
    assert measures.betweenness(matrix) == pytest.approx([exact[i] for i in range(80)])
    sampled = measures.betweenness(matrix, n_starts=40, seed=1)
    assert np.corrcoef(sampled, list(exact.values()))[0, 1] > 0.9
    types = np.arange(80) % 3
    nx.set_node_attributes(random_graph, dict(enumerate(types.tolist())), "type")
    expected = nx.attribute_assortativity_coefficient(random_graph, "type")
    assert measures.assortativity(found, types) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 1000))
def test_core_numbers_are_those_of_networkx(n, density, seed):
    graph = nx.gnp_random_graph(n, density, seed=seed)
    matrix = measures.adjacency(of_networkx(graph), n)
    assert measures.core_numbers(matrix).tolist() == [nx.core_number(graph)[i] for i in range(n)]


def test_components_and_isolated_nodes_are_numbered_by_size():
    two = Edges(np.array([0, 3, 4]), np.array([1, 4, 5]), np.ones(3))
    assert measures.components(measures.adjacency(two, 7)).tolist()[:2] == [2, 2]
    assert measures.components(measures.adjacency(two, 7)).tolist()[3:6] == [1, 1, 1]


def test_a_planted_core_is_found_and_a_random_graph_has_none(any_seed):
    planted = block_model(20, 80, 0.9, 0.1, 0.02, seed=any_seed)
    score, _, _ = z_score(planted, 100)
    found = measures.core_periphery(measures.adjacency(planted, 100))
    assert set(np.argsort(-found.coreness)[:20]) == set(range(20))
    chance = of_networkx(nx.gnm_random_graph(100, len(planted.left), seed=any_seed))
    score_of_chance, z, null = z_score(chance, 100)
    assert score > 2 * score_of_chance
    assert abs(z) < 3
    assert min(null) <= score_of_chance + 3 * np.std(null)


def test_a_core_of_weights_is_found_where_all_are_joined(any_seed):
    rng = np.random.default_rng(any_seed)
    left, right = np.triu_indices(40, 1)
    core = (left < 8).astype(float) + (right < 8)
    some = Edges(left, right, 0.3 + 0.2 * core + 0.02 * rng.random(len(left)))
    assert np.isnan(measures.core_periphery(measures.adjacency(some, 40)).score)  # a complete graph has no core
    found = measures.core_periphery(measures.adjacency(some, 40, weighted=True))
    assert found.score > 0.8
    assert set(np.argsort(-found.coreness)[:8].tolist()) == set(range(8))
    scaled = measures.core_periphery(measures.adjacency(Edges(left, right, some.similarity / 3), 40, weighted=True))
    assert scaled.score == pytest.approx(found.score)


def test_a_core_that_degrees_do_not_explain_stands_out_of_the_null(any_seed):
    planted = block_model(30, 70, 0.8, 0.02, 0.02, seed=any_seed)
    _, z, _ = z_score(planted, 100)
    assert z > 5
    shuffled = list(null_graphs(planted, 100, 3, any_seed))[-1]
    assert abs(z_score(shuffled, 100)[1]) < 3.5


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 30), st.floats(0.05, 0.95), st.integers(0, 1000))
def test_null_graphs_have_the_same_degrees_and_are_simple(n, density, seed):
    graph = nx.gnp_random_graph(n, density, seed=seed)
    if graph.number_of_edges() == 0:
        return
    found = of_networkx(graph)
    degree = np.bincount(np.r_[found.left, found.right], minlength=n)
    for made in null_graphs(found, n, 2, seed):
        assert (made.left < made.right).all()
        assert len(set(zip(made.left.tolist(), made.right.tolist(), strict=True))) == len(found.left)
        assert (np.bincount(np.r_[made.left, made.right], minlength=n) == degree).all()


def test_null_graphs_are_mixed_and_seeded(any_seed):
    found = of_networkx(nx.gnm_random_graph(60, 300, seed=any_seed))
    own = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    made = [set(zip(g.left.tolist(), g.right.tolist(), strict=True)) for g in null_graphs(found, 60, 3, any_seed)]
    assert all(len(own & g) < 120 for g in made)  # by chance 51
    again = [set(zip(g.left.tolist(), g.right.tolist(), strict=True)) for g in null_graphs(found, 60, 3, any_seed)]
    assert made == again


@pytest.mark.parametrize(
    ("degree", "groups"), [([2, 2, 2, 1, 1, 2], range(6)), ([1] * 6, [0, 0, 1, 2, 3, 4]), ([3, 2, 2, 2, 1], range(5))]
)
@pytest.mark.slow
def test_every_graph_of_the_same_degrees_is_as_likely(degree, groups, any_seed):
    """All simple graphs of a degree sequence are listed; the chain visits each as often, as chi-square judges."""
    n, groups = len(degree), np.array(groups)
    pairs = [p for p in itertools.combinations(range(n), 2) if groups[p[0]] != groups[p[1]]]
    every = [
        g
        for g in itertools.combinations(pairs, sum(degree) // 2)
        if np.bincount(np.ravel(g), minlength=n).tolist() == degree
    ]
    left, right = np.array(every[0]).T
    first = Edges(left, right, np.ones(len(left)))
    chain = itertools.islice(null_graphs(first, n, 12_000, any_seed, groups), 0, None, 4)
    seen = Counter(tuple(sorted(zip(g.left.tolist(), g.right.tolist(), strict=True))) for g in chain)
    expected = 3000 / len(every)
    assert set(seen) <= set(every)
    assert sum((seen[g] - expected) ** 2 / expected for g in every) < 2 * (len(every) - 1) + 10


@pytest.mark.parametrize("density", [0.3, 0.8])
def test_null_graphs_join_no_two_nodes_of_a_group(density, any_seed):
    groups = np.arange(40) // 3
    graph = nx.gnp_random_graph(40, density, seed=any_seed)
    graph.remove_edges_from([e for e in graph.edges if groups[e[0]] == groups[e[1]]])
    found = of_networkx(graph)
    for made in null_graphs(found, 40, 3, any_seed, groups):
        assert (groups[made.left] != groups[made.right]).all()
        assert (np.bincount(np.r_[made.left, made.right]) == np.bincount(np.r_[found.left, found.right])).all()
        own = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
        assert len(own - set(zip(made.left.tolist(), made.right.tolist(), strict=True))) > 30


def naive(modalities, rule):
    n = len(modalities[0].has)
    out = {}
    for i in range(n):
        for j in range(i + 1, n):
            known = []
            for m in modalities:
                lengths = np.linalg.norm(m.vectors[i]) * np.linalg.norm(m.vectors[j])
                there = m.has[i] and m.has[j] and lengths > 0
                known.append(
                    float(m.vectors[i].astype(float) @ m.vectors[j].astype(float)) / lengths if there else None
                )
            values = [k for k in known if k is not None]
            if rule == "both" and len(values) == len(known):
                out[i, j] = min(values)
            elif rule != "both" and values:
                out[i, j] = max(values) if rule == "max" else sum(values) / len(values)
    return out


@pytest.mark.parametrize("rule", ["mean", "max", "both"])
def test_combined_spaces_give_what_the_rule_says(rule, any_seed):
    rng = np.random.default_rng([4, any_seed])
    made = [Modality(str(d), rng.normal(size=(40, d)).astype(np.float32), rng.random(40) < 0.8) for d in (3, 5)]
    expected = {p: s for p, s in naive(made, rule).items() if s >= 0.4}
    found = edges(made, 0.4, rule)
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == set(expected)
    assert found.similarity == pytest.approx([expected[p] for p in zip(found.left, found.right, strict=True)], abs=1e-6)


def test_one_space_is_joined_exactly_and_missing_nodes_have_no_edge(any_seed):
    rng = np.random.default_rng([5, any_seed])
    one = centred(Modality("a", rng.normal(size=(50, 4)).astype(np.float32) + 3, rng.random(50) < 0.7))
    expected = {p: s for p, s in naive([one], "mean").items() if s >= 0.6}
    found = edges([one], 0.6)
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == set(expected)


@pytest.mark.parametrize("rule", ["mean", "max", "both"])
def test_similarities_of_some_nodes_are_those_of_their_edges(rule, any_seed):
    rng = np.random.default_rng([6, any_seed])
    made = [Modality(str(d), rng.normal(size=(30, d)).astype(np.float32), rng.random(30) < 0.8) for d in (3, 5)]
    found, rows = edges(made, -1.0, rule), similarities(made, np.arange(30), rule)
    assert rows[found.left, found.right] == pytest.approx(found.similarity, abs=1e-9)
    assert np.isfinite(np.triu(rows, 1)[np.triu(np.ones((30, 30), bool), 1)]).sum() == len(found.left)


def test_more_edges_than_fit_are_refused():
    one = Modality("a", np.ones((50, 2), np.float32), np.ones(50, bool))
    assert len(edges([one], 0.5, limit=1225).left) == 1225
    with pytest.raises(TooManyEdges, match="expected at most 1,224 edges"):
        edges([one], 0.5, limit=1224)


def test_class_size_alone_gives_no_balanced_odds(any_seed):
    """Types that differ in number only: within types edges are likelier, so the common one has more neighbours."""
    sizes = [200, 20, 20]
    graph = nx.stochastic_block_model(sizes, np.full((3, 3), 0.02) + np.eye(3) * 0.3, seed=any_seed)
    found = of_networkx(graph)
    types = np.repeat([0, 1, 2], sizes)
    matrix = measures.adjacency(found, 240)
    degree = np.diff(matrix.indptr)
    balanced = balanced_degree(matrix, types)
    assert degree[types == 0].mean() > 3 * degree[types == 1].mean()
    assert balanced[types == 0].mean() == pytest.approx(balanced[types == 1].mean(), rel=0.25)
    names = np.array([f"s{i}" for i in range(240)])
    rows = {r.otype: r for r in degree_by_type(matrix, types, ["common", "rare", "other"], names, np.median(degree), 0)}
    assert rows["common"].odds_ratio > 50
    assert rows["common"].odds_ratio_low > 5
    for name in ("common", "rare"):
        assert rows[name].mean_degree == pytest.approx(rows[name].expected_degree, rel=0.15)
    assert rows["common"].balanced_odds_ratio < 4
    assert rows["rare"].shuffled_odds_ratio == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.787])
def test_plain_and_balanced_odds_are_of_the_same_cut(share):
    """Two types of one size that differ in how many edges a node has: class size takes nothing out."""
    rng = np.random.default_rng(0)
    one, two = np.triu_indices(300, 1)
    types = (np.arange(300) < 150).astype(int)
    weight = rng.random(300) + 0.5 * types
    there = rng.random(len(one)) < 0.2 * weight[one] * weight[two]
    matrix = measures.adjacency(Edges(one[there], two[there], np.ones(there.sum())), 300)
    high_from = np.quantile(np.diff(matrix.indptr), 1 - share)
    names = np.arange(300).astype(str)
    for r in degree_by_type(matrix, types, ["a", "b"], names, high_from, 0, share):
        assert abs(np.log(r.odds_ratio)) > 1
        assert np.log(r.balanced_odds_ratio) == pytest.approx(np.log(r.odds_ratio), rel=0.15)


def test_of_many_odds_by_chance_hardly_one_is_believed_and_a_planted_one_is():
    rng = np.random.default_rng(4)
    n, n_types = 600, 16
    types = rng.integers(0, n_types, n)
    names = [f"t{t}" for t in range(n_types)]
    below, lucky, found = 0, 0, []
    for seed in range(10):
        graph = of_networkx(nx.fast_gnp_random_graph(n, 0.02, seed=seed))
        matrix = measures.adjacency(graph, n)
        degree = np.diff(matrix.indptr)
        (rows,) = corrected([degree_by_type(matrix, types, names, np.arange(n).astype(str), np.median(degree), seed)])
        below += sum(r.odds_ratio_p < 0.05 for r in rows)
        lucky += any(min(r.odds_ratio_q, r.balanced_odds_ratio_q) < 0.05 for r in rows)
        assert all((r.odds_ratio_p < 0.05) == (not r.odds_ratio_low < 1 < r.odds_ratio_high) for r in rows)
        assert all(r.odds_ratio_q >= r.odds_ratio_p for r in rows)
        found.append(rows)
    assert 0 < below < 20  # of 160, a twentieth by luck
    assert lucky <= 2  # of 10 graphs
    order = np.argsort(-degree, kind="stable")
    planted = types.copy()
    planted[np.r_[order[:55], order[-5:]]] = n_types
    (rows,) = corrected(
        [degree_by_type(matrix, planted, [*names, "hub"], np.arange(n).astype(str), np.median(degree), 0)]
    )
    assert {r.otype for r in rows if r.odds_ratio_q < 0.001} == {"hub"}
    # All thresholds of a run are one family.
    both = corrected([rows, found[0]])
    assert all(b.odds_ratio_q >= a.odds_ratio_q - 1e-12 for a, b in zip(rows, both[0], strict=True) if a.otype == "hub")


def test_nothing_is_certain_of_few_nodes():
    """Of 100 nodes 30 have edges; five others are of a type: none of them being among the 30 is no wonder."""
    ring = Edges(np.arange(29), np.arange(29) + 1, np.ones(29))
    types = np.r_[np.zeros(95, int), np.ones(5, int)]
    matrix = measures.adjacency(ring, 100)
    rows = {r.otype: r for r in degree_by_type(matrix, types, ["a", "b"], np.arange(100).astype(str), 1, 0)}
    assert (rows["b"].low, rows["b"].high) == (5, 0)
    assert rows["b"].odds_ratio_low < 1 < rows["b"].odds_ratio_high
    # the same five as five observations of one source: less is known
    one_source = np.r_[np.arange(95), np.full(5, 95)].astype(str)
    fewer = {r.otype: r for r in degree_by_type(matrix, types, ["a", "b"], one_source, 1, 0)}
    assert fewer["b"].odds_ratio == rows["b"].odds_ratio
    assert fewer["b"].odds_ratio_high > rows["b"].odds_ratio_high


def test_unknown_types_take_no_part_in_what_is_expected():
    complete = of_networkx(nx.complete_graph(10))
    types = np.array([0] * 4 + [1] * 3 + [-1] * 3)
    assert expected_degree(measures.adjacency(complete, 10), types, 2).tolist() == [9, 9]
