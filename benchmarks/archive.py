"""A rehearsal of the archive: N detections and all their products, ten times as many, and what CSC 2.1 would take.

Each step is a command as a user types it, in a process of its own: files to a store, the same again with nothing new,
one detection more, training, vectors, ten questions. Of each: seconds by the clock, seconds of the processors, the peak
memory of the process and its workers (the sum of their VmHWM), and what the store has grown by.

The slope is that of processor seconds from N to 10 N, as these do not depend on what else the machine does: 1 is
growth with the data, 0 none. What a step costs CSC 2.1 is drawn on from the two sizes in a straight line.

$PHOTONLAKE_BENCH_DETECTIONS: the sizes, "2000,20000"; $PHOTONLAKE_BENCH_FOLDER: where files and results are kept, so
that what was interrupted goes on where it was.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from copied_survey import CopiedSurvey, write_survey
from measure import Run, watch

SIZES = tuple(int(n) for n in os.environ.get("PHOTONLAKE_BENCH_DETECTIONS", "2000,20000").split(","))
CSC_DETECTIONS, CSC_PHOTONS = 2_100_000, 5_000_000_000
STEEP, STEEP_S = 1.15, 5.0
"""A slope above the first is said aloud, where the step took more seconds than the second: less is start-up."""
STEPS: dict[str, tuple[str, ...]] = {
    "ingest": ("ingest", "files", "{folder}", "--quiet"),
    "ingest, nothing new": ("ingest", "--quiet"),
    "train properties": ("embed", "train", "properties", "--quiet"),
    "train spectrum": ("embed", "train", "spectrum", "--model", "pca", "--quiet"),
    "embed properties": ("embed", "run", "properties", "--quiet"),
    "embed spectrum": ("embed", "run", "spectrum", "--quiet"),
    "train papers": ("embed", "train", "papers", "--quiet"),
    "embed papers": ("embed", "run", "papers", "--quiet"),
    "embed, nothing new": ("embed", "run", "--quiet"),
    "ingest, one more": ("ingest", "files", "{more}", "--quiet"),
    "embed, one more": ("embed", "run", "--quiet"),
}
QUESTIONS = {
    "a source by its name": "SELECT * FROM csc.source_summary WHERE name = $name",
    "sources within an arcminute": "SELECT name, separation_arcsec FROM cone($ra, $dec, '1 arcmin')",
    "the photons of a detection": "SELECT count(*), median(energy_ev) FROM product.detection_event "
    "WHERE detection_id = $id",
    "its light curve": "SELECT count(*), sum(counts) FROM light_curve($id, 1000)",
    "its spectrum": "SELECT counts FROM product.spectrum WHERE detection_id = $id",
    "its source's papers": "SELECT p.title FROM lit.confident_link JOIN lit.paper AS p USING (bibcode) "
    "WHERE name = $name",
    "20 nearest spectra": "SELECT n.rank, n.detection_id, o.hard_hs FROM nearest('spectrum', $id, k := 20) AS n "
    "JOIN csc.observation_source AS o USING (detection_id) ORDER BY n.rank",
    "20 nearest, by a condition": "SELECT * FROM nearest('properties', $id, k := 20, filter := 'theta < 5')",
    "the ten brightest": "SELECT name, flux_aper_b FROM csc.observation_source ORDER BY 2 DESC NULLS LAST LIMIT 10",
    "photons of each ObsID": "SELECT obsid, count(*) FROM product.event GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
}
ASK = """
import json, sys, time
import catalog
store, questions = sys.argv[1], json.loads(sys.argv[2])
cat = catalog.open(store)
one = cat.sql("SELECT o.detection_id, o.name, m.ra, m.dec FROM csc.observation_source AS o "
    "JOIN csc.master_source AS m USING (name) JOIN embedding.spectrum AS v ON v.detection_id = o.detection_id "
    "WHERE o.src_cnts_aper_b > 50 ORDER BY o.obsid LIMIT 1").fetchall()[0]
values = dict(zip(("id", "name", "ra", "dec"), one, strict=True))
seconds = {}
for what, query in questions.items():
    given = {k: v for k, v in values.items() if "$" + k in query}
    turns = []
    for _ in range(3):
        start = time.perf_counter(), time.process_time()
        rows = cat.sql(query, **given).fetchall()
        turns.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    seconds[what] = [turns[0][0], *map(min, zip(*turns)), len(rows)]
