"""What a store must hold, told in plain Python: files on disk, what the ledger knows of them, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True)
class Content:
    """What is in a file: photons of an observation of its own, papers of its own, or nothing that can be read."""

    number: int
    kind: str
    n: int

    @property
    def papers(self):
        """The bibcodes of the papers in it."""
        return {f"2020Test.{self.number * 10 + k:04d}....1A" for k in range(self.n)} if self.kind == "papers" else set()


@dataclass
class Model:
    """The files of one folder, and what a store that was refreshed from it knows.

    Every content is new when it comes. It moves by renaming only, so one file on disk has it at most.
    """

    disk: dict[str, Content] = field(default_factory=dict)
    ledger: dict[str, Content] = field(default_factory=dict)
    holder: dict[Content, str] = field(default_factory=dict)
    forgotten: dict[str, Content] = field(default_factory=dict)
    made: int = 0

    def change_disk(self, rng: Random) -> tuple[str, str, Content | None]:
        """Change one thing on disk; return what, the path, and its content (None: the path was renamed to `made`)."""
        what = rng.choice(["events", "events", "papers", "broken", "changed", "renamed", "damaged"])
        good = sorted(path for path, content in self.disk.items() if content.kind != "broken")
        self.made += 1
        if what == "renamed" and good:
            path = rng.choice(good)
            content = self.disk.pop(path)
            self.disk[self.name(content.kind)] = content
            return what, path, None
        if what in {"changed", "damaged"} and good:
            path = rng.choice(good)
            kind = "broken" if what == "damaged" else self.disk[path].kind
            content = Content(self.made, kind, rng.randint(1, 9))
        else:
            kind = what if what in {"papers", "broken"} else "events"
            path, content = self.name(kind), Content(self.made, kind, rng.randint(1, 9))
        self.disk[path] = content
        return what, path, content

    def name(self, kind: str) -> str:
        """Name the file that is made now."""
        return f"{kind}_{self.made}{'.jsonl' if kind == 'papers' else '.fits'}"

    def refresh(self) -> None:
        """Take what is on disk."""
        for path, content in self.disk.items():
            if self.forgotten.get(path) == content:
                continue
            self.forgotten.pop(path, None)
            before = self.ledger.get(path)
            if content.kind == "broken":  # the rows of its earlier content are kept
                continue
            if before is not None and before != content and self.holder.get(before) == path:
                del self.holder[before]
            self.ledger[path] = content
        for path, content in self.disk.items():
            if content.kind != "broken" and path not in self.forgotten:
                self.holder.setdefault(content, path)

    def forget(self, path: str) -> None:
        """Take one file out; a copy that the ledger knows and that is on disk takes its place."""
        content = self.ledger.pop(path)
        self.forgotten[path] = content
        if self.holder.get(content) == path:
            del self.holder[content]
            for other, its in self.ledger.items():
                if its == content and self.disk.get(other) == content:
                    self.holder[content] = other

    @property
    def photons(self) -> dict[int, int]:
        """Observation -> how many photons of it must be there."""
        return {c.number: c.n for c in self.holder if c.kind == "events"}

    @property
    def papers(self) -> set[str]:
        """Bibcodes that must be there."""
        return set().union(*(c.papers for c in self.holder))
