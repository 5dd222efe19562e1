from __future__ import annotations

import shutil

import pytest
from factories.store import make_store

from catalog.catalog import Catalog


@pytest.fixture(scope="session")
def made_store(tmp_path_factory):
    """The small store; `store` is a copy to write to."""
    return make_store(tmp_path_factory.mktemp("made") / "s")


@pytest.fixture
def store(made_store, tmp_path):
    """The small store, to write to."""
    return shutil.copytree(made_store, tmp_path / "s")


@pytest.fixture(scope="session")
def opened(made_store):
    """The small store, open for reading."""
    with Catalog(made_store) as cat:
        yield cat
