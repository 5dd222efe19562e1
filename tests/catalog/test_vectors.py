"""Vectors are searched exactly, seen at their pinned version, and found from SQL."""

from __future__ import annotations

import contextlib
import math
import shutil
from dataclasses import replace

import lance
import lancedb
import numpy as np
import pyarrow as pa
import pytest
from factories.tiny_encoder import add_papers, publish, train_tiny, write
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catalog.catalog import Catalog
from catalog.errors import ForbiddenStatement, QueryError, UnknownName
from catalog.neighbours.closeness import METRICS, distances
from catalog.neighbours.search import Block, nearest
from catalog.store import approximate_search, lake, pinned, unreferenced, vectors
from catalog.store.pinned import Pinned
from catalog.store.vectors import BrokenPin, Pin

# Few different numbers make ties, duplicates and zeros frequent; the odd ones over- and underflow single precision.
NUMBERS = st.one_of(
    st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 2.0]),
    st.sampled_from([1e30, -1e30, 1e-30, 3e38, 1e-40]),
    st.floats(-10, 10, width=32),
)


@st.composite
def searches(draw):
    n, d, m = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    x = draw(hnp.arrays(np.float32, (n, d), elements=NUMBERS))
    q = draw(hnp.arrays(np.float64, (m, d), elements=NUMBERS))
    ids = draw(st.permutations([f"i{j:02d}" for j in range(n)]))
    allowed = draw(st.none() | hnp.arrays(np.bool_, n))
    return x, q, ids, allowed, draw(st.integers(1, n + 2)), draw(st.sampled_from(METRICS))


def brute_force(x, q, ids, allowed, k, metric):
    """Sort all rows by (distance to the nearest target, id) in double precision; no distance comes last."""
    by_target = np.array([distances(x, target, metric) for target in q])
    least = [min((v for v in column if not math.isnan(v)), default=math.nan) for column in by_target.T]
    rows = [j for j in range(len(x)) if allowed is None or allowed[j]]
    rows.sort(key=lambda j: (math.isnan(least[j]), 0 if math.isnan(least[j]) else least[j], ids[j]))
    return [ids[j] for j in rows[:k]], [least[j] for j in rows[:k]]


@given(searches())
@settings(max_examples=300, deadline=None)
def test_exact_search_is_brute_force_in_double_precision(case):
    x, q, ids, allowed, k, metric = case
    found = nearest(Block(pa.array(ids), x), q, k, metric, allowed)
    expected_ids, expected = brute_force(x, q, ids, allowed, k, metric)
    assert found.ids.to_pylist() == expected_ids
    np.testing.assert_array_equal(found.distances, expected)
    assert [ids[r] for r in found.rows] == expected_ids


@given(
    hnp.arrays(np.float32, (3,), elements=st.floats(-10, 10, width=32)), hnp.arrays(np.float32, (3,), elements=NUMBERS)
)
def test_distances_are_those_of_their_definition(a, b):
    a64, b64 = a.astype(float).tolist(), b.astype(float).tolist()
    product = math.fsum(x * y for x, y in zip(a64, b64, strict=True))
    assert distances(a[None], b, "dot")[0] == pytest.approx(-product, rel=1e-12, abs=1e-12 * (1 + max(map(abs, b64))))
    assert distances(a[None], b, "l2")[0] == pytest.approx(math.dist(a64, b64), rel=1e-12)
    lengths = math.hypot(*a64) * math.hypot(*b64)
    cosine = distances(a[None], b, "cosine")[0]
    if lengths:
        assert cosine == pytest.approx(1 - product / lengths, abs=1e-12)
    else:
        assert math.isnan(cosine)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [None, 0.5, 0.05])
