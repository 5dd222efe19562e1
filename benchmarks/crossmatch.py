"""crossmatch() of 100,000 positions with 2.1 million sources against astropy search_around_sky and stilts tmatch2.

Each piece of work runs in a process of its own. Half of the positions lie near a source. astropy gets arrays that are
in memory; stilts reads two FITS files, its start included; ours reads the sources from a store and gives their names.
stilts is measured where it is installed.
"""

from __future__ import annotations

import os
import shutil

from measure import Run, measure

SIZES = tuple(int(n) for n in os.environ.get("PHOTONLAKE_BENCH_MATCH", "100000,2100000").split(","))
RADIUS_ARCSEC = 2.0

DATA = """
import numpy as np
rng = np.random.default_rng(0)
def sky(n):
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
ra_2, dec_2 = sky(m)
ra_1, dec_1 = sky(n)
near = rng.integers(0, m, n // 2)
ra_1[: n // 2] = ra_2[near] + rng.normal(0, 0.3 / 3600, n // 2)
dec_1[: n // 2] = np.clip(dec_2[near] + rng.normal(0, 0.3 / 3600, n // 2), -90, 90)
"""
STORE = """
import contextlib, tempfile
from pathlib import Path
import pyarrow as pa
from catalog.catalog import Catalog
from catalog.store import lake
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "s"
lake.create(store)
with lake.lock(store, "bench"), contextlib.closing(lake.connect(store, read_only=False)) as connection:
    connection.register("rows", pa.table({"name": [f"2CXO {i:07d}" for i in range(m)], "ra": ra_2, "dec": dec_2}))
    with lake.transaction(connection, "bench"):
        connection.execute('INSERT INTO csc.master_source (name, ra, "dec") SELECT * FROM rows')
del ra_2, dec_2
cat = Catalog(store)
cat.register("mine", {"ra": ra_1, "dec": dec_1})
"""
OURS = """
query = f"SELECT count(*) FROM crossmatch('mine', 'csc.master_source', {radius}, find := 'all')"
answer = cat.sql(query).fetchall()[0][0]
"""
ASTROPY = """
first, second = SkyCoord(ra_1, dec_1, unit="deg"), SkyCoord(ra_2, dec_2, unit="deg")
answer = len(search_around_sky(first, second, radius * u.arcsec)[0])
"""
ASTROPY_IMPORTS = "import astropy.units as u\nfrom astropy.coordinates import SkyCoord, search_around_sky"
FILES = """
import subprocess, tempfile
from pathlib import Path
from astropy.table import Table
folder = tempfile.TemporaryDirectory()
one, two, out = (str(Path(folder.name) / f"{name}.fits") for name in ("one", "two", "out"))
Table({"id": np.arange(n), "ra": ra_1, "dec": dec_1}).write(one)
Table({"id": np.arange(m), "ra": ra_2, "dec": dec_2}).write(two)
"""
STILTS = """
subprocess.run(
    ["stilts", "tmatch2", f"in1={one}", f"in2={two}", "matcher=sky", "values1=ra dec", "values2=ra dec",
     f"params={radius}", "find=all", f"out={out}"], check=True, capture_output=True)
answer = len(Table.read(out))
"""


def line(what: str, run: Run, ours: float) -> None:
    """Print one measurement."""
    print(f"  {what:34s} {run.seconds:8.2f} s {run.seconds / ours:6.2f} {run.peak_mb:8.0f} MB   {run.answer:,} pairs")


def main() -> None:
    """Print the table."""
    n, m = SIZES
    given = {"n": n, "m": m, "radius": RADIUS_ARCSEC}
    print(f"  {n:,} with {m:,} within {RADIUS_ARCSEC:g} arcsec; seconds, ratio to ours, peak memory with the data")
    turns = [(measure(DATA, OURS, prepare=STORE, **given), measure(DATA, ASTROPY, prepare=ASTROPY_IMPORTS, **given))]
    turns += [(measure(DATA, OURS, prepare=STORE, **given), measure(DATA, ASTROPY, prepare=ASTROPY_IMPORTS, **given))]
    ours, astropy = (min(runs, key=lambda r: r.seconds) for runs in zip(*turns, strict=True))
    line("crossmatch() in SQL", ours, ours.seconds)
    line("astropy search_around_sky", astropy, ours.seconds)
    if shutil.which("stilts"):
        line("stilts tmatch2 (memory: not seen)", measure(DATA, STILTS, prepare=FILES, **given), ours.seconds)
    else:
        print("  stilts is not installed: apt-get install stilts")


if __name__ == "__main__":
    main()
