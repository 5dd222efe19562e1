"""analysis.*: photons and papers in one space: retrieval, regression, neighbours, anomalies."""

from __future__ import annotations

from catalog.tables.table import Table

ALIGNMENT: tuple[Table, ...] = ()
