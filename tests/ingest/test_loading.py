"""A batch of files whose rows cannot be written: each file is whole, or says why not and is tried again."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from factories import fits

from ingest import gathering
from ingest.loading import Task, load_batch
from ingest.planning import find_files

PHOTONS = {"a.fits": 20, "b.fits": 30, "c.fits": 400}
DAMAGED = "broken.fits"


@pytest.fixture
def batch(tmp_path, monkeypatch):
    """A batch of three event files, the last of which is large, and a damaged one."""
    monkeypatch.setattr(gathering, "CHUNK_ROWS", 100)
    files, folder = tmp_path / "files", tmp_path / "incoming"
    files.mkdir()
    folder.mkdir()
    for seed, (name, n) in enumerate(PHOTONS.items()):
        (files / name).write_bytes(fits.events_file(n=n, seed=seed, obs_id=str(seed + 1)))
    (files / DAMAGED).write_bytes((files / "a.fits").read_bytes()[:-3000])
    return Task(tuple(sorted(find_files(files))), str(folder))


def break_writing(monkeypatch, *, at):
    """Let the disk fail at some writes of row groups, counted from 0; return how many were tried."""
    write, tried = pq.ParquetWriter.write_table, []

    def fails(self, *args, **kwargs):
        tried.append(self)
        if at is None or len(tried) - 1 in at:
            raise OSError(errno.EIO, "Input/output error")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fails)
    return tried


def outcome(task, loaded):
    statuses = {Path(e.path).name: e.status for e in loaded.entries}
    rows = sum(pq.read_metadata(p.path).num_rows for p in loaded.parts if p.table == "product.event_stored")
    assert len(loaded.entries) == len(task.files)
    assert {Path(p.path).name for p in loaded.parts} == {p.name for p in Path(task.folder).iterdir()}
    return statuses, rows


def test_a_fault_in_writing_loses_no_file_wherever_it_strikes(batch, monkeypatch):
    with monkeypatch.context() as patched:
        tried = break_writing(patched, at=())
        statuses, rows = outcome(batch, load_batch(batch))
    assert statuses == dict.fromkeys(PHOTONS, "loaded") | {DAMAGED: "failed"}
    assert rows == sum(PHOTONS.values())
    for n in range(len(tried)):
        for file in Path(batch.folder).iterdir():
            file.unlink()
        with monkeypatch.context() as patched:
            break_writing(patched, at=(n,))
            assert outcome(batch, load_batch(batch)) == (statuses, rows)


def test_a_disk_that_takes_nothing_leaves_every_file_to_be_tried_again(batch, monkeypatch):
    break_writing(monkeypatch, at=None)
    loaded = load_batch(batch)
    statuses, rows = outcome(batch, loaded)
    assert statuses == dict.fromkeys(PHOTONS, "unreadable") | {DAMAGED: "failed"}
    assert rows == 0
    said = next(e.error for e in loaded.entries if e.status == "unreadable")
    assert said == "its rows cannot be written: Input/output error; it is tried again at the next refresh"


def test_a_folder_that_is_gone_is_no_fault_of_the_file_that_is_read(batch):
    Path(batch.folder).rmdir()
    loaded = load_batch(batch)
    assert {Path(e.path).name: e.status for e in loaded.entries}[DAMAGED] == "failed"
    assert all("cannot be written" in e.error for e in loaded.entries if Path(e.path).name in PHOTONS)
