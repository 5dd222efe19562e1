"""A training killed at any moment and typed again ends with the weights of one that nobody disturbed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from factories.spectra_store import add_spectra

from catalog.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 40
SMALL = [f"--set={o}" for o in ("layers=1", "width=16", "heads=2", "hidden=32")]
# Another number of threads sums in another order.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def start(store):
    options = [
        "--model=transformer",
        "--latent=4",
        f"--epochs={EPOCHS}",
        "--checkpoint-seconds=0",
        "--device=cpu",
        "--where=obsid < 1200",
    ]
    command = [
        sys.executable,
        "-m",
        "embed",
        "train",
        "spectrum",
        "--model=transformer",
        *options,
        *SMALL,
        f"--store={store}",
    ]
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def epochs_in(lines):
    return [int(m[1]) for line in lines if (m := re.match(rf"epoch (\d+)/{EPOCHS}:", line))]


def finish(store):
    """Let a training end; return what it printed and the epochs it went through."""
    with start(store) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, epochs_in(err.splitlines())


def kill_after(store, n_lines, seconds):
    """Kill a training so many seconds after it has told of so many epochs; return those it told of."""
    lines = []
    with start(store) as process:
        while len(epochs_in(lines)) < n_lines and (line := process.stderr.readline()):
            lines.append(line)
        time.sleep(seconds)
        process.kill()
        lines += process.stderr.readlines()
    return epochs_in(lines)


def encoders_of(store):
    with Catalog(store) as cat:
        return cat.sql("SELECT encoder_id, weights_sha256, version, current, loss_curve FROM meta.encoder").fetchall()


@pytest.mark.slow
def test_the_weights_do_not_tell_how_often_the_training_was_killed(store, tmp_path):
    add_spectra(store, 240)
    undisturbed = shutil.copytree(store, tmp_path / "undisturbed")
    _, epochs = finish(undisturbed)
    assert epochs == list(range(1, EPOCHS + 1))
    (expected,) = encoders_of(undisturbed)
    rng = np.random.default_rng(5)
    told = []
    # Before the first epoch, while it prepares; within epochs; and when the last is told of but nothing is written yet.
    for n_lines, seconds in [
        (0, 0.5),
        (0, 3.0),
        (1, 0.0),
        *((3, rng.uniform(0, 0.1)) for _ in range(7)),
        (EPOCHS, 0.0),
    ]:
        told.append(kill_after(store, n_lines, seconds))
        with Catalog(store) as cat:
            assert cat.sql("SELECT count(*) FROM meta.encoder").fetchall() in ([(0,)], [(1,)])
        if (store / "models").exists():
            assert [p.name for p in (store / "models").glob("*.safetensors")] in ([], [f"{expected[1]}.safetensors"])
    out, last = finish(store)
    assert encoders_of(store) == [expected]
    # It went on, and did not begin anew: an epoch is told of twice only where it was killed in between.
    every = [e for run in told for e in run] + last
    assert max(every) == EPOCHS
    assert every == sorted(every)
    assert len(every) <= EPOCHS + len(told)
    assert sum(bool(run) for run in told) >= 8
    assert not list((store / "models" / "training").iterdir())
    assert finish(store)[1] == []  # done is done
    assert "already trained" in finish(store)[0]
    assert "version 1" in out
