"""What a refresh did, and how far it has come."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from catalog.store.manifest import FileEntry
from ingest import paper_links
from ingest.ledger import Disagreement


@dataclass
class Total:
    """What was read of one kind."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """What a refresh did.

    Attributes
    ----------
    kinds : dict of str to Total
        Loaded files by kind; seconds are summed over workers.
    unchanged : int
        Files the ledger knew already.
    gone : int
        Files of the ledger that are no longer on disk; their rows stay.
    problems : list of FileEntry
        Failed, unreadable and skipped files.
    duplicates : list of FileEntry
        Files whose content was already there.
    notes : list of FileEntry
        Loaded files with flags.
    missing_sources : list of str
        Places that are not there now.
    disagreements : list of Disagreement
        Tables that say something else than better ones, where a table was read.
    without_release : dict of str to int
        Tables that do not state their CSC release -> rows of theirs, where a table was read.
    linked : Linked or None
        Links of papers with sources, where papers or sources had changed.
    seconds : float
        Wall-clock time.
    """

    kinds: dict[str, Total] = field(default_factory=lambda: defaultdict(Total))
    unchanged: int = 0
    gone: int = 0
    problems: list[FileEntry] = field(default_factory=list)
    duplicates: list[FileEntry] = field(default_factory=list)
    notes: list[FileEntry] = field(default_factory=list)
    missing_sources: list[str] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    without_release: dict[str, int] = field(default_factory=dict)
    linked: paper_links.Linked | None = None
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was read at all."""
        return bool(self.kinds or self.problems or self.duplicates)


@dataclass(frozen=True)
class Progress:
    """How far a refresh has come."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int
