"""Every benchmark, one after another; each prints ratios against a peer or a limit measured in the same run."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

BENCHMARKS = (
    *("imports", "ingest_speed", "catalog_table", "one_source", "second_run", "bytes_per_photon", "memory"),
    *(
        "nearest",
        "similar_pairs",
        "crossmatch",
        "training",
        "browse",
        "tap_answers",
        "tap_clients",
        "vectors_made",
        "archive",
    ),
)


def main() -> None:
    """Run the benchmarks named on the command line, else all."""
    sys.path.insert(0, str(Path(__file__).parent))
    for name in sys.argv[1:] or BENCHMARKS:
        module = importlib.import_module(name)
        print(f"\n{name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main()


if __name__ == "__main__":
    main()
