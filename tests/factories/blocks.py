"""Code blocks of the documentation, as things to run."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: (?P<why>[^>]+) -->\s*$")
_STATEMENT = re.compile(r"(?:--[^\n]*|'[^']*'|[^;'])+")


@dataclass(frozen=True)
class Block:
    """A code block: the page, its line, its language and text; and why it is not run, where it is not."""

    page: str
    line: int
    language: str
    text: str
    not_run: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a console block: lines after '$ ', continued while a quote is open."""
        found: list[str] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            elif found and found[-1].count('"') % 2:
                found[-1] += f"\n{line}"
        return [split(one) for c in found for one in c.split(" && ")]

    @property
    def statements(self) -> list[str]:
        """The statements of an SQL block."""
        return [s.strip() for s in _STATEMENT.findall(self.text) if s.strip()]


def split(command: str) -> list[str]:
    """Return a command's words; the environment's Python is this one, photonlake a module. Comments are left out."""
    words = shlex.split(command, comments=True)
    if words and words[0] in {".venv/bin/photonlake", "photonlake"}:
        words[:1] = ["python", "-m", "analysis.photonlake"]
    return [sys.executable if w in {".venv/bin/python", "python"} else w for w in words]


def blocks(path: Path) -> Iterator[Block]:
    """Yield all blocks of a page but those that show what is printed (language `text`)."""
    text = path.read_text("utf-8")
    for match in _FENCE.finditer(text):
        excuse = _NOT_RUN.search(text[: match.start()].rstrip(" "))
        line = text.count("\n", 0, match.start()) + 1
        if match[1] != "text":
            yield Block(path.name, line, match[1] or "console", match[2], excuse["why"] if excuse else "")
