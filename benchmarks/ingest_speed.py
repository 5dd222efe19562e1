"""Gzipped event files -> a table that answers SQL: photonlake, a peer, and the floor, in the same run.

peer   astropy.table.Table.read -> pandas -> DuckDB, one file after another, as notebooks do
floor  gunzip every byte, write the same columns as Parquet with the same codecs; no FITS, no ledger, no lake;
       in as many processes as photonlake uses
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from events_files import write_events
from measure import measure, median

FILES, EVENTS, WORKERS, REPEATS = 24, 400_000, 2, 3

PHOTONLAKE = """
from ingest.refresh import refresh
from catalog.store.manifest import Source
import catalog.store.lake as lake
from pathlib import Path
import shutil
"""
PHOTONLAKE_PREPARE = """
shutil.rmtree(store, ignore_errors=True)
lake.create(Path(store))
"""
PHOTONLAKE_WORK = """
refresh(Path(store), [Source("files", folder)], workers=workers)
c = lake.connect(Path(store))
answer = c.execute("SELECT count(*), sum(energy_ev) FROM product.event").fetchone()
"""
PEER = """
import glob, os, duckdb
from astropy.table import Table
if os.path.exists(store): os.unlink(store)
"""
PEER_WORK = """
c = duckdb.connect(store)
for i, path in enumerate(sorted(glob.glob(folder + "/*.gz"))):
    table = Table.read(path, format="fits", hdu="EVENTS")
    frame = table[["time", "ccd_id", "x", "y", "energy", "pi"]].to_pandas()
    frame["obsid"] = int(table.meta["OBS_ID"])
    c.execute("CREATE TABLE event AS SELECT * FROM frame" if i == 0 else "INSERT INTO event SELECT * FROM frame")
answer = c.execute("SELECT count(*), sum(energy) FROM event").fetchone()
"""
FLOOR = """
import glob, os, shutil
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from concurrent.futures import ProcessPoolExecutor
from isal import igzip
import multiprocessing
encoding = {name: "BYTE_STREAM_SPLIT" for name in ("time", "x", "y", "energy")}
types = {"time": "f8", "ccd_id": "i2", "x": "f4", "y": "f4", "energy": "f4"}
width = 64
def one(path):
    columns = {k: [] for k in types}
    with igzip.open(path, "rb") as f:
        data = f.read()
    n = (len(data) - 4 * 2880) // width
    # the numbers' bytes as they come: the floor does not parse, it only moves as many bytes
    flat = np.frombuffer(data, "u1", n * width, 3 * 2880).reshape(n, width)
    def column(at, dtype):
        return flat[:, at:at + np.dtype(dtype).itemsize].copy().view(dtype)[:, 0].byteswap()
    at = {"time": 0, "ccd_id": 8, "x": 32, "y": 36, "energy": 48}
    table = pa.table({k: column(at[k], t) for k, t in types.items()})
    levels = {k: double if k == "time" else level for k in types}
    pq.write_table(table, store + "/" + os.path.basename(path) + ".parquet", compression="zstd",
                   compression_level=levels, use_dictionary=["ccd_id"], column_encoding=encoding, row_group_size=131072)
    return n
def main():
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(one, sorted(glob.glob(folder + "/*.gz"))))
"""
FLOOR_PREPARE = """
shutil.rmtree(store, ignore_errors=True)
os.makedirs(store)
"""
FLOOR_WORK = "answer = main()"


def main() -> None:
    """Print the table."""
    from catalog.store.parts import COMPRESSION_LEVEL, COMPRESSION_LEVEL_DOUBLE  # noqa: PLC0415 - the floor uses what we use

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folder = root / "files"
        folder.mkdir()
        paths = [
            write_events(folder / f"acisf{n + 1:05d}_000N001_evt3.fits.gz", EVENTS, n + 1, seed=n) for n in range(FILES)
        ]
        size = sum(p.stat().st_size for p in paths)
        common = {"folder": str(folder), "workers": WORKERS, "level": COMPRESSION_LEVEL}
        common["double"] = COMPRESSION_LEVEL_DOUBLE
        runs = {"photonlake": [], "peer": [], "floor": []}
        for _ in range(REPEATS):
            runs["photonlake"].append(
                measure(PHOTONLAKE, PHOTONLAKE_WORK, prepare=PHOTONLAKE_PREPARE, store=str(root / "s"), **common)
            )
            runs["peer"].append(measure(PEER, PEER_WORK, store=str(root / "peer.duckdb"), **common))
            runs["floor"].append(measure(FLOOR, FLOOR_WORK, prepare=FLOOR_PREPARE, store=str(root / "floor"), **common))
        ours = median(runs["photonlake"])
        photons = FILES * EVENTS / 1e6
        print(f"  {FILES} gzipped event files, {photons:.1f} M photons, {size / 1e6:.0f} MB, {WORKERS} workers")
        for who, done in runs.items():
            seconds = median(done)
            rate = photons / seconds
            print(f"  {who:<11} {seconds:6.2f} s  {rate:5.2f} M photons/s  ratio to photonlake {seconds / ours:5.2f}")
        print(f"  answers: photonlake {runs['photonlake'][0].answer}, peer {runs['peer'][0].answer}")


if __name__ == "__main__":
    main()
