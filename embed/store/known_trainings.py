"""Which trainings a store has the result of: the same settings on the same inputs need no second training."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalog.store import lake
from catalog.store.vectors import weights_file
from embed.inputs.modalities import INPUTS
from embed.registry import Configuration, Family, Settings

IDENTITY = "identity"
"""Key of `identity` in the configuration's account of the training."""
ROWS, SETTINGS = "rows", "settings"
"""Keys of the hash of `learned_rows`, and of the `settings_key` of the same training with seed 0."""


@dataclass(frozen=True)
class Kept:
    """A row of meta.encoder whose weights are there.

    Attributes
    ----------
    encoder_id : str
    version, snapshot : int
    current : bool
        Whether the space's vectors are to come from it.
    training : dict
        What `python -m embed train` wrote of its training: epochs, n_rows, error_name, ...
    loss_curve : list of float
    validation_error : float or None
    trained_at : datetime
        UTC.
    """

    encoder_id: str
    version: int
    snapshot: int
    current: bool
    training: Configuration
    loss_curve: list[float]
    validation_error: float | None
    trained_at: datetime


def settings_key(space: str, kind: Family, where: str, settings: Settings) -> str:
    """Return a name for a training that another one with the same settings has too, whatever rows there are.

    Examples
    --------
    >>> from embed.registry import family
    >>> one, two = (settings_key("spectrum", family("spectrum"), "", Settings(seed=s)) for s in (0, 1))
    >>> len(one), one == two
    (16, False)
    """
    s = settings
    parts = [space, kind.model, where, s.latent, s.seed, s.epochs, s.patience, s.batch_rows]
    parts += [s.learning_rate, s.held_out, sorted(s.options.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def learned_rows(connection: lake.Connection, kind: Family, selected: str) -> str:
    """Return a text that only the same rows of inputs have; their order does not matter.

    Parameters
    ----------
    connection : Connection
        At the snapshot that is trained on.
    kind : Family
        Where it reads no rows to train, the text is always the same.
    selected : str
        SQL of the ids that are trained on. The fingerprints of their inputs are read, never the inputs.
    """
    rows: tuple[object, ...] | None = None
    if kind.trained:
        prints = INPUTS[kind.modality].fingerprints(selected)
        rows = connection.execute(
            "SELECT count(*), bit_xor(md5_number(concat_ws('|', id, coalesce(name, '-'), input_sha256))) "
            f"FROM ({prints}) AS p"
        ).fetchone()
    return str(rows)


def identity(key: str, rows: str) -> str:
    """Return a name for a training that only the same settings on the same inputs have: 40 hex digits.

    Parameters
    ----------
    key, rows : str
        See `settings_key` and `learned_rows`.
    """
    return hashlib.sha256(f"{key}|{rows}".encode()).hexdigest()[:40]


def find(store: Path, space: str, name: str) -> Kept | None:
    """Return the encoder that a training of this identity gave; None where there is none, or its weights are gone."""
    with contextlib.closing(lake.connect(store)) as connection:
        rows = connection.execute(
            "SELECT encoder_id, version, snapshot, current, configuration, loss_curve, validation_error, trained_at, "
            "weights_sha256 FROM meta.encoder WHERE space = ? AND contains(configuration, ?) ORDER BY version DESC",
            [space, name],
        ).fetchall()
    for encoder_id, version, snapshot, current, configuration, curve, error, at, weights in rows:
        training = json.loads(configuration).get("training", {})
        if training.get(IDENTITY) == name and weights_file(store, str(weights)).is_file():
            return Kept(encoder_id, version, snapshot, bool(current), training, list(curve or []), error, at)
    return None
