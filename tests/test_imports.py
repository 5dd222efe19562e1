"""What an import costs: no engine of learning is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "lancedb", "lance", "sentence_transformers", "transformers", "sklearn", "scipy", "matplotlib")


PACKAGES = ("catalog", "catalog.__main__", "ingest", "ingest.refresh", "ingest.__main__", "embed")


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_loads_nothing_heavy(package):
    program = f"import {package}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
