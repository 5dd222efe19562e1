"""Maps of spaces that the store keeps, as `python -m embed map` made them: where each row is, and of which vectors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import UnknownName, command, suggestion
from catalog.objects.product import Asks

METHODS = {"pca": "principal components", "tsne": "t-SNE", "umap": "UMAP"}
"""How a map can be made -> what people call it."""


class HasVectors(Asks, Protocol):
    """What has vectors: `catalog.Catalog`."""

    path: Path
    """The folder of the store."""

    def vectors(self, space: str) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Return ids and vectors of a space."""


@dataclass(frozen=True)
class StoredMap:
    """A map that the store keeps.

    Attributes
    ----------
    store : Path
    space, method : str
    ids : pyarrow.Array of str, shape (n,)
    points : ndarray of float32, shape (n, 2)
        So scaled that the middle 98 % of the rows lie within -1...1; one scale for both axes.
    settings : dict
        What it was made with.
    is_stale : bool
        Whether the space has other vectors now.
    """

    store: Path
    space: str
    method: str
    ids: pa.Array
    points: npt.NDArray[np.float32]
    settings: dict[str, object]
    is_stale: bool

    @property
    def said(self) -> str:
        """What stands beside the map: its space, method and settings; and that it is stale, where it is."""
        told = [f"{name} {value}" for name, value in self.settings.items()]
        line = ", ".join([f"{self.space}: {METHODS[self.method]}", *told])
        if not self.is_stale:
            return line
        again = command(f"embed map {self.space} --method {self.method}", self.store)
        return f"{line}. It is of older vectors; rows that are new since then are not on it. Make it again: {again}"


def names_of_maps(cat: Asks) -> list[tuple[str, str]]:
    """Return the space and the method of each map that a store keeps."""
    try:
        rows = cat.sql("SELECT space, method FROM meta.space_map ORDER BY ALL").fetchall()
    except UnknownName:  # a store from before there were maps, that nobody has written to since
        return []
    return [(str(space), str(method)) for space, method in rows]


def stored_map(cat: HasVectors, space: str, method: str) -> StoredMap:
    """Return a map that a store keeps.

    Parameters
    ----------
    cat : Catalog
    space : str
    method : {'pca', 'tsne', 'umap'}

    Raises
    ------
    UnknownName
        If there is none; the message says how to make it.
    """
    if method not in METHODS:
        raise UnknownName(f"no method {method!r}{suggestion(method, METHODS)}; there are {', '.join(METHODS)}")
    made = cat.sql(
        "SELECT m.settings, m.vectors_sha256, coalesce(s.encoder_id = m.encoder_id, false) AS same_encoder, "
        "coalesce(s.lance_version = m.lance_version, false) AS same_version FROM meta.space_map AS m "
        "LEFT JOIN meta.space AS s ON s.space = m.space WHERE m.space = $space AND m.method = $method",
        space=space,
        method=method,
    ).fetchall()
    if not made:
        again = command(f"embed map {space} --method {method}", cat.path)
        raise UnknownName(f"the store has no map of {space} by {METHODS[method]}; type: {again}")
    settings, sha256, same_encoder, same_version = made[0]
    # An index or a compaction makes another version with the same vectors: then the vectors themselves tell.
    fresh = same_encoder and (same_version or fingerprint(*cat.vectors(space)) == sha256)
    query = "SELECT id, x, y FROM meta.map_point WHERE space = $space AND method = $method"
    found = cat.sql(query, space=space, method=method).arrow().combine_chunks()
    points = np.column_stack([np.asarray(found[axis], np.float32) for axis in ("x", "y")])
    ids = found["id"].combine_chunks()
    return StoredMap(cat.path, space, method, ids, points, json.loads(str(settings)), is_stale=not fresh)


def fingerprint(ids: npt.NDArray[np.object_], vectors: npt.NDArray[np.float32]) -> str:
    """Return a hash of ids and vectors that does not depend on their order.

    Parameters
    ----------
    ids : ndarray of str objects, shape (n,)
    vectors : ndarray of float32, shape (n, d)

    Examples
    --------
    >>> ids, vectors = np.array(["a", "b"], object), np.eye(2, dtype=np.float32)
    >>> fingerprint(ids, vectors) == fingerprint(ids[::-1], vectors[::-1])
    True
    >>> fingerprint(ids, vectors) == fingerprint(ids, vectors[::-1])
    False
    """
    order = in_order(ids)
    made = hashlib.sha256("\n".join(ids[order].tolist()).encode())
    made.update(np.ascontiguousarray(vectors[order], "<f4").data)
    return made.hexdigest()


def in_order(ids: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Return the row numbers that sort ids, shape (n,)."""
    return np.asarray(pc.sort_indices(pa.array(ids, pa.string())), np.int64)
