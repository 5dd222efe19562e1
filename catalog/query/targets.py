"""What nearest() is asked about: a source, a detection, a paper, a vector, or words; and why one has no vector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, UnknownName, command
from catalog.neighbours.closeness import Floats, Rows
from catalog.query.session import Session
from catalog.schema.identifiers import is_source_name, source_name
from catalog.store import lance_files, vectors
from catalog.store.pinned import Pinned

_SPECTRUM_FILE = re.compile(r"\.(?:pi|pha|fits?)(?:\.gz)?$", re.IGNORECASE)
TARGET_GROUP = "photonlake.targets"
"""Entry points for what a user gives: 'text' is (weights file, words) -> vector, 'file' (weights file, path) -> vector
and what to know of it;
'space' is (what answers a query, store, space) -> why the space has no vectors, and what to type."""


@dataclass(frozen=True)
class Target:
    """What is searched for.

    Attributes
    ----------
    vectors : ndarray of float, shape (m, d)
    ids : list of str
        The rows of the space that it is; none for a vector or words.
    rows : ndarray of int64
        Their numbers, where the space is in memory.
    """

    vectors: npt.NDArray[np.floating]
    ids: list[str]
    rows: Rows


_NO_ROWS = np.empty(0, np.int64)


def find_target(session: Session, space: Pinned, target: object, text: object, *, in_memory: bool) -> Target:
    """Return the vectors of what nearest() is asked about.

    Parameters
    ----------
    session : Session
    space : Pinned
    target : str or array of float, shape (d,), or None
    text : str or None
        One of the two.
    in_memory : bool
        Look in memory, which loads the space; without it read only the rows of the target from disk.

    Raises
    ------
    UnknownName
        If the target has no vector; the message says why.
    QueryError
        If it is neither a name nor a vector of the right length.
    """
    if (target is None) == (text is None):
        raise QueryError("nearest: give either a target, as in nearest('spectrum', '1575.1.85'), or text := '...'")
    if text is not None:
        return Target(vectors.check_vectors(_text_vector(session, space, str(text)), space.pin)[None], [], _NO_ROWS)
    if isinstance(target, str):
        for column, value in (*_columns(target), *_spectra_of_file(session, target)):
            if in_memory:
                rows = space.rows_where(column, value)
                if rows.size:
                    return Target(space.vectors_of(rows), [space.ids[r].as_py() for r in rows.tolist()], rows)
            elif (found := _usual(space, lance_files.rows_equal(space.dataset, column, value))).num_rows:
                return Target(vectors.matrix(found["vector"]), found["id"].to_pylist(), _NO_ROWS)
        raise _why_not(session, space, target)
    try:
        vector = np.asarray(target, np.float64)
    except (TypeError, ValueError) as error:
        raise QueryError(f"nearest: the target is neither a name nor a vector: {error}") from error
    return Target(vectors.check_vectors(vector, space.pin)[None], [], _NO_ROWS)


def _usual(space: Pinned, found: pa.Table) -> pa.Table:
    if space.usual_modality is None:
        return found
    return found.filter(pc.equal(found["modality"], pa.scalar(space.usual_modality)))


def _columns(target: str) -> list[tuple[str, str]]:
    """Return where a text may stand: as an id, and if it reads like one, as a source's name."""
    return [("id", target), *([("name", source_name(target))] if is_source_name(target) else [])]


def _spectra_of_file(session: Session, target: str) -> Iterator[tuple[str, str]]:
    """Yield the ids of the spectra in a file of the store, asked for by its name or path; read only when needed."""
    if _SPECTRUM_FILE.search(target):
        query = (
            "SELECT coalesce(s.detection_id, s.spectrum_id) AS id FROM product.spectrum AS s "
            "JOIN meta.file AS f USING (file_id) WHERE s.role = 'source' "
            "AND (f.path = $name OR ends_with(f.path, '/' || $name)) ORDER BY id"
        )
        yield from (("id", id_) for id_ in session.rows(query, {"name": target})["id"].to_pylist())


