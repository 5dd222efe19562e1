"""How a study is asked: seed, again or not, waiting, whom to tell; the options that say so, and how its run is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from analysis.study.runs import Question, Run, Value
from catalog.console import ERR, hint
from catalog.errors import UnknownName, query_command, suggestion

Choice = TypeVar("Choice", bound=str)


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


SeedOption = Annotated[int, typer.Option("--seed", help="Of splits, resamples, and whatever else is drawn.")]
AgainOption = Annotated[bool, typer.Option("--again", help="Do it anew, even if the same was done on the same data.")]
WhereOption = Annotated[str, typer.Option("--where", help="SQL condition on csc.observation_source: which rows.")]


def by_commas(text: str) -> tuple[str, ...]:
    """Return the words of an option that takes several, none twice.

    Examples
    --------
    >>> by_commas("events, papers,")
    ('events', 'papers')
    """
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def one_of(name: str, known: Sequence[Choice], option: str) -> Choice:
    """Return a word of an option that takes one of a few.

    Raises
    ------
    UnknownName
        If it is none of them.

    Examples
    --------
    >>> one_of("max", ("mean", "max"), "--combine")
    'max'
    """
    for choice in known:
        if choice == name:
            return choice
    raise UnknownName(f"{option}: no {name!r}{suggestion(name, known)}; there are {', '.join(known)}")


def say(line: str) -> None:
    """Write a line for the user's eyes, apart from results."""
    ERR.print(line, highlight=False, soft_wrap=True)


def say_run(run: Run, store: object) -> None:
    """Tell whether a run was made or found, and how to look at it."""
    if not run.made:
        say(f"already done: run {run.run_id}, on the same data with the same seed; --again does it anew")
    query = f"SELECT * FROM analysis.run WHERE run_id = {run.run_id}"
    hint(f"run {run.run_id}: {query_command(query, store)}")


def more(query: str, store: object) -> None:
    """Print the query that shows more."""
    hint(f"more: {query_command(query, store)}")
