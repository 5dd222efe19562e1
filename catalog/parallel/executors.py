"""Where work runs: processes of this machine, Dask, Ray, SLURM, or an executor of one's own.

Each is a `concurrent.futures.Executor`. The entry points of group `photonlake.executors` name them; a package of
one's own can add names, and `module:function` needs no package at all.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from catalog.errors import Terminal, Transient, UnknownName, suggestion

GROUP = "photonlake.executors"
"""The entry points that name places to work."""


class ExecutorUnusable(Terminal, ValueError):
    """An executor that is not installed, or that is none."""


class ClusterLost(Transient, ConnectionError):
    """The cluster that worked for us does not answer any more."""


def cpu_count() -> int:
    """Return the number of processors this process may use.

    Examples
    --------
    >>> cpu_count() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class Workers:
    """An executor for the length of one map, and how it tells that a worker died.

    Parameters
    ----------
    start : callable
        Makes the executor; called again after a worker's death, since many executors are of no use then.
    count : int
        Items that run at once.
    died : tuple of exceptions
        What a result raises when the process that worked on it ended without an answer.
    lost : tuple of exceptions
        What a result raises when all of the cluster is gone.
    place : str
        Where it is, for the message when it is lost.
    """

    start: Callable[[], Executor]
    count: int
    died: tuple[type[BaseException], ...] = (BrokenExecutor,)
    lost: tuple[type[BaseException], ...] = ()
    place: str = "local"
    _executor: Executor | None = field(default=None, repr=False)

    def submit(self, function: Callable[[Any], Any], item: object) -> Future[Any]:
        """Give an item to a worker."""
        if self._executor is None:
            self._executor = self.start()
        return self._executor.submit(function, item)

    def renew(self) -> None:
        """Stop what is under way; the next item starts afresh."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)


Opener = Callable[[str, int | None], AbstractContextManager[Workers]]
"""What an entry point names: given an address ("" for none) and a number of workers, it lends workers."""


def workers_on(place: str, count: int | None = None) -> AbstractContextManager[Workers]:
    """Lend workers at a place.

    Parameters
    ----------
    place : str
        'local'; 'dask' (processes of this machine), 'dask:tcp://host:8786' (a scheduler that runs); 'ray', 'ray:auto'
        (a cluster that runs), 'ray:ADDRESS'; 'slurm' (jobs as Dask's own configuration, jobqueue.yaml, describes
        them); or 'module:function', where the function takes the number of workers and returns an executor.
    count : int, optional
        Workers; default: one per processor here, what the cluster has there.

    Raises
    ------
    UnknownName
        If nothing has this name.
    ExecutorUnusable
        If a package is missing, or a function of one's own does not give an executor.

    Examples
    --------
    >>> with workers_on("local", 1) as workers:
    ...     workers.submit(len, "ab").result()
    2
    """
    name, _, address = place.partition(":")
    published = _published()
    if name in published:
        opener: Opener = published[name].load()
        return opener(address, count)
    if address:
        return _own(name, address, count)
    raise UnknownName(
        f"no executor is named {name!r}{suggestion(name, published)}; there are {', '.join(sorted(published))}, "
        "and module:function for one of your own"
    )


def executor_names() -> list[str]:
    """Return the names of places to work.

    Examples
    --------
    >>> "local" in executor_names()
    True
    """
    return sorted(_published())


def _published() -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=GROUP)}


@contextlib.contextmanager
def local(address: str, count: int | None) -> Iterator[Workers]:
    """Lend processes of this machine."""
    if address:
        raise ExecutorUnusable(f"local takes no address, found {address!r}; type --on local")
    count = count or cpu_count()

    def start() -> Executor:
        # spawn, not fork: DuckDB and Arrow run threads, and a forked copy of a locked mutex never opens.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker)

    with _closing(Workers(start, count)) as workers:
        yield workers


@contextlib.contextmanager
def dask(address: str, count: int | None) -> Iterator[Workers]:
    """Lend workers of a Dask cluster: the one at an address, else processes of this machine."""
    distributed = _package("distributed", "dask")
    with contextlib.ExitStack() as stack:
        if not address:
            address = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=count or cpu_count(),
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,  # a worker that dies is told by us
                    preload=[__name__],
                )
            )
        try:
            client = stack.enter_context(distributed.Client(address, set_as_default=False))
        except OSError as error:
            raise ClusterLost(
                f"no Dask scheduler answers at {address}: {error}; start it, or type --on dask"
            ) from error
        yield from _through_dask(distributed, client, count)


@contextlib.contextmanager
def slurm(address: str, count: int | None) -> Iterator[Workers]:
    """Lend jobs of SLURM, through Dask; `address` may name the partition."""
    distributed, jobqueue = _package("distributed", "slurm"), _package("dask_jobqueue", "slurm")
    queue = {"queue": address} if address else {}
    with (
        jobqueue.SLURMCluster(worker_extra_args=["--preload", __name__], **queue) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        jobs = count or cpu_count()
        cluster.scale(jobs=jobs)
        client.wait_for_workers(1)  # the others come while it works
        yield from _through_dask(distributed, client, max(jobs, sum(client.nthreads().values())))


def _through_dask(distributed: Any, client: Any, count: int | None) -> Iterator[Workers]:  # noqa: ANN401 - untyped
    # Dask itself runs the items of a machine that died elsewhere, and gives up on an item that killed four workers.
    there = sum(client.nthreads().values())
    lost = (CancelledError, distributed.client.FutureCancelledError, distributed.comm.CommClosedError)
    workers = Workers(
        lambda: _DaskExecutor(client),
        count or max(1, there),
        died=(distributed.KilledWorker,),
        lost=lost,
        place=f"the Dask scheduler at {client.scheduler.address}",
    )
    with _closing(workers):
        yield workers


class _DaskExecutor(Executor):
    """Dask's own futures: those of its executor stay open for ever where a worker with a result died."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - untyped
        self._client = client
        self._open: list[Any] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:  # noqa: ANN401
        """Run a function as a Dask task."""
        self._open = [f for f in self._open if not f.done()]
        future: Future[Any] = self._client.submit(function, *arguments, **named, pure=False)
        self._open.append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: ARG002 - the interface
        """Stop what is under way."""
        if cancel_futures and self._open:
            self._client.cancel(self._open)
        self._open = []


