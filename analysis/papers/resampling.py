"""The same detections with other photons: each list of photons drawn from itself with replacement, and encoded again.

Where the neighbours of a detection change with that, they are neighbours by chance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.study.steps import Steps
from catalog.store import lake
from catalog.store.vectors import weights_file
from embed.inputs.modalities import INPUTS
from embed.inputs.pairs import DATA_SPACES
from embed.inputs.prepared import Arrays
from embed.protocol import SidedEncoder
from embed.registry import Encoder, load
from embed.store.space_relations import register

Floats = npt.NDArray[np.float32]
EVENTS = "events"
_ROWS = 512


def resampled(photons: pa.ListArray, rng: np.random.Generator) -> pa.ListArray:
    """Draw each list's entries from the list with replacement; its length stays.

    Parameters
    ----------
    photons : pyarrow.ListArray
        n lists, some of them empty or NULL.
    rng : numpy.random.Generator

    Examples
    --------
    >>> drawn = resampled(pa.array([[1, 2, 3], None, [7]]), np.random.default_rng(0))
    >>> [None if x is None else len(x) for x in drawn.to_pylist()], drawn[2].as_py()
    ([3, None, 1], [7])
    """
    lengths = np.asarray(photons.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    flat = photons.flatten()
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    drawn = starts + np.floor(rng.random(len(flat)) * np.repeat(lengths, lengths)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.take(pa.array(drawn)), mask=photons.is_null())


def encoder_of(store: Path, encoder_id: str, snapshot: int) -> Encoder:
    """Open an encoder of a store."""
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        row = connection.execute(
            "SELECT weights_sha256 FROM meta.encoder WHERE encoder_id = ?", [encoder_id]
        ).fetchone()
    return load(weights_file(store, str(row[0] if row else encoder_id)))


def photons_again(
    store: Path,
    snapshot: int,
    encoder: Encoder,
    ids: Sequence[str],
    n_resamples: int,
    seed: int,
    steps: Steps,
    report: Callable[[int], None],
) -> npt.NDArray[np.float32]:
    """Encode detections with resampled photons.

    Parameters
    ----------
    store : Path
    snapshot : int
    encoder : Encoder
        One that reads events.
    ids : sequence of str, length n
    n_resamples : int
    seed : int
    steps : Steps
        Where the vectors of a few hundred detections at a time are kept until the run is.
    report : callable
        Called with the number of detections done.

    Returns
    -------
    ndarray of float32, shape (n_resamples, n, dim)
        NaN where a detection has no event list.
    """  # fmt: skip
    at = {i: n for n, i in enumerate(ids)}
    out = np.full((n_resamples, len(ids), encoder.dim), np.nan, np.float32)
    for done, rows in _batches(store, snapshot, EVENTS, ids):

        def made(done: int = done, rows: pa.Table = rows) -> dict[str, npt.NDArray[np.generic]]:
            vectors = np.full((n_resamples, rows.num_rows, encoder.dim), np.nan, np.float32)
            rng = np.random.default_rng([seed, done])  # each part its own: a run that goes on draws what it had drawn
            place = {i: n for n, i in enumerate(rows["id"].to_pylist())}
            photons = rows["photon"].combine_chunks()
            number = rows.column_names.index("photon")
            for b in range(n_resamples):
                prepared = INPUTS[EVENTS].prepare(rows.set_column(number, "photon", resampled(photons, rng)))
                if prepared.ids:
                    vectors[b, [place[i] for i in prepared.ids]] = encoder.encode(prepared.arrays)
            return {"vectors": vectors}

        drawn = steps.arrays(f"photons drawn anew, to detection {done}", made)["vectors"]
        out[:, [at[i] for i in rows["id"].to_pylist()]] = drawn
        report(done)
    return out


def aligned_again(
    store: Path, snapshot: int, encoder: SidedEncoder, ids: Sequence[str], events: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Align resampled event vectors (n_resamples, n, d), the rest as it was; return (side, n_resamples, n, dim)."""
    at = {i: n for n, i in enumerate(ids)}
    out = np.full((len(encoder.sides), len(events), len(ids), encoder.dim), np.nan, np.float32)
    first = DATA_SPACES[encoder.model].index(EVENTS)
    if first:
        raise ValueError(f"expected events first in {DATA_SPACES[encoder.model]}")
    for _, rows in _batches(store, snapshot, encoder.modality, ids):
        prepared = INPUTS[encoder.modality].prepare(rows)
        places = [at[i] for i in prepared.ids]
        for b, drawn in enumerate(events):
            data = np.array(prepared.arrays["data"], np.float32)
            data[:, : drawn.shape[1]] = drawn[places]
            arrays: Arrays = {**prepared.arrays, "data": data}
            out[:, b, places] = encoder.encode_sides(arrays).swapaxes(0, 1)
    return out


def _batches(store: Path, snapshot: int, modality: str, ids: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield (ids done, rows of an input) a few hundred ids at a time."""
    kind = INPUTS[modality]
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        register(connection, store, kind.spaces)
        for i in range(0, len(ids), _ROWS):
            part = list(ids[i : i + _ROWS])
            connection.register("__wanted", pa.table({"id": pa.array(part, pa.string())}))
            yield i + len(part), lake.arrow(connection, kind.query("__wanted"))
            connection.unregister("__wanted")
