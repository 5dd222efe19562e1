"""A small archive on disk: several kinds of files, some of them broken; and what a store holds, as numbers."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

from factories import fits, ogip

from catalog.schema import TABLES
from catalog.schema.columns import Table
from catalog.store import lake

CLOCK = {"loaded_at", "added_at", "refreshed_at"}
"""Columns that tell when something was done: two equal stores may differ in them."""


def paper(n: int, **changes: object) -> str:
    """One ADS record as a line of JSON."""
    record = {"bibcode": f"2020Test.{n:04d}....1A", "title": [f"Paper {n}"], "year": "2020"}
    return json.dumps(record | {"abstract": f"About source {n}."} | changes) + "\n"


def write_archive(root: Path, n: int = 6) -> Path:
    """Write n detections (events, spectrum, responses), papers, a catalog table, and three broken files."""
    for i in range(1, n + 1):
        folder = root / f"{i:05d}_000"
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"acisf{i:05d}_000N001_r{i:04d}"
        identity = {"OBS_ID": str(i), "OBI_NUM": 0, "REGIONID": f"{i:04d}"}
        said = {"REGIONID": f"{i:04d}"}
        events = fits.events_file(n=200 + 10 * i, seed=i, content="REGEVT3", obs_id=str(i), header=said, compress=True)
        (folder / f"{stem}_regevt3.fits.gz").write_bytes(events)
        counts = [i + k % 7 for k in range(ogip.N_CHANNELS)]
        names = {"ANCRFILE": f"{stem}_arf3.fits", "RESPFILE": f"{stem}_rmf3.fits", "BACKFILE": f"{stem}_pha3.fits"}
        spectrum = ogip.pha(counts, background=counts, **names, **identity)
        (folder / f"{stem}_pha3.fits.gz").write_bytes(gzip.compress(spectrum))
        (folder / f"{stem}_arf3.fits").write_bytes(ogip.arf([100.0 + i + k for k in range(8)]))
        (folder / f"{stem}_rmf3.fits").write_bytes(ogip.rmf())
    (root / "papers.jsonl").write_text("".join(paper(k) for k in range(n)), encoding="utf-8")
    lines = ["name,obsid,obi,region_id,theta,hard_hs"]
    lines += [f"2CXO J0000{i:02d}.0+000000,{i},0,{i},1.5,0.{i}" for i in range(1, n + 1)]
    (root / "detections.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = (root / "00001_000" / "acisf00001_000N001_r0001_regevt3.fits.gz").read_bytes()
    (root / "truncated_evt2.fits.gz").write_bytes(whole[: len(whole) // 2])
    (root / "text_pha3.fits").write_text("see elsewhere\n", encoding="utf-8")
    (root / "copy_of_1.fits").write_bytes(gzip.decompress(whole))
    return root


def _written(connection) -> list[Table]:
    """Tables that ever had a row: to look at the others, which are most, takes most of the time."""
    rows = connection.execute("""
        SELECT schema_name || '.' || table_name FROM __ducklake_metadata_lake.ducklake_table AS t
        JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
        JOIN __ducklake_metadata_lake.ducklake_table_stats AS n USING (table_id) WHERE n.next_row_id > 0""").fetchall()
    return [table for table in TABLES.values() if (table.full_name,) in set(rows)]


def contents(store: Path) -> dict[str, tuple[int, int]]:
    """Count and hash the rows of every table, whatever their order; columns that tell the time are left out."""
    found = {}
    with contextlib.closing(lake.connect(store)) as connection:
        for table in _written(connection):
            columns = ", ".join(f'"{c}"' for c in table.column_names if c not in CLOCK)
            query = f"SELECT count(*), coalesce(sum(hash(({columns}))::HUGEINT), 0) FROM lake.{table.full_name}"
            found[table.full_name] = connection.execute(query).fetchone()
    return found


def keys_repeat(store: Path) -> list[str]:
    """Name the tables whose key is not unique."""
    wrong = []
    with contextlib.closing(lake.connect(store)) as connection:
        for table in _written(connection):
            key = ", ".join(f'"{k}"' for k in table.key)
            query = f"SELECT count(*) FROM (SELECT 1 FROM lake.{table.full_name} GROUP BY {key} HAVING count(*) > 1)"
            if connection.execute(query).fetchone()[0]:
                wrong.append(table.full_name)
    return wrong
