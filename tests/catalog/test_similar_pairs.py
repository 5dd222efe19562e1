"""similar_pairs() in SQL: pairs within a space and between two, filters, large answers, and what it refuses."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from factories.store import write

from catalog.catalog import Catalog
from catalog.errors import ForbiddenStatement, OutOfSpace, QueryError, UnknownName
from catalog.query import preparation, table_relation
from catalog.store import lake, vectors
from catalog.store.vectors import Pin

N, DIM = 40, 5


def publish(store, space, ids, names, modalities, x):
    rows = vectors.rows(ids, names, x, modalities, "e", [""] * len(ids))
    with lake.lock(store, "test"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
        written = vectors.write(store, space, rows, None)
        with lake.transaction(connection, "test"):
            vectors.publish(connection, Pin(space, written.version, "e", len(ids), x.shape[1]))


@pytest.fixture(scope="module")
def filled(empty_store, tmp_path_factory, any_seed):
    """Forty detections of twenty sources in a space; in another, each of them three times, by modality."""
    store = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("pairs") / "s"))
    ids = [f"{100 + i}.0.1" for i in range(N)]
    names = [f"2CXO J{i % 20:06d}.0+000000" if i else None for i in range(N)]
    x = np.random.default_rng(any_seed).normal(size=(N, DIM)).astype(np.float32)
    x[7] = 0
    write(store, "csc.observation_source", *({"detection_id": d, "theta": i / 2} for i, d in enumerate(ids)))
    publish(store, "spectrum", ids[::-1], names[::-1], ["spectrum"] * N, x[::-1].copy())
    sides = ["data", "text", "both"]
    shifted = np.concatenate([x + np.float32(k) for k in range(3)])
    publish(store, "aligned", ids * 3, names * 3, [s for s in sides for _ in ids], shifted)
    return store, ids, names, x.astype(np.float64)


@pytest.fixture(scope="module")
def cat(filled):
    with Catalog(filled[0]) as opened:
        yield opened


def cosine(x, y):
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    return np.divide(x @ y.T, lengths, out=np.full((len(x), len(y)), -2.0), where=lengths > 0)


def test_pairs_are_those_of_the_naive_product(cat, filled):
    _, ids, names, x = filled
    rows = cat.sql("SELECT * FROM similar_pairs('spectrum', 0.3)").fetchall()
    left, right = np.nonzero(np.triu(cosine(x, x) >= 0.3, 1))
    expected = {(ids[i], names[i], ids[j], names[j]): cosine(x, x)[i, j] for i, j in zip(left, right, strict=True)}
    assert {r[:4]: r[4] for r in rows} == pytest.approx(expected, abs=1e-12)
    assert len(rows) == len(expected) > 50
    assert all(r[0] < r[2] for r in rows)


def test_a_distance_is_at_most_the_threshold(cat, filled):
    _, ids, _, x = filled
    between = np.linalg.norm(x[:, None] - x[None], axis=2)
    rows = cat.sql("SELECT id_1, id_2, distance FROM similar_pairs('spectrum', 2, metric := 'l2')").fetchall()
    assert len(rows) == np.triu(between <= 2, 1).sum() > 20
    assert all(d == pytest.approx(between[ids.index(a), ids.index(b)]) for a, b, d in rows)


def test_a_condition_is_applied_before_the_join(cat):
    chosen = cat.sql("SELECT id_1, id_2 FROM similar_pairs('spectrum', 0.0, where := 'theta < 5') ORDER BY ALL")
    after = cat.sql(
        "SELECT id_1, id_2 FROM similar_pairs('spectrum', 0.0) JOIN csc.observation_source a ON a.detection_id = id_1 "
        "JOIN csc.observation_source b ON b.detection_id = id_2 WHERE a.theta < 5 AND b.theta < 5 ORDER BY ALL"
    )
    assert chosen.fetchall() == after.fetchall() != []
    # the k nearest are those among the rows that meet it, not what is left of the k nearest of all
    few = cat.sql("SELECT id_1, count(*) FROM similar_pairs('spectrum', k := 3, where := 'theta < 3') GROUP BY 1")
    assert {n for _, n in few.fetchall()} == {3}


def test_nearest_of_each_are_what_nearest_says(cat, filled):
    _, ids, _, _ = filled
    rows = cat.sql("SELECT id_1, id_2, rank, similarity FROM similar_pairs('spectrum', k := 4)").fetchall()
    assert {r[0] for r in rows} == {*ids} - {ids[7]}  # zeros have no direction
    for target in (ids[0], ids[20]):
        mine = [(b, k, 1 - s) for a, b, k, s in rows if a == target]
        near = cat.sql("SELECT id, rank, distance FROM nearest('spectrum', $t, k := 5)", t=target).fetchall()
        assert [(b, k) for b, k, _ in mine] == [(b, k - 1) for b, k, _ in near if b != target]
        assert [d for *_, d in mine] == pytest.approx([d for b, _, d in near if b != target], abs=1e-12)


def test_two_sides_of_a_space_are_joined_and_the_usual_side_is_the_default(cat, filled):
    _, ids, _, x = filled
    query = "SELECT id_1, id_2 FROM similar_pairs('aligned', 0.5, other := 'aligned', modality := 'data', {})"
    rows = cat.sql(query.format("other_modality := 'text'")).fetchall()
    expected = cosine(x, x + 1) >= 0.5
    assert {*rows} == {(ids[i], ids[j]) for i, j in np.argwhere(expected)}
    assert any(a == b for a, b in rows)  # a detection may be alike itself on the other side
    (both,) = cat.sql("SELECT count(*) FROM similar_pairs('aligned', 0.9)").fetchall()[0]
    assert both == np.triu(cosine(x + 2, x + 2) >= 0.9, 1).sum()
    part = cat.sql(query.format("where := 'theta < 5', other_where := 'theta >= 5'")).fetchall()
    usual = cosine(x, x + 2) >= 0.5
    assert {*part} == {(ids[i], ids[j]) for i, j in np.argwhere(usual) if i < 10 <= j}
    assert part


def test_columns_are_described_and_texts(cat):
    table = cat.sql("SELECT * FROM similar_pairs('spectrum', k := 1)").arrow()
    assert table.schema.names == ["id_1", "name_1", "id_2", "name_2", "similarity", "rank"]
    assert table.schema.field("id_1").type == pa.string()
    assert table.schema.field("id_1").metadata[b"ucd"] == b"meta.id"


@pytest.mark.parametrize(
    "condition", ["id_1 = '$0'", "id_1 IN ('$0', 'x')", "name_1 LIKE '2CXO%'", "name_1 IS NULL", "similarity > 0.5"]
)
def test_conditions_outside_see_every_row(cat, condition):
    """DuckDB hands conditions down into Arrow: texts are kept once, in dictionaries, and must be found all the same."""
    rows = cat.sql("SELECT * FROM similar_pairs('spectrum', 0.0)").arrow().to_pylist()
    first = rows[0]["id_1"]
    keep = {
        "id_1 = '$0'": lambda r: r["id_1"] == first,
        "id_1 IN ('$0', 'x')": lambda r: r["id_1"] == first,
        "name_1 LIKE '2CXO%'": lambda r: (r["name_1"] or "").startswith("2CXO"),
        "name_1 IS NULL": lambda r: r["name_1"] is None,
        "similarity > 0.5": lambda r: r["similarity"] > 0.5,
    }[condition]
    (n,) = cat.sql(
        f"SELECT count(*) FROM similar_pairs('spectrum', 0.0) WHERE {condition.replace('$0', first)}"
    ).fetchall()[0]
    assert n == sum(map(keep, rows)) > 0


TWICE = (
    "WITH p AS (SELECT * FROM similar_pairs('spectrum', 0.1)) SELECT (SELECT count(*) FROM p), "
    "(SELECT count(*) FROM similar_pairs('spectrum', 0.1)), (SELECT count(*) FROM p a JOIN p b USING (id_1, id_2))"
)


def test_an_answer_can_be_read_twice_in_memory_and_on_disk(cat, monkeypatch):
    (in_memory,) = cat.sql(TWICE).fetchall()
    assert len({*in_memory}) == 1
    assert in_memory[0] > 100
    monkeypatch.setattr(preparation, "held", lambda rows: table_relation.held(rows, limit=0))
    before = {*Path(tempfile.gettempdir()).glob("photonlake-*/*.arrow")}
    assert cat.sql(TWICE).fetchall() == [in_memory]
    assert {*Path(tempfile.gettempdir()).glob("photonlake-*/*.arrow")} == before  # nothing is left, or can be reached


def test_batches_that_go_to_disk_are_all_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = pa.array(["a", "b", None])

    def batches():
        for i in range(50):
            codes = pa.DictionaryArray.from_arrays(pa.array([i % 3, (i + 1) % 3], pa.int32()), words)
            yield pa.record_batch({"word": codes, "n": pa.array([i, -i])})

    schema = next(batches()).schema
    table = table_relation.held(pa.RecordBatchReader.from_batches(schema, batches()), limit=300)
    assert table.equals(pa.Table.from_batches(batches()))
    assert {*table["word"].chunk(49).to_pylist()} == {"b", None}
    assert list(tmp_path.iterdir()) == []


def test_what_is_on_disk_is_not_in_memory():
    def batches():
        for start in range(0, 4 << 20, 1 << 16):
            yield pa.record_batch({"n": pa.array(np.arange(start, start + (1 << 16)))})

    before = pa.total_allocated_bytes()
    table = table_relation.held(pa.RecordBatchReader.from_batches(next(batches()).schema, batches()), limit=1 << 20)
    assert table.nbytes == 32 << 20
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert table["n"][-1].as_py() == (4 << 20) - 1


def test_a_full_disk_is_said(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", full)
    with pytest.raises(OutOfSpace, match="raise the threshold, or point TMPDIR"):
        table_relation.held(pa.table({"n": [1]}).to_reader(), limit=0)


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        ("'spectrum'", QueryError, "threshold := 0.9, or k := 10"),
        ("'spectrum', 0.9, metric := 'cosin'", QueryError, "did you mean cosine"),
        ("'spectrum', k := 0", QueryError, "at least 1, found 0"),
        ("'spectrm', 0.9", UnknownName, "did you mean spectrum"),
        ("'spectrum', 0.9, modality := 'text'", QueryError, "has no rows of modality 'text'; there are spectrum"),
        ("'spectrum', 0.9, other_where := 'theta > 1'", QueryError, "go with other :="),
        ("'spectrum', 0.9, where := 'thta > 1'", UnknownName, "similar_pairs: where := 'thta > 1'.*theta"),
        ("'spectrum', 0.9, where := '1 = 1) OR (1'", QueryError, "is no SQL condition"),
        ("'spectrum', 0.9, where := 'getenv(''HOME'') = ''x'''", ForbiddenStatement, "getenv"),
        ("'spectrum', 1e999", QueryError, "finite"),
        ("'spectrum', 0.9, filter := 'x'", QueryError, "has no option filter"),
    ],
)
def test_wrong_calls_say_what_is_wrong(cat, call, kind, says):
    with pytest.raises(kind, match=says):
        cat.sql(f"SELECT * FROM similar_pairs({call})")


def test_spaces_of_other_dimensions_have_no_angle(filled, cat):
    store, ids, names, x = filled
    publish(store, "events", ids, names, ["events"] * N, x[:, :3].astype(np.float32))
    with pytest.raises(QueryError, match="spectrum has 5 dimensions, events has 3"):
        cat.sql("SELECT * FROM similar_pairs('spectrum', 0.9, other := 'events')")
