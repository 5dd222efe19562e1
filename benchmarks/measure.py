"""Run a piece of work in a process of its own: wall-clock seconds and peak memory (VmHWM), both of that process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

_EPILOGUE = """
import json as _json
_peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(_json.dumps({"seconds": _seconds, "peak_mb": _peak / 1024, "answer": globals().get("answer")}))
"""


@dataclass(frozen=True)
class Run:
    """One measured run."""

    seconds: float
    peak_mb: float
    answer: object


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
    script = Path(os.environ.get("TMPDIR", "/tmp")) / f"photonlake-bench-{os.getpid()}.py"  # noqa: S108 - removed below
    script.write_text(program, encoding="utf-8")
    try:
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return Run(**json.loads(done.stdout.splitlines()[-1]))
    finally:
        script.unlink()


def median(runs: list[Run]) -> float:
    """Median of the seconds."""
    return statistics.median(r.seconds for r in runs)
