"""Every code block of the documentation runs, page by page and in order, beside a small simulated store called `s`.

A block that cannot run here (it needs the network, or is what installs) says so in a comment before it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories.blocks import blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
RUN = {page: found for page in PAGES if (found := list(blocks(page)))}
SECONDS = 240


def python(*arguments, cwd):
    environment = os.environ | {"PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A folder with a simulated survey's store `s`, all spaces filled."""
    folder = tmp_path_factory.mktemp("docs")
    python("-m", "ingest", "simulate", "--output", "survey", "--sources", "60", "--seed", "3", cwd=folder)
    python("-m", "ingest", "files", "survey", "--store", "s", cwd=folder)
    for space, model in (("properties", "standardised"), ("spectrum", "pca"), ("events", "summary")):
        python("-m", "embed", "train", space, "--model", model, "--store", "s", cwd=folder)
    python("-m", "embed", "run", "--store", "s", cwd=folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, simulated, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(simulated / "s", here / "s")
    (here / "YOUR_FOLDER").symlink_to(simulated / "survey")
    for block in RUN[page]:
        if block.language == "python":
            python("-c", block.text, cwd=here)
            continue
        for words in block.commands:
            assert words[0] == sys.executable, f"{block}: expected a python command, found {words[0]}"
            python(*words[1:], cwd=here)


def test_blocks_are_found_and_commands_are_split():
    assert len(RUN) >= 5
    readme = RUN[ROOT / "README.md"]
    assert any(b.language == "python" for b in readme)
    assert all(words for b in readme for words in b.commands)
