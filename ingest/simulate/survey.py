"""Write a simulated survey: plan, then fields in parallel, then tables, papers and the truth.

Interrupted, it goes on where it was: a field that is done leaves its rows in `.work/`, and the manifest says at the
end that the survey is complete. Run again with the same parameters, nothing is written.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from catalog.errors import Terminal
from catalog.parallel import WorkerDied, map_ordered
from ingest.simulate.field_work import FieldRows, work_field
from ingest.simulate.fields import Field, plan, stream
from ingest.simulate.object_type_tables import literature_table, simbad_table
from ingest.simulate.papers import Paper, write_papers
from ingest.simulate.property_table import property_table
from ingest.simulate.truth import truth_line

MANIFEST = "manifest.json"
FORMAT = 5  # raise it when the same parameters give other bytes
PAGE = 200  # papers per ADS answer
_SIMBAD, _LITERATURE = 6, 7
SERIAL_SOURCES = 8  # below, worker processes take longer to start than the work does

README = """SIMULATED DATA
==============
Written by `python -m ingest simulate` (photonlake), seed {seed}, {sources} sources{how}.
Nothing in this folder was observed by Chandra or any other telescope, and no paper in it was ever published.
The files follow the formats of Chandra Source Catalog products, so that programs can be tried on them.

  2CXOJ.../obsid_obi/   products of each detection: regevt3, reg3, pha3, arf3, rmf3, some lc3
  whole_field/          event files of whole observations
  tables/               what the CSC service would answer; object types; literature classes
  papers/               ADS-style records, keyword 'simulated'
  truth.jsonl           what each source really is; no analysis may read it

