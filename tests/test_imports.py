"""What an import costs, which modules may write to a store, and how long a module may be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "lancedb", "lance", "sentence_transformers", "transformers", "sklearn", "scipy", "matplotlib")


PACKAGES = ("catalog", "catalog.__main__", "ingest", "ingest.refresh", "ingest.__main__", "embed")


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_loads_nothing_heavy(package):
    program = f"import {package}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


ROOT = Path(__file__).parents[1]
MODULES = [p for name in ("sql", "catalog", "ingest", "embed", "analysis") for p in (ROOT / name).rglob("*.py")]

MOST_LINES = 350
LONGER = {
    "catalog/store/lake.py",  # one door to a store: a cut would make two
    "ingest/simulate/papers.py",  # one abstract, from its figures to its sentences
    "ingest/simulate/phrases.py",  # sentences, no code
}


def test_a_store_is_written_to_by_lake_writer_alone():
    by_hand = re.compile(r"\blake\.lock\(|read_only=False|\bimport .*\block\b")
    found = {str(p.relative_to(ROOT)) for p in MODULES if by_hand.search(p.read_text("utf-8"))}
    keeps_others_from_writing = "catalog/store/verification.py"  # it compares a catalog that may not open
    assert found == {"catalog/store/lake.py", keeps_others_from_writing}


def test_a_module_is_one_idea_of_at_most_350_lines():
    longer = {str(p.relative_to(ROOT)) for p in MODULES if len(p.read_text("utf-8").splitlines()) > MOST_LINES}
    assert longer <= LONGER
