"""What spaces a store has, what is stale in them and why, and the one command that a space lacks."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import command
from catalog.store import lake
from embed import registry
from embed.inputs import pairs
from embed.inputs.modalities import EVERYTHING, INPUTS, outgrown
from embed.store import ready_made

_ENCODERS = """
SELECT e.space, e.encoder_id, e.modality, e.version, e.dim, e.current, e.validation_error, e.configuration,
  s.encoder_id = e.encoder_id AS pinned,
  CASE WHEN s.encoder_id = e.encoder_id THEN s.n_vectors
    WHEN s.next_encoder_id = e.encoder_id THEN s.next_n_vectors ELSE 0 END AS n_vectors,
  CASE WHEN s.encoder_id = e.encoder_id THEN s.lance_version
    WHEN s.next_encoder_id = e.encoder_id THEN s.next_version END AS lance_version,
  CASE WHEN s.encoder_id = e.encoder_id THEN s.index_kind END AS index_kind,
  CASE WHEN s.encoder_id = e.encoder_id THEN s.index_recall END AS index_recall,
  count(m.id) FILTER (m.skipped IS NOT NULL) AS n_skipped
FROM meta.encoder AS e
LEFT JOIN meta.space AS s ON s.space = e.space
LEFT JOIN meta.embedded AS m ON m.space = e.space AND m.encoder_id = e.encoder_id
GROUP BY ALL
ORDER BY e.space, e.version
"""


@dataclass(frozen=True)
class EncoderState:
    """One encoder of a space, and how far its vectors are.

    Attributes
    ----------
    space, encoder_id, model : str
    version, dim : int
    current : bool
        Whether `embed run` makes vectors with it.
    pinned : bool
        Whether readers see its vectors.
    n_vectors, n_skipped : int
    lance_version : int or None
    index_kind, index_recall : str, float, or None
    validation_error : float or None
    error_name : str
    stale : dict of str to int
        Stale rows by reason.
    outgrown : str
        Which input it learned from, where it is to be trained again because rows are prepared otherwise now; else ''.
    """

    space: str
    encoder_id: str
    model: str
    version: int
    dim: int
    current: bool
    pinned: bool
    n_vectors: int
    n_skipped: int
    lance_version: int | None
    index_kind: str | None
    index_recall: float | None
    validation_error: float | None
    error_name: str
    stale: dict[str, int]
    outgrown: str


def states(store: Path) -> list[EncoderState]:
    """Return all encoders of a store, by space and version.

    Raises
    ------
    StoreOutdated
        If the store was made by another version and lacks what this one reads.
    """
    with contextlib.closing(lake.connect(store)) as connection, lake.reading(connection, store):
        rows = lake.arrow(connection, _ENCODERS).to_pylist()
        stale: dict[str, dict[str, int]] = {}
        counted = "SELECT encoder_id, reason, count(*) FROM meta.stale GROUP BY ALL ORDER BY ALL"
        for encoder_id, reason, n in connection.execute(counted).fetchall():
            stale.setdefault(encoder_id, {})[reason] = n
    out = []
    for row in rows:
        configuration = json.loads(row.pop("configuration") or "{}")
        learned = configuration.get("training", {})
        row["pinned"] = bool(row["pinned"])
        row["n_vectors"] = row["n_vectors"] or 0
        modality = row.pop("modality")
        out.append(
            EncoderState(
                **row,
                model=str(configuration.get("model", "")),
                error_name=str(learned.get("error_name", "")),
                stale=stale.get(row["encoder_id"], {}),
                outgrown=outgrown(modality, int(learned.get("input_version", 1))),
            )
        )
    return out


def without_encoder(store: Path, have: Collection[str]) -> list[str]:
    """Say of each usual space that has no encoder what to type next."""
    with contextlib.closing(lake.connect(store)) as connection, lake.reading(connection, store):
        return [
            next_step(lambda query: connection.execute(query).fetchall(), store, space)
            for space in registry.DEFAULT_MODEL
            if space not in have
        ]


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
    kind = ready_made.usual(space)
    why, next_ = _step(ask, space)
    last = f"embed {'train' if kind.trained else 'run'} {space}"
    later = "" if next_.startswith((last, f"embed run {space}")) else f", and later python -m {last}"
    return f"space {space} has no vectors yet{why}; type: {command(next_, store)}{later}"


def _step(ask: Ask, space: str) -> tuple[str, str]:
    """Return why, and the command without its store."""
    current = ask(f"SELECT modality FROM meta.encoder WHERE current AND space = '{space}'")
    if current:
        return "", f"embed run {space}"
    kind, option = ready_made.usual(space), ""
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