def test_a_large_search_with_duplicates_is_exact(metric, share, any_seed):
    rng = np.random.default_rng(any_seed)
    x = rng.normal(size=(30_000, 16)).astype(np.float32)
    x[rng.integers(0, len(x), 3000)] = x[:3000]
    x[::1000] = 0
    ids = [f"{i:05d}" for i in rng.permutation(len(x))]
    allowed = None if share is None else rng.random(len(x)) < share
    q = x[[1, 2]].astype(np.float64)
    found = nearest(Block(pa.array(ids), x), q, 50, metric, allowed)
    assert (found.ids.to_pylist(), found.distances.tolist()) == brute_force(x, q, ids, allowed, 50, metric)


def make(ids, seed=0, dim=4, names=None):
    x = np.random.default_rng(seed).normal(size=(len(ids), dim)).astype(np.float32)
    return vectors.rows(list(ids), names or [None] * len(ids), x, ["spectrum"] * len(ids), "e", ["h"] * len(ids))


def pin_version(store, written, **changes):
    pin = replace(Pin("sp", written.version, "e", written.n_vectors, 4), **changes)
    with (
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        lake.transaction(connection, "pin"),
    ):
        vectors.publish(connection, pin)
    return pin


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with detections of two sources, papers, and vectors of both."""
    path = tmp_path_factory.mktemp("filled")
    store = path / "s"
    lake.create(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(publish(path / "site")))
        add_papers(store, 0, 60)
        train_tiny(store)
        from embed.store import encoding_job  # noqa: PLC0415 - after the path is set

        encoding_job.run(encoding_job.Job(store))
    write(
        store,
        "INSERT INTO lake.csc.observation_source BY NAME SELECT i || '.1.1' AS detection_id, i::INTEGER AS obsid, "
        "CASE WHEN i < 3 THEN '2CXO J000000.0+000000' ELSE printf('2CXO J0000%02d.0+000000', i) END AS name, "
        "i / 2.0 AS theta FROM range(40) t(i)",
    )
    ids = [f"{i}.1.1" for i in range(30)]
    names = ["2CXO J000000.0+000000" if i < 3 else f"2CXO J0000{i:02d}.0+000000" for i in range(30)]
    pin_version(store, vectors.write(store, "sp", make(ids, names=names), None))
    return path


@pytest.fixture
def store(filled, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(filled / "site"))
    return shutil.copytree(filled / "s", tmp_path / "s")


@pytest.fixture
def cat(filled, monkeypatch):
    monkeypatch.syspath_prepend(str(filled / "site"))
    with Catalog(filled / "s") as cat:
        yield cat


def test_a_filter_reads_a_table_of_the_users_own(cat):
    target = cat.sql("SELECT id FROM embedding.sp ORDER BY id LIMIT 1").fetchall()[0][0]
    cat.register("mine", {"kept": [target]})
    found = cat.nearest("sp", target, filter="detection_id IN (SELECT kept FROM mine)")
    assert [row[0] for row in found.fetchall()] == [target]


def expected(cat, q, k, metric="cosine", keep=lambda _: True):
    ids, x = cat.vectors("sp")
    allowed = np.array([keep(i) for i in ids])
    return brute_force(x, np.atleast_2d(q), ids.tolist(), allowed, k, metric)


def test_a_vector_a_detection_and_a_source_find_their_neighbours(cat):
    ids, x = cat.vectors("sp")
    for metric in METRICS:
        found = cat.nearest("sp", [1.0, 0, 0, 0.5], k=6, metric=metric).arrow()
        assert (found["id"].to_pylist(), found["distance"].to_pylist()) == expected(cat, [1.0, 0, 0, 0.5], 6, metric)
    own = x[ids.tolist().index("7.1.1")]
    assert cat.nearest("sp", "7.1.1", k=4).arrow()["detection_id"].to_pylist() == expected(cat, own, 4)[0]
    three = cat.nearest("sp", "2cxo J000000.0+000000", k=9).arrow()
    assert three["id"].to_pylist() == expected(cat, x[[ids.tolist().index(f"{i}.1.1") for i in range(3)]], 9)[0]
    assert three["distance"].to_pylist()[:3] == [0, 0, 0]
    assert three["rank"].to_pylist() == list(range(1, 10))
    without = cat.nearest("sp", "2CXO J000000.0+000000", k=27, exclude_self=True).arrow()
    assert set(without["id"].to_pylist()) == {f"{i}.1.1" for i in range(3, 30)}
    assert three.column_names == ["detection_id", "id", "name", "distance", "rank"]


def test_nearest_stands_wherever_a_table_stands(cat):
    rows = cat.sql(
        "WITH a AS (SELECT * FROM nearest('sp', $t, k := $k) n) "
        "SELECT a.id, o.theta, (SELECT count(*) FROM nearest('sp', '3.1.1', k := 5)) AS five "
        "FROM a JOIN nearest('sp', $t, k := 30, metric := 'l2') b USING (id) "
        "LEFT JOIN csc.observation_source o ON o.detection_id = a.detection_id WHERE o.theta >= $low ORDER BY a.rank",
        t="2.1.1",
        k=8,
        low=0,
    ).fetchall()
    assert [r[0] for r in rows] == cat.nearest("sp", "2.1.1", k=8).arrow()["id"].to_pylist()
    assert {r[2] for r in rows} == {5}


def test_a_filter_is_applied_before_the_search(cat):
    kept = {f"{i}.1.1" for i in range(10)}
    found = cat.nearest("sp", "20.1.1", k=5, filter="theta < 5").arrow()
    _, x = cat.vectors("sp")
    assert (
        found["id"].to_pylist()
        == expected(cat, x[cat.vectors("sp")[0].tolist().index("20.1.1")], 5, "cosine", kept.__contains__)[0]
    )
    assert len(cat.nearest("sp", "20.1.1", k=50, filter="theta < 5").arrow()) == 10
    nested = "name IN (SELECT name FROM csc.observation_source WHERE theta > 14) AND id <> '29.1.1'"
    nested += " AND modality = 'spectrum'"
    assert cat.nearest("sp", "20.1.1", k=50, filter=nested).arrow().num_rows == 0
    assert cat.nearest("sp", "20.1.1", filter="theta IS NULL").arrow().num_rows == 0
    papers = cat.sql("SELECT bibcode FROM nearest('tiny', 'P00001', k := 99, filter := 'year < 2003')").fetchall()
    assert {b for (b,) in papers} == {f"P{i:05d}" for i in range(60) if i % 25 < 3 and i % 10 != 9}


@pytest.mark.parametrize(
    ("condition", "error", "said"),
    [
        ("thta < 5", UnknownName, "no column thta.*did you mean theta"),
        ("1=1) UNION SELECT (1", QueryError, "closes a parenthesis"),
        ("theta <", QueryError, "no SQL condition"),
        ("1 = (SELECT count(*) FROM read_csv('/etc/passwd'))", ForbiddenStatement, "read_csv"),
        ("DROP TABLE x", QueryError, "no SQL condition"),
    ],
)
def test_a_filter_that_is_none_is_refused(cat, condition, error, said):
    with pytest.raises(error, match=said):
        cat.nearest("sp", "1.1.1", filter=condition)


def test_words_find_papers_in_spaces_with_a_text_side(cat):
    found = cat.sql("SELECT bibcode, distance FROM nearest('tiny', text := $words, k := 1)", words="title 7").fetchall()
    assert found[0][0] == "P00007"
    assert found[0][1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("'spp', '1.1.1'", UnknownName, "no embedding space 'spp'; did you mean sp"),
        ("'sp', '99.1.1'", UnknownName, "'99.1.1' is no source name.*did you mean 19.1.1 or 29.1.1"),
        (
            "'sp', '35.1.1'",
            UnknownName,
            "the catalog has 35.1.1, but the store holds nothing of it that sp is made from",
        ),
        ("'tiny', 'P00009'", UnknownName, "P00009 has no vector in tiny: the paper has neither title nor abstract"),
        ("'sp', [1.0, 2]", QueryError, "has 2 numbers, those of sp have 4"),
        ("'sp', [[1.0, 2, 3, 4]]", QueryError, "has 1x4 numbers"),
        ("'sp', [0, 0, 0, 0]", QueryError, "no direction"),
        ("'sp', ['a', 'b']", QueryError, "neither a name nor a vector"),
        ("'sp'", QueryError, "give either a target"),
        ("'sp', '1.1.1', text := 'x'", QueryError, "give either a target"),
        ("'sp', '1.1.1', k := 0", QueryError, "at least 1"),
        ("'sp', '1.1.1', metric := 'cosin'", QueryError, "did you mean cosine"),
        ("'sp', '1.1.1', exact := false", QueryError, "has no index.*embed index sp"),
        ("'sp', '1.1.1', kk := 3", QueryError, "no option kk; did you mean k"),
        ("'sp', upper('a')", QueryError, "literal or a"),
        ("'sp', $nothing", QueryError, "no value is given for \\$nothing"),
    ],
)
def test_wrong_calls_are_told_what_is_wrong(cat, call, error, said):
    with pytest.raises(error, match=said):
        cat.sql(f"SELECT * FROM nearest({call})")


def test_a_new_paper_has_no_vector_yet(store):
    add_papers(store, 60, 61)
    with (
        Catalog(store) as cat,
        pytest.raises(UnknownName, match=r"P00060 has no vector in tiny yet \(new row\); make it"),
    ):
        cat.nearest("tiny", "P00060")


def test_vectors_are_a_relation(cat):
    ids, x = cat.vectors("sp")
    rows = cat.sql("SELECT id, vector, embedding.sp.modality FROM embedding.sp").fetchall()
    assert [r[0] for r in rows] == ids.tolist()
    np.testing.assert_array_equal(np.array([r[1] for r in rows], np.float32), x)
    by_sql = cat.sql(
        "FROM embedding.sp v SELECT id ORDER BY array_cosine_distance(vector, $q::FLOAT[4]), id LIMIT 5",
        q=x[3].tolist(),
    )
    assert [i for (i,) in by_sql.fetchall()] == cat.nearest("sp", x[3], k=5).arrow()["id"].to_pylist()
    with pytest.raises(UnknownName, match="did you mean sp"):
        cat.sql("FROM embedding.spp")
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1


def test_cosine_similarity_knows_null_and_zero(cat):
    query = (
        "SELECT cosine_similarity(a.vector, b.vector), 1 - n.distance FROM embedding.sp a, embedding.sp b "
        "JOIN nearest('sp', '4.1.1', k := 30) n USING (id) WHERE a.id = '4.1.1'"
    )
    for one, other in cat.sql(query).fetchall():
        assert one == pytest.approx(other, abs=1e-12)
    assert cat.sql("SELECT cosine_similarity([0, 0], [1, 0]), cosine_similarity(NULL, [1.0])").fetchall() == [
        (None, None)
    ]


def test_a_space_larger_than_memory_is_searched_in_blocks(cat, monkeypatch):
    whole = cat.nearest("sp", "4.1.1", k=9).arrow()
    few = cat.nearest("sp", "4.1.1", k=9, filter="theta < 8").arrow()
    one = "SELECT id, detection_id, name, vector, vector_sigma FROM embedding.sp WHERE detection_id = '4.1.1'"
    row = cat.sql(one).arrow()
    monkeypatch.setattr(pinned, "MEMORY_BYTES", 64)
    monkeypatch.setattr(pinned, "_BATCH_ROWS", 7)
    monkeypatch.setattr(pinned, "_held", type(pinned._held)())
    assert cat.nearest("sp", "4.1.1", k=9).arrow().equals(whole)
    assert cat.nearest("sp", "4.1.1", k=9, filter="theta < 8").arrow().equals(few)
    assert cat.sql("SELECT count(*) FROM embedding.sp WHERE id = '4.1.1'").fetchall() == [(1,)]
    assert cat.sql(one).arrow().equals(row)


def test_a_snapshot_keeps_its_vectors_whatever_follows(store):
    with Catalog(store) as cat:
        then = cat.snapshots()[-1].number
        before, (ids, x) = cat.nearest("sp", "4.1.1", k=20).arrow(), cat.vectors("sp")
    first = Pinned(store, Pin("sp", 1, "e", 30, 4), vectors.open_pinned(store, "sp", 1)).pin.lance_version
    second = vectors.write(store, "sp", make(["4.1.1", "new"], seed=5), first, gone=["3.1.1"])
    pin_version(store, second)
    vectors.write(store, "sp", make(["never seen"], seed=6), second.version)
    unreferenced.repair_vectors(store)
    with Catalog(store) as cat:
        assert cat.nearest("sp", "4.1.1", k=20, snapshot=then).arrow().equals(before)
        old_ids, old_x = cat.vectors("sp", snapshot=then)
        assert old_ids.tolist() == ids.tolist()
        np.testing.assert_array_equal(old_x, x)
        now, _ = cat.vectors("sp")
        assert set(now) == (set(ids) | {"new"}) - {"3.1.1"}


def test_what_a_crash_left_is_invisible_and_is_built_upon_by_nobody(store):
    vectors.write(store, "sp", make(["crashed"]), 1)
    with Catalog(store) as cat:
        assert "crashed" not in cat.vectors("sp")[0]
    written = vectors.write(store, "sp", make(["next"]), 1)
    assert written.n_vectors == 31
    pin_version(store, written)
    (line,) = unreferenced.repair_vectors(store)
    assert line.startswith("removed 2 version(s) of sp")
    assert unreferenced.repair_vectors(store) == []
    with Catalog(store) as cat:
        assert set(cat.vectors("sp")[0]) == {f"{i}.1.1" for i in range(30)} | {"next"}


def test_a_space_that_was_never_pinned_is_removed(store):
    vectors.write(store, "other", make(["a"]), None)
    assert unreferenced.repair_vectors(store) == ["removed the vectors of other, which no snapshot pins"]
    assert not vectors.path(store, "other").exists()


def test_pinned_vectors_that_are_gone_are_told(store):
    shutil.rmtree(vectors.path(store, "sp"))
    with Catalog(store) as cat, pytest.raises(BrokenPin, match="expected version 1, which the catalog pins"):
        cat.nearest("sp", "1.1.1")


def by_key(table):
    rows = table.to_pylist()
    return {(r["id"], r["modality"]): r["vector"] for r in rows}


def test_rows_of_an_id_are_replaced_whole(tmp_path):
    def rows(ids, modalities, seed):
        x = np.random.default_rng(seed).normal(size=(len(ids), 4)).astype(np.float32)
        return vectors.rows(ids, [None] * len(ids), x, modalities, "e", ["h"] * len(ids))

    first = rows(["a", "a", "b", "it's", "c"], ["events", "both", "events", "events", "events"], 1)
    second = rows(["a", "b", "d"], ["events", "events", "events"], 2)
    base = vectors.write(tmp_path, "sp", first, None)
    written = vectors.write(tmp_path, "sp", second, base.version, gone=["it's"])
    found = by_key(vectors.table_at(tmp_path, "sp", written.version).to_arrow())
    assert found == {("c", "events"): by_key(first)["c", "events"], **by_key(second)}
    assert written.n_vectors == 4
    assert by_key(vectors.table_at(tmp_path, "sp", base.version).to_arrow()) == by_key(first)


def test_lancedb_alone_opens_the_vectors_of_a_store(store):
    second = vectors.write(store, "sp", make(["4.1.1", "new"], seed=5), 1)
    pin_version(store, second)
    with Catalog(store) as cat:
        ids, x = cat.vectors("sp")
        ((version,),) = cat.sql("SELECT lance_version FROM meta.space WHERE space = 'sp'").fetchall()
    table = lancedb.connect(store / "vectors").open_table("sp")
    assert table.tags.get_version(f"pin-{version}") == version
    table.checkout(version)
    found = table.to_arrow()
    assert found["id"].to_pylist() == ids.tolist()
    np.testing.assert_array_equal(vectors.matrix(found["vector"]), x)
    table.checkout(1)
    assert table.count_rows() == 30


def test_vectors_that_pylance_wrote_are_built_upon(tmp_path):
    folder = vectors.path(tmp_path, "sp")
    folder.parent.mkdir()
    for n in range(3):  # as stores were made before
        lance.write_dataset(make([f"{n}.1", f"{n}.2"], seed=n), str(folder), mode="append" if n else "create")
    written = vectors.write(tmp_path, "sp", make(["1.2", "new"], seed=7), 3, gone=["0.1"])
    ids = vectors.table_at(tmp_path, "sp", written.version).to_arrow()["id"].to_pylist()
    assert sorted(ids) == ["0.2", "1.1", "1.2", "2.1", "2.2", "new"]


def test_compaction_merges_files_in_an_index_and_outside_it(tmp_path):
    version = vectors.write(tmp_path, "sp", make([f"m{i}" for i in range(2000)], dim=8), None).version
    version = approximate_search.build_index(tmp_path, "sp", version, "IVF_RQ", "l2")
    for n in range(3):
        version = vectors.write(tmp_path, "sp", make([f"n{n}"], seed=n, dim=8), version).version
    before = vectors.table_at(tmp_path, "sp", version).to_arrow().sort_by("id")
    done = vectors.compact(tmp_path, "sp", version)
    assert (done.files_before, done.files_after) == (4, 1)
    table = vectors.table_at(tmp_path, "sp", done.version)
    assert table.to_arrow().sort_by("id").equals(before)
    (index,) = table.list_indices()
    assert table.index_stats(index.name).num_unindexed_rows == 0
    assert vectors.compact(tmp_path, "sp", done.version) is None
    assert vectors.table_at(tmp_path, "sp", version).count_rows() == 2003  # what a snapshot pins stays


def test_an_unknown_kind_of_index_or_metric_is_no_other(tmp_path):
    version = vectors.write(tmp_path, "sp", make(["a", "b"]), None).version
    with pytest.raises(AssertionError, match="unreachable"):
        approximate_search.build_index(tmp_path, "sp", version, "IVF_PQ", "l2")


@pytest.mark.parametrize("bad", [np.array([[np.nan]]), np.array([[np.inf]])])
def test_a_vector_that_is_not_finite_is_never_written(bad):
    with pytest.raises(ValueError, match="not finite"):
        vectors.rows(["a"], [None], bad.astype(np.float32), ["spectrum"], "e", ["h"])


def test_an_index_is_measured_pinned_and_used(store, any_seed):
    from embed.store.vector_index import index  # noqa: PLC0415 - after the store

    many = make([f"m{i}" for i in range(2000)], seed=any_seed, dim=8)
    pin_version(store, vectors.write(store, "sp", many, None), dim=8)
    made = index(store, "sp")
    assert made.kind == "IVF_RQ"
    assert made.recall > 0.8
    with Catalog(store) as cat:
        exact = cat.nearest("sp", "m5", k=10).arrow()
        found = cat.nearest("sp", "m5", k=10, exact=False).arrow()
        assert set(found["recall"].to_pylist()) == {made.recall}
        both = set(found["id"].to_pylist()) & set(exact["id"].to_pylist())
        assert len(both) >= 7
        by_id = dict(zip(exact["id"].to_pylist(), exact["distance"].to_pylist(), strict=True))
        for i, d in zip(found["id"].to_pylist(), found["distance"].to_pylist(), strict=True):
            assert by_id.get(i, d) == d
        with pytest.raises(QueryError, match="index of sp is for cosine, not l2"):
            cat.nearest("sp", "m5", metric="l2", exact=False)
        assert "m5" not in cat.nearest("sp", "m5", k=10, exact=False, exclude_self=True).arrow()["id"].to_pylist()
