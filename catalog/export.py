"""Rows into files: the formats, and the one way to write one."""

from __future__ import annotations

from catalog.formats.export import FORMATS, export, write

__all__ = ["FORMATS", "export", "write"]
