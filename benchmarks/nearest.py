"""nearest() in SQL over 1.3 million vectors of 64 numbers, against numpy, LanceDB and DuckDB in the same process."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from catalog.catalog import Catalog
from catalog.store import lake, vectors
from catalog.store.place import place_of
from catalog.store.vectors import Pin
from embed.store.vector_index import index

N, DIM, K = int(os.environ.get("PHOTONLAKE_BENCH_VECTORS", "1300000")), 64, 10
REPEATS = 15


def fill(store: Path) -> npt.NDArray[np.float32]:
    """Make a store with N detections and as many vectors: 200 loose clusters, as embeddings are."""
    lake.create(store)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, DIM))
    x = (centres[rng.integers(0, 200, N)] + 0.7 * rng.normal(size=(N, DIM))).astype(np.float32)
    with lake.lock(store, "bench"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
        version = None
        step = 1 << 18
        for start in range(0, N, step):
            ids = [f"{i}.0.1" for i in range(start, min(N, start + step))]
            n = len(ids)
            rows = vectors.rows(ids, [None] * n, x[start : start + step], ["spectrum"] * n, "bench", [""] * n)
            written = vectors.write(store, "spectrum", rows, version)
            version = written.version
        with lake.transaction(connection, "bench"):
            connection.execute(
                "INSERT INTO lake.csc.observation_source BY NAME "
                "SELECT i || '.0.1' AS detection_id, i::INTEGER AS obsid, (i * 7919 % 1000) / 50.0 AS theta "
                f"FROM range({N}) t(i)"
            )
            vectors.publish(connection, Pin("spectrum", written.version, "bench", N, DIM))
    return x


def milliseconds(work: Callable[[], object]) -> float:
    """Median of REPEATS warm runs."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds)


def blas(x: npt.NDArray[np.float32], inverse: npt.NDArray[np.float32], q: npt.NDArray[np.float32]) -> list[int]:
    """Find the nearest by cosine as one would write it in numpy: product, scale, argpartition."""
    scores = x @ q
    scores *= inverse
    top = np.argpartition(-scores, K)[:K]
    return top[np.argsort(-scores[top])].tolist()  # type: ignore[no-any-return]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "s"
        x = fill(store)
        inverse = (1 / np.linalg.norm(x, axis=1)).astype(np.float32)
        q = x[12345]
        theta = (np.arange(N) * 7919 % 1000) / 50.0
        rows = np.flatnonzero(theta < 2)  # 10 %
        with Catalog(store) as cat:
            query = f"SELECT detection_id, distance FROM nearest('spectrum', $q, k := {K})"
            filtered = f"SELECT detection_id, distance FROM nearest('spectrum', $q, k := {K}, filter := 'theta < 2')"
            start = time.perf_counter()
            found = cat.sql(query, q=q).fetchall()
            cold = 1e3 * (time.perf_counter() - start)
            if [i for i, _ in found] != [f"{r}.0.1" for r in blas(x, inverse, q)]:
                raise SystemExit("nearest() and numpy disagree")
            numpy_ms = milliseconds(lambda: blas(x, inverse, q))
            sql_ms = milliseconds(lambda: cat.sql(query, q=q).fetchall())
            by_id = milliseconds(lambda: cat.sql(query, q="12345.0.1").fetchall())
            numpy_10 = milliseconds(lambda: blas(x[rows], inverse[rows], q))
            start = time.perf_counter()
            cat.sql(filtered, q=q).fetchall()
            first_10 = 1e3 * (time.perf_counter() - start)
            sql_10 = milliseconds(lambda: cat.sql(filtered, q=q).fetchall())
        lance_ms = peers_lance(store, q)
        duck_ms = peers_duckdb(x, q)
        made = index(store, "spectrum")
        print(f"  {N:,} x {DIM}, k = {K}, cosine; milliseconds, median of {REPEATS}; ratio to numpy")
        table = (
            ("numpy: BLAS product + argpartition", numpy_ms, numpy_ms),
            ("nearest() in SQL, a vector as target", sql_ms, numpy_ms),
            ("nearest() in SQL, a detection id", by_id, numpy_ms),
            ("LanceDB, flat search", lance_ms, numpy_ms),
            ("DuckDB array_cosine_distance, native table", duck_ms, numpy_ms),
            ("10 % filter: numpy on the rows, known", numpy_10, numpy_10),
            ("10 % filter: nearest(filter := ...)", sql_10, numpy_10),
        )
        for what, value, base in table:
            print(f"  {what:44s} {value:9.1f}   {value / base:6.2f}")
        print(
            f"  cold: the first query {cold:.0f} ms (vectors read from disk), the first with a filter {first_10:.0f} ms"
        )
        print(
            f"  index {made.kind}: built in {made.build_s:.0f} s, recall@10 {made.recall:.3f} "
            f"(worst {made.recall_lowest:.1f}); {made.index_ms:.1f} ms against {made.exact_ms:.1f} exactly: "
            f"{made.exact_ms / made.index_ms:.1f} times as fast"
        )


def peers_lance(store: Path, q: npt.NDArray[np.float32]) -> float:
    """Search with LanceDB's own flat search."""
    import lancedb  # noqa: PLC0415 - a peer, loaded when it is measured

    table = lancedb.connect(str(place_of(store).vectors)).open_table("spectrum")
    return milliseconds(lambda: table.search(q).distance_type("cosine").select(["id", "_distance"]).limit(K).to_arrow())


def peers_duckdb(x: npt.NDArray[np.float32], q: npt.NDArray[np.float32]) -> float:
    """Search a native DuckDB table of arrays."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    with duckdb.connect() as connection:
        connection.register("v", pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), DIM)}))
        connection.execute(
            f"CREATE TABLE t AS SELECT (row_number() OVER ())::VARCHAR AS id, v::FLOAT[{DIM}] AS v FROM v"
        )
        query = f"SELECT id FROM t ORDER BY array_cosine_distance(v, $q::FLOAT[{DIM}]) LIMIT {K}"
        return milliseconds(lambda: connection.execute(query, {"q": q.tolist()}).fetchall())


if __name__ == "__main__":
    main()
