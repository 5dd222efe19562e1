"""The demo: simulate a survey, ingest it, ask it, make vectors, run the three studies, write a report.

Every step is a command to type. Each of them does nothing when it is done already, and says so; because to start a
program takes seconds too, the demo notes the steps that are done and does not even start those again. It notes too
which code did them: with other code all is made anew. Everything it makes lies in one folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

PYTHON = ".venv/bin/python"  # as commands are shown, to be typed
PACKAGES = ("sql", "catalog", "ingest", "embed", "analysis")
MADE = ("survey", "store", "report.html", "done.txt")
QUESTIONS = {
    "Observations: what is there of each?": """
        SELECT obsid, object, round(exposure_s / 1000, 1) AS exposure_ks, n_region_files, n_spectra, n_detections
        FROM product.observation_summary ORDER BY n_detections DESC LIMIT 5""",
    "Sources: which vary most, what are they said to be, and who wrote about them?": """
        SELECT o.name, o.obsid, o.src_cnts_aper_b, o.hard_hs, t.otype, count(*) AS n_papers, min(p.title) AS a_title
        FROM csc.observation_source o
        JOIN csc.object_type t ON t.name = o.name AND t.authority = 'simbad'
        JOIN lit.confident_link l ON l.name = o.name JOIN lit.paper p USING (bibcode)
        WHERE o.var_prob_b > 0.9 GROUP BY ALL ORDER BY o.src_cnts_aper_b DESC LIMIT 5""",
    "Light: the brightest variable source, photon by photon, in bins of 3,000 s.": """
        SELECT bin, counts, round(exposure_s) AS exposure_s, rate, rate_lolim, rate_hilim
        FROM light_curve('{detection}', 3000) LIMIT 8""",
}
NEIGHBOURS = """
    SELECT n.rank, n.detection_id, round(n.distance, 4) AS distance, o.name, o.hard_hs, t.otype,
      count(p.bibcode) AS n_papers, min(p.title) AS a_title
    FROM nearest('spectrum', '{detection}', k := 6) n
    JOIN csc.observation_source o USING (detection_id)
    LEFT JOIN csc.object_type t ON t.name = o.name AND t.authority = 'simbad'
    LEFT JOIN lit.confident_link l ON l.name = o.name LEFT JOIN lit.paper p USING (bibcode)
    GROUP BY ALL ORDER BY n.rank"""
WORDS = """
    SELECT n.rank, n.name, round(n.distance, 3) AS distance, o.hard_hs, o.var_prob_b, t.otype
    FROM nearest('aligned', text := 'bright flares from a young star', k := 5) n
    JOIN csc.observation_source o USING (detection_id)
    LEFT JOIN csc.object_type t ON t.name = o.name AND t.authority = 'simbad' ORDER BY n.rank"""
STUDIES = (
    ("cluster", "--space", "spectrum", "--algorithms", "kmeans,gmm", "--k", "4..10", "--splits", "4"),
    ("symbolic", "--space", "spectrum", "--lengths", "5,15", "--no-reverse"),
    ("retrieve",),
    ("regress", "--columns", "hard_hs,var_prob_b"),
    ("anomalies", "--space", "aligned", "--top", "8", "--draws", "0"),
    ("network", "--spaces", "events,papers", "--threshold", "0.5,0.7"),
)
BRIGHTEST = """
    SELECT detection_id FROM csc.observation_source
    WHERE var_prob_b > 0.9 AND detection_id IN (SELECT detection_id FROM product.header WHERE kind = 'events')
    ORDER BY src_cnts_aper_b DESC LIMIT 1"""


def code(packages: tuple[str, ...] = PACKAGES) -> str:
    """Return 16 hex digits that change with the demo or with a file of the packages that it runs."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for package in packages:
        spec = importlib.util.find_spec(package)  # found, not imported: that takes its time
        for folder in (spec and spec.submodule_search_locations) or ():
            files = (f for f in Path(folder).rglob("*") if f.is_file() and "__pycache__" not in f.parts)
            for file in sorted(files):
                digest.update(f"{package}/{file.relative_to(folder)} {file.stat().st_size}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def start_over(folder: Path) -> None:
    """Remove what an earlier demo made with other code, and note which code makes it now."""
    notes, made_with = folder / "done.txt", f"# made with code {code()}"
    if notes.is_file() and notes.read_text("utf-8").partition("\n")[0] != made_with:
        print("This folder was made with other code; it is made anew.")
        for name in MADE:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).unlink(missing_ok=True)
    if not (folder / "store").is_dir():
        notes.unlink(missing_ok=True)
    if not notes.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        notes.write_text(f"{made_with}\n", "utf-8")


def step(notes: Path, *arguments: str) -> None:
    """Run a command, unless it is noted as done; note it."""
    command = shlex.join(arguments)
    done = notes.read_text("utf-8").splitlines() if notes.is_file() else []
    if command in done:
        print(f"$ {PYTHON} {command}   # done before", flush=True)
        return
    run(*arguments)
    with notes.open("a", encoding="utf-8") as file:
        file.write(f"{command}\n")


def run(*arguments: str, show: str | None = None) -> None:
    """Show a command and run it; stop at the first that fails."""
    print(f"\n$ {PYTHON} {show or shlex.join(arguments)}", flush=True)
    done = subprocess.run([sys.executable, *arguments], check=False)  # noqa: S603 - our own commands
    if done.returncode:
        sys.exit(done.returncode)


def ask(store: str, question: str, query: str) -> None:
    """Ask one question, and show how."""
    query = " ".join(query.split())
    print(f"\n-- {question}")
    run("-m", "catalog", "sql", "--store", store, query, show=f'-m catalog sql --store {store} "{query}"')


def main(folder: Path, sources: int = 300) -> None:
    """Run the demo in a folder."""
    start = time.perf_counter()
    survey, store, notes = str(folder / "survey"), str(folder / "store"), folder / "done.txt"
    start_over(folder)
    print("A demo on SIMULATED sources: positions, photons, catalog values and papers are made up.")
    step(notes, "-m", "ingest", "simulate", "--output", survey, "--sources", str(sources), "--seed", "1")
    step(notes, "-m", "ingest", "files", survey, "--store", store)

    import catalog  # noqa: PLC0415 - after the first output, so that something is seen at once

    with catalog.open(store) as cat:
        ((detection,),) = cat.sql(BRIGHTEST).fetchall()
    for question, query in QUESTIONS.items():
        ask(store, question, query.format(detection=detection))
    step(notes, "-m", "embed", "run", "--store", store)  # by encoders that come ready made
    step(notes, "-m", "embed", "train", "aligned", "--data", "events-spectrum", "--epochs", "15", "--store", store)
    step(notes, "-m", "embed", "run", "aligned", "--store", store)
    ask(
        store,
        "Neighbours: spectra most like its own, and the papers about them.",
        NEIGHBOURS.format(detection=detection),
    )
    ask(store, "Words: sources whose photons and papers are nearest to them.", WORDS)
    for study in STUDIES:
        step(notes, "-m", "analysis", *study, "--store", store)
    report = str(folder / "report.html")
    step(notes, "-m", "analysis", "report", "--output", report, "--store", store)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"\nMade in {time.perf_counter() - start:.0f} s, {size / 1e6:.0f} MB, all of it in {folder}/ (simulated).")
    print(f"The report is {report}: open it in a browser. Three things to type next:")
    print(f"  {PYTHON} -m catalog info csc.observation_source --store {store}")
    print(f"  {PYTHON} -m catalog browse --store {store}")
    print(f"  {PYTHON} -m ingest files YOUR_FOLDER --store s")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
