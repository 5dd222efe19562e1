"""The study on a store: whole runs, twice is once, loners, exports."""

from __future__ import annotations

import shutil

import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pytest
from factories.store import write as write_rows
from typer.testing import CliRunner

import catalog
from analysis.__main__ import app
from analysis.networks.edges import TooManyEdges
from analysis.networks.graph import network_graph
from analysis.networks.published import HIGH_SHARE
from catalog.__main__ import app as catalog_app
from catalog.errors import QueryError, UnknownName
from catalog.serve.graphs import write_graph
from catalog.store import lake, vectors

N = 90


def fill(store, space, x, ids, names):
    n = len(ids)
    written = vectors.write(store, space, vectors.rows(ids, names, x, [space] * n, "e", ["h"] * n), None)
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection):
            vectors.publish(connection, vectors.Pin(space, written.version, "e", n, x.shape[1]))
        connection.close()


@pytest.fixture(scope="module")
def planted(empty_store, tmp_path_factory, any_seed):
    """Ninety variable observations: two types in two heaps, three loners of a third type; ten more are constant."""
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("network") / "s")
    rng = np.random.default_rng(any_seed)
    kind = np.r_[np.zeros(57, int), np.ones(30, int), np.full(3, 2), np.zeros(10, int)]
    middle = np.array([[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0]])
    x = (middle[kind] + rng.normal(size=(100, 4)) * np.where(kind == 2, 0.1, 0.8)[:, None]).astype(np.float32)
    x[kind == 2] = -x[kind == 2] - [[3, 3, 9, 0], [3, 3, -9, 0], [3, 3, 0, 9]]
    ids = [f"{1 + i // 5}.0.{i}" for i in range(100)]
    names = [f"2CXO J{i:06d}.0+000000" for i in range(100)]
    rows = [
        {"detection_id": d, "name": n, "var_prob_b": 0.95 if i < N else 0.1, "sat_src_flag": i == 87}
        for i, (d, n) in enumerate(zip(ids, names, strict=True))
    ]
    write_rows(store, "csc.observation_source", *rows)
    types = [
        {"name": n, "authority": "simbad", "otype": ("YSO", "QSO", "ULX")[k]} for n, k in zip(names, kind, strict=True)
    ]
    write_rows(store, "csc.classification", *types)
    fill(store, "events", x, ids, names)
    return store


