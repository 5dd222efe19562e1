"""A user's own spectrum against the store: the entry point behind `Catalog.nearest_to_file`.

The file stays where it is; nothing of it enters the store.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnreadableFile
from embed import encoders
from ingest.one_file import read_file

_SPECTRUM = (
    *("hduclas2", "counts", "rate", "stat_err", "quality", "exposure_s", "backscal", "areascal"),
    *("background_counts", "background_rate", "background_exposure_s", "background_backscal", "background_areascal"),
)
_FROM_BACKGROUND = ("counts", "rate", "exposure_s", "backscal", "areascal")


def vector_of_file(weights: Path, path: Path) -> npt.NDArray[np.float32]:
    """Encode a spectrum (.pi, .pha, pha3) with the responses and background that its header names, from its folder.

    Parameters
    ----------
    weights : Path
        The encoder's weights file, in the store's `models/`.
    path : Path
        The spectrum. Its RESPFILE is looked for beside it: without one, ACIS's nominal channel energies are taken.
        Its BACKFILE too, where it has no background of its own.

    Returns
    -------
    ndarray of float32, shape (dim,)

    Raises
    ------
    UnreadableFile
        If it is no spectrum, or nothing in it can be used; the message says why.
    QueryError
        If the encoder reads something else than spectra.

    Examples
    --------
    >>> vector_of_file(weights, Path("4736.pi")).shape  # doctest: +SKIP
    (8,)
    """
    encoder = encoders.load(weights)
    if encoder.modality != "spectrum":
        raise QueryError(
            f"space {encoder.space} is made of {encoder.modality}, not of spectra: no file can be put in it"
        )
    tables = read_file(path)
    if "product.spectrum" not in tables:
        raise UnreadableFile("a spectrum", f"rows of {', '.join(sorted(tables))}", name=path.name)
    spectrum = _source(tables["product.spectrum"], path.name)
    row = {name: spectrum[name] for name in _SPECTRUM} | {"id": path.name, "name": None}
    if row["background_counts"] is None and row["background_rate"] is None:
        row |= _background(path, spectrum["backfile"])
    row |= _channel_energies(path, spectrum["respfile"])
    schema = tables["product.spectrum"].schema
    energies = pa.list_(pa.float64())
    types = {n: schema.field(n).type for n in _SPECTRUM} | {"e_min": energies, "e_max": energies}
    rows = pa.table({n: pa.array([v], types.get(n, pa.string())) for n, v in row.items()})
    encoded = encoders.encode_rows(encoder, rows)
    if not encoded.ids:
        raise UnreadableFile("a spectrum that can be encoded", encoded.skipped[path.name], name=path.name)
    vector: npt.NDArray[np.float32] = encoded.vectors[0]
    return vector


def _source(rows: pa.Table, name: str) -> dict[str, object]:
    found = [r for r in rows.to_pylist() if r["role"] != "background"]
    if len(found) != 1:
        raise UnreadableFile("one source spectrum", f"{len(found)}", "give a file of one source", name)
    return dict(found[0])


def _background(path: Path, name: object) -> dict[str, object]:
    beside = _beside(path, name)
    if beside is None:
        return {}
    (row, *_) = read_file(beside)["product.spectrum"].to_pylist()
    return {f"background_{column}": row[column] for column in _FROM_BACKGROUND}


def _channel_energies(path: Path, name: object) -> dict[str, object]:
    beside = _beside(path, name)
    if beside is None:
        return {"e_min": None, "e_max": None}
    (row, *_) = read_file(beside)["product.rmf"].to_pylist()
    return {"e_min": row["e_min"], "e_max": row["e_max"]}


def _beside(path: Path, name: object) -> Path | None:
    """Return the file that a header names, if it lies in the spectrum's folder: a header's path leads nowhere else."""
    if not isinstance(name, str) or not name.strip() or name.strip().lower() == "none":
        return None
    beside = path.parent / Path(name.strip()).name
    for candidate in (beside, beside.with_name(f"{beside.name}.gz")):
        if candidate.is_file():
            return candidate
    return None
