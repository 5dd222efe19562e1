"""Encoders of another store, frozen, on the rows of this one: what they learned is judged on sources they never met."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.spectra.features import Features
from analysis.spectra.spectrum_samples import TooFewRows
from catalog import Catalog
from catalog.catalog import open_
from catalog.errors import UnknownName
from catalog.store import lake
from embed.inputs.modalities import INPUTS
from embed.registry import Encoder
from embed.store.sweeps import Twin, twins

Say = Callable[[str], None]


@dataclass(frozen=True)
class Frozen:
    """A kind of encoder that another store has, with all its trainings.

    Attributes
    ----------
    name : str
        'spectrum vae, 6 numbers': space, model, length of the vectors.
    trainings : tuple of Twin
        That differ in the seed.
    """

    name: str
    trainings: tuple[Twin, ...]


def frozen(store: Path, space: str) -> list[Frozen]:
    """Return the encoders of a space that a store has, those that differ in the seed alone as one.

    Raises
    ------
    UnknownName
        If it has none.
    """
    with open_(store), contextlib.closing(lake.connect(store)) as connection:
        rows = connection.execute(
            "SELECT encoder_id, weights_sha256, configuration, dim FROM meta.encoder WHERE space = ? ORDER BY version",
            [space],
        ).fetchall()
    if not rows:
        raise UnknownName(f"{store} has no encoder of {space}; type: python -m embed train {space} --store {store}")
    found: list[Frozen] = []
    for encoder_id, weights, configuration, dim in rows:
        if encoder_id in {t.encoder_id for f in found for t in f.trainings}:
            continue
        name = f"{space} {json.loads(configuration)['model']}, {dim} numbers"
        alike = sum(f.name.startswith(name) for f in found)
        all_ = (Twin(str(encoder_id), str(weights)), *twins(store, str(encoder_id)))
        found.append(Frozen(f"{name} ({alike + 1})" if alike else name, all_))
    return found


def features_of(
    cat: Catalog, store: Path, space: str, ids: npt.NDArray[np.object_], snapshot: int, say: Say = lambda _: None
) -> list[Features]:
    """Encode rows of this store by the encoders of another.

    Parameters
    ----------
    cat : Catalog
        This store.
    store : Path
        The other.
    space : str
    ids : ndarray of str objects, shape (n,)
    snapshot : int
        Of this store.
    say : callable
        Called with a line of progress.

    Returns
    -------
    list of Features
        One per kind of encoder; n rows each.

    Raises
    ------
    TooFewRows
        If a kind of encoder has no vector for some of the rows.
    """
    kinds = frozen(store, space)
    loaded = {t.encoder_id: t.load(store) for kind in kinds for t in kind.trainings}
    made: dict[str, npt.NDArray[np.float32]] = {}
    for modality in sorted({e.modality for e in loaded.values()}):
        own = {name: e for name, e in loaded.items() if e.modality == modality}
        say(f"encoding {len(ids):,} rows by {len(own)} frozen encoders of {modality}")
        made |= _vectors(cat, own, ids, snapshot)
    out = []
    for kind in kinds:
        parts = [made[t.encoder_id] for t in kind.trainings]
        if missing := int((~np.isfinite(parts[0]).all(axis=1)).sum()):
            raise TooFewRows(
                f"{kind.name} has no vector for {missing:,} of {len(ids):,} rows: choose others by --where"
            )
        first = Features(kind.name, parts[0], is_baseline=False, encoder_id=kind.trainings[0].encoder_id)
        out.append(replace(first, others=tuple(parts[1:])))
    return out


def _vectors(
    cat: Catalog, encoders: dict[str, Encoder], ids: npt.NDArray[np.object_], snapshot: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Encode the rows by encoders of one modality: rows are read and prepared once."""
    kind = INPUTS[next(iter(encoders.values())).modality]
    place = {str(id_): i for i, id_ in enumerate(ids)}
    out = {name: np.full((len(ids), e.dim), np.nan, np.float32) for name, e in encoders.items()}
    with contextlib.closing(lake.connect(cat.path, snapshot=snapshot)) as connection:
        connection.register("__wanted", pa.table({"id": pa.array([str(i) for i in ids], pa.string())}))
        for batch in connection.execute(kind.query("__wanted")).to_arrow_reader(kind.batch_rows):
            prepared = kind.prepare(pa.Table.from_batches([batch]))
            if prepared.ids:
                rows = [place[id_] for id_ in prepared.ids]
                for name, encoder in encoders.items():
                    out[name][rows] = encoder.encode(prepared.arrays)
    return out


def met(store: Path) -> frozenset[str]:
    """Return the sources of a store: its encoders may have learned from them, and are judged on others."""
    with open_(store), contextlib.closing(lake.connect(store)) as connection:
        names = connection.execute("SELECT DISTINCT name FROM csc.observation_source WHERE name IS NOT NULL").fetchall()
    return frozenset(str(name) for (name,) in names)


def identity(store: Path, space: str) -> str:
    """Return a text that tells which encoders would judge: part of what a question is."""
    return "\n".join(t.encoder_id for kind in frozen(store, space) for t in kind.trainings)
