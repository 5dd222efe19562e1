"""A user's own spectrum against the store: the entry point behind `Catalog.nearest_to_file`.

The file stays where it is; nothing of it enters the store. What it was judged with is said: which response, effective
area and background were found, and which are missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import QueryError, UnreadableFile
from catalog.schema import TABLES
from embed import registry
from ingest.one_file import read_file

_SPECTRUM = (
    *("hduclas2", "counts", "rate", "stat_err", "quality", "exposure_s", "backscal", "areascal"),
    *("background_counts", "background_rate", "background_exposure_s", "background_backscal", "background_areascal"),
)
_BACKGROUND_NAME = re.compile(r"(?:^|[_\-.])(?:bg|bkg|bkgd|back|background)(?:[_\-.\d]|$)", re.IGNORECASE)
_FROM_BACKGROUND = ("counts", "rate", "exposure_s", "backscal", "areascal")
_MODALITIES = ("spectrum", "spectrum_counts", "binned_counts")
_FROM_RMF = ("e_min", "e_max", "energ_lo", "energ_hi", "n_grp", "f_chan", "n_chan", "matrix", "includes_area")
_FROM_ARF = {"arf_lo": "energ_lo", "arf_hi": "energ_hi", "specresp": "specresp"}


def vector_of_file(weights: Path, path: Path) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Encode a spectrum (.pi, .pha, pha3) with the response and background that its header names, from its folder.

    Parameters
    ----------
    weights : Path
        The encoder's weights file, in the store's `models/`.
    path : Path
        The spectrum. Its RESPFILE is looked for beside it: without one, ACIS's nominal channel energies are taken.
        Its BACKFILE too, where it has no background of its own.

    Returns
    -------
    vector : ndarray of float32, shape (dim,)
    remarks : list of str
        What was found beside the spectrum, what was missed, and what that means.

    Raises
    ------
    UnreadableFile
        If it is no spectrum of a source, or nothing in it can be used; the message says why.
    QueryError
        If the encoder reads something else than spectra.

    Examples
    --------
    >>> vector, remarks = vector_of_file(weights, Path("4736.pi"))  # doctest: +SKIP
    >>> vector.shape, remarks[0]  # doctest: +SKIP
    ((8,), 'response 4736.rmf: found')
    """
    encoder = registry.load(weights)
    if encoder.modality not in _MODALITIES:
        raise QueryError(
            f"space {encoder.space} is made of {encoder.modality}, not of spectra: no file can be put in it"
        )
    tables = read_file(path)
    if "product.spectrum" not in tables:
        raise UnreadableFile("a spectrum", f"rows of {', '.join(sorted(tables))}", name=path.name)
    spectrum = _source(tables["product.spectrum"], path)
    response, said_of_response = _response(path, spectrum)
    area, said_of_area = _effective_area(path, spectrum)
    background, said_of_background = _background(path, spectrum)
    if encoder.modality == "spectrum":
        said_of_area += "; this encoder reads counts per energy, and does not use it"
    remarks = [said_of_response, said_of_area, said_of_background]
    if spectrum["counts"] is None:
        remarks.append("the file has rates and no counts: how sure each channel is cannot be told from them")
    if _BACKGROUND_NAME.search(path.name) and not any(spectrum[k] for k in ("respfile", "ancrfile", "backfile")):
        remarks.append(f"{path.name} looks like a background: its header names no response, and its name says so")
    header = tables.get("product.header")
    instrument = header["instrument"][0].as_py() if header is not None and header.num_rows else None
    row = {name: spectrum[name] for name in _SPECTRUM} | {"id": path.name, "name": None, "instrument": instrument}
    row |= background | response | area
    rmf, arf = TABLES["product.rmf"].schema, TABLES["product.arf"].schema
    types = {n: TABLES["product.spectrum"].schema.field(n).type for n in _SPECTRUM}
    types |= {n: rmf.field(n).type for n in _FROM_RMF} | {n: arf.field(c).type for n, c in _FROM_ARF.items()}
    rows = pa.table({n: pa.array([v], types.get(n, pa.string())) for n, v in row.items()})
    encoded = registry.encode_rows(encoder, rows)
    if not encoded.ids:
        raise UnreadableFile("a spectrum that can be encoded", encoded.skipped[path.name], name=path.name)
    vector: npt.NDArray[np.float32] = encoded.vectors[0]
    return vector, remarks


