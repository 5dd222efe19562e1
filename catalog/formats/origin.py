"""Where an answer comes from: what a `Result` and every export say of their whole table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version

import pyarrow as pa

from catalog.formats.plain_types import json_text

NOTE = "photonlake."
"""The keys of an Arrow schema's metadata that tell of the whole table begin so."""


@dataclass(frozen=True)
class Origin:
    """Where an answer comes from: all that is needed to ask the same again.

    Attributes
    ----------
    query : str
        As it was typed.
    parameters : mapping of str to object
        Values of its $parameters.
    snapshot : int
        The snapshot that it saw.
    store : str
        The store's directory.
    store_id : str
        The store's UUID: `catalog.store.lake.identity`.

    Examples
    --------
    >>> Origin("SELECT $n", {"n": 1}, 12, "/data/s", "186dbe6a").notes["parameters"]
    '{"n": 1}'
    """

    query: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    snapshot: int = 0
    store: str = ""
    store_id: str = ""

    @property
    def notes(self) -> dict[str, str]:
        """The same as texts, with photonlake's version: what exports say of their whole table."""
        given = {"parameters": json_text(dict(self.parameters))} if self.parameters else {}
        where = {"snapshot": str(self.snapshot), "store": self.store, "store_id": self.store_id}
        return {"query": self.query.strip()} | given | where | {"version": _program()}


@cache
def _program() -> str:
    """Return the program and its version: to look it up reads a file, and takes longer than many an answer."""
    return f"photonlake {version('photonlake')}"


def notes_of(schema: pa.Schema) -> dict[str, str]:
    """Return what an Arrow schema says of the whole table.

    Examples
    --------
    >>> notes_of(pa.schema([], {"photonlake.snapshot": "12"}))
    {'snapshot': '12'}
    """
    said = {key.decode(): text.decode() for key, text in (schema.metadata or {}).items()}
    return {key.removeprefix(NOTE): text for key, text in said.items() if key.startswith(NOTE)}


def placeless(table: pa.Table) -> pa.Table:
    """Return a table that does not say where on this machine its store is: what is told to others.

    Examples
    --------
    >>> placeless(pa.table({"n": [1]}).replace_schema_metadata({"photonlake.store": "/data/s"})).schema.metadata
    {}
    """
    about = dict(table.schema.metadata or {})
    about.pop(f"{NOTE}store".encode(), None)
    return table.replace_schema_metadata(about)
