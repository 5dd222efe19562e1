"""Vectors of masked abstracts, made by the papers' own encoder and kept, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save

from analysis.papers.texts import Papers
from analysis.study.runs import FOLDER
from catalog import Catalog
from catalog.errors import UnknownName
from catalog.formats.whole_files import write_whole
from catalog.store.vectors import weights_file
from embed.inputs.abstracts import paper_text
from embed.inputs.masking import Quantity, masked
from embed.inputs.paper_vectors import beside
from embed.registry import load
from embed.store.typed_text import ReadsWords

Floats = npt.NDArray[np.float32]
_CHUNK = 256


def vectors(
    cat: Catalog, papers: Papers, quantity: Quantity, encoder_id: str, snapshot: int, report: Callable[[int, int], None]
) -> Floats:
    """Return vectors of papers whose texts are masked for a quantity, (n_paper, d), with what quantities are left.

    Parameters
    ----------
    cat : Catalog
    papers : Papers
    quantity : str
        See `embed.inputs.masking.masked`.
    encoder_id : str
        Encoder of the papers space.
    snapshot : int
    report : callable
        Called with how many of how many texts are done.

    Raises
    ------
    UnknownName
        If the encoder reads no words.
    """
    query = "SELECT bibcode, title, abstract FROM lit.paper WHERE bibcode IN (SELECT unnest($codes))"
    rows = cat.sql(query, snapshot=snapshot, codes=papers.bibcodes.tolist()).fetchall()
    texts = {str(b): masked(paper_text(_text(t), _text(a)), quantity) for b, t, a in rows}
    wanted = [texts[b] for b in papers.bibcodes.tolist()]
    keys = [hashlib.sha256(t.encode()).hexdigest() for t in wanted]
    path = cat.path / FOLDER / "masked" / f"{hashlib.sha256(encoder_id.encode()).hexdigest()}.safetensors"
    known = _read(path)
    missing = sorted({k: t for k, t in zip(keys, wanted, strict=True) if k not in known}.items())
    if missing:
        weights = "SELECT weights_sha256 FROM meta.encoder WHERE encoder_id = $id"
        (name,) = cat.sql(weights, snapshot=snapshot, id=encoder_id).fetchall()[0]
        encoder = load(weights_file(cat.path, str(name)))
        if not isinstance(encoder, ReadsWords):
            raise UnknownName(f"{encoder_id} reads no words: --masked needs a papers space of sentence vectors")
        for i in range(0, len(missing), _CHUNK):
            chunk = missing[i : i + _CHUNK]
            made = encoder.encode_texts([t for _, t in chunk])
            known |= {k: v for (k, _), v in zip(chunk, made, strict=True)}
            _write(path, known)
            report(min(i + _CHUNK, len(missing)), len(missing))
    return beside(np.stack([known[k] for k in keys]).astype(np.float32), wanted)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _read(path: Path) -> dict[str, Floats]:
    if not path.is_file():
        return {}
    tensors = load_file(path)
    return {bytes(k).hex(): v for k, v in zip(tensors["keys"], tensors["vectors"], strict=True)}


def _write(path: Path, known: Mapping[str, Floats]) -> None:
    keys: Sequence[str] = sorted(known)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, npt.NDArray[np.generic]] = {
        "keys": np.array([list(bytes.fromhex(k)) for k in keys], np.uint8),
        "vectors": np.stack([known[k] for k in keys]).astype(np.float32),
    }
    write_whole(path, save(tensors))
