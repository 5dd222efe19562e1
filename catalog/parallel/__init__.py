"""Map a pure function over work items, here or on a cluster: one map, and the executors it runs on."""

from catalog.parallel.executors import ClusterLost, ExecutorUnusable, Workers, cpu_count, executor_names, workers_on
from catalog.parallel.ordered_map import WorkerDied, map_ordered

__all__ = [
    "ClusterLost",
    "ExecutorUnusable",
    "WorkerDied",
    "Workers",
    "cpu_count",
    "executor_names",
    "map_ordered",
    "workers_on",
]
