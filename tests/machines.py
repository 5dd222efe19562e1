"""Run tests as other machines would: an older processor, a single core, a busy machine.

    python tests/machines.py [MACHINE ...] [-- OPTIONS OF PYTEST]

What a test asserts must hold on all of them. A processor without AVX adds numbers in another order than one with it,
and trainings end in other digits; a busy machine changes which of two processes comes first.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUSY = [sys.executable, "-c", "while True: pass"]


def older_processor() -> dict[str, str]:
    """Return settings by which numpy, torch and oneDNN use nothing beyond SSE 4.2."""
    from numpy._core import _multiarray_umath as umath  # noqa: PLC0415 - numpy tells nowhere else

    there = umath.__cpu_features__
    newer = [name for name in umath.__cpu_dispatch__ if there.get(name)]
    settings = {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Nehalem"}
    return settings | ({"NPY_DISABLE_CPU_FEATURES": " ".join(newer)} if newer else {})


MACHINES: Mapping[str, tuple[bool, int, int]] = {
    "older processor": (True, 2, 0),
    "one core": (False, 1, 0),
    "busy": (False, 2, 2),
}
"""Name -> whether its processor is older, how many tests run at a time, how many loops run beside them."""


@contextlib.contextmanager
def beside(n_loops: int) -> Iterator[None]:
    """Keep some cores busy."""
    loops = [subprocess.Popen(BUSY) for _ in range(n_loops)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> int:
    """Run pytest once per machine; return how many of them failed."""
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:split] or list(MACHINES), arguments[split + 1 :]
    failed = []
    for name in names:
        is_older, n_workers, n_loops = MACHINES[name]
        settings = older_processor() if is_older else {}
        command = [sys.executable, "-m", "pytest", "-n", str(n_workers), *options]
        said = " ".join([*(f"{key}={value!r}" for key, value in settings.items()), *command[1:]])
        sys.stdout.write(f"{name}: {said}\n")
        sys.stdout.flush()
        with beside(n_loops):
            done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=False)
        if done.returncode:
            failed.append(name)
    sys.stdout.write(f"failed on: {', '.join(failed) or 'none'}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
