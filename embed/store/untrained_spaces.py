"""Spaces without an encoder get one that needs no training.

It comes with the program, or has nothing to learn, or is scaled to the store's own rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from catalog.store import lake
from catalog.store.place import place_of
from embed import registry
from embed.inputs.modalities import EVERYTHING
from embed.registry import Fitted
from embed.store import ready_made
from embed.store.training_job import Saved, Trained, Training, register_encoder, train


def make_ready(
    store: Path, only: Sequence[str] = (), *, wait: bool = True, on_wait: Callable[[str], None] | None = None
) -> list[Trained]:
    """Give the spaces that have rows and no encoder those that nobody need train: `ready_made.usual` says which."""
    lake.bring_up_to_date(store, wait=wait, on_wait=on_wait)
    with contextlib.closing(lake.connect(store)) as connection:
        have = {s for (s,) in connection.execute("SELECT space FROM meta.encoder WHERE current").fetchall()}
        wanted = [
            space
            for space in registry.DEFAULT_MODEL
            if space not in have
            and (not only or space in only)
            and not (kind := ready_made.usual(space)).trained
            and connection.execute(f"SELECT 1 FROM {EVERYTHING[kind.modality]} LIMIT 1").fetchone()
        ]
    jobs = [Training(store, space, wait=wait, on_wait=on_wait) for space in wanted]
    return [take_ready(job) if job.space in ready_made.ready() else train(job) for job in jobs]


def take_ready(job: Training) -> Trained:
    """Make the encoder that comes with the program the current one of a space; nothing is trained.

    Raises
    ------
    UnknownName
        If none comes with it for the space.
    """
    made = ready_made.of(job.space)
    encoder = registry.load(made.path)
    lake.bring_up_to_date(job.store, wait=job.wait, on_wait=job.on_wait)
    weights = registry.save(encoder, place_of(job.store).models, made.provenance)
    fitted = Fitted(
        encoder,
        made.numbers("loss_curve"),
        next(iter(made.numbers("validation_error")), None),
        str(made.provenance.get("error_name", "")),
        made.whole("n_rows"),
        made.whole("n_sources"),
        made.whole("epochs"),
        {},
    )
    encoder_id = registry.encoder_id(job.space, encoder.model, weights.stem)
    kind = registry.family(job.space, encoder.model)
    seeded = replace(job, settings=replace(job.settings, seed=made.whole("seed")), current=True)
    version = register_encoder(seeded, kind, Saved(encoder_id, weights.stem, None, made.provenance), fitted)
    return Trained(
        encoder_id, version, None, True, fitted.n_rows, fitted.n_sources, fitted.epochs, fitted.loss_curve,
        fitted.validation_error, fitted.error_name, 0, ready_made=True,
    )  # fmt: skip
