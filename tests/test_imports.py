"""What an import costs, and which modules may write to a store."""

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


def test_a_store_is_written_to_by_lake_writer_alone():
    root = Path(__file__).parents[1]
    modules = [p for name in ("sql", "catalog", "ingest", "embed", "analysis") for p in (root / name).rglob("*.py")]
    by_hand = re.compile(r"\blake\.lock\(|read_only=False|\bimport .*\block\b")
    found = {str(p.relative_to(root)) for p in modules if by_hand.search(p.read_text("utf-8"))}
    assert found == {"catalog/store/lake.py"}
