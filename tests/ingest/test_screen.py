"""What `python -m ingest status` prints of flags."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from catalog.store.manifest import FileEntry
from ingest.ledger import Status
from ingest.refresh import Report
from ingest.screen import show_report, show_status

CUT = "columns_not_kept: grade, status"


def entry(name, *flags):
    return FileEntry(1, f"/d/{name}", 1, 1, "loaded", "events", flags=flags)


FLAGGED = [entry("a.fits", CUT, "exposure_exceeds_span"), entry("b.fits", CUT), entry("c.fits", "energy_from_pi")]


def shown(function, *arguments):
    console = Console(file=io.StringIO(), width=200)
    function(console, *arguments)
    return console.file.getvalue()


def test_status_sums_up_what_nearly_every_file_has_and_explains_each_flag_once():
    text = shown(show_status, Status(Path("s"), [], [], FLAGGED, [], [], {}, [], {}))
    assert "/d/a.fits: exposure_exceeds_span\n" in text
    assert "/d/b.fits" not in text
    assert f"2 events files: {CUT}" in text
    for word in ("columns_not_kept", "exposure_exceeds_span", "energy_from_pi"):
        assert text.count(f"  {word}: ") == 1
    assert "14.6 eV wide" in text


def test_a_refresh_counts_files_with_columns_that_are_not_kept():
    text = shown(show_report, Report(notes=FLAGGED), Path("s"))
    assert "something to know (2)" in text
    assert "With columns or tables that are not kept: 2 files; see them: python -m ingest status --store s" in text
    assert CUT not in text
