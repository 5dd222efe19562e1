"""Encoders that come with the program, one per space: a fresh store has vectors without training.

They were trained on a simulated survey (`make weights`), and are the same for everybody: vectors of two stores that
were made with them are comparable. Beside each lies what made it: the command, the survey, its scores, their limits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from catalog.errors import UnknownName
from embed import registry
from embed.registry import Configuration, Family


@dataclass(frozen=True)
class ReadyMade:
    """An encoder that comes with the program.

    Attributes
    ----------
    space, model : str
    path : Path
        `<sha256>.safetensors`, with its JSON beside it.
    provenance : dict
        How it was made: command, survey, seed, error, scores, limits.
    """

    space: str
    model: str
    path: Path
    provenance: Configuration

    def whole(self, name: str) -> int:
        """Return a whole number of the provenance; 0 where there is none."""
        value = self.provenance.get(name)
        return int(value) if isinstance(value, int | float) else 0

    def numbers(self, name: str) -> list[float]:
        """Return a number of the provenance, or several, as a list; empty where there is none."""
        value = self.provenance.get(name)
        values = value if isinstance(value, list) else [value]
        return [float(v) for v in values if isinstance(v, int | float)]


@cache
def ready() -> dict[str, ReadyMade]:
    """Return the encoders that come with the program, by space.

    Examples
    --------
    >>> ready()["spectrum"].model
    'vae'
    """
    folder = Path(str(resources.files("embed").joinpath("weights")))
    found = {}
    for file in sorted(folder.glob("*.json")):
        told = json.loads(file.read_text("utf-8"))
        space, model = str(told["configuration"]["space"]), str(told["configuration"]["model"])
        found[space] = ReadyMade(space, model, file.with_suffix(".safetensors"), told["provenance"])
    return found


def of(space: str) -> ReadyMade:
    """Return the encoder of a space that comes with the program.

    Raises
    ------
    UnknownName
        If none does; the message says which spaces have one.
    """
    if space not in ready():
        raise UnknownName(f"no encoder of {space} comes with the program; there are {', '.join(ready())}; train one")
    return ready()[space]


OF_OWN_ROWS = ("properties",)
"""Spaces whose encoder `embed run` makes by itself, of the rows that the store has: it takes one pass over them.
A scale from elsewhere would not fit: a simulated survey lacks columns that real detections have."""


def usual(space: str) -> Family:
    """Return the kind of encoder that `embed run` takes for a space without one.

    It is not `trained` where nobody need train it: it is ready made, or scaled to the store's own rows.

    Examples
    --------
    >>> usual("papers").trained, usual("properties").trained, usual("aligned").trained
    (False, False, True)
    """
    kind = registry.family(space, ready()[space].model if space in ready() else None)
    return replace(kind, trained=False) if space in ready() or space in OF_OWN_ROWS else kind