Simplified: calibration (shapes only), plasma lines (sixteen), chip geometry, no pile-up, one background for all.
"""


class OutputInUse(Terminal, FileExistsError):
    """The folder holds something else."""


@dataclass(frozen=True)
class Summary:
    """What was written, or was there already.

    Attributes
    ----------
    output : Path
        The survey's folder.
    written : bool
        False if the same survey was complete already.
    sources, observations, detections, photons, papers, files, bytes : int
        How much there is.
    seconds : float
        How long it took.
    """

    output: Path
    written: bool
    sources: int
    observations: int
    detections: int
    photons: int
    papers: int
    files: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        """One line for the screen."""
        what = "simulated" if self.written else "already there, nothing written:"
        return (
            f"{what} {self.sources:,} sources, {self.detections:,} detections in {self.observations:,} observations, "
            f"{self.photons:,} photons, {self.papers:,} papers: {self.files:,} files, {self.bytes / 1e6:,.1f} MB "
            f"in {self.output} ({self.seconds:.1f} s)"
        )


def _read_manifest(output: Path) -> dict[str, object] | None:
    path = output / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except ValueError:
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == "photonlake simulate" else None


def _replace(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, "utf-8")
    beside.replace(path)


def _prepare(output: Path, parameters: dict[str, int]) -> dict[str, object] | None:
    """Make the folder ready; return the manifest if the same survey is complete."""
    manifest = _read_manifest(output)
    if manifest is None:
        if output.exists() and any(output.iterdir()):
            message = (
                f"{output}: expected an empty folder or a simulated survey, found other files; name another folder"
            )
            raise OutputInUse(message)
        output.mkdir(parents=True, exist_ok=True)
    elif manifest.get("parameters") != parameters:
        message = (
            f"{output}: holds a survey of {manifest.get('parameters')}, not of {parameters}; "
            "name another folder, or delete this one"
        )
        raise OutputInUse(message)
    elif manifest.get("complete"):
        return manifest
    start = {"made_by": "photonlake simulate", "parameters": parameters, "complete": False}
    _replace(output / MANIFEST, json.dumps(start, indent=1) + "\n")
    return None


def _work(output: str, field: Field) -> FieldRows:
    """Do one field, or read what an earlier run left of it."""
    done = Path(output) / ".work" / f"field_{field.number:05d}.json"
    if done.is_file():
        return FieldRows.from_json(done.read_text("utf-8"))
    rows = work_field(Path(output), field)
    done.parent.mkdir(exist_ok=True)
    _replace(done, rows.to_json())
    return rows


def _write_papers(output: Path, papers: list[Paper]) -> None:
    folder = output / "papers"
    folder.mkdir(exist_ok=True)
    for start in range(0, len(papers), PAGE):
        docs = [p.record for p in papers[start : start + PAGE]]
        answer = {
            "responseHeader": {
                "status": 0,
                "QTime": 7,
                "params": {"q": "keyword:simulated", "start": str(start), "rows": str(PAGE), "wt": "json"},
            },
            "response": {"numFound": len(papers), "start": start, "docs": docs},
        }
        name = f"ads_search_{start // PAGE:04d}.json"
        _replace(folder / name, json.dumps(answer, indent=1, ensure_ascii=False) + "\n")


def _write_tables(output: Path, seed: int, fields: list[Field], results: list[FieldRows], papers: list[Paper]) -> None:
    folder = output / "tables"
    folder.mkdir(exist_ok=True)
    rows = [(master, row) for result in results for master, row in result.joined()]
    _replace(folder / "search_csc_simulated.tsv", property_table(rows))
    sources = {s.name: s for f in fields for s in f.sources}
    detections = [(sources[str(row["name"])], int(str(row["obsid"]))) for _, row in rows]
    _replace(folder / "simbad_type_simulated.csv", simbad_table(detections, stream(seed, _SIMBAD)))
    _replace(folder / "literature_class_simulated.csv", literature_table(fields, papers, stream(seed, _LITERATURE)))


def _size(output: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in output.rglob("*") if path.is_file() and path.name != MANIFEST]
    return len(sizes), sum(sizes)


def simulate(
    output: Path,
    sources: int = 300,
    seed: int = 1,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    on: str = "local",
    *,
    rich_papers: bool = False,
) -> Summary:
    """Write a simulated mini survey in the real file formats.

    Parameters
    ----------
    output : Path
        Folder; new, empty, or holding the same survey, complete or not.
    sources : int
        How many; with about 1.5 detections each.
    seed : int
        The same seed gives the same bytes, whatever the number of workers.
    workers : int, optional
        Processes; 1 works in this one; by default one per processor.
    progress : callable, optional
        Called with fields done and fields in all.
    rich_papers : bool
        Abstracts state figures much more often than published ones do (`ingest.simulate.stated_figures`). The
        photons are the same either way.
    on : str
        Where: see `catalog.parallel.workers_on`.

    Returns
    -------
    Summary

    Raises
    ------
    OutputInUse
        If the folder holds anything else.
    ValueError
        If there are no sources to simulate, or the seed is negative.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "survey"
    >>> summary = simulate(folder, sources=1, seed=1, workers=1)
    >>> summary.written, simulate(folder, sources=1, seed=1).written
    (True, False)
    """
    if sources < 1 or seed < 0:
        message = f"expected at least one source and a seed of 0 or more, found sources={sources}, seed={seed}"
        raise ValueError(message)
    began = time.monotonic()
    output = Path(output)
    parameters = {"sources": sources, "seed": seed, "format": FORMAT} | ({"rich_papers": 1} if rich_papers else {})
    if (manifest := _prepare(output, parameters)) is not None:
        known = manifest.get("contents")
        counts = {str(k): int(v) for k, v in known.items()} if isinstance(known, dict) else {}
        return Summary(output, written=False, **counts, seconds=time.monotonic() - began)

    fields = plan(seed, sources)
    results: list[FieldRows] = []
    workers = 1 if sources <= SERIAL_SOURCES and on == "local" else workers
    for field, result in map_ordered(partial(_work, os.fspath(output.resolve())), fields, workers, on=on):
        if isinstance(result, WorkerDied):
            raise result
        results.append(result)
        if progress is not None:
            progress(len(results), len(fields))
        del field
    papers = write_papers(seed, fields, rich=rich_papers)
    _write_papers(output, papers)
    _write_tables(output, seed, fields, results, papers)
    everyone = [s for f in fields for s in f.sources]
    _replace(output / "truth.jsonl", "".join(truth_line(s, seed) + "\n" for s in everyone))
    _replace(
        output / "README.txt", README.format(seed=seed, sources=sources, how=", rich papers" if rich_papers else "")
    )
    shutil.rmtree(output / ".work", ignore_errors=True)
    n_files, n_bytes = _size(output)
    counts = {
        "sources": len(everyone),
        "observations": sum(len(f.observations) for f in fields),
        "detections": sum(len(r.detections) for r in results),
        "photons": sum(r.photons for r in results),
        "papers": len(papers),
        "files": n_files,
        "bytes": n_bytes,
    }
    final = {"made_by": "photonlake simulate", "parameters": parameters, "complete": True, "contents": counts}
    _replace(output / MANIFEST, json.dumps(final, indent=1) + "\n")
    return Summary(output, written=True, **counts, seconds=time.monotonic() - began)
