"""Map a pure function over work items: in this process, or on workers; results in the items' order.

A worker that dies (out of memory, a crash in native code) costs its own item only: the rest is done again,
the item comes back as a `WorkerDied`.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from catalog.errors import Terminal
from catalog.parallel.executors import ClusterLost, Workers, cpu_count, workers_on

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerDied(Terminal, RuntimeError):
    """The process that worked on an item ended without an answer."""


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int | None = None,
    ahead: int = 2,
    on: str = "local",
) -> Iterator[tuple[Item, Result | WorkerDied]]:
    """Apply a function to every item, in parallel, and yield (item, result) in the items' order.

    Parameters
    ----------
    function : callable
        Pure and importable (it travels to other processes by name). Exceptions it raises are raised here.
    items : iterable
        Taken lazily: at most `workers + ahead` are under way, so that results cannot pile up.
    workers : int, optional
        0 or 1 on 'local' runs in this process; default: one per processor, or all that a cluster has.
    ahead : int
        Finished or waiting items beyond the working ones.
    on : str
        Where: 'local', 'dask', 'ray', 'slurm', each with an address if need be, or 'module:function'; see
        `catalog.parallel.workers_on`.

    Yields
    ------
    (item, result) or (item, WorkerDied)

    Raises
    ------
    ClusterLost
        If all of the cluster is gone.

    Examples
    --------
    >>> [r for _, r in map_ordered(len, ["a", "bb"], workers=1)]
    [1, 2]
    """
    if on == "local" and (cpu_count() if workers is None else workers) <= 1:
        for item in items:
            yield item, function(item)
        return
    source = iter(items)
    waiting: collections.deque[Item] = collections.deque()
    futures: collections.deque[Future[Result]] = collections.deque()
    with workers_on(on, workers) as lent:
        while True:
            try:
                for item in itertools.islice(source, lent.count + ahead - len(waiting)):
                    waiting.append(item)
                    futures.append(lent.submit(function, item))
                if not waiting:
                    return
                result = _answer(futures[0], lent)
            except lent.died:
                # One of the items under way kills its process. Alone, each shows whether it is the one.
                suspects = list(waiting)
                waiting.clear()
                futures.clear()
                lent.renew()
                for item in suspects:
                    yield item, _alone(function, item, lent)
            else:
                futures.popleft()
                yield waiting.popleft(), result


def _answer(future: Future[Result], lent: Workers) -> Result:
    try:
        return future.result()
    except lent.lost as error:
        message = f"{lent.place} is gone ({type(error).__name__}); what was committed stays: run the same again"
        raise ClusterLost(message) from error


def _alone(function: Callable[[Item], Result], item: Item, lent: Workers) -> Result | WorkerDied:
    try:
        result: Result = _answer(lent.submit(function, item), lent)
    except lent.died:
        lent.renew()
        return WorkerDied("the process reading it ended without an answer (out of memory, or a crash)")
    return result
