"""The registry of readers: kind -> the function that reads it, imported when the first such file turns up."""

from __future__ import annotations

import importlib
from functools import cache

from ingest.content import Reader

READERS: dict[str, str] = {
    "events": "ingest.products.events:read_events",
    "spectrum": "ingest.products.spectra:read_spectra",
    "arf": "ingest.products.responses:read_response",
    "rmf": "ingest.products.responses:read_response",
    "light_curve": "ingest.products.light_curves:read_light_curve",
    "region": "ingest.products.regions:read_region",
    "source_table": "ingest.tables.source_tables:read_source_table",
    "papers": "ingest.literature.papers:read_papers",
    "corpus": "ingest.tables.corpus:read_corpus",
    "truth": "ingest.simulate.truth:read_truth",
}


@cache
def reader(kind: str) -> Reader:
    """Return the reader of a kind.

    Raises
    ------
    KeyError
        If no reader is registered for it.

    Examples
    --------
    >>> reader("events").__name__
    'read_events'
    """
    module, _, name = READERS[kind].partition(":")
    function: Reader = getattr(importlib.import_module(module), name)
    return function
