"""Make the tables of all studies, on whatever is in a store; without one, of a simulated survey that is made first.

Every step is a command to type. What it printed is kept in FOLDER, one file a step, with the command on top, and how
and when it ended. A step that ended well is not done again: so this goes on where it was stopped. Remove its file, or
the folder, to do it again; the studies themselves keep their runs in the store, and find them there.

A store may lack what a step needs: papers, classes, photons. The step says so in a line, and the others go on. The
exit status is 1 where a step failed otherwise, and where none could be done.

Type: python benchmarks/studies.py [--store STORE] [--folder build/studies] [--sources 3000] [--seed 31] [--quick].
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

COLUMNS = "hard_hs,hard_ms,hard_hm,var_prob_b,flux_significance_b"
VARIABLE = "src_cnts_aper_b > 20"
DONE, LACKING = "# done", "# could not be done"


def steps(store: str, folder: Path, *, quick: bool) -> dict[str, tuple[str, ...]]:
    """Return name -> command, in the order of their doing."""
    epochs = "5" if quick else "60"
    splits = ("--splits", "2") if quick else ("--splits", "10")
    cluster = ("--algorithms", "kmeans,gmm", "--k", "8,12") if quick else ("--k", "4..16")
    train = ("-m", "embed", "train")
    after = ("--epochs", epochs, "--store", store)
    exam = ("benchmarks/retrieval_exam.py", store, str(folder / "retrieval_exam.json"), "--epochs", epochs)
    return {
        "vectors": ("-m", "embed", "run", "--store", store),
        "aligned": (*train, "aligned", "--data", "events-spectrum", "--gamma", "0.1", *after),
        "aligned-vectors": ("-m", "embed", "run", "aligned", "--store", store),
        "clusters": ("-m", "analysis", "cluster", "--space", "spectrum", *cluster, *splits, "--store", store),
        "formulas": ("-m", "analysis", "symbolic", "--space", "spectrum", "--store", store),
        "retrieval": ("-m", "analysis", "retrieve", "--store", store),
        "retrieval-exam": (*exam, "--seeds", "1" if quick else "3"),
        "regression": ("-m", "analysis", "regress", "--columns", COLUMNS, "--store", store),
        "neighbours": ("-m", "analysis", "neighbours", "--store", store),
        "anomalies": ("-m", "analysis", "anomalies", "--space", "aligned", "--store", store),
        "network": ("-m", "analysis", "network", "--spaces", "events,papers", "--where", VARIABLE, "--store", store),
        "network-as-published": (
            *("-m", "analysis", "network", "--as-published", "--spaces", "events,papers"),
            *("--where", VARIABLE, "--store", store),
        ),
        "photons-in-time": ("benchmarks/photons_in_time.py", store, "--trees", "20" if quick else "200"),
        "real-spectra": ("benchmarks/real_spectra.py", store),
        "report": ("-m", "analysis", "report", "--output", str(folder / "report.html"), "--store", store),
    }


def survey(store: str, folder: Path, sources: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the commands that make a store of a simulated survey."""
    made = str(folder / "survey")
    simulate = ("-m", "ingest", "simulate", "--sources", str(sources), "--seed", str(seed), "--output", made)
    return {"survey": simulate, "store": ("-m", "ingest", "files", made, "--store", store)}


def do(name: str, command: tuple[str, ...], folder: Path) -> str:
    """Run a command, unless it ended well before; return how it ended."""
    typed = f"$ python {shlex.join(command)}"
    file = folder / f"{name}.txt"
    before = file.read_text("utf-8").splitlines() if file.is_file() else []
    if before and before[0] == typed and before[-1].startswith(DONE):
        print(f"{typed}   # done before", flush=True)
        return DONE
    print(f"\n{typed}", flush=True)
    start, last = time.monotonic(), ""
    with file.open("w", encoding="utf-8") as out:
        out.write(f"{typed}\n")
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        for line in process.stdout or ():
            out.write(line)
            print(line, end="", flush=True)
            last = line if line.strip() else last
        status = process.wait()
        ended = DONE
        if status:  # what is not there to be studied is told in one line, on exit status 1
            ended = LACKING if status == 1 and last.startswith("error: ") else f"# failed with exit status {status}"
        out.write(f"{ended}, {time.strftime('%Y-%m-%d %H:%M')}, {time.monotonic() - start:.0f} s\n")
    return ended


def main() -> int:
    """Do the steps; tell how each of them ended."""
    read = argparse.ArgumentParser(description="Make the tables of all studies.")
    read.add_argument("--store", default="")
    read.add_argument("--folder", type=Path, default=Path("build") / "studies")
    read.add_argument("--sources", type=int, default=3000)
    read.add_argument("--seed", type=int, default=31)
    read.add_argument("--quick", action="store_true", help="few epochs, splits and seeds: to see that all runs")
    asked = read.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    store = asked.store or str(asked.folder / "store")
    for name, command in ({} if asked.store else survey(store, asked.folder, asked.sources, asked.seed)).items():
        if do(name, command, asked.folder) != DONE:
            return 1
    ended = {n: do(n, c, asked.folder) for n, c in steps(store, asked.folder, quick=asked.quick).items()}
    print()
    for name, how in ended.items():
        print(f"{asked.folder / name}.txt: {how.removeprefix('# ')}")
    return int(DONE not in ended.values() or any(how not in {DONE, LACKING} for how in ended.values()))


if __name__ == "__main__":
    sys.exit(main())
