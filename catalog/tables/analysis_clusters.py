"""analysis.*: clusters, classes and formulas of the latent spaces."""

from __future__ import annotations

from catalog.tables.table import Table

CLUSTERS: tuple[Table, ...] = ()
