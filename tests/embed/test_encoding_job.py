"""Stale rows become vectors, once; readers see whole states only, whatever is killed when."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from factories.tiny_encoder import add_papers, publish, train_tiny, write

from catalog.catalog import Catalog
from catalog.errors import StoreLocked, UnknownName
from catalog.store import lake, unreferenced, vectors
from embed.inputs import modalities
from embed.registry import load
from embed.store import encoding_job, status

N = 200
NEW = 10  # papers between one kill and the next
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    path = tmp_path_factory.mktemp("filled") / "s"
    lake.create(path)
    add_papers(path, 0, N)
    return path


@pytest.fixture
def store(filled, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(publish(tmp_path / "site")))
    return shutil.copytree(filled, tmp_path / "s")


def run(store, **options):
    (outcome,) = encoding_job.run(encoding_job.Job(store, **options))
    return outcome


def check_whole(store, snapshot=None):
    """Hold that vectors and what is told of them agree in one snapshot; return id -> vector."""
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        connection.execute("BEGIN TRANSACTION")
        pin = vectors.pins(connection).get("tiny")
        query = "SELECT id, input_sha256 FROM meta.embedded WHERE encoder_id = ? AND skipped IS NULL"
        told = dict(connection.execute(query, [pin.encoder_id if pin else ""]).fetchall())
    if pin is None:
        assert told == {}
        return {}
    table = vectors.open_pinned(store, "tiny", pin.lance_version).to_table()
    ids = table["id"].to_pylist()
    assert len(ids) == len(set(ids)) == pin.n_vectors
    assert dict(zip(ids, table["input_sha256"].to_pylist(), strict=True)) == told
    assert set(table["encoder_id"].to_pylist()) <= {pin.encoder_id}
    return dict(zip(ids, vectors.matrix(table["vector"]).tolist(), strict=True))


def test_every_row_is_embedded_once_and_the_rest_said_why(store):
    train_tiny(store)
    first = run(store)
    assert (first.n_encoded, first.n_skipped) == (N * 9 // 10, N // 10)
    assert dict(first.reasons) == {"new row": N}
    assert set(first.skipped) == {"the paper has neither title nor abstract"}
    held = check_whole(store)
    assert len(held) == first.n_encoded
    again = run(store)
    assert not again.reasons
    assert again.n_encoded == 0
    assert check_whole(store) == held


@pytest.mark.slow
def test_several_processes_make_the_same_vectors(store, tmp_path, monkeypatch):
    monkeypatch.setattr("embed.store.shared_encoding.FEWEST_ROWS", 7)
    train_tiny(store)
    other = shutil.copytree(store, tmp_path / "other")
    assert run(store).n_encoded == run(other, workers=2).n_encoded > 14
    one, two = check_whole(store), check_whole(other)
    assert one.keys() == two.keys()
    np.testing.assert_allclose([two[i] for i in one], list(one.values()), rtol=1e-5, atol=1e-6)  # sums of other batches
    assert run(other, workers=2).n_encoded == 0


def test_only_what_is_stale_is_made_again_and_stale_says_why(store):
    trained = train_tiny(store)
    run(store)
    before = check_whole(store)
    write(store, "UPDATE lake.lit.paper SET title = 'another' WHERE bibcode = 'P00003'")
    write(store, "UPDATE lake.lit.paper SET title = NULL WHERE bibcode = 'P00004'")
    write(store, "DELETE FROM lake.lit.paper WHERE bibcode = 'P00005'")
    add_papers(store, N, N + 1)
    with Catalog(store) as cat:
        stale = dict(cat.sql("SELECT id, reason FROM meta.stale").fetchall())
    assert stale == {
        "P00003": "changed input",
        "P00004": "changed input",
        "P00005": "row is gone",
        f"P{N:05d}": "new row",
    }
    outcome = run(store)
    assert (outcome.n_encoded, outcome.n_skipped, outcome.n_removed) == (2, 1, 1)
    after = check_whole(store)
    assert set(after) == set(before) - {"P00004", "P00005"} | {f"P{N:05d}"}
    assert {i for i in after if before.get(i) != after[i]} == {"P00003", f"P{N:05d}"}
    weights = store / "models" / f"{next((store / 'models').glob('*.safetensors')).stem}.safetensors"
    expected = load(weights).encode_texts(["another"])[0]
    np.testing.assert_allclose(after["P00003"], expected, rtol=1e-5, atol=1e-6)
    assert trained.encoder_id == outcome.encoder_id


@pytest.mark.slow
def test_a_newer_encoder_takes_over_whole_and_old_snapshots_keep_the_old_vectors(store):
    train_tiny(store, seed=1)
    run(store)
    old = check_whole(store)
    with Catalog(store) as cat:
        then = cat.snapshots()[-1].number
        neighbours = cat.nearest("tiny", "P00001", k=7).arrow()
    newer = train_tiny(store, seed=2, latent=5)
    with Catalog(store) as cat:
        assert set(cat.sql("SELECT DISTINCT reason FROM meta.stale").fetchall()) == {("newer encoder",)}
    seen = []
    # Between the commits of the takeover readers still have the old vectors, all of them.
    outcome = run(store, commit_rows=50, report=lambda *_: seen.append(check_whole(store)))
    assert outcome.changed_over
    assert len(seen) == 4
    assert all(state == old for state in seen)
    new = check_whole(store)
    assert set(new) == set(old)
    assert len(next(iter(new.values()))) == 5
    assert check_whole(store, then) == old
    with Catalog(store) as cat:
        assert cat.nearest("tiny", "P00001", k=7, snapshot=then).arrow().equals(neighbours)
        assert not cat.nearest("tiny", "P00001", k=7).arrow().equals(neighbours)
        assert cat.sql("SELECT count(*) FROM meta.stale").fetchall() == [(0,)]
    (state,) = [s for s in status.states(store) if s.current]
    assert (state.encoder_id, state.n_vectors, state.pinned) == (newer.encoder_id, len(new), True)


@pytest.mark.slow
def test_an_abandoned_takeover_is_forgotten(store):
    train_tiny(store, seed=1)
    run(store)
    train_tiny(store, seed=2)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(store, commit_rows=50, report=stop)
    third = train_tiny(store, seed=3)
    run(store)
    second = train_tiny(store, seed=2)
    outcome = run(store)
    assert second.encoder_id == outcome.encoder_id != third.encoder_id
    assert len(check_whole(store)) == N * 9 // 10
    with Catalog(store) as cat:
        assert cat.sql("SELECT DISTINCT encoder_id FROM meta.embedded").fetchall() == [(second.encoder_id,)]


@pytest.mark.slow
def test_many_small_commits_are_compacted_and_repair_keeps_every_snapshot(store):
    train_tiny(store)
    states = {}

    def remember(outcome, _):
        if outcome.n_encoded % 50 < 10:
            with contextlib.closing(lake.connect(store)) as connection:
                states[lake.snapshots(connection)[-1].number] = check_whole(store)

    outcome = run(store, commit_rows=10, report=remember)
    assert outcome.compaction
    assert outcome.compaction.files_after < outcome.compaction.files_before
    assert len(check_whole(store)) == N * 9 // 10
    assert len({len(s) for s in states.values()}) == len(states) >= 3
    unreferenced.repair_vectors(store)
    assert unreferenced.repair_vectors(store) == []
    for number, state in states.items():
        assert check_whole(store, number) == state


def test_unknown_spaces_are_told_apart(store):
    train_tiny(store)
    with pytest.raises(UnknownName, match="space tny has no encoder; did you mean tiny"):
        encoding_job.run(encoding_job.Job(store), ["tny"])


def test_without_waiting_a_locked_store_fails_at_once(store):
    train_tiny(store)
    with lake.lock(store, "something long"), pytest.raises(StoreLocked, match="something long"):
        run(store, wait=False)


def test_the_view_of_inputs_is_that_of_the_encoders():
    file = ROOT / "sql" / "views" / "meta.embedding_input.sql"
    assert file.read_text() == modalities.text(), "write it again: python -m embed.inputs.modalities"


WORKER = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import lance
from embed.store import encoding_job
print("ready", flush=True)
encoding_job.run(encoding_job.Job(Path({store!r}), commit_rows=60))
print("done", flush=True)
"""