def run(store, *options):
    done = CliRunner().invoke(app, ["network", "--spaces", "events", "--null", "20", "--store", str(store), *options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_run_tells_types_loners_and_chance(planted):
    run(planted, "--threshold", "0.5,0.8")
    with catalog.open(planted) as cat:
        graphs = cat.sql("SELECT * FROM analysis.graph ORDER BY threshold").arrow().to_pylist()
        assert [g["threshold"] for g in graphs] == [0.5, 0.8]
        assert graphs[0]["n_nodes"] == N
        assert graphs[0]["assortativity_p"] < 0.1
        types = cat.sql("SELECT otype, n, low + high FROM analysis.degree_by_type WHERE threshold = 0.5").fetchall()
        assert {(t, n) for t, n, _ in types} == {("YSO", 57), ("QSO", 30), ("ULX", 3)}
        assert all(n == both for _, n, both in types)
        rare = cat.sql(
            "SELECT k, precision, chance, chance_high FROM analysis.rare_precision "
            "WHERE otype = 'ULX' AND method = 'low degree'"
        ).fetchall()
        assert {k for k, *_ in rare} == {3, 10}
        assert all(p == pytest.approx(3 / k) and c == pytest.approx(3 / N) and h < p for k, p, c, h in rare)
        loners = cat.sql("SELECT otype, flags, neighbours FROM analysis.loner ORDER BY rank LIMIT 3").fetchall()
        assert [t for t, _, _ in loners] == ["ULX"] * 3
        assert sum(f == ["sat_src_flag"] for _, f, _ in loners) == 1
        assert all(len(n) == 5 for _, _, n in loners)  # no edge at all, and yet one wants to know what is nearest
        assert all(g["assortativity_shuffled_p"] < 0.05 for g in graphs)
        assert [g["n_sharing_papers"] for g in graphs] == [0, 0]
        n_edges = cat.sql("SELECT count(*) FROM analysis.edge WHERE similarity >= 0.5").fetchall()[0][0]
        assert n_edges == graphs[0]["n_edges"]
        sweep = cat.sql("SELECT threshold, n_edges, spearman FROM analysis.threshold_sweep ORDER BY 1").fetchall()
        assert [e for _, e, _ in sweep] == sorted((e for _, e, _ in sweep), reverse=True)
        assert {t: s for t, _, s in sweep}[0.8] == pytest.approx(1)


def test_twice_is_once_and_again_is_the_same(planted):
    run(planted, "--threshold", "0.7")
    with catalog.open(planted) as cat:
        (first,) = cat.sql("SELECT max(run_id) FROM analysis.run").fetchall()[0]
    assert f"run {first}:" in run(planted, "--threshold", "0.7").output
    run(planted, "--threshold", "0.7", "--again")
    with catalog.open(planted) as cat:
        (second,) = cat.sql("SELECT max(run_id) FROM analysis.run").fetchall()[0]
        assert second == first + 1
        for table in ("graph", "node", "edge", "degree_by_type", "threshold_sweep", "rare_precision", "loner"):
            one, two = (
                cat.sql(
                    f"SELECT * EXCLUDE (run_id) FROM analysis.{table} WHERE run_id = $id ORDER BY ALL", id=i
                ).fetchall()
                for i in (first, second)
            )
            assert one == two, table


def test_graphs_are_exported(planted, tmp_path, monkeypatch):
    run(planted, "--threshold", "0.5,0.8")
    with catalog.open(planted) as cat:
        (run_id,) = cat.sql("SELECT min(run_id) FROM analysis.graph WHERE threshold = 0.8").fetchall()[0]
        (n_edges,) = cat.sql(
            "SELECT n_edges FROM analysis.graph WHERE threshold = 0.8 AND run_id = $id", id=run_id
        ).fetchall()[0]
        (path,) = write_graph(cat, run_id, "graphml", tmp_path / "g.graphml", 0.8)
        graph = nx.read_graphml(path)
        assert (graph.number_of_nodes(), graph.number_of_edges()) == (N, n_edges)
        assert {"otype", "degree", "coreness"} <= set(next(iter(graph.nodes(data=True)))[1])
        (path,) = write_graph(cat, run_id, None, tmp_path / "g.gexf", 0.8)
        same = nx.read_gexf(path)
        assert same.number_of_edges() == n_edges
        for name, known in graph.nodes(data=True):
            other = {k: v for k, v in same.nodes[name].items() if k != "label"}
            assert other == known
        for a, b, similarity in cat.sql(
            "SELECT id_1, id_2, similarity FROM analysis.edge WHERE run_id = $id AND similarity >= 0.8", id=run_id
        ):
            assert graph[a][b]["weight"] == same[a][b]["weight"] == similarity
        with pytest.raises(UnknownName, match="there is no network run 999"):
            write_graph(cat, 999, "graphml")
        with pytest.raises(UnknownName, match=r"has no threshold 0\.65; it has 0\.5, 0\.8"):
            write_graph(cat, run_id, "graphml", None, 0.65)
        with pytest.raises(QueryError, match="did you mean graphml"):
            write_graph(cat, run_id, "grapml")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        catalog_app, ["export", "--graph", str(run_id), "--format", "parquet", "--store", str(planted)]
    )
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / f"network_{run_id}_nodes.parquet").num_rows == N
    target = tmp_path / "here.gexf"
    done = CliRunner().invoke(
        catalog_app, ["export", "--graph", str(run_id), "--output", str(target), "--store", str(planted)]
    )
    assert done.exit_code == 0, done.output
    assert nx.read_gexf(target).number_of_nodes() == N


def test_a_run_is_a_graph_of_networkx_with_its_attributes(planted):
    run(planted, "--threshold", "0.5,0.8")
    with catalog.open(planted) as cat:
        ((newest,),) = cat.sql("SELECT max(run_id) FROM analysis.graph").fetchall()
        assert cat.graph().graph["run_id"] == newest
        ((run_id,),) = cat.sql("SELECT max(run_id) FROM analysis.graph WHERE threshold = 0.8").fetchall()
        assert nx.utils.graphs_equal(cat.graph(run_id), cat.graph(run_id, 0.5))  # the lowest threshold
        graph = cat.graph(run_id, 0.8)
        assert graph.graph["run_id"] == run_id
        assert (graph.graph["threshold"], graph.graph["where"]) == (0.8, "var_prob_b > 0.9")
        nodes = cat.sql(
            "SELECT id, name, otype, degree, core_number, clustering, component FROM analysis.node "
            "WHERE run_id = $id AND threshold = 0.8", id=run_id
        ).fetchall()  # fmt: skip
        assert set(graph) == {node for node, *_ in nodes}
        cores, shares = nx.core_number(graph), nx.clustering(graph)
        for node, name, otype, degree, core, share, _ in nodes:
            assert (graph.nodes[node]["name"], graph.nodes[node]["otype"]) == (name, otype)
            assert (graph.degree[node], cores[node], shares[node]) == (degree, core, pytest.approx(share))
        assert nx.number_connected_components(graph) == len({c for *_, c in nodes})
        edges = cat.sql(
            "SELECT id_1, id_2, similarity FROM analysis.edge WHERE run_id = $id AND similarity >= 0.8", id=run_id
        ).fetchall()
        assert {frozenset(e) for e in graph.edges} == {frozenset((a, b)) for a, b, _ in edges}
        assert all(graph[a][b] == {"similarity": s, "weight": s} for a, b, s in edges)
        with pytest.raises(UnknownName, match="there is no network run 999; list them"):
            cat.graph(999)
        with pytest.raises(UnknownName, match=r"has no threshold 0\.65; it has 0\.5, 0\.8"):
            cat.graph(run_id, 0.65)
        with pytest.raises(TooManyEdges, match=f"export --graph {run_id} --format parquet"):
            network_graph(cat, run_id, most=len(edges) - 1)


