"""Linking spectra with their responses and backgrounds: the statements, by the rules of `link_rules`."""

from __future__ import annotations

import hashlib
from typing import Protocol

from ingest.products.link_rules import CHANGES, IN_FILE, SPECTRUM


class _Result(Protocol):
    def fetchone(self) -> tuple[object, ...] | None: ...


class Connection(Protocol):
    """What runs a statement: a DuckDB connection with the store attached as `lake`."""

    def execute(self, query: str, /) -> _Result:
        """Run one statement."""
        ...


def rules() -> str:
    """Return a fingerprint of the rules: links that other rules made are to be worked out anew.

    Examples
    --------
    >>> len(rules())
    16
    """
    return hashlib.sha256(CHANGES.encode()).hexdigest()[:16]


def _orphans(kind: str, responses: str = "lake.product.response_file") -> str:
    """Spell the condition in SQL that no file holds this response any more."""
    return f"NOT EXISTS (FROM {responses} r WHERE r.kind = '{kind}' AND r.response_id = t.{kind}_id)"


def link_statements() -> list[str]:
    """Return the statements that bring all links up to date, to run inside one transaction.

    They write only rows that change. Responses that no file holds any more are deleted.

    Returns
    -------
    list of str
        SQL for a connection with the store attached as `lake`.

    Examples
    --------
    >>> [statement.split()[0] for statement in link_statements()]
    ['UPDATE', 'DELETE', 'DELETE']
    """
    columns = ("counts", "rate", "exposure_s", "backscal", "areascal")
    taken = ", ".join(f"background_{c} = CASE WHEN {IN_FILE} THEN s.background_{c} ELSE c.{c} END" for c in columns)
    update = f"""
UPDATE {SPECTRUM} AS s
SET arf_id = c.arf_id, rmf_id = c.rmf_id, background_id = c.background_id, role = c.role, {taken}
FROM (
    {CHANGES}
    SELECT change.*, {", ".join(f"b.{c}" for c in columns)}
    FROM change LEFT JOIN {SPECTRUM} b ON b.spectrum_id = change.background_id
) c
WHERE s.spectrum_id = c.spectrum_id"""
    return [update, *(f"DELETE FROM lake.product.{kind} AS t WHERE {_orphans(kind)}" for kind in ("arf", "rmf"))]


def unlinked_query() -> str:
    """Return a query for what spectra name and the store does not have: for `status`.

    Returns
    -------
    str
        SQL with columns file_id, what ('ancrfile', 'respfile', 'backfile') and name; which of several in the file is
        meant stands in braces.
    """
    absent = {
        "ancrfile": "s.arf_id IS NULL",
        "respfile": "s.rmf_id IS NULL",
        "backfile": f"s.background_id IS NULL AND NOT {IN_FILE}",
    }
    return " UNION ALL ".join(
        f"SELECT s.file_id, '{name}' AS what, s.{name} || coalesce('{{' || s.{name}_part || '}}', '') AS name "
        f"FROM {SPECTRUM} s "
        f"WHERE s.{name} IS NOT NULL AND {condition}"
        for name, condition in absent.items()
    )
