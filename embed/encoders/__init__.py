"""The encoders, one module per family; `embed.registry` knows them by name and loads one when it is needed."""

from __future__ import annotations

from embed.registry import Family

__all__ = ["Family"]
