"""What a space lacks before it can be searched, and the one command to type next.

The rule has its home here: the catalog reaches it as an entry point of the group `photonlake.targets`, named `space`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from catalog.errors import command
from embed import registry
from embed.inputs import pairs
from embed.inputs.fingerprint_view import EVERYTHING
from embed.inputs.modalities import INPUTS

Ask = Callable[[str], Sequence[Sequence[object]]]
"""Answers one query with its rows."""


def next_step(ask: Ask, store: os.PathLike[str] | str, space: str) -> str:
    """Say why a space has no vectors, and what to type next.

    Parameters
    ----------
    ask : callable
        Answers a query, of the snapshot that has no vectors.
    store : path-like
        Its directory, for the command.
    space : str
        A space that `embed.registry.family` knows.

    Returns
    -------
    str
        One sentence without a full stop. The command works as the store is now; where more is to be typed after it, the
        sentence ends with the last of that.

    Raises
    ------
    UnknownName
        If no encoder makes such a space.

    Examples
    --------
    >>> next_step(lambda query: [], "s", "papers").partition("; ")[2]
    'type: python -m ingest files FOLDER --store s, and later python -m embed run papers'
    """
    kind = registry.family(space)
    why, next_ = _step(ask, space)
    last = f"embed {'train' if kind.trained else 'run'} {space}"
    later = "" if next_.startswith((last, f"embed run {space}")) else f", and later python -m {last}"
    return f"space {space} has no vectors yet{why}; type: {command(next_, store)}{later}"


def _step(ask: Ask, space: str) -> tuple[str, str]:
    """Return why, and the command without its store."""
    current = ask(f"SELECT modality FROM meta.encoder WHERE current AND space = '{space}'")
    if current:
        return "", f"embed run {space}"
    kind, option = registry.family(space), ""
    if space == "aligned":
        kind, option = _aligned(ask)
    pinned = {str(row[0]) for row in ask("SELECT space FROM meta.space WHERE n_vectors > 0")}
    for other in INPUTS[kind.modality].spaces:
        if other not in pinned:
            why, next_ = _step(ask, other)
            return f": it is made from those of {other}{why.replace(': ', ', and ', 1)}", next_
    if not ask(f"SELECT 1 FROM {EVERYTHING[kind.modality]} LIMIT 1"):
        return ": the store holds nothing that they are made from", "ingest files FOLDER"
    if kind.trained:
        return ": no encoder is trained", f"embed train {space}{option}"
    return "", f"embed run {space}"


def _aligned(ask: Ask) -> tuple[registry.Family, str]:
    """Return the first kind of alignment whose data side the store holds, and how it is asked for."""
    for model, spaces in pairs.DATA_SPACES.items():
        if all(ask(f"SELECT 1 FROM {EVERYTHING[registry.family(s).modality]} LIMIT 1") for s in spaces):
            return registry.family("aligned", model), f" --data {model}"
    return registry.family("aligned"), ""
