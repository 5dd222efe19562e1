"""Functions that a package of your own publishes for SQL: see the page on extending photonlake."""

from __future__ import annotations

from catalog.query.functions import ScalarFunction, TableFunction

__all__ = ["ScalarFunction", "TableFunction"]