print(json.dumps(seconds))
"""
COUNT = """
import json, sys
import catalog
cat = catalog.open(sys.argv[1])
count = lambda table: cat.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
tables = ("csc.observation_source", "product.event", "product.spectrum", "lit.paper", "meta.file")
print(json.dumps([count(table) for table in tables]))
"""


@dataclass(frozen=True)
class Step:
    """What a step took, and how large the store was after it."""

    seconds: float
    cpu_s: float
    peak_mb: float
    store_bytes: int
    store_files: int


@dataclass
class Rehearsal:
    """The results at one size; kept on disk after each step."""

    path: Path
    steps: dict[str, Step]
    questions: dict[str, list[float]]
    counts: list[int]
    begun: str = ""
    """The step that was begun last: done, where it is among the steps."""

    @classmethod
    def at(cls, path: Path) -> Rehearsal:
        """Read what was measured before."""
        if not path.is_file():
            return cls(path, {}, {}, [])
        known = json.loads(path.read_text("utf-8"))
        steps = {k: Step(**v) for k, v in known["steps"].items()}
        return cls(path, steps, known["questions"], known["counts"], known.get("begun", next(reversed(steps), "")))

    def keep(self) -> None:
        """Write what is known so far."""
        steps = {k: asdict(v) for k, v in self.steps.items()}
        kept = {"begun": self.begun, "steps": steps, "questions": self.questions, "counts": self.counts}
        self.path.write_text(json.dumps(kept, indent=1), "utf-8")

    @property
    def detections(self) -> int:
        """How many the store has."""
        return self.counts[0]


def size_of(store: Path) -> tuple[int, int]:
    """Return the bytes and the inodes of a store."""
    stats = [path.stat() for path in store.rglob("*")]
    return sum(s.st_blocks * 512 for s in stats), len(stats)


def rehearse(work: Path, survey: CopiedSurvey, size: int) -> Rehearsal:
    """Do every step at one size that was not done before."""
    store = work / f"store_{size}"
    results = work / f"results_{size}.json"
    done = Rehearsal.at(results)
    if done.begun not in done.steps:
        # Steps go on where they were stopped: one that was begun would be measured by halves.
        shutil.rmtree(store, ignore_errors=True)
        results.unlink(missing_ok=True)
        done = Rehearsal.at(results)
    for name, arguments in STEPS.items():
        if name in done.steps:
            continue
        done.begun = name
        done.keep()
        words = [a.format(folder=survey.folder, more=survey.more) for a in arguments]
        run = watch([sys.executable, "-m", words[0], *words[1:], "--store", str(store)])
        done.steps[name] = step = Step(run.seconds, run.cpu_s, run.tree_mb, *size_of(store))
        done.keep()
        print(f"  {size:,}: {name}: {step.seconds:.1f} s, {step.cpu_s:.1f} s of processors", flush=True)
    if not done.questions:
        done.questions = _answer(watch([sys.executable, "-c", ASK, str(store), json.dumps(QUESTIONS)]))
        done.counts = _answer(watch([sys.executable, "-c", COUNT, str(store)]))
        done.keep()
    return done


def _answer(run: Run):  # type: ignore[no-untyped-def]  # noqa: ANN202 - whatever the script printed
    return json.loads(str(run.answer).splitlines()[-1])


def slope(small: float, large: float, times: float) -> float:
    """Return the power of the size with which a cost grows.

    Examples
    --------
    >>> round(slope(1.0, 100.0, 10.0), 3)
    2.0
    """
    return math.log(max(large, 1e-9) / max(small, 1e-9)) / math.log(times)


def drawn_on(small: float, large: float, at: tuple[int, int], n: int) -> float:
    """Return what a cost would be at another size, on the line through two.

    Examples
    --------
    >>> drawn_on(12.0, 30.0, (10, 100), 1000)
    210.0
    """
    return large + max(0.0, large - small) / (at[1] - at[0]) * (n - at[1])


def show(first: Rehearsal, last: Rehearsal) -> None:
    """Print the table."""
    at, times = (first.detections, last.detections), last.detections / first.detections
    names = ("detections", "photons", "spectra", "papers", "files")
    for done in (first, last):
        print("  " + ", ".join(f"{n:,} {name}" for n, name in zip(done.counts, names, strict=True)))
    print(f"  {'':22}{'seconds':>16}{'of processors':>18}{'slope':>7}{'peak MB':>14}   {'CSC 2.1':>10}")
    steep = []
    for name in STEPS:
        a, b = first.steps[name], last.steps[name]
        power = slope(a.cpu_s, b.cpu_s, times)
        hours = drawn_on(a.cpu_s, b.cpu_s, at, CSC_DETECTIONS) / 3600
        steep += [name] if power > STEEP and b.cpu_s > STEEP_S else []
        print(
            f"  {name:22}{a.seconds:8.1f}{b.seconds:8.1f}{a.cpu_s:9.1f}{b.cpu_s:9.1f}{power:7.2f}"
            f"{a.peak_mb:7.0f}{b.peak_mb:7.0f}   {hours:8.2f} h"
        )
    for what, unit, scale in (("store_bytes", "GB", 1e9), ("store_files", "inodes", 1.0)):
        a, b = (float(getattr(done.steps["embed, one more"], what)) for done in (first, last))
        there = drawn_on(a, b, at, CSC_DETECTIONS) / scale
        print(f"  store, {unit:15}{a / scale:16.4g}{b / scale:18.4g}{slope(a, b, times):7.2f}{'':14}   {there:10,.0f}")
    print(f"  {'':30}{'first time, ms':>18}{'again':>16}{'of processors':>16}{'slope':>7}   {'CSC 2.1':>10}")
    for what, few in first.questions.items():
        many = last.questions[what]
        both = "".join(f"{1e3 * a:9.0f}{1e3 * b:8.0f}"[-16:] for a, b in list(zip(few, many, strict=True))[:3])
        power = slope(few[2], many[2], times)
        print(f"  {what:32}{both}{power:7.2f}   {drawn_on(few[2], many[2], at, CSC_DETECTIONS):8.2f} s")
    photons = last.counts[1] / last.detections * CSC_DETECTIONS
    print(f"  at {CSC_DETECTIONS:,} detections this survey has {photons:,.0f} photons; CSC 2.1 has {CSC_PHOTONS:,}")
    print(f"  grows faster than the data: {', '.join(steep) or 'nothing'}")


def main() -> None:
    """Rehearse at both sizes, and print the table."""
    kept = os.environ.get("PHOTONLAKE_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        work = Path(kept or name)
        work.mkdir(parents=True, exist_ok=True)
        done = [rehearse(work, write_survey(work, size), size) for size in SIZES]
        if len(done) > 1:
            show(done[0], done[-1])


if __name__ == "__main__":
    main()
