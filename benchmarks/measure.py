"""Run a piece of work in a process of its own: wall-clock and processor seconds, and peak memory (VmHWM)."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_EPILOGUE = """
import json as _json
_peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(_json.dumps({"seconds": _seconds, "peak_mb": _peak / 1024, "answer": globals().get("answer")}))
"""
_LOOKS_S = 0.05  # so often are peaks looked at: a peak never falls while its process lives


@dataclass(frozen=True)
class Run:
    """One measured run.

    Attributes
    ----------
    seconds : float
        By the clock; of `measure` those of the work alone.
    peak_mb : float
        Peak memory of the process.
    answer : object
        What the work left in `answer`; of `watch` what was printed.
    cpu_s : float
        Processor seconds of the process and its workers, start-up included.
    tree_mb : float
        Sum of the peaks of the process and its workers.
    """

    seconds: float
    peak_mb: float
    answer: object
    cpu_s: float = 0.0
    tree_mb: float = 0.0


def measure(setup: str, work: str, *, prepare: str = "", **values: object) -> Run:
    """Run `setup` and `prepare`, then `work` under the clock, in a fresh interpreter.

    `values` become its variables. `setup` (imports, functions) runs in its worker processes too, `prepare` does not.
    """
    assignments = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    program = "\n".join(
        (
            assignments,
            textwrap.dedent(setup),
            "if __name__ == '__main__':",
            textwrap.indent(textwrap.dedent(prepare) or "pass", "    "),
            "    import time as _time",
            "    _start = _time.perf_counter()",
            textwrap.indent(textwrap.dedent(work), "    "),
            "    _seconds = _time.perf_counter() - _start",
            textwrap.indent(_EPILOGUE, "    "),
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "work.py"
        script.write_text(program, encoding="utf-8")
        run = watch([sys.executable, str(script)])
    said = json.loads(str(run.answer).splitlines()[-1])
    workers_mb = run.tree_mb - run.peak_mb
    return Run(said["seconds"], said["peak_mb"], said["answer"], run.cpu_s, said["peak_mb"] + workers_mb)


def watch(command: Sequence[str]) -> Run:
    """Run a command; measure it and its workers."""
    start = time.perf_counter()
    peaks: dict[int, float] = {}
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as problems,
        subprocess.Popen(command, stdout=out, stderr=problems) as process,
    ):
        ended = threading.Event()
        looking = threading.Thread(target=_look, args=(process.pid, peaks, ended))
        looking.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        ended.set()
        looking.join()
        out.seek(0)
        problems.seek(0)
        if process.returncode:
            raise SystemExit(problems.read() + out.read())
        own = peaks.get(process.pid, 0.0)
        return Run(seconds, own, out.read(), usage.ru_utime + usage.ru_stime, sum(peaks.values()))


def _look(root: int, peaks: dict[int, float], ended: threading.Event) -> None:
    """Note the peak memory of a process and all that descend from it, MB, until it has ended."""
    while not ended.wait(_LOOKS_S):
        family, waiting = set(), [root]
        while waiting:
            pid = waiting.pop()
            family.add(pid)
            waiting += [child for child in _children(pid) if child not in family]
        for pid in family:
            if found := re.search(r"VmHWM:\s+(\d+)", _text(Path(f"/proc/{pid}/status"))):
                peaks[pid] = int(found[1]) / 1024


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*") for child in _text(task / "children").split()]


def _text(path: Path) -> str:
    """Read a file of /proc; nothing where the process has ended meanwhile."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def median(runs: list[Run]) -> float:
    """Median of the seconds."""
    return statistics.median(r.seconds for r in runs)
