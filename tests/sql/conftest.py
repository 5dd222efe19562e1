from __future__ import annotations

import pytest
from factories.engine import make_engine

from catalog.schema import TABLES


@pytest.fixture(scope="session")
def _one_engine():
    connection = make_engine()
    yield connection
    connection.close()


@pytest.fixture
def engine(_one_engine):
    """An engine with all tables, empty, all views and all macros."""
    yield _one_engine
    for name in TABLES:
        _one_engine.execute(f"DELETE FROM {name}")