@contextlib.contextmanager
def ray(address: str, count: int | None) -> Iterator[Workers]:
    """Lend workers of a Ray cluster: the one at an address ('auto': the one that runs here), else of this machine."""
    package = _package("ray", "ray")
    mine = not package.is_initialized()
    if mine:
        here = {"address": address} if address else {"num_cpus": count or cpu_count(), "include_dashboard": False}
        try:
            package.init(log_to_driver=False, logging_level="ERROR", **here)
        except ConnectionError as error:
            raise ClusterLost(f"no Ray cluster answers at {address}: {error}; start it, or type --on ray") from error
    try:
        there = int(package.cluster_resources().get("CPU", 1))
        errors = package.exceptions
        died = (errors.WorkerCrashedError, errors.OutOfMemoryError)
        workers = Workers(
            lambda: _RayExecutor(package),
            count or max(1, there),
            died=died,
            lost=(errors.RaySystemError, errors.RayChannelError),
            place="the Ray cluster",
        )
        with _closing(workers):
            yield workers
    finally:
        if mine:
            package.shutdown()


class _RayExecutor(Executor):
    """Ray behind the interface of the standard library."""

    def __init__(self, package: Any) -> None:  # noqa: ANN401 - untyped
        self._ray = package
        self._open: list[Any] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:  # noqa: ANN401
        """Run a function as a Ray task; Ray tries it again elsewhere if its worker dies."""
        _, pending = self._ray.wait(self._open, num_returns=len(self._open), timeout=0) if self._open else ([], [])
        reference = self._ray.remote(function).options(num_cpus=1).remote(*arguments, **named)
        self._open = [*pending, reference]
        future: Future[Any] = reference.future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Stop what is under way."""
        for reference in self._open if cancel_futures else ():
            self._ray.cancel(reference, force=True)
        if wait and self._open:
            self._ray.wait(self._open, num_returns=len(self._open))
        self._open = []


@contextlib.contextmanager
def _own(module: str, function: str, count: int | None) -> Iterator[Workers]:
    """Lend an executor of the user's own making."""
    name = f"{module}:{function}"
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ExecutorUnusable(f"{name}: expected a function in a module that Python finds, found: {error}") from error
    count = count or cpu_count()
    with contextlib.ExitStack() as stack:

        def start() -> Executor:
            made = make(count)
            if not isinstance(made, Executor):
                raise ExecutorUnusable(
                    f"{name}: expected a concurrent.futures.Executor from {function}({count}), "
                    f"found {type(made).__name__}"
                )
            return made

        yield stack.enter_context(_closing(Workers(start, count, place=name)))


@contextlib.contextmanager
def _closing(workers: Workers) -> Iterator[Workers]:
    try:
        yield workers
    finally:
        workers.renew()


def _package(module: str, extra: str) -> Any:  # noqa: ANN401 - a module without types
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExecutorUnusable(f"{extra} is not installed; type: pip install 'photonlake[{extra}]'") from error


def dask_setup(_: object) -> None:
    """Begin a Dask worker: Dask calls this function of a module that `--preload` names."""
    _one_thread()


def _begin_worker() -> None:
    """Begin a process of the local pool. It ends when its parent ends, however that ends."""
    _one_thread()
    if (parent := multiprocessing.parent_process()) is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one_thread() -> None:
    """Use one thread for Arrow and BLAS: as many workers as processors already use them all."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # torch reads them when it is imported
        os.environ.setdefault(variable, "1")
    import pyarrow as pa  # noqa: PLC0415 - only a worker needs it
    import threadpoolctl  # noqa: PLC0415 - as above

    pa.set_cpu_count(1)
    threadpoolctl.threadpool_limits(1)
