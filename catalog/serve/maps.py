"""What the page's maps are drawn from: coordinates, ids, values; and the rows that are selected on them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.objects.space_map import SHOWN, classes, projected, values
from catalog.objects.stored_map import stored_map
from catalog.schema import TABLES
from catalog.serve.columns import packed

_MOST_MAPS = 4
_MOST_SELECTIONS = 6


@dataclass(frozen=True)
class Drawn:
    """The map of a space at a snapshot: ids, shape (n,), points, shape (n, 2), and what is said of it."""

    ids: pa.Array
    points: npt.NDArray[np.float32]
    said: str = ""


@dataclass
class Maps:
    """Maps and selections of a store; safe for several threads.

    Parameters
    ----------
    catalog : Catalog
    """

    catalog: Catalog
    _held: OrderedDict[tuple[str, int], Drawn] = field(default_factory=OrderedDict)
    _selections: OrderedDict[str, pa.Table] = field(default_factory=OrderedDict)
    _drawing: threading.Lock = field(default_factory=threading.Lock)

    def of(self, name: str) -> Drawn:
        """Return a map, drawn once for a snapshot: `spectrum` the space's components, `spectrum:tsne` a stored map."""
        key = name, self.catalog.snapshot
        with self._drawing:  # once, though several ask for it
            if key not in self._held:
                self._held[key] = self._drawn(*name.partition(":")[::2])
                while len(self._held) > _MOST_MAPS:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]

    def _drawn(self, space: str, method: str) -> Drawn:
        if method:
            kept = stored_map(self.catalog, space, method)
            return Drawn(kept.ids, kept.points, kept.said)
        ids, vectors = self.catalog.vectors(space)
        return Drawn(pa.array(ids, pa.string()), projected(vectors), f"{space}: first two principal components")

    def _as_seen(self, name: str, snapshot: str) -> Drawn:
        """Return a map whose rows are those that the page has; '' for a page that has none yet."""
        if snapshot not in {"", str(self.catalog.snapshot)}:
            raise QueryError(
                f"the page shows snapshot {snapshot}, the store is at {self.catalog.snapshot}; load the page again"
            )
        return self.of(name)

    def points(self, space: str, rows_of: str = "", snapshot: str = "") -> bytes:
        """Return a map's coordinates: x and y, float32, shape (n,).

        Parameters
        ----------
        space : str
            A map, as `of` takes it.
        rows_of : str
            Another map, or a space, whose rows these are to be in order; NaN where this one lacks a row.
        snapshot : str
            The number of the snapshot whose rows the page has.

        Raises
        ------
        QueryError
            If the store has a later one: rows may have other places in it.
        """
        drawn = self._as_seen(space, snapshot)
        points = drawn.points
        if rows_of and rows_of != space:
            place = pc.index_in(self.of(rows_of).ids, drawn.ids)
            at = np.asarray(pc.fill_null(place, -1))
            points = np.where((at >= 0)[:, None], points[at], np.float32(np.nan))
        notes = {"space": space, "shown": SHOWN, "snapshot": self.catalog.snapshot, "said": drawn.said}
        return packed({"x": points[:, 0], "y": points[:, 1]}, **notes)

    def ids(self, space: str, snapshot: str = "") -> bytes:
        """Return the ids of a map's rows."""
        return packed({"id": self._as_seen(space, snapshot).ids})

    def values(self, space: str, column: str, snapshot: str = "") -> bytes:
        """Return a value for each row: float32, NaN for NULL; or int8, the place of its class, -1 for NULL."""
        found = values(self.catalog, self._as_seen(space, snapshot).ids, column)
        unit = next((c.unit for c in TABLES["csc.observation_source"].columns if c.name == column), "")
        if pa.types.is_string(found.type):
            names, place = classes(found)
            return packed({"class": place}, column=column, classes=names)
        number = np.asarray(pc.fill_null(found, np.nan), np.float64)
        return packed(
            {"value": number.astype(np.float32)}, column=column, unit="deg" if column in {"ra", "dec"} else unit
        )

    def select(self, space: str, bits: bytes, snapshot: str = "") -> dict[str, object]:
        """Keep the rows that are selected, for queries to name.

        Parameters
        ----------
        space : str
        bits : bytes
            A bit for each row of the map, the least significant first.

        Returns
        -------
        dict
            `selection`, what queries name it by, and `n_rows`.
        """
        ids = self._as_seen(space, snapshot).ids
        chosen = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
        if not 0 <= len(chosen) - len(ids) < 8:  # noqa: PLR2004 - bits come by the byte
            raise QueryError(
                f"expected a bit for each of {len(ids):,} rows, found {len(chosen):,}; load the page again"
            )
        rows = ids.take(pa.array(np.flatnonzero(chosen[: len(ids)])))
        key = hashlib.sha256(f"{space} {self.catalog.snapshot} ".encode() + bits).hexdigest()[:16]
        name = "bibcode" if self._holds_papers(space) else "detection_id"
        self._selections[key] = pa.table({name: rows})
        while len(self._selections) > _MOST_SELECTIONS:
            self._selections.popitem(last=False)
        return {"selection": key, "n_rows": len(rows)}

    def selection(self, key: str) -> pa.Table:
        """Return what `select` kept; an empty one where no key is given."""
        if not key:
            return pa.table({"detection_id": pa.array([], pa.string())})
        if key not in self._selections:
            raise UnknownName("this selection is no longer kept; select the points again")
        return self._selections[key]

    def _holds_papers(self, space: str) -> bool:
        query = (
            "SELECT e.modality FROM meta.space AS s JOIN meta.encoder AS e USING (encoder_id) WHERE s.space = $space"
        )
        return ("papers",) in self.catalog.sql(query, space=space).fetchall()