def _source(rows: pa.Table, path: Path) -> dict[str, object]:
    """Return the one spectrum of a source in a file.

    CIAO's backgrounds call themselves TOTAL: a file that the spectrum of its name names as its background is one.
    """
    found = [r for r in rows.to_pylist() if r["role"] != "background"]
    if not found:
        raise UnreadableFile("a spectrum of a source", "a background (HDUCLAS2 = BKG)", "give the source's", path.name)
    if len(found) != 1:
        raise UnreadableFile("one source spectrum", f"{len(found)}", "give a file of one source", path.name)
    for other in sorted(path.parent.iterdir()):
        stem = other.name.partition(".")[0]
        if other != path and stem and path.name.startswith(stem) and re.search(r"\.(?:pi|pha)(?:\.gz)?$", other.name):
            try:
                named = read_file(other).get("product.spectrum")
            except UnreadableFile:
                continue
            if named is not None and path.name.removesuffix(".gz") in named["backfile"].to_pylist():
                found_ = f"the background of {other.name}"
                raise UnreadableFile("a spectrum of a source", found_, f"give {other.name}", path.name)
    return dict(found[0])


def _background(path: Path, spectrum: Mapping[str, object]) -> tuple[dict[str, object], str]:
    """Return the background's columns, and what is to be said of it."""
    if spectrum["background_counts"] is not None or spectrum["background_rate"] is not None:
        return {}, "background: in the file itself"
    beside, said = _beside(path, spectrum, "background", "backfile")
    if beside is None:
        return {}, f"{said}: none is taken off"
    row = _meant(beside, "product.spectrum", spectrum.get("backfile_part"))
    return {f"background_{column}": row[column] for column in _FROM_BACKGROUND}, said


def _response(path: Path, spectrum: Mapping[str, object]) -> tuple[dict[str, object], str]:
    """Return the matrix's columns, and what is to be said of it."""
    beside, said = _beside(path, spectrum, "response", "respfile")
    if beside is None:
        return dict.fromkeys(_FROM_RMF), f"{said}: channels have ACIS's nominal energies"
    row = _meant(beside, "product.rmf", spectrum.get("respfile_part"))
    return {column: row[column] for column in _FROM_RMF}, said


def _effective_area(path: Path, spectrum: Mapping[str, object]) -> tuple[dict[str, object], str]:
    """Return the ARF's columns, and what is to be said of it."""
    beside, said = _beside(path, spectrum, "effective area", "ancrfile")
    if beside is None:
        return dict.fromkeys(_FROM_ARF), said
    row = _meant(beside, "product.arf", spectrum.get("ancrfile_part"))
    return {name: row[column] for name, column in _FROM_ARF.items()}, said


def _meant(path: Path, table: str, part: object) -> dict[str, object]:
    """Return the row of a file that a spectrum names: the first, or the one whose number the header says.

    Raises
    ------
    UnreadableFile
        If it is of another kind.
    """
    tables = read_file(path)
    if table not in tables:
        raise UnreadableFile(f"rows of {table}", f"rows of {', '.join(sorted(tables))}", name=path.name)
    rows = tables[table].to_pylist()
    number = int(part) if isinstance(part, str) and part.isdecimal() else 1
    return dict(rows[number - 1 if 1 <= number <= len(rows) else 0])


def _beside(path: Path, spectrum: Mapping[str, object], what: str, column: str) -> tuple[Path | None, str]:
    """Return the file that a header names, and what to say of it; a header's path leads nowhere but to the folder."""
    name = spectrum[column]
    keyword = column.upper()
    if not isinstance(name, str) or not name.strip() or name.strip().lower() == "none":
        return None, f"{what}: the header names none ({keyword})"
    beside = path.parent / Path(name.strip()).name
    for candidate in (beside, beside.with_name(f"{beside.name}.gz")):
        if candidate.is_file():
            return candidate, f"{what} {candidate.name}: found"
    return None, f"{what} {beside.name}: named in the header ({keyword}), not found beside {path.name}"
