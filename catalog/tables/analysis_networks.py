"""analysis.*: variable sources as similarity graphs."""

from __future__ import annotations

from catalog.tables.table import Table

NETWORKS: tuple[Table, ...] = ()
