"""The column that every table of a study begins with."""

from __future__ import annotations

from catalog.schema.columns import INT64, Column

RUN_ID = Column("run_id", INT64, "Run it belongs to: analysis.run", ucd="meta.id")
