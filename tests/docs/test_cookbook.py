"""Each recipe of the cookbook is typed as it stands, beside a small simulated survey."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from factories.blocks import blocks
from factories.simulated import python

from catalog.catalog import Catalog

PAGE = Path(__file__).parents[2] / "docs/cookbook.md"


@pytest.mark.slow
def test_thirty_recipes_run_and_most_find_something(beside_small_survey, monkeypatch):
    monkeypatch.chdir(beside_small_survey)
    recipes = list(blocks(PAGE))
    found = {}
    cat = Catalog("s")
    for block in recipes:
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), {})  # noqa: S102 - our own page
        elif block.language == "sql":
            (statement,) = block.statements
            found[statement] = cat.sql(statement).arrow().num_rows
        else:
            for words in block.commands:
                assert words[0] == sys.executable
                python(*words[1:], cwd=beside_small_survey)
    cat.close()
    assert len(recipes) >= 30
    empty = [statement for statement, n in found.items() if not n]
    assert len(empty) <= 3, empty
