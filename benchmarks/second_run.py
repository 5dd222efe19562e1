"""A refresh with nothing new, over 10,000 known files, against stat() of the same files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import measure, median

FILES = 10_000
STAT = """
import os
"""
STAT_WORK = """
answer = 0
for folder, _, names in os.walk(root):
    for name in names:
        os.stat(os.path.join(folder, name))
        answer += 1
"""
REFRESH = """
from pathlib import Path
from ingest.refresh import refresh
from catalog import lake
"""
PREPARE = "lake.connect(Path(store)).close()  # start-up: extensions, attach"
REFRESH_WORK = """
report = refresh(Path(store))
answer = [report.unchanged, report.changed]
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        root, store = Path(name) / "files", str(Path(name) / "s")
        for n in range(FILES):
            folder = root / f"{n // 100:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{n}.bib").write_text(f"@article{{20{n:05d}X, title={{T{n}}}, abstract={{A}}}}\n", encoding="utf-8")
        first = measure(
            "from pathlib import Path\nfrom ingest.refresh import refresh\nfrom catalog.manifest import Source",
            "answer = dict(refresh(Path(store), [Source('files', root)], workers=2).kinds).keys().__len__()",
            root=str(root),
            store=store,
        )
        stats = [measure(STAT, STAT_WORK, root=str(root)) for _ in range(5)]
        seconds = [measure(REFRESH, REFRESH_WORK, prepare=PREPARE, store=store) for _ in range(5)]
        print(f"  first run of {FILES:,} files: {first.seconds:.1f} s")
        print(f"  stat() of {stats[0].answer:,} files {1e3 * median(stats):.0f} ms; second run {1e3 * median(seconds):.0f} ms")
        print(f"  ratio {median(seconds) / median(stats):.2f}; answer {seconds[0].answer}")


if __name__ == "__main__":
    main()
