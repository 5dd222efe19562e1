"""A reader beside a process that commits: it sees every snapshot whole, never goes back, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catalog.catalog import Catalog
from catalog.query.limited_process import Limits
from catalog.query.outside import Outside
from catalog.store import confinement

N_ROWS = 5
WRITES = """
import sys
from pathlib import Path
from factories.store import write
store, n_commits = Path(sys.argv[1]), int(sys.argv[2])
for n in range(n_commits):
    rows = [{"name": f"2CXO J{n:06d}.{i}+000000", "ra": float(n), "dec": 0.0} for i in range(int(sys.argv[3]))]
    write(store, "csc.master_source", *rows)
    print(n, flush=True)
"""
QUERY = "SELECT count(*) AS n, count(DISTINCT ra) AS m FROM csc.master_source"


def writing(store, n_commits):
    return subprocess.Popen(
        [sys.executable, "-c", WRITES, str(store), str(n_commits), str(N_ROWS)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def watched(ask, writer, before):
    """Ask until the writer has ended and once more; return the snapshots seen, oldest first."""
    seen = []
    is_over = False
    while not is_over:
        is_over = writer.poll() is not None
        snapshot, n_rows = ask()
        assert (n_rows - before) % N_ROWS == 0  # a commit is seen whole
        seen.append((snapshot, n_rows))
    assert seen == sorted(seen)
    return seen


def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def read_while_written(store, n_commits):
    with Catalog(store) as cat, Outside(store, Limits(seconds=60)) as outside:
        ((before, _),) = cat.sql(QUERY).fetchall()
        answer = outside.ask(QUERY)
        n_files, spilled = open_files(), set(confinement.spill_folder().rglob("*"))

        def of_catalog():
            result = cat.sql(QUERY)
            return result.snapshot, result.fetchall()[0][0]

        def of_outside():
            answer = outside.ask(QUERY)
            return answer.snapshot, answer.table["n"][0].as_py()

        failed = []

        def read(ask):
            try:
                found = watched(ask, writer, before)
                assert found[-1][1] == before + n_commits * N_ROWS
            except BaseException as error:  # noqa: BLE001 - told below, by the test itself
                failed.append(error)

        with writing(store, n_commits) as writer:
            readers = [threading.Thread(target=read, args=(ask,)) for ask in (of_catalog, of_outside)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            said = writer.stderr.read().decode()
        assert writer.returncode == 0, said
        assert not failed, failed
        assert outside.ask(QUERY).snapshot == answer.snapshot + n_commits
        left = {path for path in set(confinement.spill_folder().rglob("*")) - spilled if path.is_file()}
        assert len(left) <= 1  # the newest copy of the catalog
        assert open_files() <= n_files + 12
    assert not [path for path in left if path.exists() and "copies" not in path.parts]


def test_readers_see_every_commit_whole_and_never_go_back(store):
    read_while_written(store, 4)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory a process holds")
def test_many_commits_leave_no_memory_or_files_behind(store):
    read_while_written(store, 5)
    first = resident()
    read_while_written(store, 60)
    assert resident() - first < 300 << 20
