"""How a study is to be run: seed, again or not, waiting, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.study.runs import Question, Value


def _silent(line: str) -> None:
    del line


@dataclass(frozen=True)
class Ways:
    """How to run a study.

    Attributes
    ----------
    seed : int
        Of splits, resamples, and whatever else is drawn.
    again : bool
        Answer anew even if the answer is there.
    wait : bool
        Wait while another process writes, or fail at once.
    say : callable
        Told, line by line, how far it is.
    """

    seed: int = 0
    again: bool = False
    wait: bool = True
    say: Callable[[str], None] = _silent

    def question(self, store: Path, kind: str, parameters: Mapping[str, Value]) -> Question:
        """Return the question that `analysis.study.runs.once` answers."""
        return Question(store, kind, parameters, self.seed, self.again, self.wait, self.say)
