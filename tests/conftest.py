"""Shared fixtures: where the real data are, and a fresh store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def pytest_collection_modifyitems(items):
    if REAL.is_dir():
        return
    for item in items:
        if "real" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=f"no real data at {REAL}"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real Chandra files; mark tests that use it `real`."""
    return REAL


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store without rows, made once: its 1,500 column comments take a second."""
    from catalog import lake  # noqa: PLC0415 - the import time of catalog is itself under test

    path = tmp_path_factory.mktemp("empty") / "store"
    lake.create(path)
    return path


@pytest.fixture
def store(empty_store, tmp_path) -> Path:
    """A fresh empty store."""
    return Path(shutil.copytree(empty_store, tmp_path / "s"))
