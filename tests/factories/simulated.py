"""Small simulated surveys on disk, their stores `s` with vectors, and programs run beside them as a user types them.

`make` runs as a program of its own: nothing of it stays in the process of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from factories.word_encoder import publish
from filelock import FileLock

from catalog.store.manifest import Source
from embed.registry import Settings
from embed.store.encoding_job import Job, run
from embed.store.training_job import Training, train
from ingest.refresh import refresh
from ingest.simulate import simulate

ROOT = Path(__file__).parents[2]
SEED = 3
SMALL = {"sources": 30, "models": {"spectrum": "pca", "papers": "words"}}
"""Enough to search in; papers by the words they use, since loading a language model takes longer than all the rest."""
WHOLE = {
    "sources": 240,
    "models": {"properties": "standardised", "spectrum": "pca", "events": "summary", "papers": "sentence"},
}
"""Enough for the studies, with the encoder of sentences that users have."""


def make(folder: Path, sources: int, models: Mapping[str, str]) -> None:
    """Do what a user does: simulate, ingest, train, make vectors."""
    survey, store = folder / "survey", folder / "s"
    simulate(survey, sources=sources, seed=SEED)
    report = refresh(store, [Source("files", str(survey))])
    assert not [p.path for p in report.problems if p.status == "failed"]
    for space, model in models.items():
        train(Training(store, space, model, "", Settings()))
    run(Job(store), [])


def simulated(shared: Path, sources: int, models: Mapping[str, str]) -> Path:
    """Return a folder with `survey` and `s`, made by the first test process that asks, for all of them."""
    folder = shared / f"simulated-{sources}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "whole").exists():
            folder.mkdir()
            publish(folder / "published")
            python("-m", "factories.simulated", folder, sources, json.dumps(models), cwd=folder)
            (folder / "whole").touch()
    return folder


def python(*arguments: object, cwd: Path, seconds: float = 240, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program that is to succeed, in a folder beside which the encoder of words is published."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", cwd / "published")))
    environment = os.environ | {"PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment | {"PYTHONPATH": path} | variables,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