def test_a_graph_goes_through_the_writers_of_networkx(planted, tmp_path):
    run(planted, "--threshold", "0.5,0.8")
    with catalog.open(planted) as cat:
        ((run_id,),) = cat.sql("SELECT max(run_id) FROM analysis.graph WHERE threshold = 0.8").fetchall()
        graph = cat.graph(run_id, 0.8)
    nx.write_graphml(graph, tmp_path / "g.graphml")
    nx.write_gexf(graph, tmp_path / "g.gexf")
    back = nx.read_graphml(tmp_path / "g.graphml")
    assert (dict(back.nodes(data=True)), back.adj) == (dict(graph.nodes(data=True)), graph.adj)
    assert set(nx.read_gexf(tmp_path / "g.gexf").edges) == set(graph.edges)


def test_a_store_without_a_run_has_no_graph(store):
    with catalog.open(store) as cat, pytest.raises(UnknownName, match=r"make one: .*analysis network"):
        cat.graph()


def test_wrong_questions_are_told(planted):
    with pytest.raises(UnknownName, match="--combine: no 'sum'; there are mean, max, both"):
        run(planted, "--combine", "sum")
    with pytest.raises(QueryError, match="a cosine lies between"):
        run(planted, "--threshold", "1.5")
    with pytest.raises(LookupError, match="expected at least 10 observations"):
        run(planted, "--where", "var_prob_b > 0.99")
    with pytest.raises(UnknownName, match="did you mean events"):
        run(planted, "--spaces", "evnts")


def test_as_published_the_graph_is_weighted_and_not_centred_and_stands_beside_the_published_table(planted):
    printed = run(planted, "--as-published", "--threshold", "0.6", "--null", "5").output
    assert "beside the published table" in printed
    with catalog.open(planted) as cat:
        query = "SELECT run_id, parameters FROM analysis.run ORDER BY run_id DESC LIMIT 1"
        ((run_id, text),) = cat.sql(query).fetchall()
        assert '"centre": false' in str(text)
        query = "SELECT * FROM analysis.graph WHERE run_id = $id ORDER BY threshold"
        graphs = cat.sql(query, id=run_id).arrow().to_pylist()
        assert [g["threshold"] for g in graphs] == [0.5, 0.7, 0.9]
        assert all(g["weighted_core_periphery_null"] is not None for g in graphs)
        query = "SELECT avg((degree >= $least)::INT) FROM analysis.node WHERE run_id = $id AND threshold = 0.5"
        ((share,),) = cat.sql(query, id=run_id, least=graphs[0]["high_degree"]).fetchall()
        assert share >= HIGH_SHARE
        query = "SELECT * FROM analysis.degree_by_type WHERE run_id = $id AND threshold = 0.5"
        rows = {r["otype"]: r for r in cat.sql(query, id=run_id).arrow().to_pylist()}
    assert (rows["YSO"]["published_low"], rows["YSO"]["published_high"]) == (214, 1042)
    assert rows["YSO"]["published_odds_ratio_low"] < rows["YSO"]["published_odds_ratio"]
    assert rows["QSO"]["published_low"] is None
    # Odds of nothing against nine: half a node in each cell, and an interval as wide as nine nodes make it.
    ulx = rows["ULX"]
    assert ulx["published_odds_ratio"] < 0.05
    assert ulx["published_odds_ratio_high"] > 10 * ulx["published_odds_ratio_low"]
