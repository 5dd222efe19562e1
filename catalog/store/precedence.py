"""SQL for which contribution to a key counts most, what the row takes of each, and what they dispute."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from catalog.schema import Table
from catalog.schema.columns import EXTRA, Column, quote
from catalog.schema.csc import LIST

SINGLE = 1e-7
"""Numbers that differ by less, relative to the larger, are one number, in single precision in one of the files."""
HALF_A_UNIT = """
CREATE OR REPLACE TEMP MACRO half_a_unit(x) AS CASE WHEN x = 0 THEN 0
  ELSE 0.5000001 * power(10, floor(log10(abs(x))) + 1 - length(
    ltrim(replace(regexp_replace(split_part(abs(x)::VARCHAR, 'e', 1), '[.]0$', ''), '.', ''), '0'))) END"""
"""Half a unit of a number's last digit: '2.35' may stand for anything from 2.345 to 2.355."""


def kinship(table: Table) -> str:
    """Return SQL for the places of contributions of the row's own release, and of those whose `extra` belongs to it."""
    if "release" not in table.column_names:
        return "place AS kin_place, place AS extra_place"
    own = "first_value(c.release) OVER counting"
    kin = f"c.release IS NOT DISTINCT FROM {own}"
    return (
        f"CASE WHEN {kin} THEN place END AS kin_place, "
        f"CASE WHEN {kin} OR c.release IS NULL OR {own} IS NULL THEN place END AS extra_place"
    )


def order(table: Table) -> str:
    """Return SQL that puts the contributions of a key in order, the one that counts most first."""
    last = "f.path DESC NULLS LAST, c.rowid DESC"
    if "standing" not in table.column_names:
        return last
    standing = f"coalesce(c.standing, {LIST})"  # a row of an older store: the table it was, not a list
    return f"{standing} < {LIST}, {release_number('c.release')} DESC, {standing} DESC, {last}"


def release_number(release: str) -> str:
    """Return SQL for a release as a number: unknown -1, '2.0' 2000, '2.1' 2001."""
    parts = f"string_split({release}, '.')"
    return f"coalesce(try_cast({parts}[1] AS INTEGER) * 1000 + coalesce(try_cast({parts}[2] AS INTEGER), 0), -1)"


def best(column: Column, place: str, extra_place: str = "") -> str:
    """Return SQL for one column over the contributions of a key: the first value in order; lists of files united."""
    name = quote(column.name)
    if column.name == "file_ids":
        also = f" OR ({extra_place} IS NOT NULL AND cardinality(extra) > 0)" if extra_place else ""
        return f"list_sort(list_distinct(flatten(list({name}) FILTER ({place} IS NOT NULL{also})))) AS {name}"
    if column.type == EXTRA:
        place = extra_place or place
        maps = f"list({name} ORDER BY {place} DESC) FILTER ({place} IS NOT NULL AND {name} IS NOT NULL)"
        return f"list_reduce({maps}, lambda worse, better: map_concat(worse, better)) AS {name}"
    return f"arg_min({name}, {place}) AS {name}"  # it passes over NULL, in the value and in the place


def disputed(table: Table, columns: Sequence[Column]) -> str:
    """Return SQL for the columns in which a contribution says something else than the row; NULL for none."""
    if "standing" not in table.column_names:
        return "NULL"
    # A contribution that does not tell its release gives a row of a known one nothing, and yet speaks of this source.
    speaks = "coalesce(p.extra_place, p.kin_place)" if "extra" in table.column_names else "p.kin_place"
    judged = [c for c in columns if c.name not in {"release", "file_ids", "standing", "extra"}]
    cases = ", ".join(f"CASE WHEN {_differs(c)} THEN '{c.name}' END" for c in judged)
    return f"CASE WHEN {speaks} > 1 THEN nullif(list_filter([{cases}], lambda c: c IS NOT NULL), []) END"


def _differs(column: Column) -> str:
    here, kept = f"c.{quote(column.name)}", f"m.{quote(column.name)}"
    if pa.types.is_floating(column.type):
        apart = f"abs({here} - {kept})"
        rounded = f"greatest(half_a_unit({here}), half_a_unit({kept}))"
        return f"{apart} > {SINGLE} * greatest(abs({here}), abs({kept})) AND {apart} > {rounded}"
    return f"{here} <> {kept}"
