"""Training twice is training once; a killed training, run again, gives the encoder of an undisturbed one."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace

import pytest
from factories.tiny_encoder import add_papers, publish, train_tiny, write

from catalog.catalog import Catalog
from catalog.errors import StoreNotFound, StoreOutdated
from catalog.store import lake
from embed.registry import Settings, family
from embed.store import status
from embed.store.known_trainings import settings_key
from embed.store.training_job import Training, train

AS_TINY = Settings(seed=0, latent=8, options={"seconds": 0.0})


@pytest.fixture
def papers(store, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(publish(tmp_path / "site")))
    add_papers(store, 0, 30)
    return store


def encoders_of(store):
    with Catalog(store) as cat:
        return cat.sql("SELECT encoder_id, version, current FROM meta.encoder ORDER BY version").fetchall()


def n_snapshots(store):
    with Catalog(store) as cat:
        return len(cat.snapshots())


def test_the_same_training_twice_is_done_once(papers):
    first = train_tiny(papers)
    assert first.trained_before is None
    before = n_snapshots(papers)
    second = train_tiny(papers)
    assert second.trained_before is not None
    assert (second.encoder_id, second.version, second.n_rows) == (first.encoder_id, first.version, first.n_rows)
    assert n_snapshots(papers) == before
    assert list((papers / "models" / "training").iterdir()) == []


@pytest.mark.parametrize("change", [{"seed": 1}, {"latent": 5}, {"options": {"seconds": 0.001}}, {"epochs": 7}])
def test_other_settings_are_another_training(papers, change):
    job = Training(papers, "tiny", settings=Settings())
    train(job)
    assert train(replace(job, settings=replace(job.settings, **change))).trained_before is None


@pytest.mark.slow
def test_other_rows_are_another_training(papers):
    train_tiny(papers)
    write(papers, "UPDATE lake.lit.paper SET year = 1999")  # of no concern to the input
    assert train_tiny(papers).trained_before is not None
    write(papers, "UPDATE lake.lit.paper SET title = 'another' WHERE bibcode = 'P00003'")
    assert train_tiny(papers).trained_before is None
    add_papers(papers, 30, 31)
    assert train_tiny(papers).trained_before is None
    assert train(Training(papers, "tiny", where="year >= 2010", settings=Settings(seed=0))).trained_before is None


def test_an_encoder_trained_before_becomes_the_current_one_again(papers):
    one, two = train_tiny(papers, seed=1), train_tiny(papers, seed=2)
    assert encoders_of(papers) == [(one.encoder_id, 1, False), (two.encoder_id, 2, True)]
    assert train_tiny(papers, seed=1).current
    assert encoders_of(papers) == [(one.encoder_id, 1, True), (two.encoder_id, 2, False)]
    train(Training(papers, "tiny", settings=replace(AS_TINY, seed=2), current=False))
    assert encoders_of(papers)[0][2]


def test_again_trains_again_and_lost_weights_are_made_again(papers):
    first = train_tiny(papers)
    again = train(Training(papers, "tiny", settings=AS_TINY, again=True))
    assert again.trained_before is None
    assert (again.encoder_id, again.version) == (first.encoder_id, 1)
    shutil.rmtree(papers / "models")
    assert train_tiny(papers).trained_before is None
    assert train_tiny(papers).trained_before is not None


def killed(store, snapshot):
    """Leave a scratch as a training does that is killed: it says on which snapshot it began."""
    folder = store / "models" / "training" / settings_key("tiny", family("tiny"), "", AS_TINY)
    folder.mkdir(parents=True)
    (folder / "snapshot").write_text(str(snapshot))
    return folder


def newest(store):
    with contextlib.closing(lake.connect(store)) as connection:
        return lake.snapshots(connection)[-1].number


def test_a_killed_training_goes_on_with_the_rows_it_began_with(papers):
    folder = killed(papers, newest(papers))
    add_papers(papers, 30, 40)
    assert train_tiny(papers).n_rows == 30
    assert not folder.exists()
    assert train_tiny(papers).n_rows == 40


def test_one_killed_when_all_but_its_scratch_was_done_is_done_but_not_for_other_rows(papers):
    train_tiny(papers)
    folder = killed(papers, newest(papers))
    assert train_tiny(papers).trained_before is not None
    assert not folder.exists()
    folder = killed(papers, newest(papers))
    add_papers(papers, 30, 40)
    made = train_tiny(papers)
    assert (made.trained_before, made.n_rows) == (None, 40)
    assert not folder.exists()


def outdate(store):
    """Make a store as an older version would have: without a view, and remembering other definitions."""
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        connection.execute("DROP VIEW lake.meta.stale")
        connection.execute("DELETE FROM lake.meta.state WHERE name IN ('*', 'meta.stale')")


def test_a_store_of_another_version_is_told_by_those_who_read_and_mended_by_those_who_write(papers):
    outdate(papers)
    with pytest.raises(StoreOutdated, match=f"python -m catalog init --store {papers}"):
        status.states(papers)
    train_tiny(papers)
    assert [s.stale for s in status.states(papers)] == [{"new row": 30}]


def test_an_interrupted_training_of_another_version_begins_anew(papers):
    outdate(papers)
    then = newest(papers)
    folder = killed(papers, then)
    made = train_tiny(papers)
    assert made.snapshot > then
    assert made.n_rows == 30
    assert not folder.exists()


def test_a_job_makes_no_store_where_there_is_none(tmp_path):
    with pytest.raises(StoreNotFound):
        train(Training(tmp_path / "none", "papers"))
    assert not (tmp_path / "none").exists()