def start(store, site):
    path = [str(ROOT), str(ROOT / "tests"), str(site)]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER.format(path=path, store=str(store))], stdout=subprocess.PIPE, text=True
    )


def kill_at_random(store, site, n_kills, rng):
    """Kill the job again and again; a reader polls all the while. Return how often it was killed at work."""
    stop, problems, states = threading.Event(), [], []

    def poll():
        while not stop.is_set():
            try:
                states.append(len(check_whole(store)))
                time.sleep(1)  # a reader that never rests would take the job's processor
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails on it
                problems.append(error)

    scratch = shutil.copytree(store, store.parent / "undisturbed")
    process = start(scratch, site)
    process.stdout.readline()
    begun = time.monotonic()
    process.communicate()
    undisturbed_s = time.monotonic() - begun
    reader = threading.Thread(target=poll)
    reader.start()
    killed = 0
    try:
        for n in range(n_kills):
            if n % 17 == 3:
                train_tiny(store, seed=n, latent=4 + n % 3, seconds=0.001)
            process = start(store, site)
            assert process.stdout.readline() == "ready\n"
            time.sleep(rng.random() * 1.2 * undisturbed_s)
            killed += process.poll() is None
            process.kill()
            process.wait()
            process.stdout.close()
            check_whole(store)
            if n % 9 == 5:
                unreferenced.repair_vectors(store)
            add_papers(store, N + NEW * n, N + NEW * (n + 1))
    finally:
        stop.set()
        reader.join()
    assert problems == []
    return killed, states


