"""How a study is asked: seed, again or not, waiting, whom to tell; the options that say so, and how its run is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import typer

from analysis.study.runs import Question, Run, Value
from catalog import Catalog
from catalog.console import ERR, hint
from catalog.errors import UnknownName, query_command, suggestion

Choice = TypeVar("Choice", bound=str)


def _silent(line: str) -> None:
    del line


@dataclass(frozen=True)
class Asked:
    """What a study is asked: the fields of a subclass, as JSON says them, tell one run from another.

    Attributes
    ----------
    kind : str
        Which study: analysis.run.kind.
    """

    kind: ClassVar[str]

    def parameters(self) -> dict[str, Value]:
        """Return what analysis.run keeps of the question."""
        return asdict(self)


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

    def question(self, cat: Catalog, asked: Asked, **found: Value) -> Question:
        """Return the question that `analysis.study.runs.once` answers; `found` is what else changes the answer."""
        return Question(cat.path, asked.kind, asked.parameters() | found, self.seed, self.again, self.wait, self.say)


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


def tell(
    store: Path | None, ask: Callable[[Catalog], Run], show: Callable[[Catalog, int], None], *queries: str
) -> None:
    """Run a study, print what the store then has of it, and say what to type for more.

    Parameters
    ----------
    store : Path, optional
    ask : callable
        Answers the question, or finds the run that did.
    show : callable
        Prints what a run found. It reads the store anew: a run that was found shows what one that was made does.
    queries : str
        What shows more; $run stands for the run.
    """
    with Catalog(store) as cat:
        run = ask(cat)
    with Catalog(store) as cat:
        show(cat, run.run_id)
        if not run.made:
            say(f"already done: run {run.run_id}, on the same data with the same seed; --again does it anew")
        query = f"SELECT * FROM analysis.run WHERE run_id = {run.run_id}"
        hint(f"run {run.run_id}: {query_command(query, cat.path)}")
        for query in queries:
            hint(f"more: {query_command(query.replace('$run', str(run.run_id)), cat.path)}")
