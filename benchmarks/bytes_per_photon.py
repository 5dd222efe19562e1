"""Bytes a photon takes on disk, lossless: in the lake, as gzipped FITS, and as Parquet with plain zstd."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from events_files import write_events

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.refresh import refresh

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "events"


def main() -> None:
    """Print the table, for the real files where they are, else for simulated ones."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if REAL.is_dir():
            paths = sorted(p for p in REAL.iterdir() if "evt" in p.name or p.name.startswith("chandra_test"))
        else:
            paths = [write_events(root / "acisf00001_000N001_evt3.fits.gz", 500_000, 1)]
        for path in [*paths, None]:
            store = root / "stores" / (path.name if path else "all")
            refresh(store, [Source("files", str(p)) for p in ([path] if path else paths)])
            connection = lake.connect(store)
            n = connection.execute("SELECT count(*) FROM product.event").fetchone()[0]
            files = (store / "lake" / "product" / "event_stored").glob("*.parquet")
            size = sum(f.stat().st_size for f in files)
            rows = connection.execute("SELECT * FROM product.event").to_arrow_table()
            plain = pa.BufferOutputStream()
            pq.write_table(rows, plain, compression="zstd")
            label = path.name if path else "all of them in one store"
            print(f"  {label:<44} {n:>9,} photons  {size / n:5.2f} B in the lake  {plain.tell() / n:5.2f} B plain zstd")
            connection.close()


if __name__ == "__main__":
    sys.exit(main())
