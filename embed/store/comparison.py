"""Reconstruction of sources that no encoder of a space was trained on: all of its encoders on the same rows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.errors import QueryError, UnknownName, command, suggestion
from catalog.store import lake
from catalog.store.vectors import weights_file
from embed import registry
from embed.inputs.modalities import INPUTS
from embed.inputs.prepared import Arrays
from embed.registry import Encoder, NothingToTrainOn
from embed.store.reconstruction import Measured, Reconstructs, compared, over_sources, reconstruction_errors
from embed.store.training_job import check, selection
from embed.training.split import held_out

_DEFAULT_HELD_OUT = 0.1


@dataclass(frozen=True)
class Compared:
    """One encoder, or one floor without parameters, on the common rows.

    Attributes
    ----------
    name : str
        encoder_id, or 'moving average' or 'mean of each spectrum'.
    model : str
        Model and options that are not the default; '' for a floor.
    dim : int or None
        Numbers that it may keep of a spectrum; None for a floor, which keeps what it likes.
    error : Measured
        Mean absolute error in MinMax units, over sources.
    to_pca : Measured or None
        The same minus that of `pca`, source by source: below 0 is better.
    pca : str or None
        encoder_id of the principal components of the same size; without such, of the nearest smaller, else larger.
    """

    name: str
    model: str
    dim: int | None
    error: Measured
    to_pca: Measured | None = None
    pca: str | None = None


@dataclass(frozen=True)
class _Candidate:
    encoder_id: str
    model: str
    training: registry.Configuration
    encoder: Encoder


def compare(
    store: Path, space: str, encoder_ids: Sequence[str] = (), where: str = ""
) -> tuple[list[Compared], dict[str, str]]:
    """Measure how well the encoders of a space reconstruct spectra of sources that none of them was trained on.

    Parameters
    ----------
    store : Path
    space : str
        'spectrum': of the others no encoder gives back what it read.
    encoder_ids : sequence of str, optional
        Only these; without, all of the space.
    where : str
        SQL condition on csc.observation_source: rows to measure on. A source that one of the encoders learnt from is
        left out in any case: so '' measures on what their seeds hold out from all of them, which also stopped their
        training, and the opposite of the condition that all were trained with is a test they never had part in.

    Returns
    -------
    list of Compared
        By falling quality.
    dict of str to str
        Encoders left out, and why.

    Raises
    ------
    UnknownName
        If there is no such encoder.
    QueryError
        If no encoder can be measured, or no source is left to measure on.
    """
    selected = selection("spectrum", where)
    check(store, selected)
    with contextlib.closing(lake.connect(store)) as connection, lake.reading(connection, store):
        candidates, left_out = _candidates(connection, store, space, encoder_ids)
        seen = {s for c in candidates for s in _learnt_from(connection, c)}
        rows = _Unseen(connection, INPUTS["spectrum"].query(selected), seen)
        models: dict[str, Reconstructs] = {
            c.encoder_id: c.encoder for c in candidates if isinstance(c.encoder, Reconstructs)
        }
        errors = reconstruction_errors(models, rows.chunks())
    if not rows.sources:
        raise QueryError(
            "one of the encoders learnt from every source that is selected; name fewer encoders, or another --where"
        )
    dims = {c.encoder_id: c.encoder.dim for c in candidates}
    floors = {c.encoder_id: c.encoder.dim for c in candidates if c.encoder.model == "pca"}
    words = {c.encoder_id: c.model for c in candidates}
    out = []
    for name, values in errors.items():
        error = over_sources(values, rows.sources)
        pca = _pca_for(dims[name], floors) if name in dims and name not in floors else None
        to_pca = compared({name: values, pca: errors[pca]}, rows.sources, pca)[name] if pca else None
        out.append(Compared(name, words.get(name, ""), dims.get(name), error, to_pca, pca))
    return sorted(out, key=lambda c: c.error.mean), left_out


def _candidates(
    connection: lake.Connection, store: Path, space: str, wanted: Sequence[str]
) -> tuple[list[_Candidate], dict[str, str]]:
    registry.family(space)
    query = "SELECT encoder_id, weights_sha256, configuration FROM meta.encoder WHERE space = ? ORDER BY version"
    known = {i: (w, json.loads(c)) for i, w, c in connection.execute(query, [space]).fetchall()}
    if unknown := [i for i in wanted if i not in known]:
        raise UnknownName(
            f"no encoder {unknown[0]} in {space}{suggestion(unknown[0], known)}; "
            f"list them: {command('embed status', store)}"
        )
    found, left_out = [], {}
    for encoder_id in wanted or known:
        weights, configuration = known[encoder_id]
        if configuration["modality"] != "spectrum":
            left_out[encoder_id] = f"it reads {configuration['modality']}, not gridded spectra alone"
            continue
        encoder = registry.load(weights_file(store, str(weights)))
        if not isinstance(encoder, Reconstructs):
            left_out[encoder_id] = "it does not give back what it read"
            continue
        training = configuration.get("training", {})
        options = ", ".join(f"{k} {v}" for k, v in training.get("options", {}).items())
        found.append(_Candidate(encoder_id, f"{encoder.model}{f' ({options})' if options else ''}", training, encoder))
    if not found:
        advice = command("embed train spectrum --model pca", store)
        raise QueryError(f"no encoder of {space} gives back the spectra that it read; train one that does: {advice}")
    return found, left_out


def _learnt_from(connection: lake.Connection, candidate: _Candidate) -> list[str]:
    """Return the sources that an encoder was trained on: those of its rows that its seed does not hold out."""
    training = candidate.training
    prints = INPUTS["spectrum"].fingerprints(selection("spectrum", str(training.get("where", ""))))
    query = f"SELECT DISTINCT coalesce(name, id) FROM ({prints}) AS p ORDER BY 1"
    sources = [s for (s,) in connection.execute(query).fetchall()]
    fraction, seed = training.get("held_out", _DEFAULT_HELD_OUT), training.get("seed", 0)
    if not isinstance(fraction, int | float) or not isinstance(seed, int):
        raise NothingToTrainOn(f"{candidate.encoder_id}: expected the seed of its split, found {training}")
    out = held_out(sources, float(fraction), seed)
    return [s for s, o in zip(sources, out, strict=True) if not o]


class _Unseen:
    """Spectra of sources that were not learnt from; `sources` names those of the chunks handed out so far."""

    def __init__(self, connection: lake.Connection, query: str, seen: set[str]) -> None:
        self._connection, self._query, self._seen = connection, query, seen
        self.sources: list[str] = []

    def chunks(self) -> Iterator[Arrays]:
        kind = INPUTS["spectrum"]
        for batch in self._connection.execute(self._query).to_arrow_reader(kind.batch_rows):
            prepared = kind.prepare(pa.Table.from_batches([batch]))
            sources = [name or id_ for name, id_ in zip(prepared.names, prepared.ids, strict=True)]
            chosen = np.flatnonzero([s not in self._seen for s in sources])
            if len(chosen):
                self.sources += [sources[i] for i in chosen.tolist()]
                yield {k: v[chosen] for k, v in prepared.arrays.items()}


def _pca_for(dim: int, floors: dict[str, int]) -> str | None:
    if not floors:
        return None
    return min(floors, key=lambda i: (floors[i] > dim, abs(floors[i] - dim)))
