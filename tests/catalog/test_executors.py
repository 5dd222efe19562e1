"""Where work runs: names, an executor of one's own, Dask, Ray, SLURM; and what a death costs on each."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from catalog.errors import UnknownName
from catalog.parallel import ClusterLost, ExecutorUnusable, WorkerDied, executor_names, map_ordered, workers_on


def double(n):
    return 2 * n


def dies_on_three(n):
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def raises_on_two(n):
    if n == 2:
        raise ValueError("two")
    return n


def threads(count):
    return ThreadPoolExecutor(count)


def processes(count):
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def no_executor(count):
    return count


def _installed(module):
    return pytest.param(
        {"distributed": "dask", "ray": "ray"}[module],
        marks=[
            pytest.mark.team,
            pytest.mark.slow,
            pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed"),
            pytest.mark.filterwarnings("default"),  # those of the cluster's own packages
        ],
    )


CLUSTERS = [_installed("distributed"), _installed("ray")]
HERE = ["local", f"{__name__}:processes"]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Let workers find this module by name, as they find a user's."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    folder = os.path.dirname(__file__)  # noqa: PTH120 - a text for PYTHONPATH
    monkeypatch.setenv("PYTHONPATH", folder)
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("on", [*HERE, f"{__name__}:threads", *CLUSTERS])
def test_results_come_in_order_wherever_the_work_is_done(on):
    assert list(map_ordered(double, range(7), 2, on=on)) == [(n, 2 * n) for n in range(7)]


@pytest.mark.parametrize("on", [*HERE, *CLUSTERS])
def test_a_death_costs_one_item(on):
    results = dict(map_ordered(dies_on_three, range(6), 2, on=on))
    assert isinstance(results.pop(3), WorkerDied)
    assert results == {n: n for n in range(6) if n != 3}


@pytest.mark.parametrize("on", [*HERE, *CLUSTERS])
def test_an_error_of_the_function_is_raised_here(on):
    with pytest.raises(ValueError, match="two"):
        list(map_ordered(raises_on_two, range(4), 2, on=on))


def test_the_four_have_names():
    assert {"local", "dask", "ray", "slurm"} <= set(executor_names())


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("dusk", UnknownName, "did you mean dask"),
        ("local:8", ExecutorUnusable, "takes no address"),
        ("no_such_module:pool", ExecutorUnusable, "no_such_module"),
        ("os:no_such_function", ExecutorUnusable, "no_such_function"),
        (f"{__name__}:no_executor", ExecutorUnusable, "found int"),
    ],
)
def test_a_wrong_place_is_told(place, error, said):
    with pytest.raises(error, match=said), workers_on(place, 2) as workers:
        workers.submit(double, 1)


@pytest.mark.parametrize(("name", "module"), [("dask", "distributed"), ("ray", "ray"), ("slurm", "dask_jobqueue")])
def test_a_missing_package_is_named_with_what_installs_it(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", sys.modules[__name__])  # slurm asks for both
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExecutorUnusable, match=rf"pip install 'photonlake\[{name}\]'"), workers_on(name, 2):
        pass


@pytest.mark.team
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_dies_is_told_and_one_that_is_not_there_too():
    pytest.importorskip("distributed")
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    running = subprocess.Popen(scheduler, stderr=subprocess.PIPE, text=True)
    address = next(line.split()[-1] for line in running.stderr if "Scheduler at:" in line)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    working = subprocess.Popen(worker, stderr=subprocess.DEVNULL)
    try:
        results = map_ordered(double, range(10_000), 2, on=f"dask:{address}")
        next(results)
        running.kill()
        running.wait()
        with pytest.raises(ClusterLost, match="is gone"):
            list(results)
    finally:
        running.kill()
        working.kill()
    with pytest.raises(ClusterLost, match="no Dask scheduler answers"):
        list(map_ordered(double, [1], on=f"dask:{address}"))


@pytest.mark.team
@pytest.mark.slow
def test_slurm_runs_jobs():
    if shutil.which("sbatch") is None:
        pytest.skip("SLURM is not installed")
    begun = time.time()
    assert dict(map_ordered(double, range(4), 1, on="slurm")) == {n: 2 * n for n in range(4)}, time.time() - begun
