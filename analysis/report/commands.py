"""`python -m analysis report`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from catalog.console import OUT, StoreOption
from catalog.formats.whole_files import check_output
from catalog.store import location


def report(
    store: StoreOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("report.html"),
    top: Annotated[int, typer.Option("--top", min=0, help="Anomalies shown with spectrum, light curve, papers.")] = 4,
) -> None:
    """Write one HTML file of what the store holds and what the studies found: opens from disk, needs no network.

    Every figure and table stands with its run, its snapshot, and what to type for the same.

    Example: python -m analysis report --store s --output report.html
    """
    from analysis.report.write import write  # noqa: PLC0415 - `--help` needs no figures

    path = location.store_path(store)
    check_output(output)
    n_bytes = write(path, output, top)
    OUT.print(f"{output}: {n_bytes / 1e6:.1f} MB, for any browser", highlight=False, soft_wrap=True)


COMMANDS: tuple[Callable[..., None], ...] = (report,)
