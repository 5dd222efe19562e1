"""The exact similarity join of 20k to 200k x 64 against the bare product, FAISS, scikit-learn, DuckDB; large graphs.

Each piece of work runs in a process of its own. The bare product is what no exact join by products can avoid: BLAS over
the upper triangle, block by block, its results dropped. FAISS and scikit-learn have no upper triangle: they find each
pair twice. FAISS is measured where it is installed: the extra `bench` has it.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys

from measure import Run, measure

DIM, THRESHOLD = 64, 0.9
SIZES = tuple(int(n) for n in os.environ.get("PHOTONLAKE_BENCH_PAIRS", "20000,100000,200000").split(","))
BARE_BLOCK = 2048, 4096  # BLAS is fastest in large blocks when its threads share one; the join gives each its own
PEERS_UP_TO = 100_000
DUCKDB_LIMIT_S = 170
N_EDGES, N_NODES = 10_000_000, 100_000

# Loose heaps of fifty: a row has some thirty neighbours at this threshold.
DATA = """
import numpy as np
rng = np.random.default_rng(0)
centres = rng.normal(size=(n // 50, dim)).astype(np.float32)
x = centres[rng.integers(0, len(centres), n)] + 0.3 * rng.normal(size=(n, dim)).astype(np.float32)
unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
"""
BARE = """
height, width = block
held = np.empty((height, width), np.float32)
for i in range(0, n, height):
    for j in range(i, n, width):
        a, b = unit[i : i + height], unit[j : j + width]
        np.matmul(a, b.T, out=held.reshape(-1)[: len(a) * len(b)].reshape(len(a), len(b)))
"""
JOIN = "answer = sum(len(p.left) for p in join(operands(x), threshold))"
NEAREST = "answer = sum(len(p.left) for p in nearest_of_each(operands(x), 10))"
FAISS = """
index = faiss.IndexFlatIP(dim)
index.add(unit)
limits, _, found = index.range_search(unit, threshold)
answer = (int(limits[-1]) - n) // 2
"""
SKLEARN = """
found = NearestNeighbors(radius=1 - threshold, metric="cosine", algorithm="brute").fit(x).radius_neighbors(
    x, return_distance=True)[1]
answer = (sum(map(len, found)) - n) // 2
"""
DUCKDB = """
timer = threading.Timer(limit_s, connection.interrupt)
timer.start()
try:
    answer = connection.execute(
        f"SELECT count(*) FROM t a JOIN t b ON a.i < b.i AND array_cosine_similarity(a.v, b.v) >= {threshold}"
    ).fetchone()[0]
except duckdb.InterruptException:
    answer = None
timer.cancel()
"""
DUCKDB_TABLE = """
import threading
import duckdb
import pyarrow as pa
connection = duckdb.connect()
connection.register("v", pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), dim)}))
connection.execute(f"CREATE TABLE t AS SELECT row_number() OVER () AS i, v::FLOAT[{dim}] AS v FROM v")
"""
STORE = """
import contextlib, tempfile
from pathlib import Path
from catalog.store import lake, vectors
from catalog.catalog import Catalog
from catalog.store.vectors import Pin
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "s"
lake.create(store)
with lake.lock(store, "bench"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
    rows = vectors.rows([f"{i}.0.1" for i in range(n)], [None] * n, x, ["spectrum"] * n, "bench", [""] * n)
    written = vectors.write(store, "spectrum", rows, None)
    with lake.transaction(connection, "bench"):
        vectors.publish(connection, Pin("spectrum", written.version, "bench", n, dim))
cat = Catalog(store)
cat.vectors("spectrum")
"""
SQL = """
query = f"SELECT count(*), min(similarity) FROM similar_pairs('spectrum', {threshold})"
answer = cat.sql(query).fetchall()[0][0]
"""

GRAPH = """
import numpy as np
from analysis.networks import measures
from analysis.networks.edges import Edges
rng = np.random.default_rng(0)
# some nodes have many neighbours: ends are drawn by a weight that falls as a power
weight = (np.arange(n) + 100.0) ** -0.4
cumulated = np.cumsum(weight / weight.sum())
keys = np.empty(0, np.int64)
while len(keys) < m:
    a, b = (np.searchsorted(cumulated, rng.random(m // 4)) for _ in range(2))
    a, b = np.minimum(a, b), np.minimum(np.maximum(a, b), n - 1)
    keys = np.unique(np.concatenate([keys, (a * n + b)[a < b]]))
keys = np.sort(rng.permutation(keys)[:m])
edges = Edges(keys // n, keys % n, np.ones(m))
matrix = measures.adjacency(edges, n)
"""
MEASURES = {
    "adjacency": "measures.adjacency(edges, n)",
    "components": "answer = int(measures.components(matrix).max())",
    "k-core": "answer = int(measures.core_numbers(matrix).max())",
    "core-periphery": "answer = round(measures.core_periphery(matrix).score, 4)",
    "clustering": "answer = round(float(measures.clustering(matrix).mean()), 4)",
    "betweenness": "answer = round(float(measures.betweenness(matrix).max()), 6)",
}


def line(what: str, run: Run, base: float) -> None:
    """Print one measurement."""
    found = f"{run.answer:,} pairs" if isinstance(run.answer, int) else "did not finish" if run.answer is None else ""
    print(f"  {what:44s} {run.seconds:8.2f} s {run.seconds / base:6.2f} {run.peak_mb:8.0f} MB   {found}", flush=True)


def joins(n: int) -> float:
    """Measure all at one size; return the seconds of the join."""
    given = {"n": n, "dim": DIM, "threshold": THRESHOLD, "block": BARE_BLOCK}
    ours = "from catalog.neighbours.join import join, nearest_of_each, operands\n" + DATA
    print(f"  {n:,} x {DIM}, cosine >= {THRESHOLD}; seconds, ratio to the bare product, peak memory")
    # one after another and again: the machine may be busy with other things for a while
    turns = [(measure(DATA, BARE, **given), measure(ours, JOIN, **given)) for _ in range(3)]
    bare, join = zip(*turns, strict=True)
    best = min(bare, key=lambda r: r.seconds)
    line("bare product, upper triangle", Run(best.seconds, best.peak_mb, ""), best.seconds)
    best_join = min(join, key=lambda r: r.seconds)
    line("join", best_join, best.seconds)
    line("similar_pairs() in SQL", measure(ours, SQL, prepare=STORE, **given), best.seconds)
    if n > PEERS_UP_TO:
        return best_join.seconds
    line("10 nearest of each row (the whole square)", measure(ours, NEAREST, **given), best.seconds)
    if importlib.util.find_spec("faiss"):
        line("FAISS range_search", measure(DATA, FAISS, prepare="import faiss", **given), best.seconds)
    else:
        print("  FAISS is not installed: pip install -e '.[bench]'")
    sklearn = "from sklearn.neighbors import NearestNeighbors"
    line("scikit-learn radius_neighbors", measure(DATA, SKLEARN, prepare=sklearn, **given), best.seconds)
    duck = measure(DATA, DUCKDB, prepare=DUCKDB_TABLE, limit_s=DUCKDB_LIMIT_S, **given)
    line(f"DuckDB self-join, at most {DUCKDB_LIMIT_S} s", duck, best.seconds)
    return best_join.seconds


def graph() -> None:
    """Measure a graph of ten million edges."""
    print(f"  a graph of {N_NODES:,} nodes and {N_EDGES:,} edges; seconds, peak memory with the graph itself")
    for name, work in MEASURES.items():
        run = measure(GRAPH, work, n=N_NODES, m=N_EDGES)
        print(f"  {name:44s} {run.seconds:8.2f} s {run.peak_mb:15.0f} MB   {run.answer or ''}", flush=True)


def main() -> None:
    """Print the tables."""
    seconds = {n: joins(n) for n in SIZES if "graph" not in sys.argv}
    if len(seconds) > 1:
        first, last = min(seconds), max(seconds)
        longer, more = seconds[last] / seconds[first], (last / first) ** 2
        slope = 2 * math.log(longer) / math.log(more)
        print(
            f"  from {first:,} to {last:,}: {longer:.0f} times as long, {more:.0f} times the pairs: slope {slope:.2f}"
        )
    graph()


if __name__ == "__main__":
    main()
