"""Peak memory of reading one event file of 5 and of 50 million photons, gzipped: it should not grow."""

from __future__ import annotations

import tempfile
from pathlib import Path

from events_files import write_events
from measure import measure

SETUP = """
from pathlib import Path
from ingest.loading import Task, load_batch
from ingest.planning import find_files
"""
WORK = """
loaded = load_batch(Task(tuple(find_files(Path(path))), folder))
answer = [sum(p.n_rows for p in loaded.parts if p.table == "product.event_stored"), loaded.entries[0].status]
"""


def main(sizes: tuple[int, ...] = (5_000_000, 50_000_000)) -> None:
    """Print the table."""
    peaks = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            path = write_events(Path(name) / "acisf00001_000N001_evt3.fits.gz", n, 1)
            run = measure(SETUP, WORK, path=str(path), folder=name)
            peaks.append(run.peak_mb)
            print(f"  {n / 1e6:5.0f} M photons: peak {run.peak_mb:5.0f} MB, {run.seconds:6.1f} s, {run.answer}")
    print(f"  ratio of the peaks: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