def finish_and_compare(store, n_papers):
    run(store)
    held = check_whole(store)
    assert len(held) == n_papers * 9 // 10
    with contextlib.closing(lake.connect(store)) as connection:
        current = encoding_job.current_encoders(connection)["tiny"]
        rows = connection.execute("SELECT bibcode, title FROM lit.paper WHERE title IS NOT NULL").fetchall()
        assert connection.execute("SELECT count(*) FROM meta.stale").fetchone() == (0,)
    encoder = current.load(store)
    expected = encoder.encode_texts([title for _, title in rows])
    for (bibcode, _), vector in zip(rows, expected, strict=True):
        np.testing.assert_allclose(held[bibcode], vector, rtol=1e-5, atol=1e-6)
    unreferenced.repair_vectors(store)
    assert unreferenced.repair_vectors(store) == []
    assert check_whole(store) == held


@pytest.mark.slow
def test_an_encoder_that_learned_from_another_preparation_of_rows_is_not_fed_with_this_one(store):
    train_tiny(store)
    run(store)
    before = check_whole(store)
    asked = "UPDATE lake.meta.encoder SET configuration = replace(configuration, '{}', '{}')"
    write(store, asked.format('"input_version": 1', '"input_version": 7'))
    add_papers(store, N, N + 1)
    outcome = run(store)
    assert outcome.blocked == (
        "tiny learned from papers of input version 7, and rows are prepared by version 1 now; train it again: "
        f"python -m embed train tiny --model hash --store {store}"
    )
    assert check_whole(store) == before  # readers keep what there was
    (state,) = status.states(store)
    assert (state.outgrown, state.stale) == (
        "papers of input version 7, and rows are prepared by version 1 now",
        {"new row": 1},
    )
    write(store, asked.format('"input_version": 7, ', ""))  # an encoder of before versions were kept: the first
    assert run(store).n_encoded == 1


@pytest.mark.slow
def test_a_killed_run_shows_nothing_half_and_goes_on(store, tmp_path):
    train_tiny(store, seconds=0.001)
    killed, _ = kill_at_random(store, tmp_path / "site", 3, random.Random(1))  # noqa: S311 - no secret
    assert killed >= 1
    finish_and_compare(store, N + 3 * NEW)


@pytest.mark.slow
def test_fifty_kills_at_random_moments(store, tmp_path):
    train_tiny(store, seconds=0.001)
    killed, states = kill_at_random(store, tmp_path / "site", 50, random.Random(2))  # noqa: S311 - no secret
    assert killed >= 25
    assert len(set(states)) > 5
    finish_and_compare(store, N + 50 * NEW)