def _text_vector(session: Session, space: Pinned, text: str) -> Floats:
    return np.asarray(_published("text")(_weights(session, space), text), np.float32)


def vector_of_file(session: Session, space: Pinned, file: Path) -> tuple[Floats, list[str]]:
    """Return the vector that a space's encoder makes of a user's file, shape (d,), and what to know of it.

    Raises
    ------
    UnreadableFile
        If the file is not what the space is made of.
    """
    vector, remarks = cast("tuple[Floats, list[str]]", _published("file")(_weights(session, space), file))
    return np.asarray(vector, np.float32), remarks


def _published(kind: str) -> Callable[[Path, object], object]:
    found = entry_points(group=TARGET_GROUP, name=kind)
    if not found:
        raise QueryError(
            f"nearest: a target of kind {kind} needs what encodes it; type: pip install 'photonlake[embed,analysis]'"
        )
    load: Callable[[Path, object], object] = next(iter(found)).load()
    return load


def _weights(session: Session, space: Pinned) -> Path:
    query = "SELECT weights_sha256 FROM meta.encoder WHERE encoder_id = $id"
    found = session.rows(query, {"id": space.pin.encoder_id})["weights_sha256"].to_pylist()
    if not found:
        raise QueryError(
            f"nearest: encoder {space.pin.encoder_id} of {space.pin.space} is not in meta.encoder; "
            f"train it again: {command(f'embed train {space.pin.space}', session.store)}"
        )
    return vectors.weights_file(session.store, str(found[0]))


def _why_not(session: Session, space: Pinned, target: str) -> UnknownName:
    """Say why a target has no vector in a space."""
    name = space.pin.space
    canonical = source_name(target) if is_source_name(target) else target
    given = {"space": name, "id": target, "name": canonical}
    met = session.rows(
        "SELECT id, skipped FROM meta.embedded WHERE space = $space AND (id = $id OR name = $name) "
        "AND skipped IS NOT NULL ORDER BY id LIMIT 1",
        given,
    ).to_pylist()
    if met:
        return UnknownName(f"{target} has no vector in {name}: {met[0]['skipped']}")
    stale = session.rows(
        "SELECT reason FROM meta.stale WHERE space = $space AND (id = $id OR name = $name) LIMIT 1", given
    ).to_pylist()
    if stale:
        return UnknownName(
            f"{target} has no vector in {name} yet ({stale[0]['reason']}); make it: "
            f"{command(f'embed run {name}', session.store)}"
        )
    if space.holds_papers_only:
        known = session.rows("SELECT count(*) AS n FROM lit.paper WHERE bibcode = $id", {"id": target})
        what, table = "bibcode", "SELECT bibcode AS id FROM lit.paper"
    else:
        known = session.rows(
            "SELECT (SELECT count(*) FROM csc.observation_source WHERE detection_id = $id OR name = $name)"
            " + (SELECT count(*) FROM csc.master_source WHERE name = $name) AS n",
            {"id": target, "name": canonical},
        )
        what = "source name, detection id"
        table = "SELECT unnest([detection_id, name]) AS id FROM csc.observation_source"
    if known["n"][0].as_py():
        return UnknownName(f"the catalog has {target}, but the store holds nothing of it that {name} is made from")
    for _, id_ in _spectra_of_file(session, target):
        return _why_not(session, space, id_)
    others = session.rows(
        "SELECT DISTINCT modality FROM meta.embedding_input WHERE id = $id OR name = $name ORDER BY modality",
        {"id": target, "name": canonical},
    )["modality"].to_pylist()
    if others:
        return UnknownName(
            f"{target} has no vector in {name}: the store has only what {', '.join(others)} is made from"
        )
    close = session.rows(
        f"SELECT DISTINCT id FROM ({table}) WHERE levenshtein(id, $id) <= 3 ORDER BY levenshtein(id, $id), id LIMIT 2",
        {"id": canonical},
    )["id"].to_pylist()
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return UnknownName(f"{target!r} is no {what} or vector of {name} that this store knows{hint}")
