"""What has a name in a store: tables, views, macros, and their columns with unit, UCD and meaning."""

from __future__ import annotations

import difflib

from catalog.errors import NotYet, UnknownName, suggestion
from catalog.query import functions
from catalog.schema import SCHEMAS, TABLES
from sql.objects import OBJECTS, Described, SqlObject

_LONG_ENOUGH = 4
_ALIKE = 0.75

VIEWS: dict[str, SqlObject] = {o.full_name: o for o in OBJECTS if o.kind == "view"}
MACROS: dict[str, SqlObject] = {o.full_name: o for o in OBJECTS if o.kind != "view"}

VECTOR_COLUMNS = (
    Described("id", "detection_id or bibcode", ucd="meta.id"),
    Described("name", "Source the detection belongs to; the bibcode of a paper", ucd="meta.id;src"),
    Described("modality", "What the vector was made from: spectrum, events, papers, properties"),
    Described("encoder_id", "Encoder that made it: meta.encoder", ucd="meta.id"),
    Described("input_sha256", "Hash of what the encoder read"),
    Described("vector", "The vector"),
)
"""Columns of every embedding.<space>."""


def relations() -> tuple[str, ...]:
    """Return the names of all tables and views, sorted."""
    return tuple(sorted({*TABLES, *VIEWS}))


def columns_of(name: str) -> tuple[Described, ...]:
    """Return the columns of a table, view or table macro; nothing for a name that is none.

    Examples
    --------
    >>> next(c.unit for c in columns_of("product.event") if c.name == "energy_ev")
    'eV'
    """
    name = name.lower().removeprefix("lake.")
    if name in TABLES:
        return tuple(Described(c.name, c.description, c.unit, c.ucd) for c in TABLES[name].columns)
    if name == "cone":
        return (*columns_of("csc.master_source"), *MACROS["cone"].columns)
    if name in functions.OURS:
        return functions.table_function(name).columns
    if name.startswith("embedding."):
        return VECTOR_COLUMNS
    item = VIEWS.get(name) or MACROS.get(name)
    return item.columns if item else ()


def known_columns(names: tuple[str, ...] | frozenset[str]) -> tuple[str, ...]:
    """Return the names of the columns of several relations."""
    return tuple(c.name for name in names for c in columns_of(name))


def unknown(name: str, what: str = "table or view") -> UnknownName:
    """Make the error for a name that does not exist, with the nearest that does.

    Examples
    --------
    >>> print(unknown("product.evnt"))
    there is no table or view product.evnt; did you mean product.event?; SHOW TABLES lists them all
    >>> print(str(unknown("sources")).partition("; ")[2])
    did you mean csc.master_source or csc.observation_source?; SHOW TABLES lists them all
    >>> print(unknown("product.event"))
    no product.event here: store or snapshot is older; bring the store up to date: python -m catalog init --store STORE
    """
    asked_for = (n for n in relations() if n not in TABLES or not TABLES[n].merged_into)
    known = (*asked_for, *MACROS)
    if name.lower() in SCHEMAS and what != "schema":
        there = ", ".join(k for k in relations() if k.startswith(f"{name.lower()}."))
        return UnknownName(f"{name} is a schema; name one of its tables or views: {there}")
    if name.lower() in (*known, *SCHEMAS):
        return not_yet(name)
    return UnknownName(f"there is no {what} {name}{_meant(name.lower(), known)}; SHOW TABLES lists them all")


def _meant(name: str, known: tuple[str, ...]) -> str:
    """Suggest what was meant: a name without its schema or with another, a part of one, or a misspelt one."""
    last, stem = name.rpartition(".")[2], name.rpartition(".")[2].removesuffix("s")
    if same := [k for k in known if k.rpartition(".")[2] == last]:
        return f"; did you mean {same[0]}?"
    if hint := suggestion(name, known, n=1, cutoff=_ALIKE):
        return hint
    if len(last) < _LONG_ENOUGH:  # of very short names anything would be near
        return ""
    part = [k for k in known if stem in k.rpartition(".")[2]]
    part.sort(key=lambda k: (not k.startswith("csc."), not k.startswith("product."), k.rpartition(".")[2] != stem, k))
    lasts = {k.rpartition(".")[2]: k for k in reversed(known)}
    near = part[:2] or [lasts[m] for m in difflib.get_close_matches(last, lasts, n=1)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def not_yet(name: str) -> NotYet:
    """Make the error for a name of this version that an older store, or an older snapshot, does not have."""
    return NotYet(
        f"no {name} here: store or snapshot is older; bring the store up to date: python -m catalog init --store STORE"
    )
