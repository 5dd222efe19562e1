"""What the store holds of one source of a large catalog: csc.source_summary against one row by its key.

peer   the row of csc.master_source with that name, which needs neither photons nor papers
The seconds should not grow with the rows as the tables do.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from catalog_table import write_table

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.refresh import refresh

SIZES = tuple(int(n) for n in os.environ.get("PHOTONLAKE_BENCH_ROWS", "20000,200000").split(","))
REPEATS = 5
QUERIES = {
    "one row by key": "SELECT * FROM csc.master_source WHERE name = ?",
    "source_summary WHERE name": "SELECT * FROM csc.source_summary WHERE name = ?",
    "source_summary LIMIT 5": "SELECT * FROM csc.source_summary WHERE name <> ? LIMIT 5",
}


def seconds(connection: lake.Connection, query: str, name: str) -> float:
    """Return the median time of some runs after a first one."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        connection.execute(query, [name]).fetchall()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print the table."""
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "s"
            refresh(store, [Source("files", str(write_table(Path(folder) / "catalog.parquet", n)))], workers=1)
            with contextlib.closing(lake.connect(store)) as connection:
                connection.execute("SET enable_progress_bar = false")
                row = connection.execute("SELECT any_value(name) FROM csc.observation_source").fetchone()
                spent = {what: seconds(connection, query, row[0] if row else "") for what, query in QUERIES.items()}
        peer = spent["one row by key"]
        for what, s in spent.items():
            print(f"  {n:>9,} rows: {what:26} {1e3 * s:7.0f} ms; ratio {s / peer:.1f}")


if __name__ == "__main__":
    main()
