"""A refresh with nothing new, over 10,000 known files, against stat() of the same; and forgetting half of them."""

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
"""
REFRESH_WORK = """
report = refresh(Path(store))
answer = [report.unchanged, report.changed]
"""
FIRST = """
from pathlib import Path
from catalog.store.manifest import Source
from ingest.refresh import refresh
"""
FIRST_WORK = "answer = refresh(Path(store), [Source('files', root)], workers=2).kinds['papers'].files"

FORGET = """
from pathlib import Path
from ingest.forgetting import forget
"""
FORGET_WORK = "answer = forget(Path(store), paths).n_files"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        root, store = Path(name) / "files", str(Path(name) / "s")
        one, empty = Path(name) / "one.bib", str(Path(name) / "empty")
        for n in range(FILES):
            folder = root / f"{n // 100:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{n}.bib").write_text(
                f"@article{{2020Test.{n:05d}...1A, title={{T{n}}}, abstract={{A}}}}\n", encoding="utf-8"
            )
        one.write_text("@article{2020Test.00000...1A, title={T}, abstract={A}}\n", encoding="utf-8")
        first = measure(FIRST, FIRST_WORK, root=str(root), store=store)
        measure(FIRST, FIRST_WORK, root=str(one), store=empty)
        stats = [measure(STAT, STAT_WORK, root=str(root)) for _ in range(7)]
        startup = [measure(REFRESH, REFRESH_WORK, store=empty) for _ in range(7)]
        seconds = [measure(REFRESH, REFRESH_WORK, store=store) for _ in range(7)]
        known = median(seconds) - median(startup)
        print(f"  first run of {first.answer:,} files: {first.seconds:.1f} s")
        print(f"  stat() of {stats[0].answer:,} files: {1e3 * median(stats):.0f} ms")
        ours, empty_run = 1e3 * median(seconds), 1e3 * median(startup)
        print(f"  second run: {ours:.0f} ms; start-up, the same on one file: {empty_run:.0f} ms")
        print(f"  ratio of the rest to stat(): {known / median(stats):.2f}; answer {seconds[0].answer}")
        folders = [str(root / f"{n:03d}") for n in range(FILES // 100)]
        few = measure(FORGET, FORGET_WORK, store=store, paths=[f"{folders[0]}/{n}.bib" for n in range(10)])
        many = measure(FORGET, FORGET_WORK, store=store, paths=folders[1 : len(folders) // 2])
        print(f"  forgetting {few.answer} files: {few.seconds:.1f} s; {many.answer:,} files: {many.seconds:.1f} s")
        print(f"  ratio of the two: {many.seconds / few.seconds:.1f}, for {many.answer / few.answer:.0f} times as many")


if __name__ == "__main__":
    main()
