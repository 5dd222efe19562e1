"""Every code block of the documentation runs, page by page and in order, beside a small simulated store called `s`.

A block that cannot run here (its data do not travel with the code, or it is what installs) says so in a comment before
it. What fetches asks a server on this machine that answers as the services do.
"""

from __future__ import annotations

import contextlib
import sys
import tomllib
from pathlib import Path

import pytest
from factories.blocks import blocks
from factories.server import Server
from factories.simulated import python
from factories.survey import small_survey

from catalog.store import engine

ROOT = Path(__file__).parents[2]
OWN_TEST = {"reference.md", "cookbook.md"}
PAGES = sorted([ROOT / "README.md", *(p for p in (ROOT / "docs").rglob("*.md") if p.name not in OWN_TEST)])
ALL = {page: found for page in PAGES if (found := list(blocks(page)))}
RUN = {page: found for page, all_ in ALL.items() if (found := [b for b in all_ if not b.not_run])}
QUICK_NAMES = {
    "cite.md",
    "cluster.md",
    "crossmatch.md",
    "exchange.md",
    "extend.md",
    "fetch.md",
    "python.md",
}
QUICK = {page for page in RUN if page.name in QUICK_NAMES}
LONG = {"fetch.md", "exchange.md"}
NOT_RUN = 28
"""So many blocks are excused; a new one must be argued for here."""


def run(page, here, **variables):
    """Run a page's blocks in order; YOUR_FOLDER is the folder of the survey's files."""
    (here / "YOUR_FOLDER").symlink_to(here / "survey")
    for block in RUN[page]:
        if block.language == "python":
            python("-c", block.text, cwd=here, **variables)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif "ATTACH" in block.text:
            attach(block.statements, here)
        elif block.language == "sql":
            for statement in block.statements:
                python("-m", "catalog", "sql", "--store", "s", statement, cwd=here, **variables)
        else:
            for words in block.commands:
                assert words[0] == sys.executable, f"{block}: expected a python command, found {words[0]}"
                python(*words[1:], cwd=here, **variables)


def attach(statements, here):
    """Run statements without us, in a plain engine that has its extensions."""
    with contextlib.closing(engine.start()) as connection:
        for statement in statements:
            connection.execute(statement.replace("s/catalog.sqlite", f"{here}/s/catalog.sqlite"))
        assert connection.fetchall()


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] if p.name in LONG else [], id=p.name) for p in sorted(QUICK)],
)
def test_the_blocks_of_a_quick_page_run(page, beside_small_survey):
    with Server(small_survey()) as server:
        run(page, beside_small_survey, HOME=str(beside_small_survey), **server.environment)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(RUN.keys() - QUICK), ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, beside_whole_survey):
    run(page, beside_whole_survey)


def test_every_block_runs_or_says_why_not():
    for block in (b for found in ALL.values() for b in found if not b.not_run):
        assert block.language in {"console", "python", "sql", "toml"}, block
        assert block.commands if block.language == "console" else block.text.strip(), f"{block}: nothing to run in it"
    assert sum(bool(b.not_run) for found in ALL.values() for b in found) <= NOT_RUN


def test_the_most_important_pages_have_blocks():
    for name in ("README.md", "docs/index.md", "docs/how-to/search.md"):
        assert any(b.language == "python" for b in RUN[ROOT / name]), name
        assert any(b.commands for b in RUN[ROOT / name]), name
