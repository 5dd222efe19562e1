"""A TAP service asked by 16 clients at once: the slowest hundredth of the answers, beside one client's.

One answer takes about a core. So 16 clients wait 16 / cores times as long as one, whatever the service does: that is
the limit the ratio is read against.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from catalog.store import lake

N = int(os.environ.get("PHOTONLAKE_BENCH_SOURCES", "100000"))
CLIENTS = 16
EACH = 12
SOURCES = """INSERT INTO lake.csc.master_source BY NAME
SELECT 'S' || i AS name, (i * 222.49223594996214) % 360 AS ra, degrees(asin(2 * (i + 0.5) / $n - 1)) AS "dec",
  abs(sin(i)) AS significance FROM range($n) AS t(i)"""
QUERY = """SELECT TOP 100 name, ra, dec, significance FROM csc.master_source
WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({}, 10, 3))"""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a store with sources all over the sky; give its address."""
    store = folder / "s"
    lake.create(store)
    with (
        lake.lock(store, "bench"),
        contextlib.closing(lake.connect(store, read_only=False)) as connection,
        lake.transaction(connection, "bench"),
    ):
        connection.execute(SOURCES, {"n": N})
    command = [sys.executable, "-m", "catalog", "serve", "--port", "0", "--store", str(store), "--jobs", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.split(" at ", 1)[1].split()[0]
        finally:
            process.terminate()


def answered(url: str, ra: float) -> float:
    """Ask once; return the seconds until the last byte."""
    given = urllib.parse.urlencode({"LANG": "ADQL", "QUERY": QUERY.format(ra)}).encode()
    begin = time.perf_counter()
    with urllib.request.urlopen(f"{url}tap/sync", given) as answer:  # noqa: S310 - this machine
        answer.read()
    return time.perf_counter() - begin


def asked_by(url: str, clients: int, each: int) -> list[float]:
    """Let clients ask one after another, all at once; return the seconds of all answers."""
    taken: list[float] = []

    def client(number: int) -> None:
        taken.extend(answered(url, (number * 23.7 + i * 7.1) % 360) for i in range(each))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        asked_by(url, CLIENTS, 1)  # all processes have started
        one, many = asked_by(url, 1, CLIENTS * EACH), asked_by(url, CLIENTS, EACH)
    slow_one, slow_many = np.percentile(one, 99), np.percentile(many, 99)
    cores = os.cpu_count() or 1
    print(f"  one client   median {np.median(one):.3f} s, 99 % within {slow_one:.3f} s")
    print(f"  {CLIENTS} clients   median {np.median(many):.3f} s, 99 % within {slow_many:.3f} s")
    print(f"  {slow_many / slow_one:.1f} times as long; {CLIENTS} clients on {cores} cores: {CLIENTS / cores:.0f}")


if __name__ == "__main__":
    main()
