"""A TAP answer of 1 M rows: rows a second as BINARY2 and as VOParquet, beside pyarrow writing the same as Parquet."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.serve.tap_formats import tap_format

N = int(os.environ.get("PHOTONLAKE_BENCH_ROWS", "1000000"))
REPEATS = 3


def table() -> pa.Table:
    """Make rows as a catalog has them: an id, two positions, a number, and some without one."""
    rng = np.random.default_rng(0)
    flux = rng.lognormal(-30, 2, N)
    return pa.table(
        {
            "detection_id": [f"{i // 100}.0.{i % 100}" for i in range(N)],
            "ra": rng.uniform(0, 360, N),
            "dec": rng.uniform(-90, 90, N),
            "flux": pa.array(flux, mask=rng.random(N) < 0.1),
            "counts": rng.integers(0, 1000, N),
        }
    )


def seconds(write: Callable[[BinaryIO], object]) -> float:
    """Return the shortest time of several."""
    times = []
    for _ in range(REPEATS):
        stream = io.BytesIO()
        begin = time.perf_counter()
        write(stream)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Print the table."""
    rows = table()
    peer = seconds(lambda stream: pq.write_table(rows, stream, compression="zstd"))
    print(f"  pyarrow, Parquet   {N / peer:12,.0f} rows/s")
    for name in ("votable/b2", "parquet", "votable/td", "csv"):
        took = seconds(lambda stream, name=name: tap_format(name).write(rows, stream, False))  # type: ignore[misc]
        print(f"  {name:<18} {N / took:12,.0f} rows/s, {took / peer:.1f} times as long")


if __name__ == "__main__":
    main()
