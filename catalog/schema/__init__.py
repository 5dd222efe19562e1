"""Every table of a store, declared once: schema, key, columns with type, unit, UCD and meaning.

DDL, COMMENT ON, Arrow schemas, VOTable fields and the reference page are made from here. Floors above declare the
tables of their own: entry points of the group `photonlake.tables` name a tuple of `Table` each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata

from catalog.schema.columns import Table
from catalog.schema.csc import CSC
from catalog.schema.lit import LIT
from catalog.schema.meta import META
from catalog.schema.product import PRODUCT
from catalog.schema.simulated import SIMULATED


class _Declared(Mapping[str, Table]):
    """Full name -> table.

    Read at the first question, not at the import: a module that declares tables imports `catalog.schema` itself.
    Only this distribution's entry points count. What a store holds must not depend on what else is installed beside it:
    two users of one store would each find that it was made by another version.
    """

    @cached_property
    def _tables(self) -> dict[str, Table]:
        published = metadata.distribution("photonlake").entry_points.select(group="photonlake.tables")
        upper = [table for entry in sorted(published, key=lambda e: e.name) for table in entry.load()]
        declared = (*CSC, *PRODUCT, *LIT, *META, *SIMULATED, *upper)
        return {t.full_name: t for d in declared for t in ((d, d.said) if d.writing == "merge" else (d,))}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


TABLES: Mapping[str, Table] = _Declared()
SCHEMAS: dict[str, str] = {
    "csc": "the Chandra Source Catalog, its own names and columns to the letter",
    "product": "what the data products hold: photons, spectra, responses, light curves",
    "lit": "the literature",
    "meta": "what the store knows of itself: files, sources, encoders, spaces",
    "analysis": "what the studies found: runs, scores, clusters, graphs",
    "ivoa": "the data products as the Virtual Observatory describes them",
    "simulated": "the truth behind simulated sources; no analysis reads it",
}

__all__ = ["SCHEMAS", "TABLES", "Table"]
