"""Every table of a store, declared once: schema, key, columns with type, unit, UCD and meaning.

DDL, COMMENT ON, Arrow schemas, VOTable fields and the reference page are made from here.
"""

from __future__ import annotations

from catalog.schema.analysis import ANALYSIS
from catalog.schema.csc import CSC
from catalog.schema.lit import LIT
from catalog.schema.meta import META
from catalog.schema.product import PRODUCT
from catalog.schema.simulated import SIMULATED
from catalog.schema.table import Table

_DECLARED = (*CSC, *PRODUCT, *LIT, *META, *SIMULATED, *ANALYSIS)
TABLES: dict[str, Table] = {t.full_name: t for d in _DECLARED for t in ((d, d.said) if d.writing == "merge" else (d,))}
SCHEMAS: dict[str, str] = {
    "csc": "the Chandra Source Catalog, its own names and columns to the letter",
    "product": "what the data products hold: photons, spectra, responses, light curves",
    "lit": "the literature",
    "meta": "what the store knows of itself: files, sources, encoders, spaces",
    "analysis": "what the studies found: runs, scores, clusters, graphs",
    "simulated": "the truth behind simulated sources; no analysis reads it",
}

__all__ = ["SCHEMAS", "TABLES", "Table"]
