"""A catalog table as Parquet, 78 columns -> a table that answers SQL: photonlake against DuckDB's CREATE TABLE AS.

peer   DuckDB writes the rows, as they are, into a lake of the same options; nothing is checked, named or merged
The memory should not grow with the rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import measure

from catalog.schema import TABLES

COLUMNS, BLOCK = 74, 100_000

PHOTONLAKE = """
from ingest.refresh import refresh
from catalog.store.manifest import Source
import catalog.store.lake as lake
from pathlib import Path
"""
PHOTONLAKE_PREPARE = """
lake.create(Path(store))
"""
PHOTONLAKE_WORK = """
refresh(Path(store), [Source("files", path)], workers=1)
c = lake.connect(Path(store))
answer = c.execute("SELECT count(*) FROM csc.observation_source").fetchone()
"""
PEER = """
from catalog.store import engine
"""
PEER_WORK = """
c = engine.start()
c.execute(f"ATTACH 'ducklake:sqlite:{store}.sqlite' AS lake (DATA_PATH '{store}/')")
c.execute("CALL lake.set_option('parquet_version', '2')")
c.execute("CALL lake.set_option('parquet_compression', 'zstd')")
c.execute(f"CREATE TABLE lake.t AS SELECT * FROM read_parquet('{path}')")
answer = c.execute("SELECT count(*) FROM lake.t").fetchone()
"""


def write_table(path: Path, n: int) -> Path:
    """Write a table of n detections with names, numbers and 74 measured columns of the catalog."""
    measured = [c.name for c in TABLES["csc.observation_source"].columns if pa.types.is_floating(c.type)][:COLUMNS]
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, n, BLOCK):
        i = np.arange(start, min(n, start + BLOCK))
        columns = {
            "name": [f"2CXO J{j // 36000 % 240000:06d}.{j % 10}+{j // 10 % 3600 * 100:06d}" for j in i],
            "obsid": (i // 140 + 1).astype(np.int32),
            "obi": np.zeros(len(i), np.int16),
            "region_id": (i % 140 + 1).astype(np.int32),
        } | {name: rng.lognormal(-2, 1, len(i)) for name in measured}
        rows = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, rows.schema, compression="zstd")
        writer.write_table(rows)
    if writer is not None:
        writer.close()
    return path


def main(sizes: tuple[int, ...] = (250_000, 1_000_000)) -> None:
    """Print the table."""
    peaks = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            path = str(write_table(Path(name) / "catalog.parquet", n))
            ours = measure(PHOTONLAKE, PHOTONLAKE_WORK, prepare=PHOTONLAKE_PREPARE, store=f"{name}/ours", path=path)
            peer = measure(PEER, PEER_WORK, store=f"{name}/peer", path=path)
        peaks.append(ours.peak_mb)
        print(
            f"  {n:>9,} rows: photonlake {ours.seconds:6.1f} s, {ours.peak_mb:6.0f} MB; "
            f"CREATE TABLE AS {peer.seconds:6.1f} s; ratio {ours.seconds / peer.seconds:.2f}"
        )
    print(f"  ratio of the peaks: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
