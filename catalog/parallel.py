"""Map a pure function over work items: in this process, or in worker processes; results in the items' order.

A worker that dies (out of memory, a crash in native code) costs its own item only: the rest is done again
in a fresh pool, the item comes back as a `WorkerDied`.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from catalog.errors import Terminal

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerDied(Terminal, RuntimeError):
    """The process that worked on an item ended without an answer."""


def cpu_count() -> int:
    """Return the number of processors this process may use.

    Examples
    --------
    >>> cpu_count() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    ahead: int = 2,
) -> Iterator[tuple[Item, Result | WorkerDied]]:
    """Apply a function to every item, in parallel, and yield (item, result) in the items' order.

    Parameters
    ----------
    function : callable
        Pure and importable (it travels to other processes by name). Exceptions it raises are raised here.
    items : iterable
        Taken lazily: at most `workers + ahead` are under way, so that results cannot pile up.
    workers : int, optional
        0 or 1 runs in this process; default: one per processor.
    ahead : int
        Finished or waiting items beyond the working ones.

    Yields
    ------
    (item, result) or (item, WorkerDied)

    Examples
    --------
    >>> [r for _, r in map_ordered(len, ["a", "bb"], workers=1)]
    [1, 2]
    """
    workers = cpu_count() if workers is None else workers
    if workers <= 1:
        for item in items:
            yield item, function(item)
        return
    source = iter(items)
    waiting: collections.deque[Item] = collections.deque()
    while True:
        broken = yield from _through_pool(function, source, waiting, workers, ahead)
        if not broken:
            return
        # One of the items under way kills its process. Alone, each shows whether it is the one.
        suspects, waiting = list(waiting), collections.deque()
        for item in suspects:
            yield item, _alone(function, item)


def _through_pool(
    function: Callable[[Item], Result],
    source: Iterator[Item],
    waiting: collections.deque[Item],
    workers: int,
    ahead: int,
) -> Generator[tuple[Item, Result | WorkerDied], None, bool]:
    """Yield results until the source is dry (False) or the pool breaks (True: `waiting` holds the open items)."""
    futures: collections.deque[Future[Result]] = collections.deque()
    with _pool(workers) as pool:
        while True:
            try:
                while len(futures) < workers + ahead:
                    item = next(source)
                    waiting.append(item)
                    futures.append(pool.submit(function, item))
            except StopIteration:
                pass
            except BrokenProcessPool:
                return True
            if not futures:
                return False
            try:
                result = futures[0].result()
            except BrokenProcessPool:
                return True
            futures.popleft()
            yield waiting.popleft(), result


def _alone(function: Callable[[Item], Result], item: Item) -> Result | WorkerDied:
    with _pool(1) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return WorkerDied("the process reading it ended without an answer (out of memory, or a crash)")


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # spawn, not fork: DuckDB and Arrow run threads, and a forked copy of a locked mutex never opens.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _die_with_parent() -> None:
    """End this worker when its parent ends, however that ends: an orphan would hold files and memory."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
