"""Shared fixtures: where the real data are, a fresh store, and the seed of what is drawn by chance."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import hypothesis
import pytest

# Workers share the cores: threads of several would wait for each other. DuckDB takes its number from SLURM's variable;
# with two threads it spends twice the processor time on the many small statements of a test.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SLURM_CPUS_ON_NODE", "POLARS_MAX_THREADS"):
        os.environ.setdefault(variable, "1")

# A busy machine is no fault, so nothing is timed. The same examples are tried on every machine; `make test-slow` tries
# new ones (--hypothesis-profile=new).
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, database=None, **_PATIENT)
hypothesis.settings.register_profile("new", print_blob=True, **_PATIENT)
hypothesis.settings.load_profile("same")

REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def pytest_addoption(parser):
    parser.addoption("--seeds", type=int, default=1, help="seeds for each test that must pass with any (default 1)")


def pytest_generate_tests(metafunc):
    n_seeds = metafunc.config.getoption("--seeds")
    if "any_seed" in metafunc.fixturenames and n_seeds > 1:
        metafunc.parametrize("any_seed", range(n_seeds), indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    for item in items:
        if "any_seed" in item.fixturenames:
            item.add_marker(pytest.mark.stochastic)
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
def any_seed(request) -> int:
    """A seed for what a test draws or trains. What it asserts must hold for any: `make test-slow` tries twenty."""
    return getattr(request, "param", 0)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store without rows, made once: its 1,500 column comments take a second."""
    from catalog.store import lake  # noqa: PLC0415 - the import time of catalog is itself under test

    path = tmp_path_factory.mktemp("empty") / "store"
    lake.create(path)
    return path


@pytest.fixture
def store(empty_store, tmp_path) -> Path:
    """A fresh empty store."""
    return Path(shutil.copytree(empty_store, tmp_path / "s"))


@pytest.fixture(scope="session")
def small_survey(tmp_path_factory) -> Path:
    """A folder with a simulated `survey` of thirty sources and its store `s`; copy what you change."""
    from factories import simulated  # noqa: PLC0415 - for the few tests that need it

    return simulated.simulated(_shared(tmp_path_factory), **simulated.SMALL)


@pytest.fixture(scope="session")
def whole_survey(tmp_path_factory) -> Path:
    """The same with enough sources for the studies, and vectors in every space; for slow tests."""
    from factories import simulated  # noqa: PLC0415 - as above

    return simulated.simulated(_shared(tmp_path_factory), **simulated.WHOLE)


@pytest.fixture
def beside_small_survey(small_survey, tmp_path) -> Path:
    """A folder of one's own with a copy of that store, `s`, its files in `survey`, and what programs run there need."""
    return _beside(small_survey, tmp_path / "here")


@pytest.fixture
def beside_whole_survey(whole_survey, tmp_path) -> Path:
    """The same with the larger one."""
    return _beside(whole_survey, tmp_path / "here")


def _shared(tmp_path_factory) -> Path:
    """Return the folder that all processes of a test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _beside(made, here) -> Path:
    here.mkdir()
    shutil.copytree(made / "s", here / "s")
    for name in ("survey", "published"):
        (here / name).symlink_to(made / name)
    return here
