"""`embed run` on a million detections' properties, against reading and writing the same columns.

The floor reads ids, names and the 31 columns from the lake, and writes them as a Lance table of 62 numbers a row and as
Parquet rows that tell of them: no hash that tells whether a row has changed, no standardising, one commit.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from measure import measure

N = int(os.environ.get("PHOTONLAKE_BENCH_ROWS", "1000000"))

FILL = """
import contextlib
from pathlib import Path
import numpy as np
import pyarrow as pa
from catalog.schema import TABLES
from catalog.store import lake
store = Path(store)
"""
FILL_PROPERTIES = """
from embed.inputs.properties import COLUMNS
lake.create(store)
kinds = {c.name: c.type for c in TABLES["csc.observation_source"].columns}
values = ", ".join(
    f"CASE WHEN hash(i, {n}) % 10 > 0 THEN CAST(1 + hash(i, {n}) % 1000 / 999.0 AS " +
    f"{'DOUBLE' if pa.types.is_floating(kinds[c]) else 'INTEGER'}) END AS {c}" for n, c in enumerate(COLUMNS))
with lake.writer(store, "bench") as connection, lake.transaction(connection, "bench"):
    connection.execute(
        "INSERT INTO lake.csc.observation_source BY NAME SELECT "
        "(1 + i // 140) || '.0.' || (1 + i % 140) AS detection_id, "
        "'2CXO J' || lpad((i // 2)::VARCHAR, 9, '0') AS name, (1 + i // 140)::INTEGER AS obsid, 0 AS obi, "
        f"(1 + i % 140)::INTEGER AS region_id, {values} FROM range({n}) t(i)")
"""
RUN = """
from pathlib import Path
from embed.store.encoding_job import Job, run
store = Path(store)
"""
RUN_WORK = "answer = [o.n_encoded for o in run(Job(store), [space])]"
FLOOR = """
from pathlib import Path
import contextlib
import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from catalog.store import lake
from embed.inputs.properties import COLUMNS
"""
FLOOR_WORK = """
folder = Path(store).parent
query = f"SELECT detection_id AS id, name, {', '.join(COLUMNS)} FROM csc.observation_source"
with contextlib.closing(lake.connect(Path(store))) as connection:
    reader = connection.execute(query).to_arrow_reader(1 << 16)
    told = None
    answer = 0
    for batch in reader:
        block = np.empty((batch.num_rows, 2 * len(COLUMNS)), np.float32)
        for n, name in enumerate(COLUMNS):
            block[:, n] = block[:, n + len(COLUMNS)] = batch[name].cast(pa.float32()).to_numpy(zero_copy_only=False)
        vector = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), block.shape[1])
        keys = pa.table({"id": batch["id"], "name": batch["name"]})
        rows = keys.append_column("vector", vector)
        lance.write_dataset(rows, str(folder / "floor.lance"), mode="append" if answer else "create")
        told = told or pq.ParquetWriter(folder / "floor.parquet", keys.schema, compression="zstd")
        told.write_table(keys)
        answer += batch.num_rows
    told.close()
"""
TRAIN = """
import subprocess, sys
command = [sys.executable, "-m", "embed", "train", space, "--quiet", "--store", str(store)]
subprocess.run(command, check=True, capture_output=True)
"""


def main() -> None:
    """Print the line."""
    with tempfile.TemporaryDirectory() as name:
        store = str(Path(name) / "store")
        measure(FILL, FILL_PROPERTIES + TRAIN, store=store, n=N, space="properties")
        floor = measure(FLOOR, FLOOR_WORK, store=store)
        ours = measure(
            RUN, RUN_WORK, prepare="import lance, embed.encoders.properties", store=store, space="properties"
        )
    print(
        f"  {N:,} rows in {ours.seconds:.1f} s ({N / ours.seconds:,.0f}/s), {ours.cpu_s:.1f} s of processors, "
        f"{ours.peak_mb:.0f} MB; the floor {floor.seconds:.1f} s, {floor.cpu_s:.1f} s of processors; "
        f"ratio {ours.seconds / floor.seconds:.2f}"
    )


if __name__ == "__main__":
    main()
