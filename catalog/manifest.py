"""The places that a refresh asks, and what is known of each file."""

from __future__ import annotations

from catalog.store.manifest import FileEntry, Source

__all__ = ["FileEntry", "Source"]
